/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of one server, the processes beside it, and its devices. */

#include <config.h>

#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <linux/capability.h>

#include "command/attach/device-queue.h"
#include "command/attach/partitions.h"
#include "command/attach/status.h"
#include "command/base/cgroup.h"
#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/process.h"
#include "command/base/run-file.h"
#include "lib/base/util.h"

#include "area-look.h"
#include "check.h"
#include "protection.h"

/* Twice the memory that the server was measured to take without its pool. */
#define WITHOUT_POOL (64 * MIB)

#define START_AGAIN "; then start the server again"

struct server_check {
  json_t *list;
  const struct server *server;
  const json_t *status;         /* its reply to "status" */
  const json_t *hardening;      /* part of STATUS */
  int pid;
};

static bool
is_true (const json_t *object, const char *key)
{
  return json_is_true (json_object_get (object, key));
}

/* The path of FILE in the server's directory of /proc. */
static const char *
proc_path (const struct server_check *l, const char *file, char path[64])
{
  snprintf (path, 64, "/proc/%d/%s", l->pid, file);
  return path;
}

/* ---- protection ---- */

/* The soft limit of locked memory in bytes; UINT64_MAX: no limit. */
static uint64_t
memlock_limit (const struct server_check *l)
{
  static const char key[] = "Max locked memory";
  uint64_t limit = 0;
  char path[64], line[256];
  CLEANUP_FCLOSE FILE *fp = kernel_file_open (proc_path (l, "limits", path));

  if (!fp)
    return 0;
  while (fgets (line, sizeof line, fp))
    if (strncmp (line, key, sizeof key - 1) == 0
        && sscanf (line + sizeof key - 1, "%" SCNu64, &limit) != 1)
      limit = UINT64_MAX;       /* "unlimited" */
  return limit;
}

static void
check_lock (const struct server_check *l)
{
  uint64_t locked = json_number (l->hardening, "locked");
  uint64_t limit = memlock_limit (l);
  char text[TEXT_SIZE];

  check_that (l->list, is_true (l->hardening, "mlock"), "lock",
              "start the server with mlock=on",
              locked > 0 ? "the server locks memory as it uses it"
                         : "the server does not lock its memory");
  if (process_has_capability (l->pid, CAP_IPC_LOCK) == 1)
    check_add (l->list, CHECK_OK, "lock-limit", NULL,
               "the server has CAP_IPC_LOCK");
  else
    check_that (l->list, limit == UINT64_MAX, "lock-limit",
                "LimitMEMLOCK=infinity in its unit, or ulimit -l unlimited"
                START_AGAIN, "the limit of locked memory is %s",
                limit == UINT64_MAX ? "none" : text_of_size (text, limit));
}

static const char *
scheduling_remedy (const struct server_check *l)
{
  if (!is_true (l->hardening, "mlock"))
    return "start the server with mlock=on, and with CAP_SYS_NICE, or "
      "LimitRTPRIO=3 in its unit";
  if (process_has_capability (l->pid, CAP_SYS_NICE) == 1)
    return "give its control group real-time in cpu.rt_runtime_us "
      "(CONFIG_RT_GROUP_SCHED), or run it outside of a container"
      START_AGAIN;
  return "give it CAP_SYS_NICE, or LimitRTPRIO=3 in its unit" START_AGAIN;
}

static void
check_threads (const struct server_check *l)
{
  const char *scheduling = json_string_value
    (json_object_get (l->hardening, "scheduling"));
  json_int_t score = json_integer_value
    (json_object_get (l->hardening, "oom_score_adj"));
  bool flusher = is_true (l->hardening, "io_flusher");

  check_that (l->list, flusher, "io-flusher",
              "give it CAP_SYS_RESOURCE: start it as root, or "
              "AmbientCapabilities=CAP_SYS_RESOURCE in its unit" START_AGAIN,
              flusher ? "its threads never wait for I/O to get memory"
                      : "its threads may wait for swap to get memory");
  check_that (l->list, scheduling && strncmp (scheduling, "fifo", 4) == 0,
              "scheduling", scheduling_remedy (l),
              "the scheduling of serving threads is %s",
              scheduling ? scheduling : "unknown");
  check_that (l->list, score == -1000, "oom",
              "OOMScoreAdjust=-1000 in its unit, or give it "
              "CAP_SYS_RESOURCE" START_AGAIN,
              "oom_score_adj is %" JSON_INTEGER_FORMAT, score);
}

