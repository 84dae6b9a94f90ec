/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram metrics: in the text format of Prometheus.  A family is
 * described once and then has samples of all servers, so all of them are
 * asked before anything is printed.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/base/control-client.h"
#include "command/base/output.h"
#include "lib/base/util.h"

struct family {
  const char *key;              /* in the server's statistics */
  const char *name;             /* after "nbdzram_" */
  const char *type;
  const char *help;
};

static const struct family families[] = {
  { "orig_data_size", "data_bytes", "gauge",
    "Pages stored, before compression." },
  { "compr_data_size", "compressed_bytes", "gauge",
    "The same pages compressed." },
  { "mem_used_total", "memory_bytes", "gauge",
    "Memory held, bookkeeping included." },
  { "mem_limit", "memory_limit_bytes", "gauge",
    "The most memory that may be held; 0 is no limit." },
  { "mem_used_max", "memory_max_bytes", "gauge",
    "The most memory held since the server started." },
  { "mem_waste", "memory_waste_bytes", "gauge",
    "Memory between objects, spare memory included." },
  { "mem_bookkeeping", "memory_bookkeeping_bytes", "gauge",
    "Tables, streams and all else." },
  { "same_pages", "same_pages", "gauge", "Pages that repeat one word." },
  { "huge_pages", "huge_pages", "gauge", "Pages stored raw." },
  { "huge_pages_since", "huge_pages_stored_total", "counter",
    "Pages that were stored raw." },
  { "idle_pages", "idle_pages", "gauge",
    "Pages in memory that nobody has accessed for long." },
  { "group_pages", "group_pages", "gauge",
    "Pages in groups with neighbours." },
  { "dup_pages", "duplicate_pages", "gauge",
    "Pages that share the object of an identical one." },
  { "mem_dedup", "memory_dedup_bytes", "gauge",
    "The index by which identical pages are found." },
  { "bd_count", "backing_pages", "gauge",
    "Pages that are in the backing file." },
  { "bd_reads", "backing_read_pages_total", "counter",
    "Pages read from the backing file." },
  { "bd_writes", "backing_written_pages_total", "counter",
    "Pages written back." },
  { "bd_promoted", "backing_promoted_pages_total", "counter",
    "Pages that were read back and stayed in memory." },
  { "bd_stale", "backing_stale_total", "counter",
    "Times that the backing file had something else than what was "
    "written back." },
  { "bd_read_errors", "backing_read_errors_total", "counter",
    "Times that the backing file could not be read." },
  { "bd_write_errors", "backing_write_errors_total", "counter",
    "Times that the backing file could not be written." },
  { "bd_size", "backing_size_bytes", "gauge",
    "Room in the backing file." },
  { "bd_used", "backing_used_bytes", "gauge",
    "Room taken in the backing file." },
  { "bd_live", "backing_live_bytes", "gauge",
    "Room in it taken by pages that are still there." },
  { "bd_written", "backing_written_bytes_total", "counter",
    "Written to the backing file, cleaning included." },
  { "bd_connections", "backing_connections", "gauge",
    "Connections to the backing file, if an NBD server has it." },
  { "bd_reconnects", "backing_reconnects_total", "counter",
    "Connections to the backing file that were made again." },
  { "writeback_limit", "writeback_limit_bytes", "gauge",
    "The most that may be written back in a day; 0 is no limit." },
  { "writeback_left", "writeback_left_bytes", "gauge",
    "What is left of it today." },
  { "pages_compacted", "compacted_os_pages_total", "counter",
    "OS pages given back by compaction." },
  { "failed_reads", "failed_reads_total", "counter",
    "Reads answered with an error." },
  { "failed_writes", "failed_writes_total", "counter",
    "Writes answered with an error." },
  { "notify_free", "trimmed_pages_total", "counter", "Pages trimmed." },
  { "objects_up_to_half", "small_objects", "gauge",
    "Objects of up to half a page." },
  { "objects_above_half", "large_objects", "gauge",
    "Objects above half a page that are not raw." },
  { "zspages", "zspages", "gauge",
    "Groups of OS pages that hold objects." },
  { "checksum_errors", "damage_found_total", "counter",
    "Times a page was found damaged." },
  { "bad_slots", "damaged_at_start_pages", "gauge",
    "Pages found damaged when the pool was attached." },
};

