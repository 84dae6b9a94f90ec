# SPDX-License-Identifier: GPL-2.0-or-later
# What every server of the store needs, whatever its protocol.

noinst_LIBRARIES += service/libservice.a
service_libservice_a_SOURCES = \
	service/allow.c service/allow.h \
	service/bandwidth.c service/bandwidth.h \
	service/control.c service/control.h \
	service/control-exports.c \
	service/control-maintain.c \
	service/control-pages.c \
	service/control-path.c service/control-path.h \
	service/control-peers.c service/control-peers.h \
	service/control-set.c \
	service/control-socket.c service/control-socket.h \
	service/control-status.c \
	service/control-verbs.c service/control-verbs.h \
	service/control-worker.c service/control-worker.h \
	service/export-settings.c service/export-settings.h \
	service/exports-control.c \
	service/exports-internal.h \
	service/exports.c service/exports.h \
	service/exports-options.c service/exports-options.h \
	service/hardening.c service/hardening.h \
	service/lock-keeper.c service/lock-keeper.h \
	service/log.c service/log.h \
	service/parse-number.c service/parse-number.h \
	service/parse-size.c service/parse-size.h \
	service/requests.c service/requests.h \
	service/server.c service/server.h \
	service/server-settings.c service/server-settings.h \
	service/set-error.c service/set-error.h \
	service/settings.c service/settings.h \
	service/start-barrier.c service/start-barrier.h \
	service/supervised.c service/supervised.h \
	service/thread-state.c service/thread-state.h \
	service/tls-files.c service/tls-files.h

service_libs = service/libservice.a $(store_libs) $(JANSSON_LIBS)
