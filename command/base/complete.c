/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "complete.h"
#include "control-client.h"

static bool completing;

void
complete_begin (void)
{
  completing = true;
}

bool
is_completing (void)
{
  return completing;
}

/* ---- printing ---- */

/* bash inserts words as they are. */
static bool
needs_quotes (const char *word)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:/@%+=";

  return word[strspn (word, plain)] != '\0';
}

/* Prints the first sentence of HELP, in one line and without the stop or the
 * comma at its end.
 */
static void
print_summary (const char *help)
{
  if (strncmp (help, "... ", 4) == 0)
    help += 4;
  for (; *help != '\0'; ++help) {
    if ((*help == '.' && strchr (" \n", help[1])) || strcmp (help, ",") == 0)
      break;
    putchar (*help == '\n' ? ' ' : *help);
  }
}

void
complete_word (const char *prefix, const char *word, const char *help)
{
  if (needs_quotes (prefix) || needs_quotes (word))
    return;
  printf ("%s%s\t", prefix, word);
  print_summary (help);
  putchar ('\n');
}

void
complete_words (const char *prefix, const char *words)
{
  char word[32];
  int length;

  for (; sscanf (words, "%31s%n", word, &length) == 1; words += length)
    complete_word (prefix, word, "");
}

void
complete_files (void)
{
  puts ("\tfiles");
}

void
complete_directories (void)
{
  puts ("\tdirectories");
}

void
complete_servers (const struct completion *c)
{
  size_t count;
  CLEANUP_FREE struct server *servers = servers_find (&count);

  (void) c;
  for (size_t i = 0; i < count; ++i)
    complete_word ("", servers[i].name, "a running server");
}

/* The processes, with their names. */
static void
complete_processes (const char *prefix)
{
  DIR *proc = opendir ("/proc");
  const struct dirent *entry;

  while (proc && (entry = readdir (proc)))
    if (entry->d_name[strspn (entry->d_name, "0123456789")] == '\0') {
      char path[300], name[64] = "";
      FILE *f;

      snprintf (path, sizeof path, "/proc/%s/comm", entry->d_name);
      f = fopen (path, "re");
      if (!f)
        continue;
      if (fgets (name, sizeof name, f))
        name[strcspn (name, "\n")] = '\0';
      fclose (f);
      complete_word (prefix, entry->d_name, name);
    }
  if (proc)
    closedir (proc);
}

/* ---- options ---- */

/* The option that WORD is, or begins as --OPTION=, or NULL. */
static const struct option_entry *
find_option (const struct option_entry *entries, const char *word)
{
  for (const struct option_entry *e = entries; e->name; ++e) {
    if (strncmp (word, "--", 2) == 0
        && strcspn (word + 2, "=") == strlen (e->name)
        && strncmp (word + 2, e->name, strlen (e->name)) == 0)
      return e;
    if (e->letter && word[0] == '-' && word[1] == e->letter && !word[2])
      return e;
  }
  return NULL;
}

/* Does the value of WORD, an option, follow in the next word? */
static bool
wants_next_word (const struct option_entry *entries, const char *word)
{
  const struct option_entry *e = find_option (entries, word);

  return e && e->argument && !strchr (word, '=');
}

/* Columns, of which VALUE may have some already, with commas between. */
static void
complete_columns (const struct column *columns, const char *option,
                  const char *value)
{
  CLEANUP_FREE char *prefix = NULL;
  const char *comma = strrchr (value, ',');
  int length = comma ? (int) (comma - value) + 1 : 0;

  if (asprintf (&prefix, "%s%.*s", option, length, value) == -1)
    prefix = NULL;
  for (const struct column *c = columns; prefix && c->name; ++c)
    complete_word (prefix, c->name, c->help);
}

/* The values of option E.  OPTION is "", or "--NAME=" before them. */
static void
complete_value (const struct command *command, const struct option_entry *e,
                const char *option, const char *value)
{
  if (e->words)
    complete_words (option, e->words);
  else if (command->columns && strcmp (e->name, "output") == 0)
    complete_columns (command->columns, option, value);
  else if (strcmp (e->argument, "PATH") == 0)
    complete_files ();
  else if (strcmp (e->argument, "PID") == 0)
    complete_processes (option);
}

static void
complete_value_of_word (const struct command *command,
                        const struct option_entry *e, const char *word)
{
  int length = (int) strcspn (word, "=") + 1;
  char option[64];

  if (e && e->argument) {
    snprintf (option, sizeof option, "%.*s", length, word);
    complete_value (command, e, option, word + length);
  }
}

/* ---- all of it ---- */

/* Looks at the words before the last one.  Returns whether it can be an
 * option.
 */
static bool
scan_words (struct completion *c, int argc, char *argv[],
            const struct option_entry *entries)
{
  bool options = true;

  for (int i = 1; i < argc - 1; ++i)
    if (options && strcmp (argv[i], "--") == 0)
      options = false;
    else if (options && argv[i][0] == '-') {
      if (wants_next_word (entries, argv[i]))
        ++i;
    }
    else if (!strchr (argv[i], '=') && c->position++ == 0)
      c->first = argv[i];
  return options;
}

void
complete_options (const struct command *command, int argc, char *argv[],
                  const struct option_entry *entries)
{
  struct completion c = { .word = argv[argc - 1] };
  bool options = scan_words (&c, argc, argv, entries);
  const char *previous = argv[argc - 2];

  if (options && argc > 2 && wants_next_word (entries, previous))
    complete_value (command, find_option (entries, previous), "", c.word);
  else if (options && c.word[0] == '-' && strchr (c.word, '='))
    complete_value_of_word (command, find_option (entries, c.word), c.word);
  else if (options && c.word[0] == '-') {
    for (const struct option_entry *e = entries; e->name; ++e)
      complete_word ("--", e->name, e->help);
    complete_word ("--", "help", "list the options");
  }
  else
    command->complete (&c);
  exit (EXIT_OK);
}
