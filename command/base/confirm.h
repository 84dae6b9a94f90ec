/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks before data is lost.
 *
 * The rule of all verbs that discard pages of a disk which stays, or one disk
 * of several: with --yes they don't ask; on a terminal they do; elsewhere they
 * refuse, since a script can't answer.  Verbs that end a whole server (stop,
 * swapoff, umount) never ask, as systemctl and umount don't: they refuse while
 * the disk is in use.
 */

#ifndef NBDZRAM_COMMAND_BASE_CONFIRM_H
#define NBDZRAM_COMMAND_BASE_CONFIRM_H

#include <stdbool.h>
#include <stdint.h>

#define OPTION_YES(variable)                                            \
  { .name = "yes", .letter = 'y', .flag = (variable),                   \
    .help = "lose data without a question" }

/* Asks whether WHAT of SUBJECT, which has DATA bytes, may be lost.  EXIT_OK,
 * or EXIT_FAILED after a message: the user said no, or there is no terminal.
 * SUBJECT and WHAT are printed as they are.
 */
int confirm_loss (const char *subject, const char *what, uint64_t data);

#endif /* NBDZRAM_COMMAND_BASE_CONFIRM_H */
