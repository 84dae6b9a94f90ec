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

static void
log_line_to (void (*write_line) (const char *line), const char *format,
             va_list ap)
{
  char line[LINE_SIZE];

  vsnprintf (line, sizeof line, format, ap);
  write_line (line);
}

void
log_error (const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  log_line_to (write_error, format, ap);
  va_end (ap);
}

void
log_debug (const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  log_line_to (write_debug, format, ap);
  va_end (ap);
}
