/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/output.h"
#include "lib/base/util.h"

#include "families.h"
#include "page.h"

struct page {
  FILE *out;
  bool for_terminal;
  const json_t *servers;        /* all of them, up or not */
  const json_t *up;             /* those that have replied */
  const json_t *supervisors;
};

/* ---- the format ---- */

static void
print_description (const struct page *p, const char *name, const char *type,
                   const char *help)
{
  fprintf (p->out, "# HELP nbdzram_%s %s\n# TYPE nbdzram_%s %s\n", name, help,
           name, type);
}

/* Print the value of a label in quotes.  It may be any name that a client
 * chose: escape it for a terminal, but not for Prometheus.
 */
static void
print_quoted (const struct page *p, const char *value)
{
  char text[NAME_SIZE];

  if (*value != '\0' && p->for_terminal)
    value = text_of_name (text, value, NAME_SIZE);
  putc ('"', p->out);
  for (; *value != '\0'; ++value)
    if (*value == '\n')
      fputs ("\\n", p->out);
    else {
      if (*value == '"' || *value == '\\')
        putc ('\\', p->out);
      putc (*value, p->out);
    }
  putc ('"', p->out);
}

static void
print_label (const struct page *p, const char *name, const char *value)
{
  fprintf (p->out, ",%s=", name);
  print_quoted (p, value);
}

/* Begin a line with the labels of the server; the caller adds other labels,
 * "} " and the value.
 */
static void
begin_sample (const struct page *p, const char *name, const char *suffix,
              const json_t *reply)
{
  const char *directory = json_text (reply, "directory");

  fprintf (p->out, "nbdzram_%s%s{server=", name, suffix);
  print_quoted (p, json_text (reply, "label"));
  if (*directory != '\0')
    print_label (p, "directory", directory);
}

static void
end_sample (const struct page *p, uint64_t value)
{
  fprintf (p->out, "} %" PRIu64 "\n", value);
}

static void
print_sample (const struct page *p, const char *name, const char *suffix,
              const json_t *reply, uint64_t value)
{
  begin_sample (p, name, suffix, reply);
  end_sample (p, value);
}

static void
print_seconds (const struct page *p, const char *name, const char *suffix,
               const json_t *reply, uint64_t nanoseconds)
{
  begin_sample (p, name, suffix, reply);
  fprintf (p->out, "} %" PRIu64 ".%09" PRIu64 "\n", nanoseconds / 1000000000,
           nanoseconds % 1000000000);
}

/* ---- the tables of families ---- */

static void
print_value (const struct page *p, const struct group *g,
             const struct family *f, const json_t *reply,
             const json_t *object)
{
  const json_t *part = object, *value;

  if (g->part)
    part = json_object_get (part, g->part);
  if (g->subpart)
    part = json_object_get (part, g->subpart);
  value = json_object_get (part, f->key);
  if (!value)
    return;
  begin_sample (p, f->name, "", reply);
  if (g->label)
    print_label (p, g->label, json_text (object, g->label_key));
  /* Few are less than 0, such as oom_score_adj. */
  fprintf (p->out, "} %" JSON_INTEGER_FORMAT "\n",
           json_is_true (value) ? 1 : json_integer_value (value));
}

static void
print_family (const struct page *p, const struct group *g,
              const struct family *f, const json_t *replies)
{
  size_t i, j;
  json_t *reply, *object;

  print_description (p, f->name, f->type, f->help);
  json_array_foreach (replies, i, reply) {
    json_array_foreach (json_object_get (reply, g->list), j, object)
      print_value (p, g, f, reply, object);
    if (!g->list)
      print_value (p, g, f, reply, reply);
  }
}

static void
print_group (const struct page *p, const struct group *g,
             const json_t *replies)
{
  for (const struct family *f = g->families; f->key; ++f)
    print_family (p, g, f, replies);
}

static bool
is_known_statistic (const char *key)
{
  for (const struct family *f = statistics_group.families; f->key; ++f)
    if (strcmp (f->key, key) == 0)
      return true;
  return false;
}

