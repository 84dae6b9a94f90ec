/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "process-memory.h"

/* From Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT ((uint64_t) 1 << 63)

#define BATCH 512               /* entries of pagemap read at once */

/* ---- opening ---- */

static int
open_proc (const char *pid, const char *name)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%s/%s", pid, name);
  return open (path, O_RDONLY | O_CLOEXEC);
}

int
process_memory_open (struct process_memory *p, const char *pid)
{
  int maps = open_proc (pid, "maps"), err;

  *p = (struct process_memory) {
    .page_size = (size_t) sysconf (_SC_PAGESIZE),
    .maps = maps == -1 ? NULL : fdopen (maps, "r"),
    .pagemap = -1,
    .mem = -1,
  };
  if (p->maps)
    p->pagemap = open_proc (pid, "pagemap");
  if (p->pagemap != -1)
    p->mem = open_proc (pid, "mem");
  if (p->mem != -1)
    return 0;
  err = errno;
  process_memory_close (p);
  errno = err;
  return -1;
}

void
process_memory_close (struct process_memory *p)
{
  if (p->maps)
    fclose (p->maps);
  if (p->pagemap != -1)
    close (p->pagemap);
  if (p->mem != -1)
    close (p->mem);
}

/* ---- mappings ---- */

/* Is LINE of maps a private, writable mapping without a file?  [heap], [stack]
 * and [anon:...] are; [vdso] and the like belong to the kernel, and are not
 * writable.
 */
static bool
parse_mapping (const char *line, uint64_t *start, uint64_t *end)
{
  char perms[5], name[2] = "";
  uint64_t inode;

  if (sscanf (line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64 " %1s",
              start, end, perms, &inode, name) < 4)
    return false;
  return perms[1] == 'w' && perms[3] == 'p' && inode == 0
    && (name[0] == '\0' || name[0] == '[');
}

uint64_t
process_memory_mapped (struct process_memory *p)
{
  uint64_t start, end, sum = 0;
  char *line = NULL;
  size_t size = 0;

  rewind (p->maps);
  while (getline (&line, &size, p->maps) != -1)
    if (parse_mapping (line, &start, &end))
      sum += end - start;
  free (line);
  return sum;
}

/* ---- pages ---- */

/* What all steps of a walk need. */
struct walk {
  bool (*fn) (void *opaque, const void *page);
  void *opaque;
  void *page;
};

/* Walk the pages from ADDR that COUNT ENTRIES of pagemap say are present. */
static bool
walk_batch (struct process_memory *p, const struct walk *w, uint64_t addr,
            const uint64_t *entries, size_t count)
{
  for (size_t i = 0; i < count; ++i) {
    if ((entries[i] & PAGEMAP_PRESENT) == 0)
      continue;
    if (pread (p->mem, w->page, p->page_size,
               (off_t) (addr + i * p->page_size)) != (ssize_t) p->page_size)
      ++p->skipped;
    else if (!w->fn (w->opaque, w->page))
      return false;
  }
  return true;
}

static bool
walk_mapping (struct process_memory *p, const struct walk *w, uint64_t start,
              uint64_t end)
{
  uint64_t entries[BATCH];

  while (start < end) {
    size_t want = (size_t) ((end - start) / p->page_size);
    ssize_t got;

    if (want > BATCH)
      want = BATCH;
    got = pread (p->pagemap, entries, want * sizeof entries[0],
                 (off_t) (start / p->page_size * sizeof entries[0]));
    if (got < (ssize_t) sizeof entries[0])
      return true;
    want = (size_t) got / sizeof entries[0];
    if (!walk_batch (p, w, start, entries, want))
      return false;
    start += want * p->page_size;
    p->mapped += want * p->page_size;
  }
  return true;
}

int
process_memory_walk (struct process_memory *p,
                     bool (*fn) (void *opaque, const void *page),
                     void *opaque)
{
  struct walk w = { fn, opaque, malloc (p->page_size) };
  uint64_t start, end;
  char *line = NULL;
  size_t size = 0;
  bool more = true;

  if (!w.page)
    return -1;
  rewind (p->maps);
  while (more && getline (&line, &size, p->maps) != -1)
    if (parse_mapping (line, &start, &end))
      more = walk_mapping (p, &w, start, end);
  free (line);
  free (w.page);
  return 0;
}