static void
check_reserve (const struct server_check *l)
{
  const json_t *reserve = json_object_get (l->hardening, "reserve");
  uint64_t size = json_number (reserve, "size");
  uint64_t misses = json_number (reserve, "misses");
  char text[TEXT_SIZE], remedy[128];

  if (size == 0) {
    check_add (l->list, CHECK_WARN, "reserve",
               "start the server with mlock=on; a pool on hugetlbfs needs "
               "none",
               "the server has no memory in reserve");
    return;
  }
  snprintf (remedy, sizeof remedy, "start the server with reserve=%" PRIu64
            "K", 2 * size / KIB);
  text_of_size (text, size);
  check_add (l->list, misses == 0 ? CHECK_OK : CHECK_WARN, "reserve", remedy,
             "%s, which was too small %" PRIu64 " times", text, misses);
}

/* ---- memory ---- */

/* The memory that a disk of BYTES takes if nothing in it compresses. */
static uint64_t
worst_case (uint64_t bytes)
{
  return bytes + bytes / 256;
}

static uint64_t
devices_worst_case (const struct server_check *l)
{
  const json_t *device;
  uint64_t sum = 0;
  size_t i;

  json_array_foreach (json_object_get (l->status, "devices"), i, device)
    sum += worst_case (json_number (device, "size"));
  return sum;
}

static uint64_t
server_statistic (const struct server_check *l, const char *key)
{
  return json_number (json_object_get (l->status, "statistics"), key);
}

static void
check_group (const struct server_check *l)
{
  uint64_t max = cgroup_memory_limit (l->pid);
  uint64_t limit = server_statistic (l, "mem_limit"), most, room;
  char allowed[TEXT_SIZE], needed[TEXT_SIZE], remedy[256];

  if (max == UINT64_MAX) {
    check_add (l->list, CHECK_OK, "cgroup", NULL,
               "its control group has no memory limit");
    return;
  }
  most = (limit > 0 ? limit : devices_worst_case (l)) + WITHOUT_POOL;
  room = max > WITHOUT_POOL ? max - WITHOUT_POOL : 0;
  snprintf (remedy, sizeof remedy, room >= MIB
            ? "MemoryMax=infinity and MemoryHigh=infinity in its unit, or a "
            "mem-limit= of at most %" PRIu64 "M"
            : "MemoryMax=infinity and MemoryHigh=infinity in its unit",
            room / MIB);
  check_that (l->list, max >= most, "cgroup", remedy,
              "its control group may use %s, and the pool and the "
              "processes may need %s", text_of_size (allowed, max),
              text_of_size (needed, most));
}

/* Locking keeps the pool in memory, but only while a process has it mapped. */
static void
check_group_swap (const struct server_check *l)
{
  int may = cgroup_may_swap (l->pid);

  if (may != -1)
    check_add (l->list, may ? CHECK_WARN : CHECK_OK, "cgroup-swap",
               "MemorySwapMax=0 in its unit",
               may ? "if all processes of its control group are killed at "
               "once, the pool may be swapped out to its own disk"
               : "its control group is never swapped");
}

/* Can the pool hold the whole disk?  To the kernel, swap is full only when its
 * whole size is used.  Until then it retries writes to a full pool, and uses
 * no other swap.
 */
static void
check_size (const struct server_check *l)
{
  uint64_t limit = server_statistic (l, "mem_limit"), ram = 0;
  uint64_t room = server_statistic (l, "bd_size");
  uint64_t most = devices_worst_case (l);
  char held[TEXT_SIZE], needed[TEXT_SIZE], remedy[256];

  kernel_file_field ("/proc/meminfo", "MemTotal", 10, &ram);
  room += limit > 0 ? limit : ram * KIB;
  snprintf (remedy, sizeof remedy, "use a size= of at most %" PRIu64 "M, or "
            "more mem-limit= or backing-size=: see WHEN THE POOL IS FULL in "
            "nbdzram-swap(7)", (room - room / 256) / MIB);
  check_add (l->list, most <= room ? CHECK_OK : CHECK_WARN, "mem-limit",
             remedy, "the disk may need up to %s, and %s%s may hold %s%s",
             text_of_size (needed, most),
             limit > 0 ? "mem-limit" : "the machine's memory",
             server_statistic (l, "bd_size") > 0
             ? " with the backing file" : "",
             text_of_size (held, room),
             most <= room ? "" : ": when that is full, programs stand still");
}

