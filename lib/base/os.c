/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "os.h"
#include "util.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23          /* Linux 5.14 */
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24         /* Linux 5.18 */
#endif

static void *
map_memory (int fd, int flags, uint64_t offset, size_t len)
{
  void *p = mmap (NULL, len, PROT_READ | PROT_WRITE,
                  flags | MAP_NORESERVE, fd, (off_t) offset);

  return p == MAP_FAILED ? NULL : p;
}

void *
os_map_anon (size_t len)
{
  void *p = map_memory (-1, MAP_PRIVATE | MAP_ANONYMOUS, 0, len);

  /* If transparent huge pages are always on, touching a byte would take
   * 2 MiB.  A kernel without huge pages refuses this call, which is fine.
   */
  if (p)
    madvise (p, len, MADV_NOHUGEPAGE);
  return p;
}

void *
os_map_file (int fd, uint64_t offset, size_t len)
{
  return map_memory (fd, MAP_SHARED, offset, len);
}

void
os_unmap (void *addr, size_t len)
{
  if (addr)
    munmap (addr, len);
}

int
os_populate (int fd, void *addr, uint64_t offset, size_t len)
{
  /* One call allocates and maps, which costs half of an fallocate and the
   * page faults after it.
   */
  if (madvise (addr, len, MADV_POPULATE_WRITE) == 0)
    return 0;
  if (errno == EINVAL)                  /* before Linux 5.14 */
    return fallocate (fd, 0, (off_t) offset, (off_t) len);

  /* The kernel returns EFAULT where a touch would raise SIGBUS, since the
   * file system is full, and ENOMEM at the limit of a control group.
   */
  return fail_with (ENOSPC);
}

int
os_populate_anon (void *addr, size_t len)
{
  volatile char *p = addr;

  if (madvise (addr, len, MADV_POPULATE_WRITE) == 0)
    return 0;
  if (errno != EINVAL)
    return -1;
  /* Before Linux 5.14.  No other thread uses this memory yet, so that
   * writing each byte back loses nothing.
   */
  for (size_t i = 0; i < len; i += OS_PAGE_SIZE)
    p[i] = p[i];
  return 0;
}

/* As os_populate_anon, for shared memory that is allocated already.  Other
 * threads may use it, so the fallback must not write.
 */
static int
map_data (void *addr, size_t len)
{
  const volatile char *p = addr;

  if (madvise (addr, len, MADV_POPULATE_WRITE) == 0)
    return 0;
  if (errno != EINVAL)
    return -1;
  for (size_t i = 0; i < len; i += OS_PAGE_SIZE)
    (void) p[i];
  return 0;
}

int
os_populate_data (int fd, void *addr, uint64_t offset, size_t len)
{
  off_t at = (off_t) offset, end = (off_t) (offset + len), hole;

  while ((at = lseek (fd, at, SEEK_DATA)) != -1 && at < end) {
    hole = lseek (fd, at, SEEK_HOLE);
    if (hole == -1 || hole > end)
      hole = end;
    if (map_data ((char *) addr + (at - (off_t) offset),
                  (size_t) (hole - at)) == -1)
      return -1;
    at = hole;
  }
  return at == -1 && errno != ENXIO ? -1 : 0;
}

void
os_exclude_from_dumps (const void *addr, size_t len)
{
  uintptr_t start = (uintptr_t) addr / OS_PAGE_SIZE * OS_PAGE_SIZE;

  madvise ((void *) start,
           align_up ((uintptr_t) addr + len - start, OS_PAGE_SIZE),
           MADV_DONTDUMP);
}

int
os_punch (int fd, uint64_t offset, size_t len)
{
  return fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    (off_t) offset, (off_t) len);
}

int
os_give_back (void *addr, size_t len)
{
  /* The kernel refuses the first call under mlock, and before Linux 5.18
   * the second one too.
   */
  if (madvise (addr, len, MADV_DONTNEED) == 0
      || madvise (addr, len, MADV_DONTNEED_LOCKED) == 0)
    return 0;
  if (munlock (addr, len) == -1 || madvise (addr, len, MADV_DONTNEED) == -1)
    return -1;
  return mlock2 (addr, len, MLOCK_ONFAULT);
}

uint64_t
os_locked_bytes (void)
{
  FILE *fp = fopen ("/proc/self/status", "re");
  unsigned long kib = 0;
  char line[256];

  if (!fp)
    return 0;
  while (fgets (line, sizeof line, fp)
         && sscanf (line, "VmLck: %lu", &kib) != 1)
    ;
  fclose (fp);
  return (uint64_t) kib * KIB;
}

int
os_lock_on_fault (void)
{
  if (os_locked_bytes () == 0)
    return 0;
  return mlockall (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

uint64_t
os_milliseconds (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

int
os_start_thread (pthread_t *thread, void *(*run) (void *), void *opaque)
{
  sigset_t all, old;
  int err;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &old);
  err = pthread_create (thread, NULL, run, opaque);
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  if (err == 0)
    return 0;
  return fail_with (err);
}

void
os_boot_id (uint8_t id[OS_BOOT_ID_SIZE])
{
  FILE *fp = fopen ("/proc/sys/kernel/random/boot_id", "re");
  unsigned n = 0, byte;
  int c;

  memset (id, 0, OS_BOOT_ID_SIZE);
  if (!fp)
    return;
  while (n < OS_BOOT_ID_SIZE && (c = getc (fp)) != EOF)
    if (c != '-') {
      ungetc (c, fp);
      if (fscanf (fp, "%2x", &byte) != 1)
        break;
      id[n++] = (uint8_t) byte;
    }
  fclose (fp);
}

uint64_t
os_total_memory (void)
{
  struct sysinfo si;

  if (sysinfo (&si) == -1)
    return 0;
  return ((uint64_t) si.totalram + si.totalswap) * si.mem_unit;
}
