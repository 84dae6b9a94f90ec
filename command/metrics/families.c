/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of metrics.  Numbers that need more than a line here are printed
 * in page.c.
 */

#include <config.h>

#include <stddef.h>

#include "families.h"

/* Numbers of the reply itself. */
static const struct family of_servers[] = {
  { "uptime", "uptime_seconds", "gauge", "Seconds since the server started." },
  { "page_size", "page_size_bytes", "gauge", "Unit of compression." },
  { "clients", "clients", "gauge", "Connections to the exports." },
  { 0 },
};

/* Numbers of each element of "devices". */
static const struct family of_exports[] = {
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
  { 0 },
};

/* Numbers of "statistics". */
static const struct family of_statistics[] = {
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
  { 0 },
};

/* Numbers of each replica of a mirrored backing file. */
static const struct family of_replicas[] = {
  { "in_sync", "backing_half_in_sync", "gauge",
    "Whether the replica has all pages." },
  { "left", "backing_half_missing_bytes", "gauge",
    "Bytes that the replica lacks, about." },
  { "connections", "backing_half_connections", "gauge",
    "Connections to the replica; 0 while it is unreachable or unusable." },
  { "reconnects", "backing_half_reconnects_total", "counter",
    "Times that a connection to the replica was made again." },
  { 0 },
};

/* What the kernel says of the process, and the reserve. */
static const struct family of_hardening[] = {
  { "mlock", "memory_locked", "gauge",
    "Whether the memory of the server is locked." },
  { "locked", "memory_locked_bytes", "gauge",
    "Mappings of the server that are locked as they are used." },
  { "io_flusher", "io_flusher", "gauge",
    "Whether the server gets memory without waiting for its own disk." },
  { "real_time", "real_time_priority", "gauge",
    "Real-time priority of the server; 0 is none." },
  { "oom_score_adj", "oom_score_adj", "gauge",
    "Adjustment with which the OOM killer chooses the server." },
  { 0 },
};

static const struct family of_reserve[] = {
  { "size", "reserve_size_bytes", "gauge",
    "Memory that should be kept ready for new pages." },
  { "now", "reserve_bytes", "gauge", "Memory that is ready for new pages." },
  { "low", "reserve_lowest_bytes", "gauge",
    "The least that was ready since the server started." },
  { "refills", "reserve_refills_total", "counter",
    "Times that the reserve was filled up again." },
  { "misses", "reserve_misses_total", "counter",
    "Times that the reserve was used up, and the system was asked." },
  { 0 },
};

/* Numbers of each device of the kernel that is attached to a server. */
static const struct family of_devices[] = {
  { "size", "device_size_bytes", "gauge", "Size of the device." },
  { "connections", "device_connections", "gauge",
    "Connections to its server that the device should have." },
  { "receivers", "device_connections_alive", "gauge",
    "Connections from which the kernel reads replies." },
  { "reconnects", "device_reconnects_total", "counter",
    "Times that the device was given a new connection." },
  { "watched", "watcher_up", "gauge",
    "Whether the watcher that keeps the device connected lives." },
  { 0 },
};

/* Devices that are in use as swap, or the array that they are a member of. */
static const struct family of_swaps[] = {
  { "size", "device_swap_size_bytes", "gauge",
    "Size of the swap on the device, or on the array of the device." },
  { "used", "device_swap_used_bytes", "gauge",
    "What the kernel uses of that swap." },
  { 0 },
};

/* Arrays; the numbers are repeated for each member. */
static const struct family of_arrays[] = {
  { "halves", "array_members", "gauge",
    "Members that the array of the device should have." },
  { "in_sync", "array_members_in_sync", "gauge",
    "Members of the array of the device that are in sync." },
  { 0 },
};

/* Numbers of each area of a swap. */
static const struct family of_areas[] = {
  { "size", "swap_area_size_bytes", "gauge", "Size of the area of swap." },
  { "used", "swap_area_used_bytes", "gauge",
    "What the kernel uses of the area." },
  { "stored", "swap_area_stored_bytes", "gauge",
    "What the server holds of the area, before compression." },
  { "dead", "swap_area_dead_bytes", "gauge",
    "What the server holds and the kernel does not use any more." },
  { 0 },
};

static const struct family of_swap[] = {
  { "area_room", "swap_area_room_bytes", "gauge",
    "How large another area of swap can be now." },
  { 0 },
};

const struct group server_groups[] = {
  { of_servers, NULL, NULL, NULL, NULL, NULL },
  { of_hardening, NULL, "hardening", NULL, NULL, NULL },
  { of_reserve, NULL, "hardening", "reserve", NULL, NULL },
  { of_exports, "devices", NULL, NULL, "export", "name" },
  { of_statistics, NULL, "statistics", NULL, NULL, NULL },
  { of_replicas, "backing_halves", NULL, NULL, "backing", "uri" },
  { of_devices, "attachments", NULL, NULL, "device", "device" },
  { of_swaps, "attachments", "swap", NULL, "device", "device" },
  { of_arrays, "attachments", "array", NULL, "device", "device" },
  { of_areas, "areas", NULL, NULL, "device", "device" },
  { of_swap, NULL, NULL, NULL, NULL, NULL },
  { NULL, NULL, NULL, NULL, NULL, NULL },
};

const struct group statistics_group = {
  of_statistics, NULL, "statistics", NULL, NULL, NULL,
};

/* ---- supervisors ---- */

static const struct family of_supervisors[] = {
  { "up", "supervisor_up", "gauge", "Whether the supervisor answers." },
  { "restarts", "server_restarts_total", "counter",
    "Times that another server has taken over, upgrades included." },
  { "server_ready", "server_ready", "gauge",
    "Whether the supervisor has a server that serves." },
  { "standby_ready", "standby_ready", "gauge",
    "Whether a standby waits to take over from the server." },
  { "lock_keeper", "lock_keeper_up", "gauge",
    "Whether a process keeps the memory of the server locked." },
  { "watcher_count", "supervisor_watchers", "gauge",
    "Watchers, and managers of areas, that the supervisor runs." },
  { 0 },
};

const struct group supervisor_group = {
  of_supervisors, NULL, NULL, NULL, NULL, NULL,
};
