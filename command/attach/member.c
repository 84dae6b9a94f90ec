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
member_begin (struct member *h, int index, char *array)
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

  if (!md_find (array, h->index) || !md_is_mirror (array)
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
    return MD_HALF_NONE;
  if (h->state == -1)
    h->state = md_member_open (h->array, h->index);
  if (h->state == -1)
    return MD_HALF_NONE;
  state = md_member_read (h->state);
  if (state == MD_HALF_NONE) {
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
  case MD_HALF_NONE:
  case MD_HALF_FAULTY:
    return true;
  default:
    return md_has_other (h->array, h->index);
  }
}

static enum member_event
look_at_adder (struct member *h, int64_t now, char *text, unsigned size)
{
  int result;

  if (!program_ended (&h->adder, &result, text, size))
    return HALF_QUIET;
  h->next_add = now + ADD_AGAIN_MS;
  return result == 0 ? HALF_ADDED : HALF_NOT_ADDED;
}

static enum member_event
add (struct member *h, int64_t now, char *text, unsigned size)
{
  if (now < h->next_add)
    return HALF_QUIET;
  if (md_add_begin (&h->adder, h->array, h->index, text, size) == 0)
    return HALF_ADDING;
  h->next_add = now + ADD_AGAIN_MS;
  return HALF_NOT_ADDED;
}

static enum member_event
look_at_living (struct member *h, int64_t now, char *text, unsigned size)
{
  enum md_member state = state_of (h);

  if (state == MD_HALF_NONE)
    return forget (h) || find (h) ? HALF_FOUND
      : h->array[0] != '\0' ? add (h, now, text, size) : HALF_QUIET;
  if (state != MD_HALF_FAULTY)
    h->faulty_since = -1;
  else if (h->faulty_since == -1)
    h->faulty_since = now;
  else if (now - h->faulty_since >= FAULTY_AGAIN_MS)
    md_remove (h->array, h->index);
  return HALF_QUIET;
}

static enum member_event
look_at_dead (struct member *h, int64_t now)
{
  if (now - h->dead_since < GIVE_UP_MS || now < h->next_look)
    return HALF_QUIET;
  h->next_look = now + LOOK_AGAIN_MS;
  if (forget (h) || find (h))
    return HALF_FOUND;
  return h->array[0] != '\0' && is_dispensable (h) ? HALF_GIVE_UP
    : HALF_QUIET;
}

enum member_event
member_look (struct member *h, bool dead, int64_t now, char *text,
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
member_tick (const struct member *h)
{
  return h->dead_since != -1 || h->adder.pid != 0 ? TICK_MS : TICK_LONG_MS;
}

/* Where nothing was under way, the array has not noticed. */
bool
member_leave (struct member *h)
{
  char text[256];
  int result;

  if (h->adder.pid != 0
      && !program_ended (&h->adder, &result, text, sizeof text))
    return false;
  switch (state_of (h)) {
  case MD_HALF_NONE:
    return true;
  case MD_HALF_FAULTY:
    md_remove (h->array, h->index);
    break;
  default:
    if (md_has_other (h->array, h->index))
      md_fail (h->array, h->index);
  }
  return false;
}
