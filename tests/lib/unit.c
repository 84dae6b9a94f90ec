/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools for tests, and the check of everything that must be true of a pool.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/backing/internal.h"
#include "lib/base/os.h"
#include "lib/maintenance/stats.h"
#include "lib/store/device-objects.h"
#include "lib/store/device.h"
#include "lib/store/pool.h"

#include "unit.h"

/* Replaces the libc's function.  Address space is short under valgrind, so let
 * the machine seem to have little memory: then the arena is small.
 */
int
sysinfo (struct sysinfo *si)
{
  int r = (int) syscall (SYS_sysinfo, si);

  if (r == 0 && getenv ("NBDZRAM_VALGRIND")) {
    si->totalram = MIN (si->totalram, GIB / si->mem_unit);
    si->totalswap = 0;
  }
  return r;
}

/* ---- opening ---- */

struct algorithm
unit_algorithm (const char *spec)
{
  struct algorithm a;
  char error[256];

  if (algorithm_parse (spec, &a, error, sizeof error) == -1) {
    fprintf (stderr, "%s\n", error);
    abort ();
  }
  return a;
}

const char *
unit_strong (void)
{
  if (!codec_by_name ("zstd"))
    return "lz4hc:level=12";
  return unit_quick () ? "zstd:level=2" : "zstd:level=9";
}

int
unit_attach (struct unit_pool *u)
{
  u->started = ATTACH_FAILED;
  u->pool = pool_open (&u->options);
  if (!u->pool)
    return -1;
  u->started = pool_start (u->pool);
  if (u->started == ATTACH_OK)
    return 0;
  unit_detach (u);
  return -1;
}

void
unit_detach (struct unit_pool *u)
{
  int err = errno;

  pool_close (u->pool);
  u->pool = NULL;
  errno = err;
}

int
unit_reopen (struct unit_pool *u)
{
  unit_detach (u);
  return unit_attach (u);
}

int
unit_open (struct unit_pool *u, const char *algorithm, uint32_t page_size,
           bool checksum, uint64_t limit)
{
  *u = (struct unit_pool) { .fd = memfd_create ("unit", MFD_CLOEXEC) };
  if (u->fd == -1)
    return -1;
  snprintf (u->path, sizeof u->path, "/proc/self/fd/%d", u->fd);
  u->options = (struct pool_options) {
    .path = u->path,
    .geometry = { .page_size = page_size, .checksum = checksum },
    .algorithm = unit_algorithm (algorithm),
    .mem_limit = limit,
  };
  return unit_attach (u);
}

void
unit_close (struct unit_pool *u)
{
  unit_detach (u);
  if (u->fd != -1)
    close (u->fd);
  u->fd = -1;
}

uint64_t
unit_file_bytes (const struct pool *pool)
{
  struct stat st;

  if (fstat (pool->file.fd, &st) == -1)
    abort ();
  return (uint64_t) st.st_blocks * 512;
}

/* ---- walking the slots ---- */

#define CHECK(cond) do { if (!(cond)) return #cond; } while (0)

struct named_object {
  uint64_t offset;
  slot_t slot;                  /* that names it; of a group, for place 0 */
  unsigned device;
};

struct slot_walk {
  struct pool *pool;
  struct unit_sums *sums;
  struct named_object *objects; /* an entry for each slot that names one */
  size_t count, room;
  unsigned device;              /* that is being walked */
};

static int
by_offset (const void *a, const void *b)
{
  uint64_t x = ((const struct named_object *) a)->offset;
  uint64_t y = ((const struct named_object *) b)->offset;

  return x < y ? -1 : x > y;
}

static void
remember (struct slot_walk *w, slot_t slot)
{
  if (slot_is_group (slot))
    slot = slot_group (slot_offset (slot), slot_length (slot), 0);
  if (w->count == w->room) {
    w->room = w->room * 2 + 1024;
    w->objects = realloc (w->objects, w->room * sizeof w->objects[0]);
    if (!w->objects)
      abort ();
  }
  w->objects[w->count++] = (struct named_object) { slot_offset (slot), slot,
                                            w->device };
}

