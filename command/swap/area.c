/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "lib/base/util.h"

#include "area.h"

#ifndef SWAP_FLAG_DISCARD
#define SWAP_FLAG_DISCARD 0x10000
#endif

/* File systems, volumes and partition tables have their signatures in the
 * first or the last megabyte.
 */
#define END_SIZE MIB
#define SIGNATURE "SWAPSPACE2"

/* The page sizes of Linux's architectures, without a few old ones. */
#define PAGE_MIN 4096
#define PAGE_MAX 65536

static bool
is_zero (const char *p, size_t length)
{
  return length == 0 || (p[0] == 0 && memcmp (p, p + 1, length - 1) == 0);
}

/* The page size of the swap area.  Its signature ends the first page, of the
 * machine that the area was made for.  0: there is no signature.
 */
static size_t
find_signature (const char *start, size_t length)
{
  const size_t mark = strlen (SIGNATURE);

  for (size_t page = PAGE_MIN; page <= PAGE_MAX && page <= length; page *= 2)
    if (memcmp (start + page - mark, SIGNATURE, mark) == 0)
      return page;
  return 0;
}

static int
classify (const char *start, size_t first, const char *end, size_t last,
         size_t *page)
{
  *page = find_signature (start, first);
  if (*page != 0)
    return *page == (size_t) sysconf (_SC_PAGESIZE) ? SWAP_SIGNATURE
                                                    : SWAP_OTHER_PAGES;
  return is_zero (start, first) && is_zero (end, last) ? SWAP_EMPTY
                                                       : SWAP_OTHER;
}

static int
read_ends (int fd, char *start, char *end, size_t *page)
{
  off_t size = lseek (fd, 0, SEEK_END);
  off_t from = size > (off_t) END_SIZE ? size - (off_t) END_SIZE : 0;
  ssize_t first, last;

  if (size == -1)
    return -1;
  first = pread (fd, start, END_SIZE, 0);
  last = pread (fd, end, END_SIZE, from);
  if (first == -1 || last == -1)
    return -1;
  return classify (start, (size_t) first, end, (size_t) last, page);
}

int
swap_content (const char *device, size_t *page)
{
  CLEANUP_FREE char *buf = malloc (2 * END_SIZE);
  CLEANUP_CLOSE int fd = open (device, O_RDONLY | O_CLOEXEC);

  return buf && fd != -1 ? read_ends (fd, buf, buf + END_SIZE, page) : -1;
}

/* The first page of an area, as Linux defines it (union swap_header), for the
 * page sizes of this machine.
 */
struct swap_header {
  char boot[1024];
  uint32_t version, last_page, bad_pages;
  uint8_t uuid[16];
  char label[16];
};

/* A random UUID, which is version 4 and variant 10 of RFC 9562. */
static void
make_uuid (uint8_t uuid[16])
{
  /* It also works early during a boot, when getrandom may fail. */
  arc4random_buf (uuid, 16);
  uuid[6] = (uint8_t) ((uuid[6] & 0x0f) | 0x40);
  uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
}

int
swap_make_area (const char *device, const char *label)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE);
  CLEANUP_CLOSE int fd = open (device, O_RDWR | O_EXCL | O_CLOEXEC);
  static _Alignas (struct swap_header) char first[PAGE_MAX];
  struct swap_header *h = (struct swap_header *) first;
  off_t size = fd == -1 ? -1 : lseek (fd, 0, SEEK_END);

  if (size == -1 || page > sizeof first)
    return -1;
  memset (first, 0, page);
  h->version = 1;
  h->last_page = (uint32_t) MIN ((uint64_t) size / page - 1, UINT32_MAX);
  strncpy (h->label, label, sizeof h->label - 1);
  memcpy (first + page - strlen (SIGNATURE), SIGNATURE, strlen (SIGNATURE));
  make_uuid (h->uuid);
  if (pwrite (fd, first, page, 0) != (ssize_t) page)
    return -1;
  return fsync (fd);
}

int
swap_on (const char *device, int priority)
{
  int flags = SWAP_FLAG_DISCARD;

  if (priority >= 0)
    flags |= SWAP_FLAG_PREFER | (priority & SWAP_FLAG_PRIO_MASK);
  return swapon (device, flags);
}

int
swap_off (const char *device)
{
  return swapoff (device);
}
