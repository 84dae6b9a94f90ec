/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of setup.c, by subject.
 *
 * They return 0, or -1 with an error in S.  What they do they note in S, so
 * that setup_undo can undo it.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SETUP_STEPS_H
#define NBDZRAM_COMMAND_SWAP_SETUP_STEPS_H

#include "setup.h"

/* Set the error of S.  Returns -1. */
int setup_fail (struct swap_setup *s, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* ---- setup-server.c: the servers ---- */

/* Connect to each remote server once.  A mirror may begin without some. */
int setup_probe_remotes (struct swap_setup *s);

/* Start the server, or the supervisor of watchers of remote servers. */
int setup_start_server (struct swap_setup *s);

/* ---- setup-attach.c: the devices ---- */

/* Write NAME.swap. */
int setup_write_state (struct swap_setup *s);

/* Attach a device to each server. */
int setup_attach (struct swap_setup *s);

/* Join them into one array, for mirror = on and stripe = on. */
int setup_join_array (struct swap_setup *s);

/* ---- setup-areas.c: several swap areas on one disk ---- */

/* Cut the attached disk into areas, if that is wanted and possible. */
int setup_cut_areas (struct swap_setup *s);

/* Start the process that adds areas and removes them. */
int setup_manage_areas (struct swap_setup *s);

/* ---- setup-activate.c: the swap ---- */

int setup_set_sysctls (struct swap_setup *s);
int setup_stop_read_ahead (struct swap_setup *s);

/* Make swap areas and turn them on. */
int setup_activate (struct swap_setup *s);

/* ---- setup-mount.c: the file system ---- */

/* Make one, unless there is one. */
int setup_make_file_system (struct swap_setup *s);
int setup_mount (struct swap_setup *s);

/* Unmount what setup_mount mounted.  Errors are reported. */
void setup_undo_mount (struct swap_setup *s);

/* ---- setup-undo.c ---- */

/* Undo what S notes: first swap and devices, then what was changed for them.
 * The module nbd stays loaded.  Errors are reported.
 */
void setup_undo (struct swap_setup *s);

#endif /* NBDZRAM_COMMAND_SWAP_SETUP_STEPS_H */
