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
print_problems (const char *name, const json_t *list)
{
  char prefix[128];

  fflush (stdout);
  snprintf (prefix, sizeof prefix, "nbdzram swapon: %s: ", name);
  check_print_problems (list, prefix);
}

bool
swap_check_real_time (const char *name)
{
  json_auto_t *list = json_array ();

  check_real_time (list);
  print_problems (name, list);
  return !check_has_missing (list);
}

/* systemd sets MAINPID for the swapon that a unit runs. */
static void
save_refusal (const char *name, json_t *list)
{
  char path[PATH_MAX];

  conf_run_path (path, sizeof path, name);
  if (getenv ("MAINPID") && access (path, F_OK) == 0)
    run_write (name, REFUSED, json_pack ("{s:O}", "checks", list));
}

static bool
check_local (json_t *list, const char *name)
{
  struct server s;
  json_auto_t *status = NULL;

  return server_find (&s, name, NULL) == EXIT_OK
    && check_server (list, &s, &status) == EXIT_OK;
}

/* False: the server does not answer. */
static bool
run_checks (json_t *list, const struct swap_check *c)
{
  check_machine (list);
  if (c->remote) {
    check_remote (list, c->name);
    return true;
  }
  swap_server_wait_standby (c->name);
  return check_local (list, c->name);
}

enum swap_verdict
swap_check (const struct swap_check *c)
{
  json_auto_t *list = json_array ();
  bool answers = run_checks (list, c);

  print_problems (c->name, list);
  if (!c->refuse)
    return SWAP_SAFE;
  if (!answers)
    return SWAP_UNKNOWN;
  if (!check_has_missing (list))
    return SWAP_SAFE;
  save_refusal (c->name, list);
  return SWAP_REFUSED;
}

void
swap_check_print_refusal (const char *name)
{
  json_auto_t *object = run_read (name, REFUSED);

  print_problems (name, json_object_get (object, "checks"));
  swap_check_forget_refusal (name);
}

void
swap_check_forget_refusal (const char *name)
{
  run_remove (name, REFUSED);
}