/* Print statistics that only a newer server has. */
static void
print_unknown_families (const struct page *p)
{
  json_auto_t *names = json_object ();
  json_t *reply, *value;
  const char *key;
  size_t i;

  json_array_foreach (p->up, i, reply)
    json_object_foreach (json_object_get (reply, "statistics"), key, value)
      if (!is_known_statistic (key))
        json_object_set_new (names, key, json_true ());
  json_object_foreach (names, key, value) {
    struct family f = { key, key, "untyped", "See nbdkit-zram-plugin(1)." };

    print_family (p, &statistics_group, &f, p->up);
  }
}

/* ---- texts ---- */

/* Print the texts at KEYS of each reply as labels of the same names. */
static void
print_infos (const struct page *p, const char *name, const char *help,
             const json_t *replies, const char *const *keys)
{
  size_t i;
  json_t *reply;

  print_description (p, name, "gauge", help);
  json_array_foreach (replies, i, reply) {
    if (!json_object_get (reply, keys[0]))
      continue;
    begin_sample (p, name, "", reply);
    for (const char *const *k = keys; *k; ++k)
      print_label (p, *k, json_text (reply, *k));
    end_sample (p, 1);
  }
}

/* Print the text at KEY of each reply as 1 for this state, and 0 for the
 * others; a newer server may have one that is not in NAMES.
 */
static void
print_states (const struct page *p, const char *name, const char *help,
              const json_t *replies, const char *key,
              const char *const *names)
{
  size_t i;
  json_t *reply;

  print_description (p, name, "gauge", help);
  json_array_foreach (replies, i, reply) {
    const char *state = json_text (reply, key);
    bool is_known = *state == '\0';

    for (const char *const *n = names; *n && *state != '\0'; ++n) {
      bool is = strcmp (state, *n) == 0;

      begin_sample (p, name, "", reply);
      print_label (p, "state", *n);
      end_sample (p, is);
      is_known |= is;
    }
    if (is_known)
      continue;
    begin_sample (p, name, "", reply);
    print_label (p, "state", state);
    end_sample (p, 1);
  }
}

/* The algorithm of the export, or by default that of the server. */
static const char *
algorithm_of (const json_t *reply, const json_t *device)
{
  const char *own = json_text (device, "algorithm");

  return *own ? own
    : json_text (json_object_get (reply, "settings"), "algorithm");
}

static void
print_export_infos (const struct page *p)
{
  size_t i, j;
  json_t *reply, *device;

  print_description (p, "export_info", "gauge", "Algorithm of the export.");
  json_array_foreach (p->up, i, reply)
    json_array_foreach (json_object_get (reply, "devices"), j, device) {
      begin_sample (p, "export_info", "", reply);
      print_label (p, "export", json_text (device, "name"));
      print_label (p, "algorithm", algorithm_of (reply, device));
      end_sample (p, 1);
    }
}

static void
print_device_infos (const struct page *p)
{
  size_t i, j;
  json_t *reply, *device;

  print_description (p, "device_info", "gauge",
                     "Server, and array, of the device.");
  json_array_foreach (p->servers, i, reply)
    json_array_foreach (json_object_get (reply, "attachments"), j, device) {
      begin_sample (p, "device_info", "", reply);
      print_label (p, "device", json_text (device, "device"));
      print_label (p, "uri", json_text (device, "uri"));
      print_label (p, "array", json_text (json_object_get (device, "array"),
                                          "device"));
      end_sample (p, 1);
    }
}

/* ---- maintenance ---- */

