# SPDX-License-Identifier: GPL-2.0-or-later
# unit: the files of lib, one program each.  nbd: the server, by its clients.

include tests/unit.mk
include tests/nbd.mk
include tests/vm/local.mk
