/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "backing.h"
#include "internal.h"
#include "seal.h"

bool
backing_is_header_of (const struct backing *b, const void *block)
{
  const uint8_t *id = header_id (block);

  return id && memcmp (id, b->id, sizeof b->id) == 0;
}

/* ---- checking what is in it ---- */

/* Set how many blocks slots may name, and how many may be written.  Slots of
 * an earlier process may name any block of the file, even if backing-size= is
 * smaller now.
 */
static int
find_size (struct backing *b, const struct backing_options *o,
           uint64_t file_size, struct backing_error *error)
{
  uint64_t size = o->size;

  if (size > BACKING_SIZE_MAX)
    return backing_error_set (error, BACKING_ERROR_TOO_LARGE);
  if (b->is_device)
    size = size == 0 ? file_size : MIN (size, file_size);
  size = MIN (size, BACKING_SIZE_MAX);
  if (size < BACKING_BLOCK + o->page_size)
    return backing_error_set (error, BACKING_ERROR_TOO_SMALL);
  b->limit = (uint32_t) (size / BACKING_BLOCK);
  b->blocks = b->limit;
  if (record_is_set (o->record))
    b->blocks = MAX (b->limit, (uint32_t) (MIN (file_size, BACKING_SIZE_MAX)
                                           / BACKING_BLOCK));
  return 0;
}

static int
read_all (struct backing *b, void *buf, size_t len)
{
  return b->kind->read (b, buf, len, 0, false);
}

/* Returns 1, 0, or -1 with errno. */
static int
is_blank (struct backing *b, uint64_t file_size)
{
  size_t len = MIN (BACKING_BLANK, (uint64_t) b->blocks * BACKING_BLOCK);
  char *buf;
  int blank;

  if (!b->is_device)
    return file_size == 0;
  buf = os_map_anon (len);
  if (!buf)
    return -1;
  blank = read_all (b, buf, len) == -1
    ? -1 : is_all_zero (buf, len);
  os_unmap (buf, len);
  return blank;
}

/* Write a header with a new id: slots of another pool no longer name what is
 * in this file.
 */
static int
take_over (struct backing *b, const struct backing_options *o, void *block)
{
  const struct io_run run = { block, BACKING_BLOCK, 0 };
  bool unsure;

  if (header_make (block, o, b->id) == -1)
    return -1;
  b->taken_over = true;
  if (b->kind->write (b, &run, 1, &unsure) == -1)
    return -1;
  return b->kind->cut (b, BACKING_BLOCK);
}

/* Check that the file with ID is the one that has the pool's pages. */
static int
check_expected (struct backing *b, const struct backing_options *o,
                const uint8_t *id, struct backing_error *error)
{
  int replica = id ? record_find (o->record, id) : -1;

  if (replica == -1)
    return backing_error_set (error, BACKING_ERROR_UNEXPECTED);
  if (!(record_in_sync (o->record) & 1u << replica))
    return backing_error_set_detail (error, "it lacks pages that only the "
                                     "other replica has: give backing= for "
                                     "that one, too");
  memcpy (b->id, id, sizeof b->id);
  return 0;
}

static int
check_content (struct backing *b, const struct backing_options *o,
               uint64_t file_size, void *block,
               struct backing_error *error)
{
  enum backing_error_reason refusal;
  const uint8_t *id = NULL;

  if (b->may_be_larger) {       /* it is away, and expected to come back */
    memcpy (b->id, o->record->ids[record_only_in_sync (o->record)],
            sizeof b->id);
    return 0;
  }
  if (b->is_device || file_size >= BACKING_BLOCK) {
    if (read_all (b, block, BACKING_BLOCK) == -1)
      return -1;
    id = header_id (block);
  }
  if (record_is_set (o->record))
    return check_expected (b, o, id && header_is_of (block, o) ? id : NULL,
                           error);
  refusal = header_refusal (block, id, o, id ? 0 : is_blank (b, file_size));
  return refusal != BACKING_ERROR_NONE ? backing_error_set (error, refusal)
                                       : take_over (b, o, block);
}

/* Record that this file is the only one that has all pages from now on.  A
 * replicated pair has recorded which of its replicas do.
 */