static void
print_maintenance (const struct page *p)
{
  const char *name = "maintenance_runs_total";
  json_t *reply, *runs;
  const char *action;
  size_t i;

  print_description (p, "maintenance_cpu_seconds_total", "counter",
                     "Processor time of background maintenance.");
  json_array_foreach (p->up, i, reply)
    print_seconds (p, "maintenance_cpu_seconds_total", "", reply, json_number (
      json_object_get (reply, "maintenance"), "cpu_nanoseconds"));
  print_description (p, name, "counter",
                     "Jobs done by background maintenance.");
  json_array_foreach (p->up, i, reply)
    json_object_foreach (json_object_get (json_object_get (
                           reply, "maintenance"), "runs"), action, runs) {
      begin_sample (p, name, "", reply);
      print_label (p, "action", action);
      end_sample (p, (uint64_t) json_integer_value (runs));
    }
}

/* ---- histograms ---- */

static void
print_bucket (const struct page *p, const char *name, const json_t *reply,
              const char *bound, uint64_t count)
{
  begin_sample (p, name, "_bucket", reply);
  fprintf (p->out, ",le=\"%s\"} %" PRIu64 "\n", bound, count);
}

static void
print_latency (const struct page *p, const char *request, const char *name,
               const char *help)
{
  size_t i, b;
  json_t *reply, *count;

  print_description (p, name, "histogram", help);
  json_array_foreach (p->up, i, reply) {
    const json_t *bounds = json_object_get (reply, "latency_bounds");
    const json_t *r = json_object_get (json_object_get (reply, "requests"),
                                       request);
    uint64_t sum = 0;

    if (!r)
      continue;
    json_array_foreach (json_object_get (r, "latency"), b, count) {
      char bound[32] = "+Inf";

      sum += (uint64_t) json_integer_value (count);
      if (b < json_array_size (bounds))
        snprintf (bound, sizeof bound, "%.10g", 1e-9 * (double)
                  json_integer_value (json_array_get (bounds, b)));
      print_bucket (p, name, reply, bound, sum);
    }
    print_seconds (p, name, "_sum", reply, json_number (r, "nanoseconds"));
    print_sample (p, name, "_count", reply, sum);
  }
}

static void
print_bytes (const struct page *p, const char *request, const char *name,
             const char *help)
{
  size_t i;
  json_t *reply;

  print_description (p, name, "counter", help);
  json_array_foreach (p->up, i, reply)
    print_sample (p, name, "", reply, json_number (
      json_object_get (json_object_get (reply, "requests"), request),
      "bytes"));
}

/* Sizes of objects by size class.  The page size divided by the size of an
 * object is its compression ratio.
 */
static void
print_objects (const struct page *p)
{
  const char *name = "object_size_bytes";
  size_t i, b;
  json_t *reply, *pair;

  print_description (p, name, "histogram", "Sizes of compressed objects, "
                     "rounded up to their size class.");
  json_array_foreach (p->up, i, reply) {
    uint64_t count = 0, sum = 0;

    if (!json_object_get (reply, "object_sizes"))
      continue;
    json_array_foreach (json_object_get (reply, "object_sizes"), b, pair) {
      uint64_t size = (uint64_t) json_integer_value (json_array_get (pair, 0));
      uint64_t n = (uint64_t) json_integer_value (json_array_get (pair, 1));
      char bound[TEXT_SIZE];

      count += n;
      sum += n * size;
      print_bucket (p, name, reply, text_of_number (bound, size), count);
    }
    print_bucket (p, name, reply, "+Inf", count);
    print_sample (p, name, "_sum", reply, sum);
    print_sample (p, name, "_count", reply, count);
  }
}

/* ---- numbers that are made of others ---- */

/* "fifo 2" is a priority. */
static void
add_priority (json_t *hardening)
{
  int priority = 0;

  if (!hardening)
    return;
  sscanf (json_text (hardening, "scheduling"), "fifo %d", &priority);
  json_object_set_new (hardening, "real_time", json_integer (priority));
}

static void
add_presence (json_t *s, const char *key, bool is)
{
  json_object_set_new (s, key, json_boolean (is));
}

