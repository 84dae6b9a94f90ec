/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SIGINT and SIGTERM, for commands that end between two steps. */

#ifndef NBDZRAM_COMMAND_SWAP_INTERRUPT_H
#define NBDZRAM_COMMAND_SWAP_INTERRUPT_H

#include <stdbool.h>

/* Catch both signals from now on.  System calls are interrupted. */
void interrupt_catch (void);

/* Let both end the process again; for a child. */
void interrupt_restore (void);

/* Has one of them come? */
bool is_interrupted (void);

#endif /* NBDZRAM_COMMAND_SWAP_INTERRUPT_H */
