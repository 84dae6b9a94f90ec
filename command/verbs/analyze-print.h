/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The output of "nbdzram analyze". */

#ifndef NBDZRAM_COMMAND_VERBS_ANALYZE_PRINT_H
#define NBDZRAM_COMMAND_VERBS_ANALYZE_PRINT_H

#include "analyze-run.h"

/* Print the results of R and ADVICE: for a person, with the table O, or as
 * JSON.  Returns the exit code.
 */
int analyze_print_text (struct analyze_run *r, struct output *o,
                        const char *advice);
int analyze_print_json (const struct analyze_run *r, const char *advice);

#endif /* NBDZRAM_COMMAND_VERBS_ANALYZE_PRINT_H */
