/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that need not be our children.  The start time tells a process
 * from a later one with the same number; a pidfd watches and signals it.
 *
 * Nothing here allocates.  Functions return -1 with errno set.
 */

#ifndef NBDZRAM_COMMAND_BASE_PROCESS_H
#define NBDZRAM_COMMAND_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors that a supervisor keeps are at least this, above those that a
 * child gets, so that duplicating one for a child never replaces another that
 * the child will get.
 */
#define KEPT_FD_MIN 64

struct process {
  pid_t pid;                    /* 0: none */
  uint64_t start;               /* field 22 of /proc/PID/stat */
  int fd;                       /* a pidfd, or -1 */
  int start_barrier;            /* our end (service/start-barrier.h), or -1 */
};

#define NO_PROCESS ((struct process) { .fd = -1, .start_barrier = -1 })

/* When PID was started, in clock ticks since boot; 0: no such process. */
uint64_t process_start_time (pid_t pid);

/* Opens PID: our child (START 0), which may have ended already, or the
 * process that began at START.  ESRCH: that process has ended.
 */
int process_open (struct process *p, pid_t pid, uint64_t start);

/* Opens the start barrier: the child is on record, and may continue. */
void process_release (struct process *p);

/* Closes the descriptors. */
void process_close (struct process *p);

/* Returns whether it has ended.  If so, a child is reaped, and *STATUS is
 * that of wait(2), or -1 if the process is not our child.
 */
bool process_ended (const struct process *p, int *status);

/* Has SIGSTOP taken effect? */
bool process_is_stopped (const struct process *p);

/* Was PID killed, but waits in the kernel before it can end? */
bool process_is_killed (pid_t pid);

/* Has PID the capability N of linux/capability.h now?  -1: unknown. */
int process_has_capability (pid_t pid, unsigned n);

/* Sends SIGNAL, unless it has ended. */
void process_signal (const struct process *p, int signal);

/* Kills it, and waits at most MS milliseconds for its end.  Returns whether it
 * has ended.
 */
bool process_kill (const struct process *p, int ms);

/* Returns a copy of its descriptor NUMBER, at least KEPT_FD_MIN. */
int process_take_fd (const struct process *p, int number);

/* Moves FD to KEPT_FD_MIN or above; FD is closed, also on failure.  -1 stays
 * -1, with its errno.
 */
int fd_keep (int fd);

/* Closes *FD, unless it is -1, and sets it to -1.  errno stays as it is. */
void fd_close (int *fd);

/* Has FD one of EVENTS, of poll(2), now? */
bool fd_has_event (int fd, short events);

/* Describes how a process ended: "killed by signal 9". */
void status_text (char *text, size_t size, int status);

#endif /* NBDZRAM_COMMAND_BASE_PROCESS_H */
