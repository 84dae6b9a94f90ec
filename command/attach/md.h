/* SPDX-License-Identifier: GPL-2.0-or-later */
/* md(4) arrays that have /dev/nbdN as members, as the kernel shows them in
 * /sys: what a watcher must know of a mirror, and the changes that it makes
 * without starting a program, which could need memory.  md-setup.h has what
 * mdadm(8) does.
 *
 * There may be more than two members.  ARRAY is the name of the array in
 * /sys/block, "md127".
 *
 * Functions that change something return 0, or -1 with errno.  They may
 * wait for the kernel to write to the members that it takes for alive.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_MD_H
#define NBDZRAM_COMMAND_ATTACH_MD_H

#include <stdbool.h>

#define MD_NAME_SIZE 27
#define MD_DEVICE_PATH_SIZE 32
#define MD_MEMBERS_MAX 32

enum md_member {
  MD_NO_MEMBER,                 /* not in this array */
  MD_MEMBER_IN_SYNC,
  MD_MEMBER_FAULTY,               /* failed, but not removed */
  MD_MEMBER_SPARE,                /* is resynced, or waits for that */
};

/* The state in words, "in sync"; nbdzram status shows it. */
const char *md_member_text (enum md_member member);

/* "/dev/md127". */
const char *md_device_path (char path[MD_DEVICE_PATH_SIZE],
                            const char *array);

/* Puts the array that has /dev/nbdINDEX in ARRAY.  False: none has it. */
bool md_find_array (char array[MD_NAME_SIZE], int index);

/* Puts N of each member /dev/nbdN in INDEX, and returns how many. */
unsigned md_list_members (const char *array, int index[MD_MEMBERS_MAX]);

/* Does the array exist, and is it a mirror? */
bool md_is_mirror (const char *array);

/* Puts "raid1" or the like in LEVEL; "" if there is no such array. */
void md_read_level (const char *array, char *level, unsigned size);

/* The state of /dev/nbdINDEX in the array. */
enum md_member md_member_state (const char *array, int index);

/* The same for a caller that asks often: opens the state file, which is the
 * caller's, or returns -1.  Unlike opening, reading it takes no memory.
 */
int md_member_open (const char *array, int index);
enum md_member md_member_read (int fd);

/* Returns how many members it should have, and in *IN_SYNC how many are in
 * sync.  0: there is no such array.
 */
unsigned md_count_members (const char *array, unsigned *in_sync);

/* Does the array have a member besides /dev/nbdINDEX that is in sync, and
 * whose connections the kernel still reads from?  False if the kernel does
 * not show that (nbd-receivers.h).
 */
bool md_has_other_in_sync (const char *array, int index);

/* Marks a member as faulty.  Another member must be in sync: without any,
 * the kernel would fail every write from then on.
 */
int md_mark_faulty (const char *array, int index);

/* Removes a faulty member.  EBUSY: it still has requests; try again. */
int md_remove_member (const char *array, int index);

#endif /* NBDZRAM_COMMAND_ATTACH_MD_H */
