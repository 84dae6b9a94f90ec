/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <unistd.h>

#include "command/swap/server.h"
#include "service/set-error.h"

#include "setup-command.h"

static int
set_by_option (struct conf *c, const struct option_entry *e, char *error,
               size_t size)
{
  if (e->list)
    return conf_set_each (c, e->key, e->list->values, e->list->count, error,
                          size);
  return *e->flag ? conf_set (c, e->key, "on", error, size) : 0;
}

static int
read_settings (struct swap_setup *s, const struct setup_command *given)
{
  if (conf_load_with (&s->conf, s->name, given->words, given->word_count,
                      s->error, sizeof s->error) == -1)
    return -1;
  for (const struct option_entry *e = given->options; e->name; ++e)
    if (e->key && set_by_option (&s->conf, e, s->error, sizeof s->error) == -1)
      return -1;
  return given->finish (s);
}

static int
prepare_setup (struct swap_setup *s, const struct setup_command *given)
{
  if (geteuid () != 0)
    return set_error (s->error, sizeof s->error, "this needs root");
  swap_setup_forget_earlier (s);
  return read_settings (s, given) == -1 ? -1 : swap_setup_read_state (s);
}

int
setup_command_run (struct swap_setup *s, const struct setup_command *given)
{
  s->unit = !given->no_systemd && swap_server_has_systemd ();
  if (prepare_setup (s, given) == 0)
    return swap_setup_run (s) == 0 ? EXIT_OK : EXIT_FAILED;
  fprintf (stderr, "nbdzram %s: %s: %s\n", s->verb, s->name, s->error);
  return EXIT_FAILED;
}
