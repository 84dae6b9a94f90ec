/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram metrics: the counters of servers in the text format of Prometheus.
 * In that format a family is described once, followed by its samples of all
 * servers.  So all servers are asked before anything is printed.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/status.h"
#include "command/base/control-client.h"
#include "command/base/output.h"
#include "command/swap/area-status.h"
#include "lib/base/util.h"

struct family {
  const char *key;              /* in the reply of the server */
  const char *name;             /* after "nbdzram_" */
  const char *type;
  const char *help;
};

/* Numbers of "statistics". */
static const struct family families[] = {
  { "orig_data_size", "data_bytes", "gauge",
    "Data stored, before compression." },
  { "compr_data_size", "compressed_bytes", "gauge",
    "The same data after compression." },
  { "mem_used_total", "memory_bytes", "gauge",
    "Memory held, including bookkeeping." },
  { "mem_limit", "memory_limit_bytes", "gauge",
    "Limit of the memory held; 0 is no limit." },
  { "mem_used_max", "memory_max_bytes", "gauge",
    "The most memory held since the server started." },
  { "mem_waste", "memory_waste_bytes", "gauge",
    "Memory between objects, including spare memory." },
  { "mem_bookkeeping", "memory_bookkeeping_bytes", "gauge",
    "Memory of tables, streams and other bookkeeping." },
  { "same_pages", "same_pages", "gauge", "Pages that repeat one word." },
  { "huge_pages", "huge_pages", "gauge", "Pages stored raw." },
  { "huge_pages_since", "huge_pages_stored_total", "counter",
    "Pages stored raw since the server started." },
  { "idle_pages", "idle_pages", "gauge",
    "Pages in memory that were not accessed for a long time." },
  { "group_pages", "group_pages", "gauge",
    "Pages in groups with neighbours." },
  { "dup_pages", "duplicate_pages", "gauge",
    "Pages that share the object of an identical page." },
  { "mem_dedup", "memory_dedup_bytes", "gauge",
    "Memory of the index that finds identical pages." },
  { "bd_count", "backing_pages", "gauge", "Pages in the backing file." },
  { "bd_reads", "backing_read_pages_total", "counter",
    "Pages read from the backing file." },
  { "bd_writes", "backing_written_pages_total", "counter",
    "Pages written back." },
  { "bd_promoted", "backing_promoted_pages_total", "counter",
    "Pages that were read back and stayed in memory." },
  { "bd_stale", "backing_stale_total", "counter",
    "Times that the backing file had other data than what was written "
    "back." },
  { "bd_read_errors", "backing_read_errors_total", "counter",
    "Failed reads of the backing file." },
  { "bd_write_errors", "backing_write_errors_total", "counter",
    "Failed writes of the backing file." },
  { "bd_size", "backing_size_bytes", "gauge",
    "Room in the backing file." },
  { "bd_used", "backing_used_bytes", "gauge",
    "Room used in the backing file." },
  { "bd_live", "backing_live_bytes", "gauge",
    "Room in the backing file used by pages that still exist." },
  { "bd_written", "backing_written_bytes_total", "counter",
    "Bytes written to the backing file, including cleaning." },
  { "bd_connections", "backing_connections", "gauge",
    "Connections to the NBD server of the backing file." },
  { "bd_reconnects", "backing_reconnects_total", "counter",
    "Times that a connection to the backing file was made again." },
  { "writeback_limit", "writeback_limit_bytes", "gauge",
    "Limit of bytes written back in a day; 0 is no limit." },
  { "writeback_left", "writeback_left_bytes", "gauge",
    "Bytes left of the limit for today." },
  { "pages_compacted", "compacted_os_pages_total", "counter",
    "OS pages freed by compaction." },
  { "failed_reads", "failed_reads_total", "counter",
    "Reads answered with an error." },
  { "failed_writes", "failed_writes_total", "counter",
    "Writes answered with an error." },
  { "notify_free", "trimmed_pages_total", "counter", "Pages trimmed." },
  { "objects_up_to_half", "small_objects", "gauge",
    "Objects of up to half a page." },
  { "objects_above_half", "large_objects", "gauge",
    "Objects larger than half a page that are not raw." },
  { "zspages", "zspages", "gauge",
    "Groups of OS pages that hold objects." },
  { "checksum_errors", "damage_found_total", "counter",
    "Times that a page was found damaged." },
  { "bad_slots", "damaged_at_start_pages", "gauge",
    "Pages found damaged when the pool was attached." },
};

