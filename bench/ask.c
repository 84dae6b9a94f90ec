/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How soon does a server answer on its control socket?
 *   ask SOCKET REQUEST [COUNT]
 * Sends the same request COUNT times over one connection, a tenth of a
 * second after each answer, and prints the milliseconds to the answers in
 * one line: "p50_ms=N p99_ms=N max_ms=N".
 */

#include <config.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "measure.h"

#define PAUSE_US 100000

static FILE *
connect_to (const char *path)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  FILE *fp;

  if (strlen (path) >= sizeof addr.sun_path)
    errx (EXIT_FAILURE, "%s: too long for a socket", path);
  strcpy (addr.sun_path, path);
  if (fd == -1
      || connect (fd, (const struct sockaddr *) &addr, sizeof addr) == -1
      || !(fp = fdopen (fd, "r")))
    err (EXIT_FAILURE, "%s", path);
  return fp;
}

static double
ask (FILE *fp, const char *request)
{
  double start = now ();
  int c;

  if (dprintf (fileno (fp), "%s\n", request) < 0)
    err (EXIT_FAILURE, "can't ask");
  do
    c = getc (fp);
  while (c != '\n' && c != EOF);
  if (c == EOF)
    errx (EXIT_FAILURE, "the server does not answer");
  return (now () - start) * 1e3;
}

int
main (int argc, char *argv[])
{
  size_t n = 100;
  double *ms, middle;
  FILE *fp;

  if (argc != 3 && argc != 4)
    errx (EXIT_FAILURE, "usage: ask SOCKET REQUEST [COUNT]");
  if (argc == 4)
    n = must_number ("COUNT", argv[3], 1);
  ms = must_alloc (n * sizeof *ms);
  fp = connect_to (argv[1]);
  for (size_t i = 0; i < n; ++i) {
    usleep (PAUSE_US);
    ms[i] = ask (fp, argv[2]);
  }
  fclose (fp);
  middle = median (ms, n);
  printf ("p50_ms=%.3f p99_ms=%.3f max_ms=%.3f\n", middle, ms[n * 99 / 100],
          ms[n - 1]);
  free (ms);
  return EXIT_SUCCESS;
}
