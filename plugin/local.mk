# SPDX-License-Identifier: GPL-2.0-or-later
# The plugin of nbdkit.

plugin_PROGRAMS = plugin/nbdkit-zram-plugin.so
plugin_nbdkit_zram_plugin_so_SOURCES = \
	plugin/callbacks.c plugin/callbacks.h \
	plugin/zram.c
plugin_nbdkit_zram_plugin_so_LDADD = $(service_libs)
plugin_nbdkit_zram_plugin_so_LDFLAGS = \
	$(AM_LDFLAGS) -shared -Wl,-z,nodelete \
	-Wl,--version-script=$(srcdir)/plugin/plugin.syms
EXTRA_DIST += plugin/plugin.syms