/* Numbers of the reply itself. */
static const struct family server_families[] = {
  { "uptime", "uptime_seconds", "gauge", "Seconds since the server started." },
  { "page_size", "page_size_bytes", "gauge", "Unit of compression." },
  { "clients", "clients", "gauge", "Connections to the exports." },
};

/* Numbers of each element of "devices". */
static const struct family export_families[] = {
  { "size", "disk_size_bytes", "gauge", "Size of the export." },
  { "quota", "export_quota_bytes", "gauge",
    "Limit of the memory that the export may hold; 0 is no limit." },
  { "held", "export_memory_bytes", "gauge",
    "Memory held by the pages and the table of the export." },
  { "bandwidth", "export_bandwidth_limit_bytes", "gauge",
    "Limit of bytes read and written in a second; 0 is no limit." },
  { "connections", "export_clients", "gauge", "Connections to the export." },
  { "orig_data_size", "export_data_bytes", "gauge",
    "Data stored in the export, before compression." },
  { "reads", "export_reads_total", "counter",
    "Requests to read the export." },
  { "read_bytes", "export_read_bytes_total", "counter",
    "Bytes read from the export." },
  { "writes", "export_writes_total", "counter",
    "Requests to write the export." },
  { "write_bytes", "export_written_bytes_total", "counter",
    "Bytes written to the export." },
  { "trims", "export_trims_total", "counter",
    "Requests to trim the export or to write zeroes." },
  { "failed", "export_failed_requests_total", "counter",
    "Requests to the export answered with an error." },
};

/* Numbers of each replica of a mirrored backing file. */
static const struct family replica_families[] = {
  { "in_sync", "backing_half_in_sync", "gauge",
    "Whether the replica has all pages." },
  { "left", "backing_half_missing_bytes", "gauge",
    "Bytes that the replica lacks, about." },
  { "connections", "backing_half_connections", "gauge",
    "Connections to the replica; 0 while it is unreachable or unusable." },
  { "reconnects", "backing_half_reconnects_total", "counter",
    "Times that a connection to the replica was made again." },
};

/* Numbers of each device of the kernel that is attached to a server. */
static const struct family device_families[] = {
  { "connections", "device_connections", "gauge",
    "Connections of the device to its server." },
  { "reconnects", "device_reconnects_total", "counter",
    "Times that the device was given a new connection." },
};

/* Numbers of each area of a swap. */
static const struct family area_families[] = {
  { "size", "swap_area_size_bytes", "gauge", "Size of the area of swap." },
  { "used", "swap_area_used_bytes", "gauge",
    "What the kernel uses of the area." },
  { "stored", "swap_area_stored_bytes", "gauge",
    "What the server holds of the area, before compression." },
  { "dead", "swap_area_dead_bytes", "gauge",
    "What the server holds and the kernel does not use any more." },
};

/* ---- the format ---- */

static void
print_description (const char *name, const char *type, const char *help)
{
  printf ("# HELP nbdzram_%s %s\n# TYPE nbdzram_%s %s\n", name, help, name,
          type);
}

/* Print the value of a label in quotes.  It may be any name that a client
 * chose: escape it for a terminal, but not for Prometheus.
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

static void
print_label (const char *name, const char *value)
{
  printf (",%s=", name);
  print_quoted (value);
}

/* The file name of a control socket without its suffix.  As the label of a
 * server it is unique in its directory, and known when the server is dead.
 */
static void
socket_name (const char *path, char name[CONTROL_PATH_SIZE])
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

  socket_name (*path != '\0' ? path : json_text (reply, "name"), name);
  fputs ("server=", stdout);
  print_quoted (name);
  if (*directory != '\0')
    print_label ("directory", directory);
}

