/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ascii.h"
#include "command.h"
#include "confirm.h"
#include "output.h"

/* Reads one line; true for "y" or "yes". */
static bool
read_yes (void)
{
  char line[16];

  if (!fgets (line, sizeof line, stdin))
    return false;
  return ascii_same (line, "y\n", 3) || ascii_same (line, "yes\n", 5);
}

int
confirm_loss (const char *subject, const char *what, uint64_t data)
{
  char size[TEXT_SIZE];

  if (!isatty (STDIN_FILENO) || !isatty (STDERR_FILENO)) {
    fprintf (stderr, "nbdzram: %s: %s would be lost; use --yes\n", subject,
             what);
    return EXIT_FAILED;
  }
  fprintf (stderr, "%s holds %s of data; %s will be lost.  Continue? [y/N] ",
           subject, text_of_size (size, data), what);
  if (read_yes ())
    return EXIT_OK;
  fputs ("nbdzram: nothing was changed\n", stderr);
  return EXIT_FAILED;
}
