/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command nbdzram: finds its verb. */

#include <config.h>

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/command.h"
#include "command/base/output.h"

const struct command commands[] = {
  { "status", "[NAME]",
    "Show what servers hold, in a table.",
    command_status, status_columns },
  { "top", "[NAME]",
    "Show what a server holds and does, live.",
    command_top, NULL },
  { "metrics", "[NAME]",
    "Print what servers count in the text format of Prometheus.",
    command_metrics, NULL },
  { "pages", "[NAME]",
    "List the state of each page.",
    command_pages, NULL },
  { "idle", "all | AGE [NAME]",
    "Mark pages idle: all, or those not accessed for AGE seconds.",
    command_maintain, NULL },
  { "recompress", "[NAME]",
    "Compress pages again, by the stronger algorithms of recompress=.",
    command_maintain, NULL },
  { "writeback", "[NAME]",
    "Move pages from memory to the backing file.",
    command_maintain, NULL },
  { "compact", "[NAME]",
    "Move pages together and give the memory between them back.",
    command_maintain, NULL },
  { "trim-empty", "[NAME]",
    "Forget pages that hold nothing but zeroes.",
    command_maintain, NULL },
  { "reset", "NAME",
    "Forget all pages of a disk that nobody uses.",
    command_maintain, NULL },
  { "set", "[NAME] KEY=VALUE...",
    "Change what can be changed while a server runs.",
    command_set, NULL },
  { "export", "list [NAME] | add|remove|resize EXPORT [NAME]",
    "List, add, remove or resize the exports of a server.",
    command_export, export_columns },
  { "serve", "[NAME] [KEY=VALUE...]",
    "Start a server and stay as its supervisor.",
    command_serve, NULL },
  { "upgrade", "[NAME]",
    "Replace a running server by the newly installed one.",
    command_upgrade, NULL },
  { "stop", "[NAME]",
    "End a server and its supervisor.",
    command_stop, NULL },
  { "swapon", "[NAME] [KEY=VALUE...]",
    "Make a compressed RAM disk, and swap to it.",
    command_swapon, NULL },
  { "swapoff", "[NAME]",
    "Stop swapping to it, and undo all that swapon did.",
    command_swapoff, NULL },
  { "watch", "NAME",
    "Attach /dev/nbdN to a server, and keep it attached.",
    command_watch, NULL },
  { "analyze", "FILE | --pid PID",
    "Tell what memory would cost, before anything is set up.",
    command_analyze, analyze_columns },
  { "check", "[NAME]",
    "See whether machine and server are fit for swap.",
    command_check, NULL },
  { 0 },
};

static void
help (FILE *out)
{
  fputs ("usage: nbdzram VERB [OPTION...] [ARGUMENT...]\n"
         "Watch and steer the servers of compressed RAM disks.\n"
         "\n"
         "Verbs:\n", out);
  for (const struct command *c = commands; c->name; ++c)
    fprintf (out, "  %-12s %s\n", c->name, c->summary);
  fputs ("\n"
         "Options:\n"
         "  -h, --help     show this, or with a verb what it takes\n"
         "  -V, --version  show the version\n"
         "\n"
         "NAME is what name= gave the server, or zram0, zram1, ...; where\n"
         "only one server runs it may be left out.\n", out);
}

static int
refuse (const char *what, const char *word)
{
  fprintf (stderr, "nbdzram: %s%s; try: nbdzram --help\n", what, word);
  return EXIT_USAGE;
}

int
main (int argc, char *argv[])
{
  const char *verb = argc > 1 ? argv[1] : NULL;

  /* Whoever started us may ignore it, and then nobody could tell how a
   * child ended.
   */
  signal (SIGCHLD, SIG_DFL);
  atexit (output_close);
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");  /* scripts read it, too */
  if (!verb)
    return refuse ("a verb is missing", "");
  if (strcmp (verb, "--help") == 0 || strcmp (verb, "-h") == 0) {
    help (stdout);
    return EXIT_OK;
  }
  if (strcmp (verb, "--version") == 0 || strcmp (verb, "-V") == 0) {
    puts (PACKAGE_STRING);
    return EXIT_OK;
  }
  for (const struct command *c = commands; c->name; ++c)
    if (strcmp (c->name, verb) == 0)
      return c->run (c, argc - 1, argv + 1);
  return refuse ("unknown verb ", verb);
}