/* Begin a line with the labels of the server; the caller adds other labels,
 * "} " and the value.
 */
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

/* ---- servers ---- */

static void
print_infos (const json_t *replies)
{
  size_t i;
  json_t *reply;

  print_description ("info", "gauge", "Version and algorithm of the server.");
  json_array_foreach (replies, i, reply) {
    begin_sample ("info", "", reply);
    print_label ("version", json_text (reply, "version"));
    print_label ("algorithm", json_text (reply, "algorithm"));
    fputs ("} 1\n", stdout);
  }
}

/* ---- exports ---- */

/* The algorithm of the export, or by default that of the server. */
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

  print_description ("export_info", "gauge", "Algorithm of the export.");
  json_array_foreach (replies, i, reply)
    json_array_foreach (json_object_get (reply, "devices"), j, device) {
      begin_sample ("export_info", "", reply);
      print_label ("export", json_text (device, "name"));
      print_label ("algorithm", algorithm_of (reply, device));
      fputs ("} 1\n", stdout);
    }
}

/* ---- statistics ---- */

/* Where the objects are that have the numbers of some families: in the list,
 * or the object, at a key of the reply; or the reply itself.
 */
struct group {
  const char *list, *part;
  const char *label, *label_key; /* tells the objects of a list apart */
};

static const struct group server = { NULL, NULL, NULL, NULL };
static const struct group statistics = { .part = "statistics" };
static const struct group exports = {
  .list = "devices", .label = "export", .label_key = "name",
};
static const struct group replicas = {
  .list = "backing_halves", .label = "backing", .label_key = "uri",
};

static const struct group devices = {
  .list = "attachments", .label = "device", .label_key = "device",
};
static const struct group areas = {
  .list = "areas", .label = "device", .label_key = "device",
};

static void
print_value (const struct group *g, const struct family *f,
             const json_t *reply, const json_t *object)
{
  const json_t *value = json_object_get (object, f->key);

  if (!value)
    return;
  begin_sample (f->name, "", reply);
  if (g->label)
    print_label (g->label, json_text (object, g->label_key));
  printf ("} %" PRIu64 "\n", json_is_true (value)
          ? UINT64_C (1) : (uint64_t) json_integer_value (value));
}

static void
print_family (const struct group *g, const struct family *f,
              const json_t *replies)
{
  size_t i, j;
  json_t *reply, *object;

  print_description (f->name, f->type, f->help);
  json_array_foreach (replies, i, reply) {
    json_array_foreach (json_object_get (reply, g->list), j, object)
      print_value (g, f, reply, object);
    if (!g->list)
      print_value (g, f, reply,
                   g->part ? json_object_get (reply, g->part) : reply);
  }
}

static void
print_families (const struct group *g, const struct family *list,
                size_t count, const json_t *replies)
{
  for (size_t i = 0; i < count; ++i)
    print_family (g, &list[i], replies);
}

static bool
is_known (const char *key)
{
  for (size_t i = 0; i < ARRAY_SIZE (families); ++i)
    if (strcmp (families[i].key, key) == 0)
      return true;
  return false;
}

