/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/kernel-file.h"
#include "service/hardening.h"

#include "device-queue.h"

#define TEXT_OF_VALUE(x) #x
#define TEXT_OF(macro) TEXT_OF_VALUE (macro)

enum { SCHEDULER, WBT, ROTATIONAL, TIMEOUT, READ_AHEAD, REQUEST_SIZE };

/* The order matters: a scheduler may switch throttling on or off. */
static const struct {
  const char *key, *value;
  bool later;                   /* not set by queue_set */
  bool at_most;                 /* a smaller value stays */
} settings[QUEUE_SETTINGS] = {
  [SCHEDULER] = { .key = "scheduler", .value = "none" },
  [WBT] = { .key = "wbt_lat_usec", .value = "0" },
  [ROTATIONAL] = { .key = "rotational", .value = "0" },
  [TIMEOUT] = { .key = "io_timeout", .later = true },
  [READ_AHEAD] = { .key = "read_ahead_kb", .value = "0", .later = true },
  [REQUEST_SIZE] = { .key = "max_sectors_kb",
                     .value = TEXT_OF (KERNEL_REQUEST_KIB), .at_most = true },
};

/* The kernel's default for its NBD client, milliseconds. */
#define DEFAULT_TIMEOUT "30000"

const char *
queue_key (unsigned n)
{
  return n < QUEUE_SETTINGS ? settings[n].key : NULL;
}

static const char *
setting_path (char path[64], int index, unsigned n)
{
  snprintf (path, 64, "/sys/block/nbd%d/queue/%s", index, settings[n].key);
  return path;
}

/* The value that we, or the kernel for us, set it to. */
static const char *
our_value (char value[QUEUE_VALUE_SIZE], unsigned n, uint64_t timeout)
{
  if (settings[n].value)
    return settings[n].value;
  snprintf (value, QUEUE_VALUE_SIZE, "%" PRIu64, timeout * 1000);
  return value;
}

/* Of "[mq-deadline] kyber none", keeps the active one. */
static void
keep_active_choice (char *text)
{
  char *begin = strchr (text, '['), *end = begin ? strchr (begin, ']') : NULL;

  if (!end)
    return;
  *end = '\0';
  memmove (text, begin + 1, (size_t) (end - begin));
}

/* False: the kernel does not have it, or not for this device. */
static bool
read_setting (char value[QUEUE_VALUE_SIZE], int index, unsigned n)
{
  char path[64], text[256];

  if (kernel_file_read (setting_path (path, index, n), text, sizeof text)
      == -1)
    return false;
  keep_active_choice (text);
  return snprintf (value, QUEUE_VALUE_SIZE, "%s", text) < QUEUE_VALUE_SIZE;
}

void
queue_remember (struct device_queue *q, int index, uint64_t timeout)
{
  char ours[QUEUE_VALUE_SIZE];

  for (unsigned n = 0; n < QUEUE_SETTINGS; ++n)
    if (!read_setting (q->old[n], index, n)
        || strcmp (q->old[n], our_value (ours, n, timeout)) == 0)
      q->old[n][0] = '\0';
}

void
queue_inherit (struct device_queue *q, int index, uint64_t timeout,
               const struct device_queue *former, uint64_t former_timeout)
{
  char now[QUEUE_VALUE_SIZE], theirs[QUEUE_VALUE_SIZE];
  char ours[QUEUE_VALUE_SIZE];

  for (unsigned n = 0; n < QUEUE_SETTINGS; ++n)
    if (former->old[n][0] != '\0' && read_setting (now, index, n)
        && strcmp (now, our_value (theirs, n, former_timeout)) == 0
        && strcmp (former->old[n], our_value (ours, n, timeout)) != 0)
      memcpy (q->old[n], former->old[n], QUEUE_VALUE_SIZE);
}

void
queue_is_new (struct device_queue *q)
{
  strcpy (q->old[TIMEOUT], DEFAULT_TIMEOUT);
}

/* Is NOW as good as the value that we set? */
static bool
is_set (unsigned n, const char *now)
{
  if (settings[n].at_most)
    return strtoull (now, NULL, 10) <= strtoull (settings[n].value, NULL, 10);
  return strcmp (now, settings[n].value) == 0;
}

bool
queue_set (int index, char *refused, size_t size)
{
  char path[64], now[QUEUE_VALUE_SIZE];
  bool all = true;

  for (unsigned n = 0; n < QUEUE_SETTINGS; ++n) {
    if (settings[n].later || !read_setting (now, index, n)
        || is_set (n, now)
        || kernel_file_write (setting_path (path, index, n),
                              settings[n].value) == 0)
      continue;
    snprintf (refused, size, "%s: %s", path, strerror (errno));
    all = false;
  }
  return all;
}

void
queue_disable_read_ahead (const char *disk)
{
  char path[96];

  snprintf (path, sizeof path, "/sys/block/%.32s/queue/%s", disk,
            settings[READ_AHEAD].key);
  kernel_file_write (path, settings[READ_AHEAD].value);
}

void
queue_restore (const struct device_queue *q, int index, uint64_t timeout)
{
  char path[64], now[QUEUE_VALUE_SIZE], ours[QUEUE_VALUE_SIZE];

  for (unsigned n = 0; n < QUEUE_SETTINGS; ++n)
    if (q->old[n][0] != '\0' && read_setting (now, index, n)
        && strcmp (now, our_value (ours, n, timeout)) == 0)
      kernel_file_write (setting_path (path, index, n), q->old[n]);
}

bool
queue_has_throttling (int index, uint64_t *usec)
{
  char path[64];

  return kernel_file_number (setting_path (path, index, WBT), usec) == 0
    && *usec > 0;
}
