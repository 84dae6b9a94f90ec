/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs that work on the pages, at once and as long as it takes. */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/maintenance/compact.h"
#include "lib/maintenance/idle.h"
#include "lib/maintenance/recompress.h"
#include "lib/maintenance/reconfigure.h"
#include "lib/maintenance/trim.h"
#include "lib/maintenance/writeback.h"

#include "control-verbs.h"
#include "control.h"

static bool
is_wanted (void *opaque)
{
  const _Atomic bool *cancelled = opaque;

  return !*cancelled;
}

static struct job
job_until (const _Atomic bool *cancelled)
{
  return (struct job) { is_wanted, (void *) (uintptr_t) cancelled };
}

VERB (idle)
{
  uint64_t age = (uint64_t) verb_number (args, "age", 0);

  return json_pack ("{s:b, s:I}", "ok", 1, "idle_pages",
                    (json_int_t) pool_mark_idle (context->pool, age));
}

VERB (compact)
{
  struct job job = job_until (cancelled);

  return json_pack ("{s:b, s:I}", "ok", 1, "freed_bytes",
                    (json_int_t) pool_compact (context->pool, &job));
}

VERB (trim_empty)
{
  struct job job = job_until (cancelled);

  return json_pack ("{s:b, s:I}", "ok", 1, "trimmed_pages",
                    (json_int_t) pool_trim_empty (context->pool, &job));
}

VERB (reset)
{
  unsigned clients = 0;

  /* A client that connects now is refused: its writes would be lost. */
  if (!atomic_compare_exchange_strong (context->clients, &clients,
                                       CLIENTS_BARRED))
    return verb_error ("the disk is in use: %u %s", clients,
                       clients == 1 ? "connection" : "connections");
  pool_reset (context->pool);
  atomic_fetch_sub (context->clients, CLIENTS_BARRED);
  return json_pack ("{s:b}", "ok", 1);
}

/* ---- recompress ---- */

static enum page_type
page_type_of (const char *name)
{
  static const char *const names[PAGE_TYPES] = {
    [PAGES_ALL] = "all",
    [PAGES_IDLE] = "idle",
    [PAGES_HUGE] = "huge",
    [PAGES_HUGE_IDLE] = "huge_idle",
    [PAGES_INCOMPRESSIBLE] = "incompressible",
  };
  unsigned i = 0;

  while (i < PAGES_INCOMPRESSIBLE && strcmp (names[i], name) != 0)
    ++i;
  return i;
}

/* Selects the pages that ARGS name.  Returns false as verb_range.  The caller
 * calls selection_done to put the device.
 */
static bool
selection_of (const struct control_context *context, const json_t *args,
              struct selection *s, json_t **reply)
{
  *s = select_type (page_type_of (verb_string (args, "type", "all")));
  if (!json_object_get (args, "device") && !json_object_get (args, "first")
      && !json_object_get (args, "end"))
    return true;
  return verb_range (context, args, &s->device, &s->first, &s->end, reply);
}

static void
selection_done (const struct selection *s)
{
  int err = errno;

  if (s->device)
    device_put (s->device);
  errno = err;
}

static json_t *
recompress_failed (const struct recompress_request *req)
{
  if (errno == EINVAL && req->priority > 0)
    return verb_error ("there is no algorithm of priority %u", req->priority);
  if (errno == EINVAL)
    return verb_error ("the server was started without recompress=");
  return verb_error ("no memory for the new objects; what has been done "
                     "stays");
}

/* Compresses all pages of replaced algorithms with the current one. */
static json_t *
refresh (const struct control_context *context, const json_t *args,
         const struct job *job)
{
  uint64_t refreshed;

  if (json_object_size (args) != 2) /* the verb and the type */
    return verb_error ("\"stale\" goes without other keys");
  if (pool_refresh (context->pool, job, &refreshed) == -1)
    return recompress_failed (&(struct recompress_request) { .priority = 0 });
  return json_pack ("{s:b, s:I, s:I, s:I, s:I}", "ok", 1,
                    "tried_pages", (json_int_t) refreshed,
                    "recompressed_pages", (json_int_t) refreshed,
                    "incompressible_pages", (json_int_t) 0,
                    "saved_bytes", (json_int_t) 0);
}

VERB (recompress)
{
  struct recompress_request req = {
    .threshold = (uint32_t) verb_number (args, "threshold", 0),
    .max_pages = (uint64_t) verb_number (args, "max_pages", 0),
    .priority = (unsigned) verb_number (args, "priority", 0),
  };
  struct job job = job_until (cancelled);
  bool group = json_is_true (json_object_get (args, "group"));
  struct recompress_result result;
  json_t *reply;
  int r;

  if (strcmp (verb_string (args, "type", "all"), "stale") == 0)
    return refresh (context, args, &job);
  if (group && (req.threshold != 0 || req.max_pages != 0))
    return verb_error ("\"group\" goes without \"threshold\" and "
                       "\"max_pages\"");
  if (!selection_of (context, args, &req.which, &reply))
    return reply;
  r = (group ? pool_group : pool_recompress) (context->pool, &req, &job,
                                              &result);
  selection_done (&req.which);
  if (r == -1)
    return recompress_failed (&req);
  return json_pack ("{s:b, s:I, s:I, s:I, s:I}", "ok", 1,
                    "tried_pages", (json_int_t) result.tried,
                    "recompressed_pages",
                    (json_int_t) result.recompressed,
                    "incompressible_pages",
                    (json_int_t) result.incompressible,
                    "saved_bytes", (json_int_t) result.saved);
}

/* ---- writeback ---- */

static json_t *
writeback_failed (void)
{
  char text[128];

  switch (errno) {
  case ENXIO:
    return verb_error ("the server was started without backing=");
  case EDQUOT:
    return verb_error ("the day's writeback-limit is used up");
  case ENOSPC:
    return verb_error ("the backing file is full");
  default:
    return verb_error ("the backing file: %s",
                       strerror_r (errno, text, sizeof text));
  }
}

VERB (writeback)
{
  struct job job = job_until (cancelled);
  struct writeback_result result;
  struct selection which;
  json_t *reply;
  int r;

  if (!selection_of (context, args, &which, &reply))
    return reply;
  r = pool_write_back (context->pool, &which, &job, &result);
  selection_done (&which);
  if (r == -1)
    return writeback_failed ();
  return json_pack ("{s:b, s:I, s:I, s:I}", "ok", 1,
                    "tried_pages", (json_int_t) result.tried,
                    "written_pages", (json_int_t) result.written,
                    "written_bytes", (json_int_t) result.bytes);
}
