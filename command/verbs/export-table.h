/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of exports, which "nbdzram export list" prints, and "nbdzram
 * status" after the table of servers.
 */

#ifndef NBDZRAM_COMMAND_VERBS_EXPORT_TABLE_H
#define NBDZRAM_COMMAND_VERBS_EXPORT_TABLE_H

#include "command/base/output.h"

/* Add a row to O, a table of export_columns, for each export in REPLY, a
 * server's reply to "status".  BYTES: print sizes in bytes.
 */
void export_lines (struct output *o, const json_t *reply, bool bytes);

#endif /* NBDZRAM_COMMAND_VERBS_EXPORT_TABLE_H */
