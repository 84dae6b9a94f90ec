/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded: counts the calls by which threads that serve ask for memory,
 * in the file that NBDZRAM_COUNT names, for others to read while the program
 * runs.  Threads called zram-... don't serve.
 *
 * What the C library calls inside of itself does not come by here, but
 * then malloc did before.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__ ((visibility ("default")))

/* The C library's own. */
void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *p, size_t size);
void *__libc_memalign (size_t alignment, size_t size);

static _Atomic unsigned long *counter;

static __attribute__ ((constructor)) void
begin (void)
{
  const char *path = getenv ("NBDZRAM_COUNT");
  int fd = path ? open (path, O_RDWR | O_CLOEXEC) : -1;
  long p;

  if (fd == -1)
    return;
  p = syscall (SYS_mmap, NULL, sizeof *counter, PROT_READ | PROT_WRITE,
               MAP_SHARED, fd, 0L);
  if (p != -1)
    counter = (_Atomic unsigned long *) p;
  close (fd);
}

static void
count (void)
{
  char name[16] = "";
  int err = errno;

  if (!counter)
    return;
  prctl (PR_GET_NAME, name);
  if (strncmp (name, "zram-", 5) != 0)
    atomic_fetch_add (counter, 1);
  errno = err;
}

EXPORT void *
malloc (size_t size)
{
  count ();
  return __libc_malloc (size);
}

EXPORT void *
calloc (size_t n, size_t size)
{
  count ();
  return __libc_calloc (n, size);
}

EXPORT void *
realloc (void *p, size_t size)
{
  count ();
  return __libc_realloc (p, size);
}

EXPORT void *
memalign (size_t alignment, size_t size)
{
  count ();
  return __libc_memalign (alignment, size);
}

EXPORT void *
aligned_alloc (size_t alignment, size_t size)
{
  count ();
  return __libc_memalign (alignment, size);
}

EXPORT int
posix_memalign (void **p, size_t alignment, size_t size)
{
  count ();
  *p = __libc_memalign (alignment, size);
  return *p ? 0 : ENOMEM;
}

EXPORT void *
mmap (void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
  count ();
  return (void *) syscall (SYS_mmap, addr, length, prot, flags, fd, offset);
}

EXPORT int
munmap (void *addr, size_t length)
{
  count ();
  return (int) syscall (SYS_munmap, addr, length);
}

EXPORT void *
mremap (void *addr, size_t old, size_t new, int flags, ...)
{
  va_list ap;
  void *to;

  count ();
  va_start (ap, flags);
  to = va_arg (ap, void *);
  va_end (ap);
  return (void *) syscall (SYS_mremap, addr, old, new, flags, to);
}

EXPORT int
madvise (void *addr, size_t length, int advice)
{
  count ();
  return (int) syscall (SYS_madvise, addr, length, advice);
}
