/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partitions of /dev/nbdN that only the kernel knows: no table on the disk
 * tells of them, and they are gone with the connection.
 *
 * The kernel drops them when a program has it read the table of a disk of
 * which nothing is in use (BLKRRPART).  An open partition prevents that.
 *
 * Functions return 0, or -1 with errno.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_PARTITIONS_H
#define NBDZRAM_COMMAND_ATTACH_PARTITIONS_H

#include <stdbool.h>
#include <stdint.h>

#define PARTITIONS_MAX 16
#define PARTITION_PATH_SIZE 32

/* "/dev/nbdNpNUMBER"; they count from 1. */
const char *partition_path (char path[PARTITION_PATH_SIZE], int index,
                            unsigned number);

struct partition {
  uint64_t start, size;         /* bytes; a size of 0: there is none */
};

/* Puts partition N of /dev/nbdINDEX in LIST[N - 1].  Returns how many there
 * are.
 */
unsigned partitions_read (int index, struct partition list[PARTITIONS_MAX]);

/* Makes partition NUMBER of P, which must not overlap with others.  ENOENT:
 * the kernel makes no partitions of its NBD devices, or no file in /dev.
 */
int partition_add (int index, unsigned number, const struct partition *p);

/* EBUSY: it is in use.  Other programs that look at it, as udev does when it
 * was written to, have two seconds to end that.
 */
int partition_remove (int index, unsigned number);

/* Does /dev/nbdINDEX begin as disks with a table of partitions do?  Then the
 * kernel's partitions are the user's.  True also if it can't be read.
 */
bool partitions_have_table (int index);

/* Removes all that there are.  EBUSY: one is in use. */
int partitions_remove (int index);

/* Discards partition NUMBER from the byte FROM on.  EBUSY: it is in use, as
 * swap for example.
 */
int partition_discard (int index, unsigned number, uint64_t from);

#endif /* NBDZRAM_COMMAND_ATTACH_PARTITIONS_H */