/* Print statistics that only a newer server has. */
static void
print_unknown_families (const json_t *replies)
{
  json_auto_t *names = json_object ();
  json_t *reply, *value;
  const char *key;
  size_t i;

  json_array_foreach (replies, i, reply)
    json_object_foreach (json_object_get (reply, "statistics"), key, value)
      if (!is_known (key))
        json_object_set_new (names, key, json_true ());
  json_object_foreach (names, key, value) {
    struct family f = { key, key, "untyped", "See nbdkit-zram-plugin(1)." };

    print_family (&statistics, &f, replies);
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

  print_description ("maintenance_cpu_seconds_total", "counter",
                     "Processor time of background maintenance.");
  json_array_foreach (replies, i, reply)
    print_seconds ("maintenance_cpu_seconds_total", "", reply, json_number (
      json_object_get (reply, "maintenance"), "cpu_nanoseconds"));
  print_description (name, "counter", "Jobs done by background maintenance.");
  json_array_foreach (replies, i, reply)
    json_object_foreach (json_object_get (json_object_get (
                           reply, "maintenance"), "runs"), action, runs) {
      begin_sample (name, "", reply);
      print_label ("action", action);
      printf ("} %" JSON_INTEGER_FORMAT "\n", json_integer_value (runs));
    }
}

/* ---- histograms ---- */

static void
print_bucket (const char *name, const json_t *reply, const char *bound,
              uint64_t count)
{
  begin_sample (name, "_bucket", reply);
  printf (",le=\"%s\"} %" PRIu64 "\n", bound, count);
}

static void
print_latency (const char *request, const char *name, const char *help,
               const json_t *replies)
{
  size_t i, b;
  json_t *reply, *count;

  print_description (name, "histogram", help);
  json_array_foreach (replies, i, reply) {
    const json_t *bounds = json_object_get (reply, "latency_bounds");
    const json_t *r = json_object_get (json_object_get (reply, "requests"),
                                       request);
    uint64_t sum = 0;

    json_array_foreach (json_object_get (r, "latency"), b, count) {
      char bound[32] = "+Inf";

      sum += (uint64_t) json_integer_value (count);
      if (b < json_array_size (bounds))
        snprintf (bound, sizeof bound, "%.10g", 1e-9 * (double)
                  json_integer_value (json_array_get (bounds, b)));
      print_bucket (name, reply, bound, sum);
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

  print_description (name, "counter", help);
  json_array_foreach (replies, i, reply)
    print_sample (name, "", reply, json_number (
      json_object_get (json_object_get (reply, "requests"), request),
      "bytes"));
}

/* Sizes of objects by size class.  The page size divided by the size of an
 * object is its compression ratio.
 */
static void
print_objects (const json_t *replies)
{
  const char *name = "object_size_bytes";
  size_t i, b;
  json_t *reply, *pair;

  print_description (name, "histogram", "Sizes of compressed objects, rounded "
                     "up to their size class.");
  json_array_foreach (replies, i, reply) {
    uint64_t count = 0, sum = 0;

    json_array_foreach (json_object_get (reply, "object_sizes"), b, pair) {
      uint64_t size = (uint64_t) json_integer_value (json_array_get (pair, 0));
      uint64_t n = (uint64_t) json_integer_value (json_array_get (pair, 1));
      char bound[TEXT_SIZE];

      count += n;
      sum += n * size;
      print_bucket (name, reply, text_of_number (bound, size), count);
    }
    print_bucket (name, reply, "+Inf", count);
    print_sample (name, "_sum", reply, sum);
    print_sample (name, "_count", reply, count);
  }
}

/* ---- all of it ---- */

/* Printed even if no server answers: from a file without any series, a reader
 * can't tell that the servers are gone.
 */
static void
print_up (const json_t *replies, const json_t *down)
{
  size_t i;
  json_t *reply;

  print_description ("up", "gauge", "Whether the server answers.");
  json_array_foreach (replies, i, reply)
    print_sample ("up", "", reply, 1);
  json_array_foreach (down, i, reply)
    print_sample ("up", "", reply, 0);
}

static void
print_all (const json_t *replies)
{
  print_infos (replies);
  print_families (&server, server_families, ARRAY_SIZE (server_families),
                  replies);
  print_export_infos (replies);
  print_families (&exports, export_families, ARRAY_SIZE (export_families),
                  replies);
  print_families (&statistics, families, ARRAY_SIZE (families), replies);
  print_unknown_families (replies);
  print_families (&replicas, replica_families, ARRAY_SIZE (replica_families),
                  replies);
  print_families (&devices, device_families, ARRAY_SIZE (device_families),
                  replies);
  print_families (&areas, area_families, ARRAY_SIZE (area_families), replies);
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
  json_auto_t *replies = json_array (), *down = json_array ();
  int code = servers_ask (name, control, "metrics", replies, down);

  for (size_t i = 0; i < json_array_size (replies); ++i) {
    attach_status (json_array_get (replies, i));
    area_status (json_array_get (replies, i));
  }

  if (code != EXIT_USAGE)
    print_up (replies, down);
  if (json_array_size (replies) > 0)
    print_all (replies);
  return code;
}
