/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/parse-number.h"
#include "service/parse-size.h"

#include "complete.h"
#include "options.h"

#define OPTIONS_MAX 32
#define FIRST_VALUE 256         /* of getopt_long, beyond all letters */
#define VALUE_HELP (FIRST_VALUE + OPTIONS_MAX)
#define HELP_COLUMN 26

void
usage_error (const struct command *command, const char *format, ...)
{
  va_list ap;

  fprintf (stderr, "nbdzram %s: ", command->name);
  va_start (ap, format);
  vfprintf (stderr, format, ap);
  va_end (ap);
  fprintf (stderr, "; try: nbdzram %s --help\n", command->name);
  exit (EXIT_USAGE);
}

/* ---- help ---- */

static void
print_option_help (const struct option_entry *e)
{
  int width = e->letter ? printf ("  -%c, ", e->letter) : printf ("      ");

  width += printf ("--%s", e->name);
  if (e->argument)
    width += printf ("=%s", e->argument);
  printf ("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "",
          e->help);
}

static _Noreturn void
print_help (const struct command *command, const struct option_entry *entries)
{
  static const struct option_entry own = {
    .name = "help", .letter = 'h', .help = "show this",
  };

  printf ("usage: nbdzram %s [OPTION...] %s\n%s\n\nOptions:\n",
          command->name, command->arguments, command->summary);
  for (const struct option_entry *e = entries; e->name; ++e)
    print_option_help (e);
  print_option_help (&own);
  if (command->columns)
    printf ("\nColumns (* those shown by default):\n");
  for (const struct column *c = command->columns; c && c->name; ++c)
    printf ("  %c %-*s%s\n", c->hidden ? ' ' : '*', HELP_COLUMN - 4, c->name,
            c->help);
  exit (EXIT_OK);
}

/* ---- values ---- */

static void
store_number (const struct command *command, const struct option_entry *e)
{
  uint64_t max = e->max ? e->max : INT64_MAX, n;
  char why[PARSE_SIZE_ERROR];

  if (e->size
      && parse_size (optarg, machine_ram (), &n, why, sizeof why) == -1)
    usage_error (command, "--%s=%s: not a size: it %s", e->name, optarg, why);
  if (!e->size && !parse_number (optarg, &n))
    usage_error (command, "--%s=%s: not a whole number", e->name, optarg);
  if (n < e->min || n > max)
    usage_error (command, "--%s=%s: must be from %" PRIu64 " to %" PRIu64,
                 e->name, optarg, e->min, max);
  *(e->size ? e->size : e->number) = n;
}

static void
store_value (const struct command *command, const struct option_entry *e)
{
  if (e->flag)
    *e->flag = true;
  else if (e->string)
    *e->string = optarg;
  else if (e->list && e->list->count == OPTION_LIST_MAX)
    usage_error (command, "--%s is there too often: at most %d times", e->name,
                 OPTION_LIST_MAX);
  else if (e->list)
    e->list->values[e->list->count++] = optarg;
  else
    store_number (command, e);
}

/* ---- parsing ---- */

/* The option tables of getopt_long. */
struct getopt_tables {
  struct option longs[OPTIONS_MAX + 2];
  char shorts[2 * OPTIONS_MAX + 4];
};

static void
make_getopt_tables (struct getopt_tables *t,
                    const struct option_entry *entries)
{
  char *s = t->shorts;
  int i;

  memset (t, 0, sizeof *t);
  *s++ = ':';
  *s++ = 'h';
  for (i = 0; i < OPTIONS_MAX && entries[i].name; ++i) {
    t->longs[i] = (struct option) {
      .name = entries[i].name,
      .has_arg = entries[i].argument ? required_argument : no_argument,
      .val = FIRST_VALUE + i,
    };
    if (entries[i].letter) {
      *s++ = entries[i].letter;
      if (entries[i].argument)
        *s++ = ':';
    }
  }
  t->longs[i] = (struct option) { .name = "help", .val = VALUE_HELP };
}

static const struct option_entry *
find_entry (const struct option_entry *entries, int value)
{
  const struct option_entry *e = entries;

  if (value >= FIRST_VALUE)
    return &entries[value - FIRST_VALUE];
  while (e->letter != value)
    ++e;
  return e;
}

/* Reports why getopt_long did not accept an option. */
static _Noreturn void
report_bad_option (const struct command *command,
                   const struct option_entry *entries, char *const argv[])
{
  if (optopt == VALUE_HELP)
    usage_error (command, "--help takes no value");
  if (optopt >= FIRST_VALUE)
    usage_error (command, "--%s takes no value",
                 find_entry (entries, optopt)->name);
  /* The letter may be followed by others in the same argument. */
  if (optopt != 0)
    usage_error (command, "unknown option -%c", optopt);
  usage_error (command, "unknown option %s", argv[optind - 1]);
}

int
options_parse (const struct command *command, int argc, char *argv[],
               const struct option_entry *entries)
{
  struct getopt_tables t;
  int value;

  if (is_completing ())
    complete_options (command, argc, argv, entries);
  make_getopt_tables (&t, entries);
  while ((value = getopt_long (argc, argv, t.shorts, t.longs, NULL)) != -1) {
    if (value == 'h' || value == VALUE_HELP)
      print_help (command, entries);
    if (value == ':')
      usage_error (command, "%s needs a value", argv[optind - 1]);
    if (value == '?')
      report_bad_option (command, entries, argv);
    store_value (command, find_entry (entries, value));
  }
  return optind;
}

const char *
last_argument (const struct command *command, int index, int argc,
               char *argv[])
{
  if (index + 1 < argc)
    usage_error (command, "%s is one argument too many", argv[index + 1]);
  return index < argc ? argv[index] : NULL;
}

char **
setting_arguments (const struct command *command, int index, int argc,
                   char *argv[])
{
  for (int i = index; i < argc; ++i)
    if (!strchr (argv[i], '='))
      usage_error (command, "%s is one argument too many", argv[i]);
  return argv + index;
}
