/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that serve requests. */

#ifndef NBDZRAM_SERVER_THREADS_H
#define NBDZRAM_SERVER_THREADS_H

struct connection_settings;

/* Start a detached thread, with all signals blocked.  It inherits this
 * thread's priority.  Returns 0, or -1 with errno.
 */
int thread_start (void *(*run) (void *opaque), void *opaque);

/* The new thread calls this first. */
void thread_begin (const struct connection_settings *settings);

#endif /* NBDZRAM_SERVER_THREADS_H */