/* Is its disk cut into areas (area-plan.h)? */
static bool
has_areas (const char *name)
{
  struct partition list[PARTITIONS_MAX];
  uint64_t size;
  int index = area_find_disk (name, &size);

  return index != -1 && partitions_read (index, list) > 0;
}

static void
check_limit (const struct server_check *l)
{
  if (has_areas (l->server->name)) {
    check_add (l->list, CHECK_OK, "mem-limit", NULL, "the kernel sees no more "
               "free swap than the pool can hold");
    return;
  }
  check_size (l);
}

/* ---- processes beside the server ---- */

/* Put the path of the file with SUFFIX beside the control socket into PATH;
 * false if the name of the socket is not NAME.ctl.
 */
static bool
sibling_path (const struct server_check *l, const char *suffix, char *path,
              size_t size)
{
  char name[CONTROL_PATH_SIZE];

  return name_of_file (name, sizeof name, l->server->path, CONTROL_SUFFIX)
    && snprintf (path, size, "%s%s", name, suffix) < (int) size;
}

/* Check that PID has the WANTED protection; FINE is the text if it has. */
static void
check_process (const struct server_check *l, const char *name, uint64_t pid,
               unsigned wanted, const char *fine)
{
  char missing[256];

  if (protection_has ((int) pid, wanted, missing, sizeof missing))
    check_add (l->list, CHECK_OK, name, NULL, "%s", fine);
  else
    check_add (l->list, CHECK_MISSING, name, PROTECTION_REMEDY,
               "process %" PRIu64 " has %s", pid, missing);
}

static void
check_standby (const struct server_check *l, const json_t *standby)
{
  if (is_true (standby, "waiting"))
    check_process (l, "standby", json_number (standby, "pid"),
                   PROTECTION_ALL, "another server waits to take over");
  else
    check_add (l->list, CHECK_MISSING, "standby",
               "find the reason in the log of nbdzram serve",
               "no other server waits to take over");
}

/* Check the process that does nothing but keep the server's memory locked. */
static void
check_lock_keeper (const struct server_check *l, uint64_t pid)
{
  if (pid > 0)
    check_process (l, "holder", pid, PROTECTION_LOCK | PROTECTION_OOM,
                   "the pool stays locked when the server dies");
  else
    check_add (l->list, CHECK_MISSING, "holder",
               "start the server with mlock=on",
               "no process keeps the pool locked when the server dies");
}

/* Does the server run on this machine? */
static bool
is_local (const struct server_check *l)
{
  return l->status != NULL;
}

static void
check_supervisor (const struct server_check *l)
{
  struct server sup = { .name = "" };
  json_auto_t *reply = NULL;
  char error[256], text[256];
  uint64_t pid;

  if (!sibling_path (l, ".sup", sup.path, sizeof sup.path)
      || server_try (&sup, json_pack ("{s:s}", "verb", "status"), TIMEOUT,
                     &reply, error, sizeof error) != EXIT_OK) {
    snprintf (text, sizeof text, "stop the server, and run nbdzram serve %s",
              l->server->name);
    if (is_local (l))
      check_add (l->list, CHECK_MISSING, "supervisor", text,
                 "no supervisor starts the server again when it dies");
    return;
  }
  pid = json_number (reply, "pid");
  snprintf (text, sizeof text, "the supervisor is process %" PRIu64, pid);
  check_process (l, "supervisor", pid, PROTECTION_ALL, text);
  if (is_local (l)) {
    check_standby (l, json_object_get (reply, "standby"));
    check_lock_keeper (l,
                       json_number (json_object_get (reply, "holder"), "pid"));
  }
}

static bool
is_running (uint64_t pid)
{
  char path[64], text[KERNEL_VALUE_SIZE];

  snprintf (path, sizeof path, "/proc/%" PRIu64 "/comm", pid);
  return pid > 0 && kernel_file_read (path, text, sizeof text) > 0;
}

