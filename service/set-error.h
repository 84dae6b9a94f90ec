/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors that a function reports as one line of text. */

#ifndef NBDZRAM_SERVICE_SET_ERROR_H
#define NBDZRAM_SERVICE_SET_ERROR_H

#include <stddef.h>

/* Put the message in ERROR of SIZE bytes, and return -1 for the caller to
 * return.
 */
int set_error (char *error, size_t size, const char *format, ...)
  __attribute__ ((format (printf, 3, 4)));

#endif /* NBDZRAM_SERVICE_SET_ERROR_H */
