/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command/base/run-file.h"
#include "command/conf/conf.h"

#include "check-swap.h"
#include "check.h"
#include "server.h"

#define REFUSED "refused"

static void
complain (const char *name, const json_t *list)
{
  char prefix[128];

  fflush (stdout);
  snprintf (prefix, sizeof prefix, "nbdzram swapon: %s: ", name);
  check_complain (list, prefix);
}

bool
swap_check_first (const char *name)
{
  json_t *list = json_array ();
  bool missing;

  check_real_time (list);
  complain (name, list);
  missing = check_any_missing (list);
  json_decref (list);
  return !missing;
}

/* systemd tells the swapon of a unit which process that is of. */
static void
leave_word (const char *name, json_t *list)
{
  char path[PATH_MAX];

  conf_run_path (path, sizeof path, name);
  if (getenv ("MAINPID") && access (path, F_OK) == 0)
    run_write (name, REFUSED, json_pack ("{s:O}", "checks", list));
}

/* False: its server does not answer. */
static bool
fill (json_t *list, const struct swap_check *c)
{
  check_machine (list);
  if (c->remote) {
    check_remote (list, c->name);
    return true;
  }
  swap_server_wait_standby (c->name);
  return check_local (list, c->name) == EXIT_OK;
}

enum swap_verdict
swap_check (const struct swap_check *c)
{
  json_t *list = json_array ();
  enum swap_verdict verdict = fill (list, c) ? SWAP_SAFE : SWAP_UNKNOWN;

  complain (c->name, list);
  if (!c->refuse)
    verdict = SWAP_SAFE;
  else if (verdict == SWAP_SAFE && check_any_missing (list)) {
    leave_word (c->name, list);
    verdict = SWAP_REFUSED;
  }
  json_decref (list);
  return verdict;
}

void
swap_check_pass_on (const char *name)
{
  json_t *object = run_read (name, REFUSED);

  complain (name, json_object_get (object, "checks"));
  json_decref (object);
  swap_check_forget (name);
}

void
swap_check_forget (const char *name)
{
  run_remove (name, REFUSED);
}
