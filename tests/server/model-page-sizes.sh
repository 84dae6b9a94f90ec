#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random requests agree with an oracle, whatever the size of a page and
# of the last one, with and without checksums.
. "${srcdir:-.}/tests/lib/functions.sh"

batches=${quick:+30}
batches=${batches:-800}
model 8389121 page-size=16K
model 12582913 page-size=64K
model 5242879 page-size=64K algorithm=lz4hc
model 6291456
model 6295551 checksum=off
model 4095
model 65537 page-size=64K
