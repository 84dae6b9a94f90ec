/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's watchers: processes `nbdzram watch`, each of which keeps
 * one of the kernel's NBD devices connected (command/attach/watcher.h).  The
 * supervisor starts a watcher again when it ends, unless the watcher ended
 * with success or was removed.
 *
 * The program of a watcher is prepared when the watcher is added, so that
 * starting it again allocates nothing.
 *
 * The manager of a swap's areas is run likewise.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_WATCHERS_H
#define NBDZRAM_COMMAND_SUPERVISOR_WATCHERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/base/log.h"
#include "command/base/process.h"
#include "command/conf/conf.h"
#include "service/control-path.h"
#include "launch.h"

#define WATCHERS_MAX CONF_REMOTES_MAX

/* The descriptors of a watcher beyond the standard ones. */
#define WATCHER_LOG_FD 3
#define WATCHER_BARRIER_FD 4

struct supervisor;

struct watcher_process {
  bool used;                    /* false: this entry is free */
  char name[CONTROL_NAME_MAX + 8]; /* NAME, NAME.1, ..., NAME.areas */
  struct process process;
  struct program program;       /* "watch" and its options */
  unsigned failures;            /* in a row */
  int64_t next_start;           /* milliseconds */
  struct log_source log;
  bool unwanted;                /* do not start it again, unless it ends
                                 * while its device is attached */
};

#define NO_WATCHER_PROCESS ((struct watcher_process) { \
    .process = NO_PROCESS, .log.fd = -1 })

struct watch_request {
  const char *name;             /* NULL: the first free name */
  const char *uri;
  uint64_t connections, timeout, dead_timeout, block_size;
  bool mirror;                  /* watch --mirror */
};

/* Start a watcher, which is stored in *ADDED.  Returns 0, or -1 with a
 * message in ERROR.
 */
int watcher_process_add (struct supervisor *s,
                         const struct watch_request *request,
                         struct watcher_process **added, char *error,
                         size_t size);

/* The same for a process `nbdzram areas`, which adds areas to this swap and
 * removes them (command/swap/area-manager.h), MOST at most; the first has
 * PRIORITY, -1: the kernel's choice.  It is listed as a watcher, NAME.areas;
 * one that runs already goes on.
 */
int watcher_process_add_areas (struct supervisor *s, int priority,
                               unsigned most,
                               struct watcher_process **added, char *error,
                               size_t size);

/* End the watcher called NAME, if it exists. */
void watcher_process_remove (struct supervisor *s, const char *name);

/* Set the program of W: this program with the arguments ARGV, which are
 * copied and end with NULL.  Returns 0, or -1 with errno; then close W.
 */
int watcher_process_set_program (const struct supervisor *s,
                                 struct watcher_process *w,
                                 const char *const argv[]);

/* Free the entry W and what it holds.  The process is not signalled. */
void watcher_process_close (struct watcher_process *w);

/* Read the logs, reap watchers that ended, start those that must run.
 * Returns the time of the next start in milliseconds, or 0.
 */
int64_t watchers_poll (struct supervisor *s);

/* Does any watcher run? */
bool watchers_are_running (const struct supervisor *s);

/* Send SIGNAL to all watchers. */
void watchers_signal (const struct supervisor *s, int signal);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_WATCHERS_H */
