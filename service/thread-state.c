/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "thread-state.h"

bool
thread_state_parse (const char *line, struct thread_state *t)
{
  /* The name may hold anything, parentheses included. */
  const char *name = strchr (line, '('), *rest = strrchr (line, ')');

  if (!name || !rest)
    return false;
  snprintf (t->name, sizeof t->name, "%.*s", (int) (rest - name - 1),
            name + 1);
  /* state, 5 numbers, flags, 30 numbers up to processor, rt_priority,
   * policy: proc_pid_stat(5).
   */
  return sscanf (rest + 1, " %*c %*d %*d %*d %*d %*d %lu"
                 " %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d"
                 " %*d %*d %*u %*u %*d %*u %*u %*u %*u %*u"
                 " %*u %*u %*u %*u %*u %*u %*u %*u %*d %*d %d %d",
                 &t->flags, &t->priority, &t->policy) == 3;
}
