/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creates md arrays of nbd devices, and changes them, by mdadm(8).
 *
 * Arrays have a superblock of version 1.2 on each member, so that md knows
 * what a returning member has missed, and that disks which outlive this
 * machine can be assembled again.  Mirrors have a bitmap of pending writes,
 * so that only those are copied to a returning member.
 *
 * Functions return 0, or -1 with a line in ERROR.  They wait for mdadm,
 * unless it says otherwise.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_MD_SETUP_H
#define NBDZRAM_COMMAND_ATTACH_MD_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "command/base/run-program.h"
#include "md.h"

/* Does DEVICE have a superblock of md?  1, 0, or -1 with errno. */
int md_has_superblock (const char *device);

/* Creates the array NAME of COUNT empty devices, /dev/nbdN for each N in
 * INDEX: a mirror, which MISSING more members can join later, or a stripe.
 */
int md_create (const char *name, bool mirror, const int *index,
               unsigned count, unsigned missing, char *error, size_t size);

/* Assembles it again from devices that have superblocks.  Members of a
 * mirror may be missing.
 */
int md_assemble (const char *name, const int *index, unsigned count,
                 char *error, size_t size);

/* Sets a least rate of resyncs with which they end, also under load.  The
 * kernel's default is 1 MB/s.
 */
int md_set_speed (const char *array, char *error, size_t size);

/* Stops an array that is not in use. */
int md_stop (const char *array, char *error, size_t size);

/* Starts to add /dev/nbdINDEX as a member to a mirror.  Pages that it has
 * of this array are used.  Does not wait: the caller asks program_ended.
 */
int md_add_begin (struct running_program *r, const char *array, int index,
                  char *error, size_t size);

/* The same, and waits. */
int md_add (const char *array, int index, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_ATTACH_MD_SETUP_H */
