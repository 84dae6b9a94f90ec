/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <poll.h>
#include <string.h>
#include <time.h>

#include "command/base/clock.h"
#include "command/conf/conf.h"

#include "md.h"
#include "nbd-device.h"
#include "watch-process.h"

#define DIAL_AGAIN_MS 2000      /* nobody waits for a half that was given up */
#define LEAVE_TICK 100
#define JOIN_MS 5000

/* What the kernel still has fails, at once.  What the server still has is
 * of no more account: it is brought up to date before it is read.
 */
_Static_assert (CONF_CONNECTIONS_MAX == WATCHER_CONNECTIONS,
                "what a watcher can have");

static void
give_up (struct watching *w)
{
  if (nbd_disconnect (&w->nl, w->a.index) == -1) {
    watch_say (w, "%s", w->nl.error);
    return;
  }
  watch_say (w, "%s is given up: /dev/%s goes on without /dev/nbd%d", w->a.uri,
             w->a.array, w->a.index);
  if (w->dialing)
    nbd_dial_end (&w->dial);
  w->dialing = false;
  watcher_end (&w->watcher);
  w->apart = true;
}

void
watch_member_begin_apart (struct watching *w)
{
  w->a.index = -1;
  w->a.array[0] = '\0';
  w->apart = true;
}

/* The number that it had, unless that is somebody else's by now. */
static int
wanted_index (struct watching *w)
{
  return w->a.index == -1
    || nbd_device_foreign (w->a.index, w->a.identifier) ? -1 : w->a.index;
}

bool
watch_member_return (struct watching *w, const sigset_t *usual)
{
  const struct timespec tick = { .tv_nsec = LEAVE_TICK * 1000000 };
  int64_t next = 0;
  bool left = false;

  for (; !watch_is_told_to_end (); ppoll (NULL, 0, &tick, usual)) {
    left = left || member_leave (&w->member);
    if (!left || now_ms () < next)
      continue;
    w->knows_disk = false;
    if (w->a.index == -1)
      w->a.size = 0;
    if (watch_attach (w, wanted_index (w), DIAL_AGAIN_MS) == 0)
      break;
    next = now_ms () + DIAL_AGAIN_MS;
  }
  if (watch_is_told_to_end ())
    return false;
  w->apart = false;
  member_begin (&w->member, w->a.index, w->a.array);
  watch_reconnected (w, (unsigned) w->a.connections);
  return true;
}

/* One that came when the mirror had begun without it is in no array; others
 * of the same name are.  mdadm may be putting it together at this moment: it
 * gets time to come to this half by itself.
 */
static void
find_others (struct watching *w)
{
  char name[sizeof w->a.name];
  struct attachment other;

  for (size_t k = 0; k < CONF_REMOTES_MAX; ++k) {
    attach_name (name, sizeof name, w->member_of, k);
    if (strcmp (name, w->a.name) == 0 || attach_read (&other, name) == -1
        || other.array[0] == '\0'
        || !nbd_device_belongs (other.index, other.identifier)
        || !md_is_mirror (other.array)
        || md_member_of (other.array, other.index) != MD_HALF_IN_SYNC)
      continue;
    strcpy (w->a.array, other.array);
    w->member.next_add = now_ms () + JOIN_MS;
    watch_save (w);
    return;
  }
}

void
watch_member_look (struct watching *w)
{
  bool dead = watcher_is_dead (&w->watcher);
  char text[160];

  if (!dead && w->member_of && w->a.array[0] == '\0')
    find_others (w);

  switch (member_look (&w->member, dead, now_ms (), text, sizeof text)) {
  case HALF_QUIET:
    break;
  case HALF_FOUND:
    watch_save (w);
    break;
  case HALF_GIVE_UP:
    give_up (w);
    break;
  case HALF_ADDING:
    watch_say (w, "/dev/nbd%d is given back to /dev/%s", w->a.index,
               w->a.array);
    break;
  case HALF_ADDED:
    watch_say (w, "/dev/%s has /dev/nbd%d again, and brings it up to date",
               w->a.array, w->a.index);
    break;
  case HALF_NOT_ADDED:
    watch_say (w, "/dev/%s does not take /dev/nbd%d: %s", w->a.array,
               w->a.index, text);
    break;
  }
}
