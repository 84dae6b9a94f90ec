/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "state.h"
#include "supervisor.h"

#define HALF_MIN 8192

#define HALF_MAX (STATE_SIZE + 4096)

static char blank[HALF_MAX];

static bool
write_at (int fd, const char *text, size_t length, size_t offset)
{
  while (length > 0) {
    ssize_t n = pwrite (fd, text, length, (off_t) offset);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0) {
      errno = n == 0 ? ENOSPC : errno;
      return false;
    }
    text += n;
    offset += (size_t) n;
    length -= (size_t) n;
  }
  return true;
}

/* Write TEXT, except for its first character, and blanks into half HALF. */
static bool
write_half (const struct state_file *f, unsigned half, const char *text,
            size_t length)
{
  size_t start = half * f->half;

  return write_at (f->fd, " ", 1, start)
    && write_at (f->fd, text + 1, length - 1, start + 1)
    && write_at (f->fd, blank, f->half - 1 - length, start + length)
    && write_at (f->fd, "\n", 1, start + f->half - 1);
}

static int
write_state (struct state_file *f, const char *text, size_t length)
{
  unsigned other = 1 - f->current;

  if (!write_half (f, other, text, length)
      || !write_at (f->fd, text, 1, other * f->half))
    return -1;
  write_half (f, f->current, blank, 1);
  f->current = other;
  return 0;
}

static void
map_file (struct state_file *f)
{
  void *p = mmap (NULL, 2 * f->half, PROT_READ, MAP_SHARED | MAP_POPULATE,
                  f->fd, 0);

  f->map = p == MAP_FAILED ? NULL : p;
}

static void
close_file (struct state_file *f)
{
  if (f->map)
    munmap (f->map, 2 * f->half);
  fd_close (&f->fd);
  *f = NO_STATE_FILE;
}

static int
init_file (struct state_file *f, const char *text, size_t length)
{
  return f->fd != -1
    && write_half (f, 0, text, length) && write_half (f, 1, blank, 1)
    && write_at (f->fd, text, 1, 0) ? 0 : -1;
}

/* Create NAME.run with TEXT, and with room for two states that are larger.
 */
static int
create_file (struct supervisor *s, const char *text, size_t length)
{
  char path[SUPERVISOR_PATH_SIZE], new[sizeof path];
  struct state_file f = NO_STATE_FILE;
  int err;

  supervisor_path (s, path, sizeof path, ".run");
  supervisor_path (s, new, sizeof new, ".run.new");
  f.half = MIN (2 * length, STATE_SIZE) / 4096 * 4096 + 4096;
  f.half = MAX (f.half, (size_t) HALF_MIN);
  unlink (new);
  f.fd = fd_keep (open (new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
                             | O_CLOEXEC, 0600));
  if (init_file (&f, text, length) == 0 && flock (f.fd, LOCK_EX | LOCK_NB) == 0
      && rename (new, path) == 0) {
    map_file (&f);
    close_file (&s->state.file);
    s->state.file = f;
    return 0;
  }
  err = errno;
  if (f.fd != -1)
    unlink (new);
  close_file (&f);
  return fail_with (err);
}

bool
state_file_is_linked (const struct supervisor *s)
{
  char path[SUPERVISOR_PATH_SIZE];
  struct stat opened, linked;

  return s->state.file.fd != -1 && fstat (s->state.file.fd, &opened) == 0
    && lstat (supervisor_path (s, path, sizeof path, ".run"), &linked) == 0
    && opened.st_dev == linked.st_dev && opened.st_ino == linked.st_ino;
}

int
state_lock (const struct supervisor *s)
{
  char path[SUPERVISOR_PATH_SIZE];
  int fd = fd_keep (open (supervisor_path (s, path, sizeof path, ".run"),
                          O_RDONLY | O_NOFOLLOW | O_CLOEXEC));

  if (fd == -1)
    return -1;
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  close (fd);
  return fail_with (EADDRINUSE);
}

/* Does F have two halves, and blocks in the file system for both? */
static bool
has_halves (struct state_file *f)
{
  char end = 0;
  struct stat st;

  if (fstat (f->fd, &st) == -1 || !S_ISREG (st.st_mode)
      || st.st_size < 2 * HALF_MIN || st.st_size > 2 * HALF_MAX
      || st.st_size % 2 != 0 || st.st_blocks * 512 < st.st_size)
    return false;
  f->half = (size_t) st.st_size / 2;
  return pread (f->fd, &end, 1, st.st_size / 2 - 1) == 1 && end == '\n'
    && pread (f->fd, &end, 1, st.st_size - 1) == 1 && end == '\n';
}

void
state_open (struct supervisor *s, unsigned current)
{
  char path[SUPERVISOR_PATH_SIZE];
  struct state_file f = NO_STATE_FILE;

  f.fd = fd_keep (open (supervisor_path (s, path, sizeof path, ".run"),
                        O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (f.fd == -1)
    return;
  if (current > 1 || !has_halves (&f)
      || (s->state.lock == -1 && flock (f.fd, LOCK_EX | LOCK_NB) == -1)) {
    fd_close (&f.fd);
    return;
  }
  f.current = current;
  map_file (&f);
  s->state.file = f;
}

static void
report_failure (struct supervisor *s, int err)
{
  char path[SUPERVISOR_PATH_SIZE];

  if (!s->state.failure_reported)
    log_line ("%s: %s: it can't be written, trying again; the servers go on, "
              "and a supervisor that is started now searches for them among "
              "the processes", supervisor_path (s, path, sizeof path, ".run"),
              strerror (err));
  s->state.failure_reported = true;
}

void
state_save (struct supervisor *s)
{
  static char text[STATE_SIZE];
  int length, r = -1;

  s->state.changed = false;
  memset (blank, ' ', sizeof blank);
  ++s->state.serial;
  length = state_print (s, false, text, sizeof text);
  errno = E2BIG;
  if (length > 0) {
    size_t n = (size_t) length - 1; /* without its newline */

    if (s->state.file.fd == -1 || n >= s->state.file.half - 1
        || !state_file_is_linked (s))
      r = create_file (s, text, n);
    if (r == -1 && s->state.file.fd != -1 && n < s->state.file.half - 1)
      r = write_state (&s->state.file, text, n);
  }
  s->state.is_ours |= r == 0;
  if (r == -1)
    report_failure (s, errno);
  else
    s->state.failure_reported = false;
}

void
state_mark_changed (struct supervisor *s)
{
  s->state.changed = true;
}
