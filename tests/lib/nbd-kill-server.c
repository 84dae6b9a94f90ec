/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start and kill servers, connect to them, and know where their pages are. */

#include <config.h>

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nbd-kill.h"

#define READY_SECONDS 60

pid_t
start_server (void)
{
  pid_t pid;

  unlink (socket_path);
  pid = fork ();

  if (pid == -1)
    fail ("fork: %m");
  if (pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    execvp (command[0], command);
    _exit (127);
  }
  return pid;
}

void
kill_server (pid_t pid)
{
  int status;

  kill (pid, SIGKILL);
  if (waitpid (pid, &status, 0) != pid)
    fail ("waitpid: %m");
  if (!WIFSIGNALED (status) || WTERMSIG (status) != SIGKILL)
    fail ("the server ended by itself: status %#x", (unsigned) status);
}

double
now (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

void
sleep_us (uint64_t us)
{
  nanosleep (&(struct timespec) {
    .tv_sec = (time_t) (us / 1000000),
    .tv_nsec = (long) (us % 1000000 * 1000),
  }, NULL);
}

static struct nbd_handle *
connect_once (unsigned export)
{
  struct nbd_handle *nbd = nbd_create ();
  char name[16] = "";

  if (exports > 0)
    snprintf (name, sizeof name, "%u", export);
  if (!nbd || nbd_set_export_name (nbd, name) == -1
      || nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1)
    fail ("%s", nbd_get_error ());
  if (nbd_connect_unix (nbd, socket_path) == 0)
    return nbd;
  nbd_close (nbd);
  return NULL;
}

struct nbd_handle *
connect_to (pid_t server, unsigned export)
{
  double give_up = now () + READY_SECONDS;
  struct nbd_handle *nbd;

  while ((nbd = connect_once (export)) == NULL) {
    if (waitpid (server, NULL, WNOHANG) != 0)
      fail ("the server did not start");
    if (now () > give_up)
      fail ("the server is not ready: %s", nbd_get_error ());
    sleep_us (2000);
  }
  return nbd;
}

void
for_each_export (pid_t server, void (*fn) (struct nbd_handle *nbd,
                                           unsigned export))
{
  for (unsigned i = 0; i < (exports > 0 ? exports : 1); ++i) {
    struct nbd_handle *nbd = connect_to (server, i);

    fn (nbd, i);
    nbd_close (nbd);
  }
}

/* ---- where pages are ---- */

unsigned
export_of (uint64_t page)
{
  return exports > 0 ? (unsigned) (page / RUN % exports) : 0;
}

uint64_t
offset_of (uint64_t page)
{
  return (exports > 0 ? page / RUN / exports * RUN + page % RUN : page)
    * page_size;
}

uint64_t
page_at (unsigned export, uint64_t offset)
{
  uint64_t page = offset / page_size;

  return exports > 0 ? (page / RUN * exports + export) * RUN + page % RUN
                     : page;
}
