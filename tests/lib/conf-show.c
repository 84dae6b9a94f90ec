/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Print what a file of settings means, or why it means nothing; or the keys
 * there are, and whether they go to the plugin.
 */

#include <config.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "command/conf/internal.h"

static void
show_keys (void)
{
  for (const struct setting *e = conf_fields; e->name; ++e)
    printf ("own %s\n", e->name);
  for (const struct setting *e = settings; e->name; ++e)
    if (conf_entry (e->name) == e)
      printf ("plugin %s\n", e->name);
}

static int
show_file (const char *path, bool swap)
{
  char error[CONF_ERROR_SIZE + PATH_MAX];
  struct conf c;
  int result;

  conf_init (&c);
  result = conf_read (&c, path, error, sizeof error);
  if (result == 0 && swap)
    result = conf_choose_size (&c, CONF_SWAP_NAME, error, sizeof error);
  if (result == 0)
    result = conf_check (&c, swap, error, sizeof error);
  if (result == 0)
    conf_print (&c, stdout);
  else
    fprintf (stderr, "%s\n", error);
  conf_free (&c);
  return result == 0 ? 0 : 1;
}

int
main (int argc, char *argv[])
{
  if (argc == 2 && strcmp (argv[1], "--keys") == 0) {
    show_keys ();
    return 0;
  }
  if (argc == 3 && strcmp (argv[1], "--swap") == 0)
    return show_file (argv[2], true);
  return argc == 2 ? show_file (argv[1], false) : 2;
}
