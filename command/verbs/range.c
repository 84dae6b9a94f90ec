/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "command/base/cleanup.h"
#include "service/parse-number.h"

#include "range.h"

/* Parse a page number, LENGTH characters at S. */
static bool
parse_index (const char *s, size_t length, uint64_t *n)
{
  CLEANUP_FREE char *copy = strndup (s, length);

  return copy && parse_number (copy, n) && *n < INT64_MAX;
}

static void
range_put_pages (const struct command *command, const char *range,
                 json_t *request)
{
  uint64_t first, last;
  size_t length;
  bool open;

  length = strcspn (range, "-");
  open = strcmp (range + length, "-") == 0;
  if (!parse_index (range, length, &first))
    usage_error (command, "--range=%s: neither FIRST-LAST nor FIRST-", range);
  if (range[length] == '\0')
    last = first;
  else if (!open && !parse_index (range + length + 1, strlen (range), &last))
    usage_error (command, "--range=%s: neither FIRST-LAST nor FIRST-", range);
  if (!open && last < first)
    usage_error (command, "--range=%s: ends before it begins", range);
  json_object_set_new (request, "first", json_integer ((json_int_t) first));
  if (!open)
    json_object_set_new (request, "end",
                         json_integer ((json_int_t) last + 1));
}

void
range_put (const struct command *command, const struct range *range,
           json_t *request)
{
  if (range->pages)
    range_put_pages (command, range->pages, request);
  if (range->export
      && json_object_set_new (request, "device",
                              json_string (range->export)) == -1)
    usage_error (command, "--export: the name is not UTF-8");
}
