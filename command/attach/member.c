/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "md-setup.h"
#include "member.h"

/* A supervisor's standby takes less than one, systemd to start a server
 * again one or two.  With the kernel's timeout before it, where a server
 * stands still, it is about six until the mirror goes on.
 */
#define GIVE_UP_MS 2000

#define TICK_MS 250
#define TICK_LONG_MS 2000
#define LOOK_AGAIN_MS 1000
#define ADD_AGAIN_MS 5000
#define FAULTY_AGAIN_MS 60000

void
member_init (struct member *h, int index, char *array)
{
  *h = (struct member) {
    .index = index, .array = array, .dead_since = -1, .faulty_since = -1,
    .state = -1,
  };
}

/* Not the array of somebody else that was given the number of ours. */
static bool
forget (struct member *h)
{
  if (h->array[0] == '\0' || md_is_mirror (h->array))
    return false;
  h->array[0] = '\0';
  return true;
}

static bool
find (struct member *h)
{
  char array[MD_NAME_SIZE];

  if (!md_find_array (array, h->index) || !md_is_mirror (array)
      || strcmp (array, h->array) == 0)
    return false;
  strcpy (h->array, array);
  return true;
}

/* What it is to its array. */
static enum md_member
state_of (struct member *h)
{
  enum md_member state;

  if (h->array[0] == '\0')
    return MD_NO_MEMBER;
  if (h->state == -1)
    h->state = md_member_open (h->array, h->index);
  if (h->state == -1)
    return MD_NO_MEMBER;
  state = md_member_read (h->state);
  if (state == MD_NO_MEMBER) {
    close (h->state);
    h->state = -1;
  }
  return state;
}

/* Nobody waits for one that is not, or no longer, a half. */
static bool
is_dispensable (struct member *h)
{
  switch (state_of (h)) {
  case MD_NO_MEMBER:
  case MD_MEMBER_FAULTY:
    return true;
  default:
    return md_has_other_in_sync (h->array, h->index);
  }
}

static enum member_event
look_at_adder (struct member *h, int64_t now, char *text, unsigned size)
{
  int result;

  if (!program_ended (&h->adder, &result, text, size))
    return MEMBER_UNCHANGED;
  h->next_add = now + ADD_AGAIN_MS;
  return result == 0 ? MEMBER_ADDED : MEMBER_NOT_ADDED;
}

static enum member_event
add (struct member *h, int64_t now, char *text, unsigned size)
{
  if (now < h->next_add)
    return MEMBER_UNCHANGED;
  if (md_add_begin (&h->adder, h->array, h->index, text, size) == 0)
    return MEMBER_ADDING;
  h->next_add = now + ADD_AGAIN_MS;
  return MEMBER_NOT_ADDED;
}

static enum member_event
look_at_living (struct member *h, int64_t now, char *text, unsigned size)
{
  enum md_member state = state_of (h);

  if (state == MD_NO_MEMBER)
    return forget (h) || find (h) ? MEMBER_ARRAY_CHANGED
      : h->array[0] != '\0' ? add (h, now, text, size) : MEMBER_UNCHANGED;
  if (state != MD_MEMBER_FAULTY)
    h->faulty_since = -1;
  else if (h->faulty_since == -1)
    h->faulty_since = now;
  else if (now - h->faulty_since >= FAULTY_AGAIN_MS)
    md_remove_member (h->array, h->index);
  return MEMBER_UNCHANGED;
}

static enum member_event
look_at_dead (struct member *h, int64_t now)
{
  if (now - h->dead_since < GIVE_UP_MS || now < h->next_look)
    return MEMBER_UNCHANGED;
  h->next_look = now + LOOK_AGAIN_MS;
  if (forget (h) || find (h))
    return MEMBER_ARRAY_CHANGED;
  return h->array[0] != '\0' && is_dispensable (h) ? MEMBER_GIVE_UP
    : MEMBER_UNCHANGED;
}

enum member_event
member_check (struct member *h, bool dead, int64_t now, char *text,
             unsigned size)
{
  if (!dead)
    h->dead_since = -1;
  else if (h->dead_since == -1)
    h->dead_since = now;

  if (dead)
    return look_at_dead (h, now);
  return h->adder.pid != 0 ? look_at_adder (h, now, text, size)
    : look_at_living (h, now, text, size);
}

int
member_check_again_ms (const struct member *h)
{
  return h->dead_since != -1 || h->adder.pid != 0 ? TICK_MS : TICK_LONG_MS;
}

/* Where nothing was under way, the array has not noticed. */
bool
member_try_leave (struct member *h)
{
  char text[256];
  int result;

  if (h->adder.pid != 0
      && !program_ended (&h->adder, &result, text, sizeof text))
    return false;
  switch (state_of (h)) {
  case MD_NO_MEMBER:
    return true;
  case MD_MEMBER_FAULTY:
    md_remove_member (h->array, h->index);
    break;
  default:
    if (md_has_other_in_sync (h->array, h->index))
      md_mark_faulty (h->array, h->index);
  }
  return false;
}
