/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "service/control-path.h"

#include "cleanup.h"
#include "run-file.h"

bool
name_of_file (char *name, size_t size, const char *file, const char *suffix)
{
  size_t length = strlen (file), end = strlen (suffix);

  if (length <= end || length - end >= size
      || strcmp (file + length - end, suffix) != 0)
    return false;
  snprintf (name, size, "%.*s", (int) (length - end), file);
  return true;
}

const char *
run_path (char path[RUN_PATH_SIZE], const char *name, const char *suffix)
{
  char directory[RUN_PATH_SIZE - 2 * CONTROL_NAME_MAX];

  control_directory (directory, sizeof directory);
  snprintf (path, RUN_PATH_SIZE, "%s/%s.%s", directory, name, suffix);
  return path;
}

static json_t *
read_once (const char *path)
{
  CLEANUP_FCLOSE FILE *f = fopen (path, "re");
  json_t *object;

  if (!f)
    return NULL;
  object = json_loadf (f, 0, NULL);
  if (object && json_is_object (object))
    return object;
  json_decref (object);
  errno = EINVAL;
  return NULL;
}

/* A watcher writes in place (command/attach/record.h).  A read in the middle
 * of that may get neither the old object nor the new one, so it is repeated.
 */
json_t *
run_read (const char *name, const char *suffix)
{
  const struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
  char path[RUN_PATH_SIZE];
  json_t *object;

  run_path (path, name, suffix);
  for (int tries = 0; ; ++tries) {
    object = read_once (path);
    if (object || errno != EINVAL || tries == 5)
      return object;
    nanosleep (&pause, NULL);
  }
}

/* Creates the file PATH, and its directory if that is missing. */
static FILE *
create_file (const char *path)
{
  FILE *f = fopen (path, "we");
  char directory[RUN_PATH_SIZE];

  if (f || errno != ENOENT)
    return f;
  snprintf (directory, sizeof directory, "%s", path);
  *strrchr (directory, '/') = '\0';
  if (mkdir (directory, S_IRWXU) == -1 && errno != EEXIST)
    return NULL;
  return fopen (path, "we");
}

static int
write_file (const char *path, int (*print) (const void *object, FILE *f),
            const void *object)
{
  FILE *f = create_file (path);
  bool good;

  if (!f)
    return -1;
  good = print (object, f) == 0 && !ferror (f) && fflush (f) == 0;
  return fclose (f) == 0 && good ? 0 : -1;
}

int
file_replace (const char *path, int (*print) (const void *object, FILE *f),
              const void *object)
{
  char new[RUN_PATH_SIZE];
  int err;

  if (snprintf (new, sizeof new, "%s.new", path) >= (int) sizeof new)
    return fail_with (ENAMETOOLONG);
  if (write_file (new, print, object) == 0 && rename (new, path) == 0)
    return 0;
  err = errno;
  unlink (new);
  return fail_with (err);
}

static int
print_object (const void *object, FILE *f)
{
  return json_dumpf (object, f, JSON_COMPACT) == -1 || fputc ('\n', f) == EOF
    ? -1 : 0;
}

int
run_write (const char *name, const char *suffix, json_t *object)
{
  json_auto_t *owned = object;
  char path[RUN_PATH_SIZE];

  if (owned)
    return file_replace (run_path (path, name, suffix), print_object, owned);
  return fail_with (ENOMEM);
}

void
run_remove (const char *name, const char *suffix)
{
  char path[RUN_PATH_SIZE];

  unlink (run_path (path, name, suffix));
}
