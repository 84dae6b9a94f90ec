/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>

#include "log.h"

#define LINE_SIZE 1024

static void (*write_error) (const char *line);
static void (*write_debug) (const char *line);

void
log_to (void (*error) (const char *line), void (*debug) (const char *line))
{
  write_error = error;
  write_debug = debug;
}

void
log_error (const char *format, ...)
{
  char line[LINE_SIZE];
  va_list ap;

  va_start (ap, format);
  vsnprintf (line, sizeof line, format, ap);
  va_end (ap);
  write_error (line);
}

void
log_debug (const char *format, ...)
{
  char line[LINE_SIZE];
  va_list ap;

  va_start (ap, format);
  vsnprintf (line, sizeof line, format, ap);
  va_end (ap);
  write_debug (line);
}