static uint32_t
bytes_of (const struct pool *pool, slot_t slot)
{
  if (slot_is_huge (slot))
    return pool->sizes.page_size;
  return slot_length (slot)
    + (slot_is_stored (slot) ? (uint32_t) OBJECT_HEADER_SIZE : 0);
}

static const char *
walk_object (struct slot_walk *w, slot_t slot)
{
  const struct size_classes *sizes = &w->pool->sizes;
  uint32_t bytes = bytes_of (w->pool, slot);
  uint64_t offset = slot_offset (slot);
  uint64_t frame = offset / sizes->zspage_size;
  uint64_t within = offset % sizes->zspage_size;
  const struct zspage *z = &w->pool->objects.zspages[frame];
  const struct size_class *sc;

  CHECK (bytes <= sizes->page_size);
  CHECK (frame < w->pool->objects.high_water);
  CHECK (z->class_plus_1 == size_class_of (sizes, bytes) + 1);
  sc = &sizes->classes[z->class_plus_1 - 1];
  CHECK (within % sc->size == 0);
  CHECK (within / sc->size < sc->objects);
  CHECK ((z->free[within / sc->size / 64] >> within / sc->size % 64 & 1) == 0);
  CHECK (within + sc->size <= z->committed);

  remember (w, slot);
  w->sums->pages++;
  w->sums->huge += slot_is_huge (slot);
  w->sums->group += slot_is_group (slot);
  w->sums->same_stored += slot_is_stored (slot)
                          && slot_codec (slot) == CODEC_FILL;
  return NULL;
}

static const char *
walk_leaf (struct slot_walk *w, const struct device *d, uint64_t leaf)
{
  slot_t slots[LEAF_SLOTS];

  CHECK (table_copy_leaf (&d->table, leaf, slots));
  for (unsigned i = 0; i < LEAF_SLOTS; ++i) {
    const char *wrong = slot_has_object (slots[i])
      ? walk_object (w, slots[i]) : NULL;

    if (wrong)
      return wrong;
    w->sums->written_back += slot_is_written_back (slots[i]);
    w->sums->same_inline += slot_is_same (slots[i]);
    w->sums->bad += slots[i] == SLOT_BAD;
    CHECK (slots[i] == SLOT_EMPTY || leaf * LEAF_SLOTS + i < d->pages);
  }
  w->sums->leaves++;
  return NULL;
}

/* OS pages of infos.  One is allocated with the first leaf that it serves. */
static uint64_t
info_pages (const struct table *t)
{
  uint64_t pages = 0;

  for (uint64_t leaf = table_next_leaf (t, 0); leaf < t->leaves;
       leaf = table_next_leaf (t, (leaf / LEAVES_PER_INFO_PAGE + 1)
                                    * LEAVES_PER_INFO_PAGE))
    pages++;
  return pages;
}

/* OS pages of the tables, their maps and infos. */
static uint64_t
table_pages (const struct unit_sums *s)
{
  return s->leaves + s->map_pages + s->info_pages;
}

static const char *
walk_device (struct slot_walk *w, const struct device *d)
{
  uint64_t map_pages = div_up (d->table.leaves, OS_PAGE_SIZE * 8);
  uint64_t leaves = 0, before = table_pages (w->sums);

  w->device = d->number;

  for (uint64_t leaf = table_next_leaf (&d->table, 0); leaf < d->table.leaves;
       leaf = table_next_leaf (&d->table, leaf + 1)) {
    const char *wrong = walk_leaf (w, d, leaf);

    if (wrong)
      return wrong;
    leaves++;
  }
  if (d->table.resident) {
    w->sums->leaves += d->table.leaves - leaves;
    w->sums->map_pages += map_pages;
    w->sums->info_pages += div_up (d->table.leaves, LEAVES_PER_INFO_PAGE);
  }
  else {
    for (uint64_t n = 0; n < map_pages; ++n)
      w->sums->map_pages += bit_test (d->table.leaf_map_map, n);
    w->sums->info_pages += info_pages (&d->table);
  }
  w->sums->devices++;
  w->sums->held[d->number] = (table_pages (w->sums) - before) * OS_PAGE_SIZE;
  return NULL;
}