/* Of each export. */
static const struct family export_families[] = {
  { "size", "disk_size_bytes", "gauge", "What could be written." },
  { "quota", "export_quota_bytes", "gauge",
    "The most memory that the export may hold; 0 is no limit." },
  { "held", "export_memory_bytes", "gauge",
    "Memory that its pages and their table take." },
  { "bandwidth", "export_bandwidth_limit_bytes", "gauge",
    "The most to read and write in a second; 0 is no limit." },
  { "connections", "export_clients", "gauge", "Connections to it." },
  { "orig_data_size", "export_data_bytes", "gauge",
    "Its pages stored, before compression." },
  { "reads", "export_reads_total", "counter", "Requests to read it." },
  { "read_bytes", "export_read_bytes_total", "counter",
    "Bytes read from it." },
  { "writes", "export_writes_total", "counter", "Requests to write it." },
  { "write_bytes", "export_written_bytes_total", "counter",
    "Bytes written to it." },
  { "trims", "export_trims_total", "counter",
    "Requests to trim it, or to write zeroes." },
  { "failed", "export_failed_requests_total", "counter",
    "Requests answered with an error." },
};

/* ---- the format ---- */

static void
describe (const char *name, const char *type, const char *help)
{
  printf ("# HELP nbdzram_%s %s\n# TYPE nbdzram_%s %s\n", name, help, name,
          type);
}

/* A label's value, in quotes.  It may be any name that a client chose,
 * which Prometheus gets as it is, and a terminal as it is harmless.
 */
static void
print_quoted (const char *value)
{
  char text[NAME_SIZE];

  if (*value != '\0' && isatty (STDOUT_FILENO) == 1)
    value = text_of_name (text, value, NAME_SIZE);
  putchar ('"');
  for (; *value != '\0'; ++value)
    if (*value == '\n')
      fputs ("\\n", stdout);
    else {
      if (*value == '"' || *value == '\\')
        putchar ('\\');
      putchar (*value);
    }
  putchar ('"');
}

/* The name that a socket has by its file, which is there when its server
 * is not, and which no other one has in that directory.
 */
static void
file_name (const char *path, char name[CONTROL_PATH_SIZE])
{
  const char *slash = strrchr (path, '/');
  char *end;

  snprintf (name, CONTROL_PATH_SIZE, "%s", slash ? slash + 1 : path);
  end = strstr (name, CONTROL_SUFFIX);
  if (end && end > name && strcmp (end, CONTROL_SUFFIX) == 0)
    *end = '\0';
}

static void
print_server (const json_t *reply)
{
  const char *path = json_text (reply, "control");
  const char *directory = json_text (reply, "directory");
  char name[CONTROL_PATH_SIZE];

  file_name (*path != '\0' ? path : json_text (reply, "name"), name);
  fputs ("server=", stdout);
  print_quoted (name);
  if (*directory == '\0')
    return;
  fputs (",directory=", stdout);
  print_quoted (directory);
}

/* Without a value, for whoever prints it. */
static void
begin_sample (const char *name, const char *suffix, const json_t *reply)
{
  printf ("nbdzram_%s%s{", name, suffix);
  print_server (reply);
}

static void
print_sample (const char *name, const char *suffix, const json_t *reply,
              uint64_t value)
{
  begin_sample (name, suffix, reply);
  printf ("} %" PRIu64 "\n", value);
}

static void
print_seconds (const char *name, const char *suffix, const json_t *reply,
               uint64_t nanoseconds)
{
  begin_sample (name, suffix, reply);
  printf ("} %" PRIu64 ".%09" PRIu64 "\n", nanoseconds / 1000000000,
          nanoseconds % 1000000000);
}

/* ---- what the servers are ---- */

static void
print_infos (const json_t *replies)
{
  size_t i;
  json_t *reply;

  describe ("info", "gauge", "What the server is.");
  json_array_foreach (replies, i, reply) {
    begin_sample ("info", "", reply);
    fputs (",version=", stdout);
    print_quoted (json_text (reply, "version"));
    fputs (",algorithm=", stdout);
    print_quoted (json_text (reply, "algorithm"));
    fputs ("} 1\n", stdout);
  }
  describe ("uptime_seconds", "gauge", "For how long it has been serving.");
  json_array_foreach (replies, i, reply)
    print_sample ("uptime_seconds", "", reply, json_number (reply, "uptime"));
  describe ("page_size_bytes", "gauge", "Unit of compression.");
  json_array_foreach (replies, i, reply)
    print_sample ("page_size_bytes", "", reply,
                  json_number (reply, "page_size"));
  describe ("clients", "gauge", "Connections to its disks.");
  json_array_foreach (replies, i, reply)
    print_sample ("clients", "", reply, json_number (reply, "clients"));
}

/* ---- exports ---- */

/* Likewise, of an export. */
static void
begin_export_sample (const char *name, const json_t *reply,
                     const json_t *device)
{
  begin_sample (name, "", reply);
  fputs (",export=", stdout);
  print_quoted (json_text (device, "name"));
}

