/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a replicated pair: which disk is which replica, and what is on
 * them.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "replicated.h"

/* Milliseconds without an answer after which a replica is dropped, and the
 * other one is asked instead.
 */
#define STALL 3000

/* ---- opening ---- */

/* Say that ERROR is about H.  Returns -1. */
static int
blame_replica (const struct replica *h, const struct backing_options *o,
               struct backing_error *error)
{
  error->path = strcmp (h->uri, o->path) == 0 ? o->path : o->other_path;
  return -1;
}

static int
refuse_replica (const struct replica *h, const struct backing_options *o,
                struct backing_error *error, enum backing_error_reason reason)
{
  backing_error_set (error, reason);
  return blame_replica (h, o, error);
}

static int
refuse_with_detail (const struct replica *h, const struct backing_options *o,
                    struct backing_error *error, const char *detail)
{
  backing_error_set_detail (error, detail);
  return blame_replica (h, o, error);
}

static int
open_replica (struct replica *h, struct replicated *m, const char *uri,
              const struct backing_options *o, struct backing_error *error)
{
  const struct nbd_client_options client = {
    .uri = uri, .timeout = o->timeout, .log = o->log, .stall_max = STALL,
    .may_be_away = true,
  };

  h->replicated = m;
  h->uri = strdup (uri);
  if (!h->uri)
    return -1;
  if (remote_open (&h->disk, &client, record_is_set (o->record), h->why,
                   sizeof h->why) == 0)
    return 0;
  return refuse_with_detail (h, o, error, h->why);
}

static bool
is_connected (struct replica *h)
{
  return nbd_client_is_connected (h->disk.nbd_client);
}

static struct replicated *
replicated_new (struct backing *b, const struct backing_options *o)
{
  struct replicated *m = calloc (1, sizeof *m);

  if (!m)
    return NULL;
  m->backing = b;
  m->options = *o;
  m->options.path = m->options.other_path = NULL;
  m->record = o->record;
  m->unexamined = ALL_EXAMINED;
  mutex_init (&m->lock);
  return m;
}

int
replicated_open (struct backing *b, const struct backing_options *o,
                 uint64_t *size, struct backing_error *error)
{
  const char *const paths[BACKING_REPLICAS] = { o->path, o->other_path };
  struct replicated *m = replicated_new (b, o);

  b->replicated = m;
  if (!m)
    return -1;
  b->is_device = true;
  b->can_give_back = true;
  *size = 0;
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    if (open_replica (&m->replicas[i], m, paths[i], o, error) == -1)
      return -1;
    *size = MAX (*size, nbd_client_size (m->replicas[i].disk.nbd_client));
  }
  if (is_connected (&m->replicas[0]) || is_connected (&m->replicas[1]))
    return 0;
  return refuse_with_detail (&m->replicas[0], o, error, m->replicas[0].why);
}

static size_t
missed_size (const struct backing *b)
{
  return align_up (div_up (b->blocks, 8), OS_PAGE_SIZE);
}

void
replicated_close (struct backing *b)
{
  struct replicated *m = b->replicated;

  if (!m)
    return;
  /* A thread of one replica looks at the other one: all threads end before
   * anything is freed.
   */
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    remote_stop (&m->replicas[i].disk);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    remote_close (&m->replicas[i].disk);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    free (m->replicas[i].uri);
    free (m->writes[i]);
  }
  os_unmap (m->missed, missed_size (b));
  os_unmap (m->buffer, RESYNC_BYTES);
  budget_give (b->budget, m->taken);
  pthread_mutex_destroy (&m->lock);
  free (m);
  b->replicated = NULL;
}

/* ---- which disk is which replica ---- */

/* The first block of a connected replica. */
struct first_block {
  const void *block;
  const uint8_t *id;            /* in it; NULL: it is no header */
  int place;                    /* of that id in the record, or -1 */
};

static int
read_first_block (struct replica *h, struct first_block *f,
                  const struct backing_options *o, void *block,
                  struct backing_error *error)
{
  *f = (struct first_block) { .block = block, .place = -1 };
  if (!is_connected (h))
    return 0;
  if (remote_read (&h->disk, block, BACKING_BLOCK, 0, false) == -1)
    return refuse_replica (h, o, error, BACKING_ERROR_SYSTEM);
  f->id = header_id (block);
  if (f->id && header_is_of (block, o) && o->record->has)
    f->place = record_find (o->record, f->id);
  return 0;
}

/* The user may give the replicas in any order. */
static void
swap_replicas (struct replicated *m,
               struct first_block found[BACKING_REPLICAS])
{
  struct first_block f = found[0];
  struct remote disk = m->replicas[0].disk;
  char *uri = m->replicas[0].uri;

  m->replicas[0].disk = m->replicas[1].disk;
  m->replicas[0].uri = m->replicas[1].uri;
  m->replicas[1].disk = disk;
  m->replicas[1].uri = uri;
  found[0] = found[1];
  found[1] = f;
}

static int
refuse_same_export (const struct replica *h, const struct backing_options *o,
                    struct backing_error *error)
{
  return refuse_with_detail (h, o, error, "it is the same export as the other "
                             "replica");
}

/* The pool has pages: a connected replica must have all of them. */
static int
find_pages (struct replicated *m, const struct backing_options *o,
            struct first_block found[BACKING_REPLICAS],
            struct backing_error *error)
{
  unsigned in_sync = record_in_sync (o->record), here = 0;

