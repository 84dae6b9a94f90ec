/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the files that a set of directories has. */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/cleanup.h"
#include "command/conf/conf.h"
#include "lib/base/util.h"
#include "service/set-error.h"

#include "generator.h"

/* The variable by which zram-generator itself is told another root. */
#define ROOT_VARIABLE "ZRAM_GENERATOR_ROOT"

/* Where zram-generator looks; later ones override earlier ones. */
static const char *const installed[] = {
  "/usr/lib", "/usr/local/lib", "/etc", "/run",
};

struct fragment {
  char *name, *path;
};

struct fragments {
  struct fragment *list;
  size_t count;
};

static void
free_fragments (struct fragments *f)
{
  for (size_t i = 0; i < f->count; ++i) {
    free (f->list[i].name);
    free (f->list[i].path);
  }
  free (f->list);
}

static bool
has_suffix (const char *name)
{
  size_t length = strlen (name), suffix = strlen (CONF_SUFFIX);

  return name[0] != '.' && length > suffix
    && strcmp (name + length - suffix, CONF_SUFFIX) == 0;
}

/* Adds the file NAME of DIRECTORY, or puts it in the place of an earlier one
 * with that name.  Returns 0, or -1 with ENOMEM.
 */
static int
add_fragment (struct fragments *f, const char *directory, const char *name)
{
  struct fragment *more;
  char *path = NULL;

  if (asprintf (&path, "%s/%s", directory, name) == -1)
    return fail_with (ENOMEM);
  for (size_t i = 0; i < f->count; ++i)
    if (strcmp (f->list[i].name, name) == 0) {
      free (f->list[i].path);
      f->list[i].path = path;
      return 0;
    }
  more = reallocarray (f->list, f->count + 1, sizeof *more);
  if (more) {
    f->list = more;
    more[f->count] = (struct fragment) { .name = strdup (name),
                                         .path = path };
    if (more[f->count].name) {
      f->count++;
      return 0;
    }
  }
  free (path);
  return fail_with (ENOMEM);
}

static int
add_directory (struct fragments *f, const char *directory)
{
  CLEANUP_CLOSEDIR DIR *dir = opendir (directory);
  const struct dirent *entry;

  if (!dir)
    return -1;
  while (errno = 0, (entry = readdir (dir)) != NULL)
    if (has_suffix (entry->d_name)
        && add_fragment (f, directory, entry->d_name) == -1)
      return -1;
  return errno == 0 ? 0 : -1;
}

static int
compare_fragments (const void *a, const void *b)
{
  const struct fragment *left = a, *right = b;

  return strcmp (left->name, right->name);
}

static int
read_fragments (struct generator *g, const struct fragments *f, char *error,
                size_t size)
{
  if (f->count > 0)
    qsort (f->list, f->count, sizeof *f->list, compare_fragments);
  for (size_t i = 0; i < f->count; ++i)
    if (generator_read_file (g, f->list[i].path, error, size) == -1)
      return -1;
  return 0;
}

/* As generator_read_directories; with OPTIONAL, some may be missing. */
static int
read_directories (struct generator *g, bool optional, size_t count,
                  const char *const directories[count], char *error,
                  size_t size)
{
  struct fragments f = { .count = 0 };
  int result = 0;

  for (size_t i = 0; i < count && result == 0; ++i)
    if (add_directory (&f, directories[i]) == -1
        && !(optional && errno == ENOENT))
      result = set_error (error, size, "%s: %s", directories[i],
                          strerror (errno));
  if (result == 0)
    result = read_fragments (g, &f, error, size);
  free_fragments (&f);
  return result;
}

int
generator_read_directories (struct generator *g, size_t count,
                            const char *const directories[count], char *error,
                            size_t size)
{
  return read_directories (g, false, count, directories, error, size);
}

/* Of the main files, only the last one counts. */
static int
read_main_file (struct generator *g, const char *root, char *error,
                size_t size)
{
  char path[PATH_MAX];

  for (size_t i = ARRAY_SIZE (installed); i-- > 0; ) {
    snprintf (path, sizeof path, "%s%s/systemd/zram-generator.conf", root,
              installed[i]);
    if (generator_read_file (g, path, error, size) == 0)
      return 0;
    if (errno != ENOENT)
      return -1;
  }
  return 0;
}

int
generator_read_installed (struct generator *g, char *error, size_t size)
{
  const char *root = getenv (ROOT_VARIABLE), *paths[ARRAY_SIZE (installed)];
  char text[ARRAY_SIZE (installed)][PATH_MAX];

  if (!root)
    root = "";
  for (size_t i = 0; i < ARRAY_SIZE (installed); ++i) {
    snprintf (text[i], sizeof text[i], "%s%s/systemd/zram-generator.conf.d",
              root, installed[i]);
    paths[i] = text[i];
  }
  if (read_main_file (g, root, error, size) == -1)
    return -1;
  return read_directories (g, true, ARRAY_SIZE (installed), paths, error,
                           size);
}
