/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints settings for the algorithms of zram-generator. */

#include <config.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/codec/codec.h"
#include "lib/codec/scratch.h"

#include "algorithms.h"
#include "print-algorithms.h"

/* Kernel's name for what has ours. */
#define KERNEL_LZO "lzo-rle"
#define OUR_LZO "lzo"

/* A value of algorithm or recompress that is being put together. */
struct method_text {
  const struct codec *codec;
  char level[32], dictionary[CONF_VALUE_MAX];
};

static void
set_level (struct printing *p, struct method_text *m, const char *value)
{
  char *end;
  long level = strtol (value, &end, 10);

  if (*value != '\0' && *end == '\0' && level >= INT_MIN && level <= INT_MAX
      && m->codec->level_is_valid ((int) level))
    snprintf (m->level, sizeof m->level, ":level=%ld", level);
  else
    generator_print_comment (p->out, "Left out: level=%s of %s, which has "
                             "levels %s here.", value, m->codec->name,
                             m->codec->levels);
}

static void
set_dictionary (struct printing *p, struct method_text *m, const char *path)
{
  if (m->codec->dictionaries && path[0] == '/' && !strchr (path, ':')
      && strlen (path) < sizeof m->dictionary - strlen (":dict="))
    snprintf (m->dictionary, sizeof m->dictionary, ":dict=%s", path);
  else
    generator_print_comment (p->out, "Left out: the dictionary '%s' of %s.  "
                             "Here, zstd has dictionaries, in files with a "
                             "path that begins with a slash and has no colon.",
                             path, m->codec->name);
}

/* PARAMETER, as "level=3", of the algorithm M. */
static void
set_parameter (struct printing *p, struct method_text *m,
               const char *parameter)
{
  const char *equals = strchr (parameter, '=');
  size_t length = equals ? (size_t) (equals - parameter) : 0;

  if (length == strlen ("level") && strncmp (parameter, "level", length) == 0)
    set_level (p, m, equals + 1);
  else if ((length == strlen ("dict")
            && strncmp (parameter, "dict", length) == 0)
           || (length == strlen ("dictionary")
               && strncmp (parameter, "dictionary", length) == 0))
    set_dictionary (p, m, equals + 1);
  else
    generator_print_comment (p->out, "Left out: the parameter %s of %s.",
                             parameter, m->codec->name);
}

/* Prints the algorithm with priority INDEX, 0 for the first. */
static void
print_method (struct printing *p, struct algorithm_word *word, unsigned index)
{
  bool is_kernel_lzo = strcmp (word->name, KERNEL_LZO) == 0;
  struct method_text m = {
    .codec = codec_by_name (is_kernel_lzo ? OUR_LZO : word->name),
  };
  char value[CONF_VALUE_MAX + 64], *parameter, *rest = NULL;

  if (!m.codec || index > RECOMPRESS_MAX) {
    generator_print_comment (p->out, "Left out: %s.  %s.", word->name, m.codec
                             ? "There are at most three for recompress"
                             : "This version has no such algorithm");
    return;
  }
  if (is_kernel_lzo)
    generator_print_comment (p->out, KERNEL_LZO " is " OUR_LZO " here.");
  for (parameter = strtok_r (word->parameters, ",", &rest); parameter;
       parameter = strtok_r (NULL, ",", &rest))
    set_parameter (p, &m, parameter);
  snprintf (value, sizeof value, "%s%s%s", m.codec->name, m.level,
            m.dictionary);
  if (print_setting (p, index == 0 ? "algorithm" : "recompress", value)
      && index == 1)
    generator_print_comment (p->out, "There, pages are recompressed when a "
                             "program asks for it.  Here, the server "
                             "recompresses what is idle for recompress-age; "
                             "with policy = off, only 'nbdzram recompress' "
                             "does.");
}

void
print_algorithms (struct printing *p, const char *text)
{
  struct algorithm_word word;
  unsigned count = 0;
  char error[CONF_ERROR_SIZE];

  while (text && algorithm_next_word (&text, &word, error, sizeof error) == 1)
    if (word.name[0])
      print_method (p, &word, count++);
    else
      generator_print_comment (p->out, "Left out: (%s).  'nbdzram "
                               "recompress' has options to choose pages.",
                               word.parameters);
  if (count == 0)
    generator_print_comment (p->out, "Without compression-algorithm, the "
                             "kernel chooses one.  The default is %s here.",
                             codecs[0]->name);
}