/* The kernel or an administrator may have turned throttling on again. */
static void
check_queue (json_t *list, int index)
{
  char remedy[96];
  uint64_t usec = 0;
  bool throttles = queue_has_throttling (index, &usec);

  snprintf (remedy, sizeof remedy,
            "echo 0 >/sys/block/nbd%d/queue/wbt_lat_usec", index);
  check_add (list, throttles ? CHECK_WARN : CHECK_OK, "queue", remedy,
             throttles ? "/dev/nbd%d has writeback throttling: while the "
             "pool is full, killed programs do not end"
             : "/dev/nbd%d has no writeback throttling", index);
}

static void
check_attachment (const struct server_check *l, const char *file)
{
  json_auto_t *attach = json_load_file (file, 0, NULL);
  const char *device = json_string_value (json_object_get (attach, "device"));
  uint64_t pid = json_number (attach, "pid");
  const char *base = strrchr (file, '/') + 1;
  char text[256];

  /* A watcher that still connects has written nothing yet. */
  if (!device)
    return;
  if (is_running (pid)) {
    snprintf (text, sizeof text, "process %" PRIu64 " keeps %s connected", pid,
              device);
    check_process (l, "watcher", pid, PROTECTION_ALL, text);
  }
  else {
    snprintf (text, sizeof text, "nbdzram watch %.*s",
              (int) (strlen (base) - strlen (".attach")), base);
    check_add (l->list, CHECK_MISSING, "watcher", text,
               "no watcher keeps %s connected", device);
  }
  check_queue (l->list, (int) json_number (attach, "index"));
}

/* NAME.attach, NAME.1.attach, ...; none if the disk is not attached. */
static void
check_attachments (const struct server_check *l)
{
  static const char *const patterns[] = { ".attach", ".[0-9]*.attach" };
  char pattern[PATH_MAX];
  glob_t found;

  for (unsigned i = 0; i < ARRAY_SIZE (patterns); ++i) {
    if (!sibling_path (l, patterns[i], pattern, sizeof pattern)
        || glob (pattern, 0, NULL, &found) != 0)
      continue;
    for (size_t n = 0; n < found.gl_pathc; ++n)
      check_attachment (l, found.gl_pathv[n]);
    globfree (&found);
  }
}

/* Check that all members of a mirror are in sync.  All attachments have the
 * same array, so the first one is enough.
 */
static void
check_mirror (json_t *list, const json_t *attachments)
{
  const json_t *attachment;
  size_t i;

  json_array_foreach (attachments, i, attachment) {
    const json_t *a = json_object_get (attachment, "array");
    uint64_t in_sync = json_number (a, "in_sync");
    uint64_t members = json_number (a, "halves");

    if (strcmp (json_text (a, "level"), "raid1") != 0)
      continue;
    check_add (list, in_sync == members ? CHECK_OK : CHECK_WARN, "mirror",
               "start the missing servers; the mirror then resyncs by "
               "itself", "%" PRIu64 " of %" PRIu64 " members of %s are in "
               "sync", in_sync, members,
               json_text (a, "device"));
    return;
  }
}

bool
check_remote (json_t *list, const char *name)
{
  struct server s = { .name = "" };
  const struct server_check l = { .list = list, .server = &s };
  char directory[sizeof s.path];
  json_auto_t *replies = json_array ();

  attach_status_remote (replies, name);
  if (json_array_size (replies) == 0
      || control_path (s.path, control_directory (directory, sizeof directory),
                       name) == -1)
    return false;
  check_supervisor (&l);
  check_attachments (&l);
  check_mirror (list, json_object_get (json_array_get (replies, 0),
                                       "attachments"));
  return true;
}

int
check_server (json_t *list, const struct server *s, json_t **status)
{
  struct server_check l = { .list = list, .server = s };
  int code = server_ask (s, json_pack ("{s:s}", "verb", "status"), TIMEOUT,
                         status);

  if (code != EXIT_OK)
    return code;
  l.status = *status;
  l.hardening = json_object_get (*status, "hardening");
  l.pid = (int) json_number (*status, "pid");
  check_lock (&l);
  check_threads (&l);
  check_reserve (&l);
  check_limit (&l);
  check_group (&l);
  check_group_swap (&l);
  check_supervisor (&l);
  check_attachments (&l);
  return EXIT_OK;
}