static void
update_record (const struct backing *b, struct backing_record *r)
{
  uint8_t ids[BACKING_REPLICAS][BACKING_ID_SIZE] = { { 0 } };

  if (!r)
    return;
  if (!r->has) {
    memcpy (ids[0], b->id, sizeof b->id);
    record_set (r, ids, 1);
  } else if (!b->kind->settle)
    atomic_store (&r->in_sync, 1u << record_find (r, b->id));
  atomic_store (&r->blocks, MAX (r->blocks, b->blocks));
}

/* ---- opening ---- */

static int
open_kind (struct backing *b, const struct backing_options *o,
           struct backing_error *error)
{
  uint64_t size;
  void *block;
  int r = -1;

  if (b->kind->open (b, o, &size, error) == -1)
    return -1;
  block = os_map_anon (BACKING_BLOCK);
  if (!block)
    return -1;
  /* All that can fail without leaving a trace comes before the header is
   * written.
   */
  if (find_size (b, o, size, error) == 0 && space_open (b, o, error) == 0)
    r = b->kind->settle ? b->kind->settle (b, o, error)
                        : check_content (b, o, size, block, error);
  os_unmap (block, BACKING_BLOCK);
  return r;
}

bool
backing_is_uri (const char *path)
{
  const char *rest = path + strspn (path, "abcdefghijklmnopqrstuvwxyz+");

  return strncmp (path, "nbd", 3) == 0 && strncmp (rest, "://", 3) == 0;
}

static const struct backing_kind *
choose_kind (const struct backing_options *o, struct backing_error *error)
{
  const char *wrong;

  if (o->other_path
      && !(backing_is_uri (o->path) && backing_is_uri (o->other_path)))
    wrong = "both replicas of a pair must be exports of NBD servers";
  else if (!backing_is_uri (o->path))
    return &backing_file;
  else {
#ifdef HAVE_BACKING_NBD
    return o->other_path ? &backing_replicated : &backing_nbd;
#endif
    wrong = "this was built without NBD for backing";
  }
  backing_error_set_detail (error, wrong);
  return NULL;
}

int
backing_open (struct backing *b, const struct backing_options *o,
              struct backing_error *error)
{
  *error = (struct backing_error) { .path = o->path };
  *b = (struct backing) {
    .kind = choose_kind (o, error), .io = &backing_system_io,
    .budget = o->budget, .fd = -1,
  };
  if (b->kind && open_kind (b, o, error) == 0) {
    update_record (b, o->record);
    if (b->kind->disconnect)
      b->kind->disconnect (b);
    return 0;
  }
  if (error->reason == BACKING_ERROR_NONE)
    backing_error_set (error, BACKING_ERROR_SYSTEM);
  if (b->is_new)
    unlink (o->path);
  backing_close (b);
  return -1;
}

int
backing_start (struct backing *b)
{
  return b->kind->start ? b->kind->start (b) : 0;
}

void
backing_close (struct backing *b)
{
  if (b->kind)
    b->kind->close (b);
  space_close (b);
}

int
backing_attach_done (struct backing *b)
{
  if (b->can_give_back && b->kind->find_space)
    b->kind->find_space (b);
  else if (b->can_give_back)
    space_set_backed (b, 1, b->high_water);
  if (b->attach_error != 0)
    return fail_with (b->attach_error);
  /* An earlier process may have needed more.  If this fails, only that memory
   * stays allocated.
   */
  block_array_forget (&b->sums, b->high_water,
                      BACKING_SIZE_MAX / BACKING_BLOCK);
  block_array_forget (&b->seals, b->high_water,
                      BACKING_SIZE_MAX / BACKING_BLOCK);
  return 0;
}

void
backing_renew_key (struct backing *b)
{
  if (b->sealer && atomic_load (&b->used) == 1 /* the header */
      && io_wait_for_readers (b) == 0)
    seals_renew_key (b);
}

bool
backing_resync (struct backing *b)
{
  return b->kind->resync && b->kind->resync (b);
}

bool
backing_get_replica (const struct backing *b, unsigned n,
                     struct backing_replica *st)
{
  if (!b->kind->get_replica || n >= BACKING_REPLICAS)
    return false;
  b->kind->get_replica (b, n, st);
  return true;
}
