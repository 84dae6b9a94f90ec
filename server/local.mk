# SPDX-License-Identifier: GPL-2.0-or-later
# The program nbdzramd.  Its parts are a library for tests.

noinst_LIBRARIES += server/libserver.a
server_libserver_a_SOURCES = \
	server/background.c server/background.h \
	server/buffer.c server/buffer.h \
	server/channel.c server/channel.h \
	server/connection.h \
	server/connections.c server/connections.h \
	server/execute.c \
	server/handshake.c \
	server/listeners.c server/listeners.h \
	server/nbd-protocol.c server/nbd-protocol.h \
	server/options.c server/options.h \
	server/run.c server/run.h \
	server/threads.c server/threads.h \
	server/tls.c server/tls.h \
	server/transmission.c server/transmission.h \
	server/workers.c server/workers.h

server_libs = server/libserver.a $(service_libs) $(GNUTLS_LIBS)

sbin_PROGRAMS = server/nbdzramd
server_nbdzramd_SOURCES = server/main.c
server_nbdzramd_LDADD = $(server_libs)
