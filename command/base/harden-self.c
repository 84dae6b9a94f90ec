/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harden-self.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define STACK (128 * 1024)

/* ---- memory ---- */

/* malloc never returns memory to the system, and takes it from the heap. */
static void
fill_heap (size_t heap)
{
  char *p;

  mallopt (M_ARENA_MAX, 1);
  mallopt (M_MMAP_MAX, 0);
  mallopt (M_TRIM_THRESHOLD, -1);
  p = malloc (heap);
  if (p)
    explicit_bzero (p, heap);
  free (p);
}

static void
fill_stack (void)
{
  char room[STACK];

  explicit_bzero (room, sizeof room);
}

/* Libraries that a reconnection calls.  The others stay out: libnbd pulls in
 * some dozens of megabytes for TLS and XML, which are not used.
 */
static bool
is_needed (const char *path)
{
  static const char *const names[] = {
    "/ld-", "/libc.so", "/libc-", "/libnbd.so", "/libnl-", "/libjansson.so",
    "/libpthread", "/libgcc_s.so",
  };

  if (path[0] == '\0')          /* the program itself */
    return true;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i)
    if (strstr (path, names[i]))
      return true;
  return false;
}

static int
fill_code (struct dl_phdr_info *info, size_t size, void *opaque)
{
  const uintptr_t page = (uintptr_t) sysconf (_SC_PAGESIZE);

  (void) size;
  (void) opaque;
  if (!is_needed (info->dlpi_name))
    return 0;
  for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) *h = &info->dlpi_phdr[i];
    uintptr_t start = (info->dlpi_addr + h->p_vaddr) & ~(page - 1);
    uintptr_t end = info->dlpi_addr + h->p_vaddr + h->p_memsz;

    /* Page by page, since some writable pages were write-protected after
     * linking.  Before Linux 5.14 pages are loaded when they are used.
     */
    for (; h->p_type == PT_LOAD && start < end; start += page)
      if (!(h->p_flags & PF_W)
          || madvise ((void *) start, page, MADV_POPULATE_WRITE) == -1)
        madvise ((void *) start, page, MADV_POPULATE_READ);
  }
  return 0;
}

/* ---- the process ---- */

bool
harden_self (size_t heap, int priority, struct refusals *refused)
{
  refused->text[0] = '\0';
  fill_heap (heap);
  fill_stack ();
  if (hardening_lock () == -1)
    refusals_add (refused, "locked memory", strerror (errno));
  dl_iterate_phdr (fill_code, NULL);
  hardening_protect (refused);
  hardening_schedule (priority, NULL, 0, refused);
  return refused->text[0] == '\0';
}
