#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The client of the tests of the protocol notices each reply that breaks a
# rule.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3
python3 -B "$srcdir/tests/lib/protocol-client.py" || fail "see above"
