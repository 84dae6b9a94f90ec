/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A watched device as a half of a mirror: when it is better given up than
 * waited for, and how it comes back.
 *
 * A device whose server is dead keeps its requests, and md(4) waits for
 * them, though it has all pages elsewhere.  So a half whose connections
 * have all been dead for a few seconds is disconnected: then its requests
 * fail at once, and md goes on without it.  A restarted server is back
 * before that.
 *
 * Only a half that is not needed is given up: another one must be in sync,
 * and the kernel must be reading from that one's server.  Where a network
 * breaks that leads to all, nobody is given up, and the device waits for
 * dead-timeout as one without a mirror does.  For two that see each other
 * alive at the same moment: each has been dead for seconds before it looks
 * at the other, so one of them would have seen a dead one.
 *
 * Once disconnected, the kernel's device is used up: it must be closed by
 * all who have it open, the array first, before it can be connected anew.
 * Then its server may have all pages, some, or none; how much must be
 * written to it again is found out by mdadm(8) and by md's bitmap.  mdadm
 * is a program of its own since it waits for the disk that we watch: were
 * that us, nobody would see the server die again.  It may need memory;
 * the mirror works meanwhile.
 *
 * A half that md has given up by itself, since its server refused a
 * request, is tried again, but not often.
 *
 * A watcher runs before all others.  If it took memory all the time, it
 * would be what keeps the processors busy when there is none: seen with
 * two that opened some files of /sys four times a second, and did nothing
 * else any more.  So as long as all is well it reads one file that is
 * open, now and then.
 *
 * Time is in ms, of any clock that goes on.  Nothing here waits, but for
 * the kernel in md_mark_faulty and md_remove_member.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_MEMBER_H
#define NBDZRAM_COMMAND_ATTACH_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "command/base/run-program.h"
#include "md.h"

struct member {
  int index;                    /* of /dev/nbdN */
  char *array;                  /* MD_NAME_SIZE bytes; "" until it is
                                 * known */
  int64_t dead_since;           /* -1: alive */
  int64_t faulty_since;         /* -1: not, or not seen yet */
  int64_t next_add;             /* not before */
  int64_t next_look;            /* at the others, not before */
  int state;                    /* md_member_open, while it is a half; or -1 */
  struct running_program adder;
};

enum member_event {
  MEMBER_UNCHANGED,
  MEMBER_ARRAY_CHANGED,         /* its array is known now, or forgotten */
  MEMBER_GIVE_UP,                 /* disconnect it */
  MEMBER_ADDING,                  /* mdadm was started */
  MEMBER_ADDED,
  MEMBER_NOT_ADDED,               /* why is in TEXT */
};

/* ARRAY has MD_NAME_SIZE bytes, and stays the caller's. */
void member_init (struct member *h, int index, char *array);

/* Do what is to be done now; DEAD: the device has no connection. */
enum member_event member_check (struct member *h, bool dead, int64_t now,
                               char *text, unsigned size);

/* Ms until it wants to be called again. */
int member_check_again_ms (const struct member *h);

/* Of a half that was disconnected: have its array let go of it.  True
 * when it has; else call it again after a moment.
 */
bool member_try_leave (struct member *h);

#endif /* NBDZRAM_COMMAND_ATTACH_MEMBER_H */
