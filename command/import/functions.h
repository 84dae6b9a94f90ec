/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions and operators of zram-generator's expressions. */

#ifndef NBDZRAM_COMMAND_IMPORT_FUNCTIONS_H
#define NBDZRAM_COMMAND_IMPORT_FUNCTIONS_H

#include <stdbool.h>

#define FUNCTION_ARGUMENTS_MAX 8

/* Room for a number as text. */
#define TEXT_NUMBER_SIZE 40

/* Calls the function NAME.  Constants are functions of nothing.  Returns false
 * if there is no such function of COUNT arguments.
 */
bool function_call (const char *name, const double *arguments, unsigned count,
                    double *result);

/* OP must be one of those that expression.h lists. */
double operator_apply (const char *op, double a, double b);

#endif /* NBDZRAM_COMMAND_IMPORT_FUNCTIONS_H */
