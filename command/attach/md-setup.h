/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making arrays of nbd devices, and taking them apart, by mdadm(8).
 *
 * Arrays have a superblock on each half, of version 1.2, so that a half
 * that comes back is known for what it has missed, and that disks which
 * outlive this machine are put together again as they were.  Mirrors have
 * a bitmap of what is being written, so that such a half is brought up to
 * date by that alone.
 *
 * Functions return 0, or -1 with a line in ERROR.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_MD_SETUP_H
#define NBDZRAM_COMMAND_ATTACH_MD_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "command/base/run-program.h"
#include "md.h"

/* Is there a superblock of md on DEVICE?  1, 0, or -1 with errno. */
int md_has_superblock (const char *device);

/* Make the array NAME of COUNT empty devices, /dev/nbdN for each of
 * INDEX: a mirror, which may lack MISSING more, or a stripe.
 */
int md_create (const char *name, bool mirror, const int *index,
               unsigned count, unsigned missing, char *error, size_t size);

/* Put it together again from devices that have superblocks, with or
 * without the halves of a mirror that are missing.
 */
int md_assemble (const char *name, const int *index, unsigned count,
                 char *error, size_t size);

/* Let a half be filled at a rate that comes to an end, also under load.
 * The kernel's own least is 1 MB/s.
 */
int md_set_speed (const char *array, char *error, size_t size);

/* End it.  It must not be in use. */
int md_stop (const char *array, char *error, size_t size);

/* Begin to give a mirror /dev/nbdINDEX as a half: what it has is used as
 * far as it is of this array.  *R is to be asked by program_ended; the
 * caller can wait for other things meanwhile.
 */
int md_add_begin (struct running_program *r, const char *array, int index,
                  char *error, size_t size);

/* The same, waiting. */
int md_add (const char *array, int index, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_ATTACH_MD_SETUP_H */