static uint64_t
owned_bytes (const struct pool *pool, slot_t slot)
{
  const struct size_classes *sizes = &pool->sizes;

  return pool->objects_are_owned
    ? sizes->classes[size_class_of (sizes, bytes_of (pool, slot))].size : 0;
}

/* Only pages of a group share an object, and pages that dedup has found to be
 * the same.
 */
static const char *
count_objects (struct slot_walk *w)
{
  if (w->count > 0)
    qsort (w->objects, w->count, sizeof w->objects[0], by_offset);
  for (size_t i = 0; i < w->count; ++i) {
    if (i > 0 && w->objects[i - 1].offset == w->objects[i].offset) {
      CHECK (slot_is_group (w->objects[i].slot) || w->pool->has_dedup);
      CHECK (w->objects[i - 1].slot == w->objects[i].slot);
      w->sums->shared += !slot_is_group (w->objects[i].slot);
      continue;
    }
    w->sums->objects++;
    w->sums->bytes += bytes_of (w->pool, w->objects[i].slot);
    w->sums->held[w->objects[i].device] += owned_bytes (w->pool,
                                                  w->objects[i].slot);
  }
  return NULL;
}

static const char *
walk_pool (struct slot_walk *w)
{
  const char *wrong = objects_check (&w->pool->objects);

  for (unsigned n = 0; !wrong && n < POOL_DEVICES_MAX; ++n)
    if (w->pool->devices[n])
      wrong = walk_device (w, w->pool->devices[n]);
  return wrong ? wrong : count_objects (w);
}

const char *
unit_walk (struct pool *pool, struct unit_sums *sums)
{
  struct slot_walk w = { .pool = pool, .sums = sums };
  const char *wrong;

  *sums = (struct unit_sums) { .objects = 0 };
  wrong = walk_pool (&w);
  free (w.objects);
  return wrong;
}

/* ---- sums ---- */

static uint64_t
stream_bytes (const struct pool *pool)
{
  uint64_t bytes = 0;

  for (unsigned i = 0; i < METHODS; ++i)
    bytes += pool->streams.methods[i].bytes;
  for (const struct stream *s = pool->streams.made; s; s = s->next_made) {
    bytes += s->bytes;
    for (unsigned i = 0; i < METHODS; ++i)
      bytes += s->compressors[i].bytes;
    for (unsigned i = 0; i < CODEC_IDS; ++i)
      bytes += s->decompressors[i].bytes;
  }
  return bytes;
}

static uint64_t
compressor_bytes (const struct compressor *c)
{
  return c->method.bytes + c->context.bytes;
}

static uint64_t
scratch_bytes (const struct scratch *w)
{
  uint64_t bytes = w->bytes;

  for (unsigned i = 0; i < w->count; ++i)
    bytes += compressor_bytes (&w->compressors[i])
      + compressor_bytes (&w->page_compressors[i]);
  return bytes;
}

unsigned
dictionaries_alive (const struct dictionaries *d)
{
  unsigned alive = 0;

  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n)
    alive += d->generations[n].decoder != NULL;
  return alive;
}

/* What all of them take from the budget. */
static uint64_t
dictionaries_bytes (const struct dictionaries *d)
{
  uint64_t bytes = d->shared_bytes;

  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n)
    bytes += d->generations[n].bytes;
  return bytes;
}

static uint64_t
dictionary_file_bytes (const struct pool *pool)
{
  uint64_t bytes = 0;

  for (unsigned n = 0; n < POOL_DICTIONARIES; ++n)
    bytes += align_up (pool->dictionaries.generations[n].length, OS_PAGE_SIZE);
  return bytes;
}

/* With huge pages, the blocks of the file do not tell how much is used. */
static bool
huge_pages_in_files (void)
{
  char line[128] = "";
  FILE *fp = fopen ("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");
  bool off = !fp || (fgets (line, sizeof line, fp)
                     && (strstr (line, "[never]") || strstr (line, "[deny]")
                         || strstr (line, "[advise]")));

  if (fp)
    fclose (fp);
  return !off;
}

