/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>

#include "set-error.h"

int
set_error (char *error, size_t size, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vsnprintf (error, size, format, ap);
  va_end (ap);
  return -1;
}
