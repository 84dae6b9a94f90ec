/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mirror when it begins: which half is which, and of use. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"

#include "replicated.h"

/* Milliseconds without an answer after which a half is left: what it would
 * be asked, the other one can be.
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
  const struct nbd_client_options far = {
    .uri = uri, .timeout = o->timeout, .log = o->log, .stall_max = STALL,
    .may_be_away = true,
  };

  h->replicated = m;
  h->uri = strdup (uri);
  if (!h->uri)
    return -1;
  if (remote_open (&h->disk, &far, record_is_set (o->record), h->why,
                   sizeof h->why) == 0)
    return 0;
  return refuse_with_detail (h, o, error, h->why);
}

static bool
is_there (struct replica *h)
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
  if (is_there (&m->replicas[0]) || is_there (&m->replicas[1]))
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
  /* A thread of one half looks at the other half: all threads end before
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
  os_unmap (m->buffer, MEND_BYTES);
  budget_give (b->budget, m->taken);
  pthread_mutex_destroy (&m->lock);
  free (m);
  b->replicated = NULL;
}

/* ---- what is there ---- */

static int
is_blank (struct replica *h, void *buffer)
{
  uint64_t size = MIN (BACKING_BLANK, nbd_client_size (h->disk.nbd_client));

  for (uint64_t at = 0; at < size; at += MEND_BYTES) {
    size_t len = MIN (MEND_BYTES, size - at);

    if (remote_read (&h->disk, buffer, len, at, false) == -1)
      return -1;
    if (!is_all_zero (buffer, len))
      return 0;
  }
  return 1;
}

enum backing_error_reason
replica_refusal (struct replica *h, const void *block, const uint8_t *id)
{
  struct replicated *m = h->replicated;

  return header_refusal (block, id, &m->options,
                         id ? 0 : is_blank (h, m->buffer));
}

int
replica_take_over (struct replica *h)
{
  struct replicated *m = h->replicated;
  const struct io_run run = { m->buffer, BACKING_BLOCK, 0 };
  uint64_t size = MIN ((uint64_t) m->backing->blocks * BACKING_BLOCK,
                       nbd_client_size (h->disk.nbd_client));
  uint8_t id[BACKING_ID_SIZE];
  bool unsure;

  if (header_make (m->buffer, &m->options, id) == -1)
    return -1;
  {
    LOCK_FOR_SCOPE (&m->lock);
    memcpy (m->record->ids[h - m->replicas], id, sizeof id);
  }
  if (nbd_client_write (h->disk.nbd_client, &run, 1, &unsure) == 0
      && remote_trim_from (&h->disk, BACKING_BLOCK, size) == 0)
    return 0;
  remote_delay_writes (&h->disk);
  return -1;
}

/* ---- which is which ---- */

/* The header of each half that is there. */
struct found {
  const void *block;
  const uint8_t *id;            /* in that; NULL: it is none */
  int place;                    /* in the record, or -1 */
};

static int
look (struct replica *h, struct found *f, const struct backing_options *o,
      void *block, struct backing_error *error)
{
  *f = (struct found) { .block = block, .place = -1 };
  if (!is_there (h))
    return 0;
  if (remote_read (&h->disk, block, BACKING_BLOCK, 0, false) == -1)
    return refuse_replica (h, o, error, BACKING_ERROR_SYSTEM);
  f->id = header_id (block);
  if (f->id && header_is_of (block, o) && o->record->has)
    f->place = record_find (o->record, f->id);
  return 0;
}

