# SPDX-License-Identifier: GPL-2.0-or-later
# Below nbdkit's filters.

filter_tests = \
	tests/filter/blocksize.sh \
	tests/filter/cache.sh \
	tests/filter/checkwrite.sh \
	tests/filter/cow.sh \
	tests/filter/delay.sh \
	tests/filter/error.sh \
	tests/filter/exitlast.sh \
	tests/filter/exportname.sh \
	tests/filter/fua.sh \
	tests/filter/ip.sh \
	tests/filter/large.sh \
	tests/filter/limit.sh \
	tests/filter/log.sh \
	tests/filter/multi-conn.sh \
	tests/filter/noextents.sh \
	tests/filter/nozero.sh \
	tests/filter/offset.sh \
	tests/filter/partition.sh \
	tests/filter/pause.sh \
	tests/filter/rate.sh \
	tests/filter/readahead.sh \
	tests/filter/retry.sh \
	tests/filter/stats.sh \
	tests/filter/truncate.sh
