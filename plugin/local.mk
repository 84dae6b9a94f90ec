# SPDX-License-Identifier: GPL-2.0-or-later
# The plugin of nbdkit.

plugin_LTLIBRARIES = plugin/nbdkit-zram-plugin.la
plugin_nbdkit_zram_plugin_la_SOURCES = \
	plugin/callbacks.c plugin/callbacks.h \
	plugin/zram.c
plugin_nbdkit_zram_plugin_la_LIBADD = $(service_libs)
plugin_nbdkit_zram_plugin_la_LDFLAGS = \
	$(AM_LDFLAGS) -module -avoid-version -shared -no-undefined \
	-Wl,-z,nodelete \
	-Wl,--version-script=$(srcdir)/plugin/plugin.syms
EXTRA_DIST += plugin/plugin.syms

# nbdkit loads the module by its name and does not need libtool's
# description of it.
install-data-hook:
	rm -f $(DESTDIR)$(plugindir)/nbdkit-zram-plugin.la
uninstall-hook:
	rm -f $(DESTDIR)$(plugindir)/nbdkit-zram-plugin.so