static void
print_export_sample (const struct family *f, const json_t *reply,
                     const json_t *device)
{
  begin_export_sample (f->name, reply, device);
  printf ("} %" PRIu64 "\n", json_number (device, f->key));
}

/* Its own algorithm, or that of the server. */
static const char *
algorithm_of (const json_t *reply, const json_t *device)
{
  const char *own = json_text (device, "algorithm");

  return *own ? own
    : json_text (json_object_get (reply, "settings"), "algorithm");
}

static void
print_export_infos (const json_t *replies)
{
  size_t i, j;
  json_t *reply, *device;

  describe ("export_info", "gauge",
            "How what is written to it is compressed.");
  json_array_foreach (replies, i, reply)
    json_array_foreach (json_object_get (reply, "devices"), j, device) {
      begin_export_sample ("export_info", reply, device);
      fputs (",algorithm=", stdout);
      print_quoted (algorithm_of (reply, device));
      fputs ("} 1\n", stdout);
    }
}

static void
print_export_family (const struct family *f, const json_t *replies)
{
  size_t i, j;
  json_t *reply, *device;

  describe (f->name, f->type, f->help);
  json_array_foreach (replies, i, reply)
    json_array_foreach (json_object_get (reply, "devices"), j, device)
      if (json_object_get (device, f->key))
        print_export_sample (f, reply, device);
}

/* ---- statistics ---- */

static void
print_family (const struct family *f, const json_t *replies)
{
  size_t i;
  json_t *reply;

  describe (f->name, f->type, f->help);
  json_array_foreach (replies, i, reply) {
    const json_t *statistics = json_object_get (reply, "statistics");

    if (json_object_get (statistics, f->key))
      print_sample (f->name, "", reply, json_number (statistics, f->key));
  }
}

static bool
is_known (const char *key)
{
  for (size_t i = 0; i < ARRAY_SIZE (families); ++i)
    if (strcmp (families[i].key, key) == 0)
      return true;
  return false;
}

/* What a newer server counts. */
static void
print_unknown (const json_t *replies)
{
  json_t *reply, *value, *names = json_object ();
  const char *key;
  size_t i;

  json_array_foreach (replies, i, reply)
    json_object_foreach (json_object_get (reply, "statistics"), key, value)
      if (!is_known (key))
        json_object_set_new (names, key, json_true ());
  json_object_foreach (names, key, value) {
    struct family f = { key, key, "untyped", "See nbdkit-zram-plugin(1)." };

    print_family (&f, replies);
  }
  json_decref (names);
}

/* ---- the halves of a mirrored backing file ---- */

static const struct family half_families[] = {
  { "in_sync", "backing_half_in_sync", "gauge",
    "Whether the half of a mirror has all pages." },
  { "left", "backing_half_missing_bytes", "gauge", "What it lacks, about." },
  { "connections", "backing_half_connections", "gauge",
    "Connections to it; none: it is away, or something else." },
  { "reconnects", "backing_half_reconnects_total", "counter",
    "Connections to it that were made again." },
};

static void
print_half_sample (const struct family *f, const json_t *reply,
                   const json_t *half)
{
  const json_t *value = json_object_get (half, f->key);

  begin_sample (f->name, "", reply);
  fputs (",backing=", stdout);
  print_quoted (json_text (half, "uri"));
  printf ("} %" PRIu64 "\n", json_is_boolean (value)
          ? (uint64_t) json_is_true (value) : json_number (half, f->key));
}

static void
print_halves (const json_t *replies)
{
  size_t i, j;
  json_t *reply, *half;

  for (size_t k = 0; k < ARRAY_SIZE (half_families); ++k) {
    const struct family *f = &half_families[k];

    describe (f->name, f->type, f->help);
    json_array_foreach (replies, i, reply)
      json_array_foreach (json_object_get (reply, "backing_halves"), j, half)
        print_half_sample (f, reply, half);
  }
}

/* ---- maintenance ---- */

static void
print_maintenance (const json_t *replies)
{
  const char *name = "maintenance_runs_total";
  json_t *reply, *runs;
  const char *action;
  size_t i;

  describe ("maintenance_cpu_seconds_total", "counter",
            "Processor time that maintenance took by itself.");
  json_array_foreach (replies, i, reply)
    print_seconds ("maintenance_cpu_seconds_total", "", reply, json_number (
      json_object_get (reply, "maintenance"), "cpu_nanoseconds"));
  describe (name, "counter", "Jobs that maintenance did by itself.");
  json_array_foreach (replies, i, reply)
    json_object_foreach (json_object_get (json_object_get (
                           reply, "maintenance"), "runs"), action, runs) {
      begin_sample (name, "", reply);
      fputs (",action=", stdout);
      print_quoted (action);
      printf ("} %" JSON_INTEGER_FORMAT "\n", json_integer_value (runs));
    }
}

