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

#define DIAL_AGAIN_MS 2000      /* no request waits for a detached member */
#define LEAVE_TICK_MS 100
#define JOIN_MS 5000            /* for mdadm to add the member by itself */

_Static_assert (CONF_CONNECTIONS_MAX == WATCHER_CONNECTIONS,
                "the connections that a watcher can have");

/* Requests that the kernel still has fail at once.  Requests that the server
 * still has do no harm: the member is resynced before it is read.
 */
static void
detach_member (struct watching *w)
{
  if (nbd_disconnect (&w->nl, w->a.index) == -1) {
    watch_log (w, "%s", w->nl.error);
    return;
  }
  watch_log (w, "%s is given up: /dev/%s continues without /dev/nbd%d",
             w->a.uri, w->a.array, w->a.index);
  if (w->dialing)
    nbd_dial_end (&w->dial);
  w->dialing = false;
  watcher_end (&w->watcher);
  w->detached = true;
}

void
watch_start_detached (struct watching *w)
{
  w->a.index = -1;
  w->a.array[0] = '\0';
  w->detached = true;
}

/* The former number, unless the device belongs to another user by now. */
static int
wanted_index (struct watching *w)
{
  return w->a.index == -1
    || nbd_device_foreign (w->a.index, w->a.identifier) ? -1 : w->a.index;
}

bool
watch_reattach_member (struct watching *w, const sigset_t *unblocked)
{
  const struct timespec tick = { .tv_nsec = LEAVE_TICK_MS * 1000000 };
  int64_t next = 0;
  bool left = false;

  for (; !watch_is_stopping (); ppoll (NULL, 0, &tick, unblocked)) {
    left = left || member_try_leave (&w->member);
    if (!left || now_ms () < next)
      continue;
    w->knows_disk = false;
    if (w->a.index == -1)
      w->a.size = 0;
    if (watch_connect_device (w, wanted_index (w), DIAL_AGAIN_MS) == 0)
      break;
    next = now_ms () + DIAL_AGAIN_MS;
  }
  if (watch_is_stopping ())
    return false;
  w->detached = false;
  member_init (&w->member, w->a.index, w->a.array);
  watch_on_reconnected (w, (unsigned) w->a.connections);
  return true;
}

/* A member that connected after the mirror had started without it is in no
 * array, but others of the same name are.  mdadm may be assembling the array
 * at this moment, so it gets time to add this member by itself.
 */
static void
find_array_of_others (struct watching *w)
{
  char name[sizeof w->a.name];
  struct attachment other;

  for (size_t k = 0; k < CONF_REMOTES_MAX; ++k) {
    attach_name (name, sizeof name, w->member_of, k);
    if (strcmp (name, w->a.name) == 0 || attach_read (&other, name) == -1
        || other.array[0] == '\0'
        || !nbd_device_belongs (other.index, other.identifier)
        || !md_is_mirror (other.array)
        || md_member_state (other.array, other.index) != MD_MEMBER_IN_SYNC)
      continue;
    strcpy (w->a.array, other.array);
    w->member.next_add = now_ms () + JOIN_MS;
    watch_save_record (w);
    return;
  }
}

void
watch_check_member (struct watching *w)
{
  bool dead = watcher_is_dead (&w->watcher);
  char text[160];

  if (!dead && w->member_of && w->a.array[0] == '\0')
    find_array_of_others (w);

  switch (member_check (&w->member, dead, now_ms (), text, sizeof text)) {
  case MEMBER_UNCHANGED:
    break;
  case MEMBER_ARRAY_CHANGED:
    watch_save_record (w);
    break;
  case MEMBER_GIVE_UP:
    detach_member (w);
    break;
  case MEMBER_ADDING:
    watch_log (w, "adding /dev/nbd%d to /dev/%s again", w->a.index,
               w->a.array);
    break;
  case MEMBER_ADDED:
    watch_log (w, "/dev/%s has /dev/nbd%d again and resyncs it",
               w->a.array, w->a.index);
    break;
  case MEMBER_NOT_ADDED:
    watch_log (w, "/dev/%s does not accept /dev/nbd%d: %s", w->a.array,
               w->a.index, text);
    break;
  }
}
