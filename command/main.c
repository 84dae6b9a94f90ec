/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command nbdzram: the table of its verbs. */

#include <config.h>

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/command.h"
#include "command/base/output.h"
#include "command/base/suggest.h"
#include "command/verbs/complete.h"

const struct command commands[] = {
  { "status", "[NAME]",
    "Show what servers hold, in a table.",
    command_status, status_columns, complete_servers },
  { "top", "[NAME]",
    "Show what a server holds and does, live.",
    command_top, NULL, complete_servers },
  { "metrics", "[NAME]",
    "Print the numbers of all that runs, for Prometheus.",
    command_metrics, NULL, complete_servers },
  { "pages", "[NAME]",
    "List the state of each page.",
    command_pages, NULL, complete_servers },
  { "idle", "all | AGE [NAME]",
    "Mark pages idle: all, or those not accessed for AGE seconds.",
    command_maintain, NULL, complete_idle },
  { "recompress", "[NAME]",
    "Compress pages again, by the stronger algorithms of recompress=.",
    command_maintain, NULL, complete_servers },
  { "writeback", "[NAME]",
    "Move pages from memory to the backing file.",
    command_maintain, NULL, complete_servers },
  { "compact", "[NAME]",
    "Move pages together, and free the memory between them.",
    command_maintain, NULL, complete_servers },
  { "trim-empty", "[NAME]",
    "Free pages that hold only zeroes.",
    command_maintain, NULL, complete_servers },
  { "reset", "NAME",
    "Discard all pages of a disk that is not in use.",
    command_maintain, NULL, complete_servers },
  { "set", "[NAME] KEY=VALUE...",
    "Change what can be changed while a server runs.",
    command_set, NULL, complete_set },
  { "export", "list [NAME] | add|remove|resize EXPORT [NAME]",
    "List, add, remove or resize the exports of a server.",
    command_export, export_columns, complete_export },
  { "serve", "[NAME] [KEY=VALUE...]",
    "Start a server and stay as its supervisor.",
    command_serve, NULL, complete_new_disk },
  { "upgrade", "[NAME]",
    "Replace a running server by the newly installed one.",
    command_upgrade, NULL, complete_servers },
  { "stop", "[NAME]",
    "End a server and its supervisor.",
    command_stop, NULL, complete_servers },
  { "swapon", "[NAME] [KEY=VALUE...]",
    "Make a compressed RAM disk, and swap to it.",
    command_swapon, NULL, complete_new_disk },
  { "swapoff", "[NAME]",
    "Turn off a swap, and undo everything that swapon did.",
    command_swapoff, NULL, complete_servers },
  { "mount", "DIRECTORY | NAME [KEY=VALUE...]",
    "Make a compressed RAM disk with a file system, and mount it.",
    command_mount, NULL, complete_mount },
  { "umount", "DIRECTORY | NAME",
    "Unmount it, and undo everything that mount did.",
    command_umount, NULL, complete_umount },
  { "watch", "NAME",
    "Attach /dev/nbdN to a server, and keep it attached.",
    command_watch, NULL, complete_servers },
  { "areas", "NAME",
    "Add areas to a swap and remove them, as its pool has room.",
    command_areas, NULL, complete_servers },
  { "analyze", "FILE | --pid PID",
    "Estimate what memory would cost in a pool, without a server.",
    command_analyze, analyze_columns, complete_file },
  { "check", "[NAME]",
    "Check whether the machine and a server are safe for swap.",
    command_check, NULL, complete_servers },
  { "conf", "import [FILE [DIRECTORY...]]",
    "Print settings for what a file of zram-generator asks for.",
    command_conf, NULL, complete_import },
  { 0 },
};

static void
print_help (FILE *out)
{
  fputs ("usage: nbdzram VERB [OPTION...] [ARGUMENT...]\n"
         "Monitor and control servers of compressed RAM disks.\n"
         "\n"
         "Verbs:\n", out);
  for (const struct command *c = commands; c->name; ++c)
    fprintf (out, "  %-12s %s\n", c->name, c->summary);
  fputs ("\n"
         "Options:\n"
         "  -h, --help     show this help, or that of a verb\n"
         "  -V, --version  show the version\n"
         "\n"
         "NAME is the name of a server: name=, or else zram0, zram1, ...  It\n"
         "may be left out if only one server runs.\n", out);
}

/* What most look for first.  tests/command/help.sh checks the verbs. */
static void
print_short_help (FILE *out)
{
  fputs ("usage: nbdzram VERB [OPTION...] [ARGUMENT...]\n"
         "\n"
         "  nbdzram status          what servers hold\n"
         "  nbdzram top             the same, live\n"
         "  nbdzram serve           start a disk, with the settings in "
         "zram0.conf\n"
         "  nbdzram swapon          swap to compressed memory\n"
         "  nbdzram check           is this machine safe for that?\n"
         "  nbdzram VERB --help     the options of a verb\n"
         "  nbdzram --help          all verbs\n"
         "  man nbdzram             the manual\n", out);
}

static int
fail_unknown (const char *verb)
{
  struct suggestion s = { .word = verb, .length = strlen (verb) };

  for (const struct command *c = commands; c->name; ++c)
    suggest_try (&s, c->name);
  fprintf (stderr, "nbdzram: unknown verb %s; %s%s%s\n", verb,
           s.best ? "did you mean " : "try: nbdzram --help",
           s.best ? s.best : "", s.best ? "?" : "");
  return EXIT_USAGE;
}

/* Print what the last word of ARGV, which begins with the verb, can be. */
static int
complete (int argc, char *argv[])
{
  complete_begin ();
  if (argc == 1) {
    for (const struct command *c = commands; c->name; ++c)
      complete_word ("", c->name, c->summary);
    complete_word ("", "--help", "list the verbs");
    complete_word ("", "--version", "show the version");
  }
  for (const struct command *c = commands; argc > 1 && c->name; ++c)
    if (strcmp (c->name, argv[0]) == 0)
      return c->run (c, argc, argv);
  return EXIT_OK;
}

int
main (int argc, char *argv[])
{
  const char *verb = argc > 1 ? argv[1] : NULL;

  /* The parent may have set it to be ignored.  Then the exit status of a
   * child could not be read.
   */
  signal (SIGCHLD, SIG_DFL);
  atexit (output_close);
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");  /* scripts read numbers, too */
  if (!verb) {
    print_short_help (stderr);
    return EXIT_USAGE;
  }
  if (strcmp (verb, "--help") == 0 || strcmp (verb, "-h") == 0) {
    print_help (stdout);
    return EXIT_OK;
  }
  if (strcmp (verb, "--complete") == 0)
    return complete (argc - 2, argv + 2);
  if (strcmp (verb, "--version") == 0 || strcmp (verb, "-V") == 0) {
    puts (PACKAGE_STRING);
    return EXIT_OK;
  }
  for (const struct command *c = commands; c->name; ++c)
    if (strcmp (c->name, verb) == 0)
      return c->run (c, argc - 1, argv + 1);
  return fail_unknown (verb);
}
