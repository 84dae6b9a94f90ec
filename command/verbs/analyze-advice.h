/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which algorithm "nbdzram analyze" recommends. */

#ifndef NBDZRAM_COMMAND_VERBS_ANALYZE_ADVICE_H
#define NBDZRAM_COMMAND_VERBS_ANALYZE_ADVICE_H

#include "analyze-run.h"

/* Put in TEXT, of SIZE bytes, the recommendation for the data of R, whose
 * algorithms have been tried.
 */
void analyze_advise (const struct analyze_run *r, char *text, size_t size);

/* Put A in TEXT, as algorithm= takes it.  Returns TEXT. */
const char *algorithm_text (char text[TEXT_SIZE], const struct algorithm *a);

#endif /* NBDZRAM_COMMAND_VERBS_ANALYZE_ADVICE_H */
