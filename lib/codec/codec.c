/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "lib/pool-file/pool-file.h"

#include "codec.h"
#include "codecs.h"

/* Longest name of an algorithm with its level. */
#define NAME_MAX_LENGTH 64

_Static_assert (CODEC_IDS <= CODEC_DICTIONARY,
                "the numbers of codecs end where those of dictionaries begin");

const struct codec *const codecs[] = {
  &codec_lz4,
  &codec_lz4hc,
#ifdef HAVE_LZO
  &codec_lzo,
#endif
#ifdef HAVE_ZSTD
  &codec_zstd,
#endif
#ifdef HAVE_DEFLATE
  &codec_deflate,
#endif
  NULL,
};

const struct codec *
codec_by_name (const char *name)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    if (strcmp ((*c)->name, name) == 0)
      return *c;
  return NULL;
}

const struct codec *
codec_by_id (unsigned id)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    if ((*c)->id == id)
      return *c;
  return NULL;
}

/* Put the names of all codecs in BUF, as in "lz4, lz4hc, zstd". */
static void
list_codec_names (char *buf, size_t size)
{
  size_t used = 0;

  buf[0] = '\0';
  for (const struct codec *const *c = codecs; *c && used < size; ++c)
    used += (size_t) snprintf (buf + used, size - used, "%s%s",
                               c == codecs ? "" : ", ", (*c)->name);
}

static int __attribute__ ((format (printf, 3, 4)))
set_error (char *error, size_t size, const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  vsnprintf (error, size, fmt, args);
  va_end (args);
  return fail_with (EINVAL);
}

static int
parse_level (const char *value, struct algorithm *a, char *error, size_t size)
{
  char *end;
  long level;

  errno = 0;
  level = strtol (value, &end, 10);
  if (end == value || *end != '\0' || errno != 0 || level < INT_MIN
      || level > INT_MAX || !a->codec->level_is_valid ((int) level))
    return set_error (error, size, "%s: level '%s' is not valid: %s",
                      a->codec->name, value, a->codec->levels);
  a->level = (int) level;
  return 0;
}

/* Read all of FD to D, or one byte more than a dictionary may have, so that
 * the caller sees that it is too large.  D has room for that.
 */
static int
read_content (int fd, struct dictionary_content *d)
{
  ssize_t r = 1;

  d->length = 0;
  while (r > 0 && d->length <= POOL_DICTIONARY_MAX) {
    r = read (fd, d->bytes + d->length, POOL_DICTIONARY_MAX + 1 - d->length);
    d->length += r > 0 ? (size_t) r : 0;
  }
  return r == -1 ? -1 : 0;
}

/* Returns NULL with errno set on failure.  Does not wait for the writer of a
 * pipe.
 */
static struct dictionary_content *
read_dictionary (const char *path)
{
  struct dictionary_content *d = malloc (sizeof *d + POOL_DICTIONARY_MAX + 1);
  int fd, r, err;

  if (!d)
    return NULL;
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  r = fd == -1 ? -1 : read_content (fd, d);
  err = errno;
  if (fd != -1)
    close (fd);
  errno = err;
  if (r == 0)
    return d;
  free (d);
  return NULL;
}

/* Check that an encoder and a decoder can be made of D.  Returns 0, or -1
 * with errno.
 */
static int
try_dictionary (const struct algorithm *a, const struct dictionary_content *d)
{
  const struct codec_dictionaries *ops = a->codec->dictionaries;
  size_t bytes;
  void *decoder = ops->decoder_new (d->bytes, d->length, &bytes), *encoder;

  if (!decoder)
    return -1;
  ops->decoder_free (decoder);
  encoder = ops->encoder_new (d->bytes, d->length, a->level, &bytes);
  if (!encoder)
    return -1;
  ops->encoder_free (encoder);
  return 0;
}

/* Return NULL if D can be used, otherwise a message. */
static const char *
describe_dictionary_fault (const struct algorithm *a,
                           const struct dictionary_content *d)
{
  if (!d)
    return strerror (errno);
  if (d->length == 0)
    return "the file is empty";
  if (d->length > POOL_DICTIONARY_MAX)
    return "the file is larger than 256K";
  if (try_dictionary (a, d) == 0)
    return NULL;
  return errno == EINVAL ? "the dictionary is damaged" : strerror (errno);
}

static int
parse_dictionary (const char *value, struct algorithm *a,
                  char *error, size_t size)
{
  const char *fault;

  algorithm_free (a);
  if (!a->codec->dictionaries)
    return set_error (error, size,
                      "%s: dict=%.100s: only zstd has dictionaries",
                      a->codec->name, value);
  a->auto_dictionary = strcmp (value, "auto") == 0;
  if (a->auto_dictionary)
    return 0;
  a->dictionary = read_dictionary (value);
  fault = describe_dictionary_fault (a, a->dictionary);
  if (fault)
    return set_error (error, size, "%s: dict=%.100s: %s", a->codec->name,
                      value, fault);
  return 0;
}

static int
parse_parameter (const char *param, struct algorithm *a,
                 char *error, size_t size)
{
  if (strncmp (param, "level=", 6) == 0)
    return parse_level (param + 6, a, error, size);
  if (strncmp (param, "dict=", 5) == 0)
    return parse_dictionary (param + 5, a, error, size);
  return set_error (error, size,
                    "%s: unknown parameter '%.100s': valid is level=N (%s)%s",
                    a->codec->name, param, a->codec->levels,
                    a->codec->dictionaries ? ", dict=FILE and dict=auto" : "");
}

/* Modifies SPEC. */
static int
parse_algorithm (char *spec, struct algorithm *a, char *error, size_t size)
{
  char *name = strsep (&spec, ":"), *param, names[128];

  a->codec = codec_by_name (name);
  if (!a->codec) {
    list_codec_names (names, sizeof names);
    return strlen (name) > NAME_MAX_LENGTH
      ? set_error (error, size, "the name of the algorithm is too long")
      : set_error (error, size, "unknown algorithm '%s': valid are %s", name,
                   names);
  }
  a->level = a->codec->default_level;
  while ((param = strsep (&spec, ":")) != NULL)
    if (parse_parameter (param, a, error, size) == -1)
      return -1;
  return 0;
}

int
algorithm_parse (const char *spec, struct algorithm *a,
                 char *error, size_t size)
{
  char copy[PATH_MAX + NAME_MAX_LENGTH];

  *a = (struct algorithm) { .codec = NULL };
  if (strlen (spec) >= sizeof copy)
    return set_error (error, size, "the name of the algorithm is too long");
  strcpy (copy, spec);
  if (parse_algorithm (copy, a, error, size) == 0)
    return 0;
  algorithm_free (a);
  return -1;
}

void
algorithm_name (const struct codec *codec, int level,
                char text[ALGORITHM_NAME_SIZE])
{
  snprintf (text, ALGORITHM_NAME_SIZE, "%s:level=%d", codec->name, level);
}

void
algorithm_free (struct algorithm *a)
{
  free (a->dictionary);
  a->dictionary = NULL;
}
