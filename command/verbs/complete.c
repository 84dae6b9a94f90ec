/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the arguments of a verb can be, for completion in shells. */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "command/conf/conf.h"
#include "lib/codec/codec.h"
#include "service/settings.h"

#include "complete.h"

/* ---- settings ---- */

static void
complete_codecs (const char *prefix)
{
  for (unsigned id = 0; id < CODEC_IDS; ++id) {
    const struct codec *codec = codec_by_id (id);

    if (codec)
      complete_word (prefix, codec->name, "");
  }
}

/* What can follow "KEY=". */
static void
complete_setting_value (const struct setting *s)
{
  char prefix[SETTING_KEY_SIZE + 1];

  snprintf (prefix, sizeof prefix, "%s=", s->name);
  for (unsigned i = 0; i < SETTING_WORDS && s->words[i].name; ++i)
    complete_word (prefix, s->words[i].name, "");
  if (s->type == SETTING_BOOLEAN)
    complete_words (prefix, "on off");
  else if (s->type == SETTING_ALGORITHM)
    complete_codecs (prefix);
  else if (s->type == SETTING_PATH || s->type == SETTING_PLACE)
    complete_files ();
}

static void
complete_settings (const struct completion *c, bool live)
{
  size_t length = strcspn (c->word, "=");
  const struct setting *s;

  for (size_t i = 0; (s = conf_key_at (i)) != NULL; ++i) {
    if (live && !s->live)
      continue;
    if (c->word[length] == '\0')
      complete_word (s->name, "=", s->help);
    else if (strlen (s->name) == length
             && memcmp (s->name, c->word, length) == 0)
      complete_setting_value (s);
  }
}

static void
on_conf_name (void *opaque, const char *name)
{
  (void) opaque;
  complete_word ("", name, "has settings");
}

/* ---- verbs ---- */

void
complete_set (const struct completion *c)
{
  if (c->position == 0)
    complete_servers (c);
  complete_settings (c, true);
}

void
complete_new_disk (const struct completion *c)
{
  if (c->position == 0)
    conf_for_each_name (on_conf_name, NULL);
  complete_settings (c, false);
}

void
complete_mount (const struct completion *c)
{
  if (c->position == 0)
    complete_directories ();
  complete_new_disk (c);
}

void
complete_umount (const struct completion *c)
{
  (void) c;
  complete_directories ();
  conf_for_each_name (on_conf_name, NULL);
}

void
complete_idle (const struct completion *c)
{
  if (c->position == 0)
    complete_word ("", "all", "all pages");
  else
    complete_servers (c);
}

/* No names of exports: clients choose them. */
void
complete_export (const struct completion *c)
{
  if (c->position == 0)
    complete_words ("", "list add remove resize");
  else if (c->position > 1 || strcmp (c->first, "list") == 0)
    complete_servers (c);
}

void
complete_file (const struct completion *c)
{
  (void) c;
  complete_files ();
}

void
complete_import (const struct completion *c)
{
  if (c->position == 0)
    complete_words ("", "import");
  else
    complete_files ();
}