  if (found[0].place != -1 && found[0].place == found[1].place)
    return refuse_same_export (&m->replicas[1], o, error);
  if (found[0].place == 1 || found[1].place == 0)
    swap_replicas (m, found);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (found[i].place != -1)
      here |= 1u << i;
  if (here & in_sync)
    return 0;
  if (here)
    return refuse_with_detail (&m->replicas[here == 1 ? 0 : 1], o, error,
                               "it lacks pages that only the other replica "
                               "has, which can't be reached, or has lost "
                               "them");
  return refuse_replica (&m->replicas[is_connected (&m->replicas[0]) ? 0 : 1],
                         o, error, BACKING_ERROR_UNEXPECTED);
}

/* A connected disk that is no replica of this pair must be free, and is then
 * not in sync.
 */
static int
check_others (struct replicated *m, const struct backing_options *o,
              const struct first_block found[BACKING_REPLICAS],
              struct backing_error *error)
{
  unsigned in_sync = record_in_sync (o->record);

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = &m->replicas[i];
    enum backing_error_reason refusal;

    if (!is_connected (h) || found[i].place != -1)
      continue;
    refusal = replica_refusal (h, found[i].block, found[i].id);
    if (refusal != BACKING_ERROR_NONE)
      return refuse_replica (h, o, error, refusal);
    in_sync &= ~replica_bit (h);
  }
  if (o->record->has)
    atomic_store (&o->record->in_sync, in_sync);
  return 0;
}

/* The pool has no pages yet: all connected replicas are in sync. */
static int
initialise_pair (struct replicated *m, const struct backing_options *o,
                 struct backing_error *error)
{
  uint8_t ids[BACKING_REPLICAS][BACKING_ID_SIZE] = { { 0 } };
  unsigned in_sync = 0;
  const uint8_t *id;

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = &m->replicas[i];

    if (!is_connected (h))
      continue;
    if (remote_read (&h->disk, m->buffer, BACKING_BLOCK, 0, false) == -1)
      return refuse_replica (h, o, error, BACKING_ERROR_SYSTEM);
    id = header_id (m->buffer);
    if (id && in_sync && memcmp (id, ids[0], sizeof ids[0]) == 0)
      return refuse_same_export (h, o, error);
    if (replica_take_over (h) == -1)
      return refuse_replica (h, o, error, BACKING_ERROR_SYSTEM);
    memcpy (ids[i], o->record->ids[i], sizeof ids[i]);
    in_sync |= replica_bit (h);
  }
  record_set (o->record, ids, in_sync);
  m->backing->taken_over = true;
  return 0;
}

/* ---- settling ---- */

static int
allocate (struct replicated *m)
{
  struct backing *b = m->backing;
  uint64_t bytes = missed_size (b) + RESYNC_BYTES
    + BACKING_REPLICAS * nbd_client_write_size () + sizeof *m;

  if (budget_take (b->budget, bytes) == -1)
    return -1;
  m->taken = bytes;
  m->missed = os_map_anon (missed_size (b));
  m->buffer = os_map_anon (RESYNC_BYTES);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    m->writes[i] = malloc (nbd_client_write_size ());
  if (m->missed && m->buffer && m->writes[0] && m->writes[1])
    return 0;
  return fail_with (ENOMEM);
}

/* New pages must have room on both replicas.  Existing pages may be on only
 * one: as long as it is not known where they end, the smaller replica is no
 * bound.
 */
static int
bound_by_smaller (struct replicated *m, const struct backing_options *o,
                  struct backing_error *error)
{
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    uint64_t size = nbd_client_size (m->replicas[i].disk.nbd_client);

    if (!is_connected (&m->replicas[i]))
      continue;
    if (size < BACKING_BLOCK + o->page_size)
      return refuse_replica (&m->replicas[i], o, error,
                             BACKING_ERROR_TOO_SMALL);
    if (!o->record->has)
      replica_bounds (&m->replicas[i]);
  }
  return 0;
}

static int
settle_connected (struct replicated *m, const struct backing_options *o,
                  char *blocks, struct backing_error *error)
{
  struct first_block found[BACKING_REPLICAS];

  *error = (struct backing_error) { .path = o->path };
  if (bound_by_smaller (m, o, error) == -1
      || read_first_block (&m->replicas[0], &found[0], o, blocks, error) == -1
      || read_first_block (&m->replicas[1], &found[1], o,
                           blocks + BACKING_BLOCK, error) == -1
      || (o->record->has && find_pages (m, o, found, error) == -1)
      || check_others (m, o, found, error) == -1)
    return -1;
  return o->record->has ? 0 : initialise_pair (m, o, error);
}

static unsigned
count_connected (struct replicated *m)
{
  return is_connected (&m->replicas[0]) + is_connected (&m->replicas[1]);
}

int
replicated_settle (struct backing *b, const struct backing_options *o,
                   struct backing_error *error)
{
  struct replicated *m = b->replicated;
  unsigned connected;
  char *blocks;
  int r;

  if (allocate (m) == -1)
    return errno != ENOSPC ? -1
      : backing_error_set_detail (error, "mem-limit= is too small for two "
                                  "replicas");
  blocks = os_map_anon (BACKING_REPLICAS * BACKING_BLOCK);
  if (!blocks)
    return -1;
  /* If a replica goes away meanwhile, try again without it. */
  do {
    connected = count_connected (m);
    r = settle_connected (m, o, blocks, error);
  } while (r == -1 && count_connected (m) > 0
           && count_connected (m) < connected);
  for (unsigned i = 0; r == 0 && i < BACKING_REPLICAS; ++i) {
    m->replicas[i].lost_all = !replica_in_sync (&m->replicas[i]);
    b->may_be_larger |= replica_in_sync (&m->replicas[i])
      && !is_connected (&m->replicas[i]);
  }
  os_unmap (blocks, BACKING_REPLICAS * BACKING_BLOCK);
  return r;
}