/* The order in which they are given does not matter. */
static void
swap_halves (struct replicated *m, struct found found[BACKING_REPLICAS])
{
  struct found f = found[0];
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
refuse_twice (const struct replica *h, const struct backing_options *o,
              struct backing_error *error)
{
  return refuse_with_detail (h, o, error, "it is the same export as the other "
                             "replica");
}

/* There are pages: they must be here. */
static int
find_pages (struct replicated *m, const struct backing_options *o,
            struct found found[BACKING_REPLICAS], struct backing_error *error)
{
  unsigned in_sync = record_in_sync (o->record), here = 0;

  if (found[0].place != -1 && found[0].place == found[1].place)
    return refuse_twice (&m->replicas[1], o, error);
  if (found[0].place == 1 || found[1].place == 0)
    swap_halves (m, found);
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
  return refuse_replica (&m->replicas[is_there (&m->replicas[0]) ? 0 : 1], o,
                         error, BACKING_ERROR_UNEXPECTED);
}

/* What is not known must be free; then it is not in sync. */
static int
check_others (struct replicated *m, const struct backing_options *o,
              const struct found found[BACKING_REPLICAS],
              struct backing_error *error)
{
  unsigned in_sync = record_in_sync (o->record);

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = &m->replicas[i];
    enum backing_error_reason refusal;

    if (!is_there (h) || found[i].place != -1)
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

/* There are no pages yet: all that is there is in sync. */
static int
begin (struct replicated *m, const struct backing_options *o,
       struct backing_error *error)
{
  uint8_t ids[BACKING_REPLICAS][BACKING_ID_SIZE] = { { 0 } };
  unsigned in_sync = 0;
  const uint8_t *id;

  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    struct replica *h = &m->replicas[i];

    if (!is_there (h))
      continue;
    if (remote_read (&h->disk, m->buffer, BACKING_BLOCK, 0, false) == -1)
      return refuse_replica (h, o, error, BACKING_ERROR_SYSTEM);
    id = header_id (m->buffer);
    if (id && in_sync && memcmp (id, ids[0], sizeof ids[0]) == 0)
      return refuse_twice (h, o, error);
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
make_room (struct replicated *m)
{
  struct backing *b = m->backing;
  uint64_t bytes = missed_size (b) + MEND_BYTES
    + BACKING_REPLICAS * nbd_client_write_size () + sizeof *m;

  if (budget_take (b->budget, bytes) == -1)
    return -1;
  m->taken = bytes;
  m->missed = os_map_anon (missed_size (b));
  m->buffer = os_map_anon (MEND_BYTES);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    m->writes[i] = malloc (nbd_client_write_size ());
  if (m->missed && m->buffer && m->writes[0] && m->writes[1])
    return 0;
  errno = ENOMEM;
  return -1;
}

/* New pages must have room in both.  Those that there are may be in one: as
 * long as nobody knows where they end, the smaller is no bound.
 */
static int
bound_by_smaller (struct replicated *m, const struct backing_options *o,
                  struct backing_error *error)
{
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    uint64_t size = nbd_client_size (m->replicas[i].disk.nbd_client);

    if (!is_there (&m->replicas[i]))
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
settle_those_there (struct replicated *m, const struct backing_options *o,
                    char *blocks, struct backing_error *error)
{
  struct found found[BACKING_REPLICAS];

  *error = (struct backing_error) { .path = o->path };
  if (bound_by_smaller (m, o, error) == -1
      || look (&m->replicas[0], &found[0], o, blocks, error) == -1
      || look (&m->replicas[1], &found[1], o, blocks + BACKING_BLOCK, error)
         == -1
      || (o->record->has && find_pages (m, o, found, error) == -1)
      || check_others (m, o, found, error) == -1)
    return -1;
  return o->record->has ? 0 : begin (m, o, error);
}

static unsigned
count_there (struct replicated *m)
{
  return is_there (&m->replicas[0]) + is_there (&m->replicas[1]);
}

int
replicated_settle (struct backing *b, const struct backing_options *o,
                   struct backing_error *error)
{
  struct replicated *m = b->replicated;
  unsigned there;
  char *blocks;
  int r;

  if (make_room (m) == -1)
    return errno != ENOSPC ? -1
      : backing_error_set_detail (error, "mem-limit= is too small for two "
                                  "replicas");
  blocks = os_map_anon (BACKING_REPLICAS * BACKING_BLOCK);
  if (!blocks)
    return -1;
  /* One may go meanwhile: then it is as if it had not been there. */
  do {
    there = count_there (m);
    r = settle_those_there (m, o, blocks, error);
  } while (r == -1 && count_there (m) > 0 && count_there (m) < there);
  for (unsigned i = 0; r == 0 && i < BACKING_REPLICAS; ++i) {
    m->replicas[i].lost_all = !replica_in_sync (&m->replicas[i]);
    b->may_be_larger |= replica_in_sync (&m->replicas[i])
      && !is_there (&m->replicas[i]);
  }
  os_unmap (blocks, BACKING_REPLICAS * BACKING_BLOCK);
  return r;
}
