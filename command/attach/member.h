/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A watched device as a member of a mirror: when the watcher gives it up,
 * and how it returns.
 *
 * A device whose server is dead keeps its requests, and md(4) waits for
 * them, though it has all pages on another member.  So a member whose
 * connections have all been dead for a few seconds is disconnected.  Then
 * its requests fail at once, and md continues without it.  A server that
 * restarts is back before that.
 *
 * A member is only given up if another one is in sync and the kernel is
 * reading from the server of that one.  When a network breaks that leads to
 * all servers, no member is given up, and the device waits for dead-timeout
 * like one without a mirror.  Two members can't both give up since each sees
 * the other one alive: each has been dead for seconds before it checks the
 * other, so one of them would have seen a dead one.
 *
 * Once disconnected, the kernel's device can't be connected again until all
 * that have it open close it, the array first.  Its server may then have all
 * pages, some, or none.  mdadm(8) and md's bitmap find out how much must be
 * written to it again.  mdadm is a process of its own, since it waits for the
 * disk that we watch: if we waited, we could not see the server die again.
 * It may need memory; the mirror works meanwhile.
 *
 * If md has failed a member by itself, because its server refused a request,
 * it is added again, but not often.
 *
 * A watcher runs at a higher priority than all other processes.  If it took
 * memory all the time, it would keep the processors busy when memory is
 * short.  That was seen with two watchers that opened some files of /sys four
 * times a second, and did nothing else any more.  So as long as all is well,
 * it reads one open file now and then.
 *
 * Times are ms of any monotonic clock.  Nothing here waits, except for the
 * kernel in md_mark_faulty and md_remove_member.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_MEMBER_H
#define NBDZRAM_COMMAND_ATTACH_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "command/base/run-program.h"
#include "md.h"

struct member {
  int index;                    /* of /dev/nbdN */
  char *array;                  /* MD_NAME_SIZE bytes; "": not known */
  int64_t dead_since;           /* -1: alive */
  int64_t faulty_since;         /* -1: not faulty, or not seen yet */
  int64_t next_add;             /* no earlier */
  int64_t next_check;           /* of the other members, no earlier */
  int state_file;               /* of md_member_open, or -1: no member */
  struct running_program adder;
};

enum member_event {
  MEMBER_UNCHANGED,
  MEMBER_ARRAY_CHANGED,         /* ARRAY was found, or cleared */
  MEMBER_GIVE_UP,                 /* the caller must disconnect it */
  MEMBER_ADDING,                  /* mdadm was started */
  MEMBER_ADDED,
  MEMBER_NOT_ADDED,               /* the reason is in TEXT */
};

/* ARRAY has MD_NAME_SIZE bytes and remains the caller's, which outlives H. */
void member_init (struct member *h, int index, char *array);

/* Checks the member at NOW and starts the step that is due: give it up, or
 * add it again.  DEAD: the device has no live connection.
 */
enum member_event member_check (struct member *h, bool dead, int64_t now,
                               char *text, unsigned size);

/* In how many ms member_check must be called again. */
int member_check_again_ms (const struct member *h);

/* Removes a disconnected member from its array.  True: it is not in it any
 * more; false: call it again after a moment.
 */
bool member_try_leave (struct member *h);

#endif /* NBDZRAM_COMMAND_ATTACH_MEMBER_H */
