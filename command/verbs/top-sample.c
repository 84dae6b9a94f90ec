/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "command/base/output.h"
#include "lib/base/util.h"

#include "top-sample.h"

/* ---- samples ---- */

static void
parse_requests (struct request_sample *s, const json_t *reply,
                const char *kind)
{
  const json_t *r = json_object_get (json_object_get (reply, "requests"),
                                     kind);
  const json_t *latency = json_object_get (r, "latency");

  *s = (struct request_sample) {
    .count = json_number (r, "count"),
    .bytes = json_number (r, "bytes"),
  };
  for (size_t i = 0; i < json_array_size (latency) && i < LATENCIES_MAX; ++i)
    s->latency[i] = (uint64_t) json_integer_value (json_array_get (latency,
                                                                   i));
}

static void
append_value (double *values, unsigned length, double value)
{
  if (length == HISTORY_MAX)
    memmove (values, values + 1, (HISTORY_MAX - 1) * sizeof *values);
  values[MIN (length, HISTORY_MAX - 1)] = value;
}

void
history_add (struct history *h, json_t *reply, double time)
{
  json_decref (h->before.reply);
  h->before = h->now;
  h->now = (struct sample) { .time = time, .reply = reply };
  parse_requests (&h->now.requests[true], reply, "read");
  parse_requests (&h->now.requests[false], reply, "write");
  append_value (h->memory, h->length,
          (double) history_statistic (h, "mem_used_total"));
  append_value (h->requests, h->length,
          history_rate (h, true) + history_rate (h, false));
  h->length = MIN (h->length + 1, HISTORY_MAX);
}

void
history_free (struct history *h)
{
  json_decref (h->before.reply);
  json_decref (h->now.reply);
}

/* ---- rates ---- */

double
history_difference (const struct history *h, uint64_t now, uint64_t before)
{
  double time = h->now.time - h->before.time;

  return h->before.reply && time > 0 && now >= before
    ? (double) (now - before) / time : 0;
}

double
history_rate (const struct history *h, bool read)
{
  return history_difference (h, h->now.requests[read].count,
                             h->before.requests[read].count);
}

double
history_bytes_rate (const struct history *h, bool read)
{
  return history_difference (h, h->now.requests[read].bytes,
                             h->before.requests[read].bytes);
}

static uint64_t
statistic_of (const struct sample *s, const char *name)
{
  return json_number (json_object_get (s->reply, "statistics"), name);
}

uint64_t
history_statistic (const struct history *h, const char *name)
{
  return statistic_of (&h->now, name);
}

double
history_statistic_rate (const struct history *h, const char *name)
{
  return history_difference (h, statistic_of (&h->now, name),
                             statistic_of (&h->before, name));
}

double
history_latency (const struct history *h, bool read, double share)
{
  const struct request_sample *now = &h->now.requests[read];
  const struct request_sample *before = &h->before.requests[read];
  const json_t *bounds = json_object_get (h->now.reply, "latency_bounds");
  size_t buckets = MIN (json_array_size (bounds) + 1, LATENCIES_MAX), i;
  uint64_t all = now->count - before->count, sum = 0;

  if (!h->before.reply || now->count <= before->count)
    return 0;
  for (i = 0; i < buckets; ++i) {
    sum += now->latency[i] - before->latency[i];
    if ((double) sum >= share * (double) all)
      break;
  }
  /* Requests that took longer than the last bound took at least that. */
  i = MIN (i, json_array_size (bounds) - 1);
  return 1e-9 * (double) json_integer_value (json_array_get (bounds, i));
}

/* ---- drawing ---- */

void
spark_line (char line[LINE_SIZE], const double *values, unsigned count,
            unsigned width, bool blocks)
{
  static const char *const fine[] = {
    " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"
  };
  static const char *const coarse[] = {
    " ", "_", ".", "-", "=", "+", "*", "%", "#"
  };
  unsigned levels = ARRAY_SIZE (fine) - 1, from;
  double max = 0;

  width = MIN (width, (LINE_SIZE - 1) / 3); /* a block is 3 bytes */
  from = count > width ? count - width : 0;
  for (unsigned i = from; i < count; ++i)
    max = MAX (max, values[i]);
  *line = '\0';
  for (unsigned i = from; i < count; ++i) {
    unsigned level = max > 0 && values[i] > 0
      ? 1 + (unsigned) (values[i] / max * (levels - 1) + 0.5) : 0;

    strcat (line, (blocks ? fine : coarse)[MIN (level, levels)]);
  }
}
