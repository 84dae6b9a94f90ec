/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arrays of md(4) that have /dev/nbdN as their halves, as the kernel shows
 * them in /sys: what a watcher needs to know of a mirror, and may do to it
 * where there is no memory to start a program.  md-setup.h has what is
 * done by mdadm(8).
 *
 * A half is a device of the array; there may be more than two.  ARRAY is
 * the name of the array as in /sys/block, "md127".
 *
 * Functions that change something return 0, or -1 with errno; they may
 * wait for the kernel to write to the halves that it still believes in.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_MD_H
#define NBDZRAM_COMMAND_ATTACH_MD_H

#include <stdbool.h>

#define MD_NAME_SIZE 27
#define MD_DEVICE_PATH_SIZE 32
#define MD_MEMBERS_MAX 32

enum md_member {
  MD_NO_MEMBER,                 /* not of this array */
  MD_MEMBER_IN_SYNC,
  MD_MEMBER_FAULTY,               /* given up, but still held */
  MD_MEMBER_SPARE,                /* is being filled, or waits for that */
};

/* For people: "in sync", ... */
const char *md_member_text (enum md_member member);

/* "/dev/md127". */
const char *md_device_path (char path[MD_DEVICE_PATH_SIZE],
                            const char *array);

/* The array that holds /dev/nbdINDEX, in ARRAY.  False: none does. */
bool md_find_array (char array[MD_NAME_SIZE], int index);

/* The indices of its halves that are /dev/nbdN.  How many. */
unsigned md_list_members (const char *array, int index[MD_MEMBERS_MAX]);

/* Is there such an array, and a mirror? */
bool md_is_mirror (const char *array);

/* "raid1", in LEVEL; empty where there is no such array. */
void md_read_level (const char *array, char *level, unsigned size);

/* What /dev/nbdINDEX is to the array. */
enum md_member md_member_state (const char *array, int index);

/* The same, for who looks often: the file in which the kernel tells it, or
 * -1; then what that says now.  Reading takes no memory, as opening does.
 */
int md_member_open (const char *array, int index);
enum md_member md_member_read (int fd);

/* How many halves it should have, and in *IN_SYNC how many have all pages;
 * 0 where there is no such array.
 */
unsigned md_count_members (const char *array, unsigned *in_sync);

/* Has the array a half besides /dev/nbdINDEX that is in sync, and whose
 * connections the kernel still reads from?  False where that can't be
 * seen (nbd-receivers.h).
 */
bool md_has_other_in_sync (const char *array, int index);

/* Tell the array that a half is dead.  Only for one that has another in
 * sync: of the last one, the kernel would fail every write from then on.
 */
int md_mark_faulty (const char *array, int index);

/* Have a dead half let go.  EBUSY: requests of it are under way; try
 * again.
 */
int md_remove_member (const char *array, int index);

#endif /* NBDZRAM_COMMAND_ATTACH_MD_H */
