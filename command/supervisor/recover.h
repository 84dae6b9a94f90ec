/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recovery: a supervisor takes over the processes that another supervisor
 * left when it was killed, or when it executed a newer program for an
 * upgrade.  Servers do not notice.
 *
 * NAME.run tells which processes there were and which descriptors they have
 * (state.h).  Where it is missing, damaged or out of date, the processes are
 * searched (find.h).  All descriptors are then copied from the processes
 * that live (pidfd_getfd).  After an upgrade the state is in a memfd, and the
 * descriptors are open already.
 *
 * What is found is judged in this order; the first line that applies decides
 * (judge in recover.c):
 *
 *   found                                           done
 *   another supervisor of this name lives           fail, 75
 *   no NAME.run, no process                         begin anew
 *   NAME.run is damaged, no process                 fail, 75
 *   the kernel refuses a descriptor                 fail
 *   the memfd can't be opened, and
 *     a server or a lock keeper lives               fail, 75
 *     the kernel swaps to a device of NAME          fail
 *     an unknown process listens at NAME.ctl        fail, 75
 *     none of these                                 the pages are lost; go on
 *   no server, no lock keeper, no watcher lives     begin anew
 *   no socket, and NAME.conf has a mistake          fail, 75
 *   anything else                                   take over
 *
 * To fail leaves everything as it is.  75 (EX_TEMPFAIL) is the exit code
 * where another supervisor, or the same one later, may still save the pages.
 * An empty memfd is never put in the place of one that can't be opened: the
 * last processes that hold the pages would end as soon as a new server is
 * ready, and the kernel would read zeroes for what it swapped out.
 *
 * What is done with each process is in the table of recover-processes.h.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_RECOVER_H
#define NBDZRAM_COMMAND_SUPERVISOR_RECOVER_H

#include <stddef.h>

struct supervisor;

/* Recover from NAME.run, from the processes that run, or, after an upgrade,
 * from the descriptor RESUME (-1: none), where this process's former program
 * left its state.  Returns 1: taken over; 0: begin anew; -1 with a message in
 * ERROR, and in the supervisor's EXIT_CODE the exit code, if it is not 1.
 */
int recover (struct supervisor *s, int resume, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_RECOVER_H */
