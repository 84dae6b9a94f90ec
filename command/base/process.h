/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that may be somebody else's children: told apart from a later
 * process of the same number by the time of their start, watched and
 * signalled by a pidfd.
 *
 * Nothing here allocates.  Functions return -1 with errno set.
 */

#ifndef NBDZRAM_COMMAND_BASE_PROCESS_H
#define NBDZRAM_COMMAND_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a supervisor keeps lies beyond those that a child is given, so
 * that handing them down never runs over one that is still to be handed.
 */
#define KEPT_FD_MIN 64

struct process {
  pid_t pid;                    /* 0: none */
  uint64_t start;               /* field 22 of /proc/PID/stat */
  int fd;                       /* a pidfd, or -1 */
  int start_barrier;            /* our end of it (service/start-barrier.h), or -1 */
};

#define NO_PROCESS ((struct process) { .fd = -1, .start_barrier = -1 })

/* When PID was started, in clock ticks; 0 where there is none. */
uint64_t process_start_time (pid_t pid);

/* Hold on to PID: our child (START 0), which may have ended already, or
 * the process that began at START, if it lives.  ESRCH: it does not.
 */
int process_open (struct process *p, pid_t pid, uint64_t start);

/* It is on record: a child that waits at its gate may go on. */
void process_release (struct process *p);

/* Forget it. */
void process_close (struct process *p);

/* Has it ended?  Then a child is reaped, and *STATUS is what wait(2) says;
 * -1 where that is not ours to know.
 */
bool process_ended (const struct process *p, int *status);

/* Has SIGSTOP taken effect? */
bool process_stopped (const struct process *p);

/* Has PID been killed, and waits in the kernel for something before it ends?
 */
bool process_is_killed (pid_t pid);

/* Send SIGNAL, if it is still there. */
void process_signal (const struct process *p, int signal);

/* Kill it, and wait for its end, at most MS milliseconds.  Returns whether
 * it has ended.
 */
bool process_kill (const struct process *p, int ms);

/* A copy of its descriptor NUMBER, at KEPT_FD_MIN or beyond. */
int process_take_fd (const struct process *p, int number);

/* The same file at KEPT_FD_MIN or beyond; FD is closed, also on failure. */
int fd_keep (int fd);

/* Close *FD, if it is one. */
void fd_close (int *fd);

/* How a process ended, for people: "killed by signal 9". */
void status_text (char *text, size_t size, int status);

#endif /* NBDZRAM_COMMAND_BASE_PROCESS_H */