/* ---- histograms ---- */

static void
print_latency (const char *request, const char *name, const char *help,
               const json_t *replies)
{
  size_t i, b;
  json_t *reply, *count;

  describe (name, "histogram", help);
  json_array_foreach (replies, i, reply) {
    const json_t *bounds = json_object_get (reply, "latency_bounds");
    const json_t *r = json_object_get (json_object_get (reply, "requests"),
                                       request);
    uint64_t sum = 0;

    json_array_foreach (json_object_get (r, "latency"), b, count) {
      sum += (uint64_t) json_integer_value (count);
      begin_sample (name, "_bucket", reply);
      if (b < json_array_size (bounds))
        printf (",le=\"%.10g\"} %" PRIu64 "\n", 1e-9 * (double)
                json_integer_value (json_array_get (bounds, b)), sum);
      else
        printf (",le=\"+Inf\"} %" PRIu64 "\n", sum);
    }
    print_seconds (name, "_sum", reply, json_number (r, "nanoseconds"));
    print_sample (name, "_count", reply, sum);
  }
}

static void
print_bytes (const char *request, const char *name, const char *help,
             const json_t *replies)
{
  size_t i;
  json_t *reply;

  describe (name, "counter", help);
  json_array_foreach (replies, i, reply)
    print_sample (name, "", reply, json_number (
      json_object_get (json_object_get (reply, "requests"), request),
      "bytes"));
}

/* Sizes of objects by size class: the page size divided by them is the
 * ratio.
 */
static void
print_objects (const json_t *replies)
{
  const char *name = "object_size_bytes";
  size_t i, b;
  json_t *reply, *pair;

  describe (name, "histogram",
            "Sizes of compressed objects, rounded up to their size class.");
  json_array_foreach (replies, i, reply) {
    uint64_t count = 0, sum = 0;

    json_array_foreach (json_object_get (reply, "object_sizes"), b, pair) {
      uint64_t size = (uint64_t) json_integer_value (json_array_get (pair, 0));
      uint64_t n = (uint64_t) json_integer_value (json_array_get (pair, 1));

      count += n;
      sum += n * size;
      begin_sample (name, "_bucket", reply);
      printf (",le=\"%" PRIu64 "\"} %" PRIu64 "\n", size, count);
    }
    begin_sample (name, "_bucket", reply);
    printf (",le=\"+Inf\"} %" PRIu64 "\n", count);
    print_sample (name, "_sum", reply, sum);
    print_sample (name, "_count", reply, count);
  }
}

/* ---- all of it ---- */

/* Also where there is nothing else to say: who reads a file without any
 * series can't tell that its servers are gone.
 */
static void
print_up (const json_t *replies, const json_t *down)
{
  size_t i;
  json_t *reply;

  describe ("up", "gauge", "Whether the server answers.");
  json_array_foreach (replies, i, reply)
    print_sample ("up", "", reply, 1);
  json_array_foreach (down, i, reply)
    print_sample ("up", "", reply, 0);
}

static void
print_all (const json_t *replies)
{
  print_infos (replies);
  print_export_infos (replies);
  for (size_t i = 0; i < ARRAY_SIZE (export_families); ++i)
    print_export_family (&export_families[i], replies);
  for (size_t i = 0; i < ARRAY_SIZE (families); ++i)
    print_family (&families[i], replies);
  print_unknown (replies);
  print_halves (replies);
  print_maintenance (replies);
  print_bytes ("read", "read_bytes_total", "Bytes read.", replies);
  print_bytes ("write", "written_bytes_total", "Bytes written.", replies);
  print_latency ("read", "read_duration_seconds", "How long reads took.",
                 replies);
  print_latency ("write", "write_duration_seconds", "How long writes took.",
                 replies);
  print_objects (replies);
}

int
command_metrics (const struct command *command, int argc, char *argv[])
{
  const char *control = NULL;
  const struct option_entry entries[] = { OPTION_CONTROL (&control), { 0 } };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);
  json_t *replies = json_array (), *down = json_array ();
  int code = servers_ask (name, control, "metrics", replies, down);

  if (code != EXIT_USAGE)
    print_up (replies, down);
  if (json_array_size (replies) > 0)
    print_all (replies);
  json_decref (replies);
  json_decref (down);
  return code;
}
