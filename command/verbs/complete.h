/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the table of verbs in main.c: each prints what the next argument of
 * some verbs can be.
 */

#ifndef NBDZRAM_COMMAND_VERBS_COMPLETE_H
#define NBDZRAM_COMMAND_VERBS_COMPLETE_H

#include "command/base/complete.h"

void complete_set (const struct completion *c);
void complete_new_disk (const struct completion *c);    /* serve, swapon */
void complete_mount (const struct completion *c);
void complete_umount (const struct completion *c);
void complete_idle (const struct completion *c);
void complete_export (const struct completion *c);
void complete_file (const struct completion *c);
void complete_import (const struct completion *c);

#endif /* NBDZRAM_COMMAND_VERBS_COMPLETE_H */
