/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of exports: that of "nbdzram export list", and in
 * "nbdzram status" the second one.
 */

#ifndef NBDZRAM_COMMAND_VERBS_EXPORT_TABLE_H
#define NBDZRAM_COMMAND_VERBS_EXPORT_TABLE_H

#include "command/base/output.h"

/* Add a line to O, a table of export_columns, for each export of the
 * server that gave REPLY to "status"; sizes in bytes where BYTES.
 */
void export_lines (struct output *o, const json_t *reply, bool bytes);

#endif /* NBDZRAM_COMMAND_VERBS_EXPORT_TABLE_H */