/* What the supervisor should have depends on what it was started for. */
static void
add_processes (json_t *s)
{
  const json_t *standby = json_object_get (s, "standby");
  const json_t *server = json_object_get (s, "server");

  if (!json_is_true (json_object_get (s, "up")))
    return;
  json_object_set_new (s, "watcher_count", json_integer ((json_int_t)
    json_array_size (json_object_get (s, "watchers"))));
  if (!json_is_string (json_object_get (s, "pool")))
    return;
  add_presence (s, "server_ready",
                json_is_true (json_object_get (server, "ready")));
  if (!json_is_true (json_object_get (s, "swap")))
    return;
  add_presence (s, "standby_ready",
                json_is_true (json_object_get (standby, "waiting")));
  add_presence (s, "lock_keeper",
                json_is_object (json_object_get (s, "holder")));
}

/* ---- all of it ---- */

/* Printed even if no server answers: from a page without any series, a reader
 * can't tell that the servers are gone.
 */
static void
print_up (const struct page *p)
{
  size_t i;
  json_t *reply;

  print_description (p, "up", "gauge", "Whether the server answers.");
  json_array_foreach (p->servers, i, reply)
    if (json_object_get (reply, "up"))
      print_sample (p, "up", "", reply,
                    json_is_true (json_object_get (reply, "up")));
}

static void
print_versions (const struct page *p)
{
  static const char *const of_server[] = { "version", "algorithm", NULL };
  static const char *const of_supervisor[] = { "version", NULL };

  print_description (p, "build_info", "gauge",
                     "Version of the program that made this page.");
  fprintf (p->out, "nbdzram_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
  print_infos (p, "info", "Version and algorithm of the server.", p->up,
               of_server);
  print_infos (p, "supervisor_info", "Version of the supervisor.",
               p->supervisors, of_supervisor);
}

static void
print_servers (const struct page *p)
{
  static const char *const backing_states[] = {
    "ok", "full", "failed", "away", "wrong", "degraded", "truncated", NULL,
  };
  static const char *const backing_keys[] = { "none", "auto", NULL };

  print_export_infos (p);
  print_device_infos (p);
  for (const struct group *g = server_groups; g->families; ++g)
    print_group (p, g, p->servers);
  print_unknown_families (p);
  print_states (p, "backing_state", "State of the backing file.", p->up,
                "backing", backing_states);
  print_states (p, "backing_key", "Whether the backing file is encrypted.",
                p->up, "backing_key", backing_keys);
  print_maintenance (p);
  print_bytes (p, "read", "read_bytes_total", "Bytes read.");
  print_bytes (p, "write", "written_bytes_total", "Bytes written.");
  print_latency (p, "read", "read_duration_seconds", "How long reads took.");
  print_latency (p, "write", "write_duration_seconds",
                 "How long writes took.");
  print_objects (p);
}

static void
print_supervisors (const struct page *p)
{
  static const char *const states[] = {
    "running", "starting", "failing", "stopped", NULL,
  };

  print_group (p, &supervisor_group, p->supervisors);
  print_states (p, "supervisor_state", "What the supervisor does.",
                p->supervisors, "state", states);
}

void
page_print (FILE *out, const struct collected *c, bool for_terminal)
{
  json_auto_t *up = json_array ();
  struct page p = {
    out, for_terminal, c->servers, up, c->supervisors,
  };
  json_t *reply;
  size_t i;

  json_array_foreach (c->servers, i, reply)
    if (json_is_true (json_object_get (reply, "up"))) {
      add_priority (json_object_get (reply, "hardening"));
      json_array_append (up, reply);
    }
  json_array_foreach (c->supervisors, i, reply)
    add_processes (reply);
  print_up (&p);
  print_versions (&p);
  if (json_array_size (c->servers) > 0)
    print_servers (&p);
  if (json_array_size (c->supervisors) > 0)
    print_supervisors (&p);
}

char *
page_text (const struct collected *c, size_t *length)
{
  char *text = NULL;
  FILE *out = open_memstream (&text, length);
  bool failed;

  if (!out)
    return NULL;
  page_print (out, c, false);
  failed = ferror (out) != 0;
  if (fclose (out) == 0 && !failed)
    return text;
  free (text);
  errno = ENOMEM;
  return NULL;
}