static uint64_t
dedup_bytes (struct pool *pool)
{
  struct dedup_stats st = { .bytes = 0 };

  if (pool->has_dedup)
    dedup_get_stats (&pool->dedup, &st);
  return st.bytes;
}

static const char *
check_dedup (struct pool *pool, const struct unit_sums *s)
{
  struct dedup_stats st;
  const char *wrong = dedup_check (&pool->dedup);

  if (wrong)
    return wrong;
  dedup_get_stats (&pool->dedup, &st);
  CHECK (st.shared == s->shared);
  CHECK (st.nodes <= s->objects);
  return NULL;
}

/* Bytes of the pool file that are kept about blocks. */
static uint64_t
backing_file_bytes (const struct backing *b)
{
  return !b ? 0 : block_array_bytes (&b->sums, b->high_water)
    + block_array_bytes (&b->seals, b->high_water);
}

static const char *
check_sums (struct pool *pool, const struct unit_sums *s)
{
  struct objects_stats os;
  struct stats st;
  uint64_t sum, fixed = 2 * OS_PAGE_SIZE + sizeof (struct pool)
    + sizeof (struct slot_locks);

  objects_get_stats (&pool->objects, &os);
  CHECK (os.used == s->objects);
  CHECK (os.bytes == s->bytes);
  CHECK (os.huge <= s->huge);
  CHECK (s->bad == 0);
  sum = fixed + stream_bytes (pool) + scratch_bytes (&pool->scratch)
    + dedup_bytes (pool) + dictionaries_bytes (&pool->dictionaries)
    + (s->devices + s->leaves + s->map_pages + s->info_pages)
      * OS_PAGE_SIZE
    + pool->objects.high_water * sizeof (struct zspage)
    + os.committed + arena_spare_bytes (&pool->arena)
    + arena_reserve_list_bytes (&pool->arena);
  /* The memory that a backing file needs is tested elsewhere. */
  CHECK (pool->backing ? pool->budget.used > sum : pool->budget.used == sum);
  CHECK (pool->budget.used <= pool->budget.used_max);
  CHECK (huge_pages_in_files ()
         || unit_file_bytes (pool)
            == (1 + s->devices + s->leaves) * OS_PAGE_SIZE + os.committed
               + dictionary_file_bytes (pool)
               + backing_file_bytes (pool->backing)
               + arena_spare_bytes (&pool->arena));

  pool_get_stats (pool, &st);
  CHECK (st.same_pages == s->same_inline + s->same_stored);
  CHECK (st.huge_pages == s->huge);
  CHECK (st.group_pages == s->group);
  CHECK (st.orig_data_size
         == (s->pages + s->written_back + s->same_inline)
            * pool->sizes.page_size);
  CHECK (st.bd_count == s->written_back);
  CHECK (st.compr_data_size + st.mem_waste + st.mem_bookkeeping
         == st.mem_used_total);
  CHECK (st.mem_used_total == pool->budget.used);
  CHECK (st.objects_up_to_half + st.objects_above_half + os.huge
         == s->objects);
  CHECK (st.dup_pages == s->shared);
  CHECK (st.compr_data_size == s->bytes);
  return NULL;
}

/* Each device holds the memory of its table and its objects, and no more. */
static const char *
check_held (const struct pool *pool, const struct unit_sums *s)
{
  for (unsigned n = 0; n < POOL_DEVICES_MAX; ++n)
    CHECK (!pool->devices[n] || pool->devices[n]->held.used == s->held[n]);
  return NULL;
}

const char *
unit_check (struct pool *pool)
{
  struct unit_sums sums;
  const char *wrong = unit_walk (pool, &sums);

  if (!wrong && pool->has_dedup)
    wrong = check_dedup (pool, &sums);
  if (!wrong)
    wrong = check_held (pool, &sums);
  return wrong ? wrong : check_sums (pool, &sums);
}
