/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>
#include <unistd.h>

#include "md-setup.h"
#include "member.h"

/* The standby of a supervisor takes over in less than a second, and systemd
 * restarts a server in one or two.  If a server hangs, the kernel's timeout
 * comes first, and the mirror continues after about six seconds.
 */
#define GIVE_UP_MS 2000

#define CHECK_MS 250
#define CHECK_SLOWLY_MS 2000
#define CHECK_OTHERS_MS 1000
#define ADD_AGAIN_MS 5000
#define FAULTY_AGAIN_MS 60000

void
member_init (struct member *h, int index, char *array)
{
  *h = (struct member) {
    .index = index, .array = array, .dead_since = -1, .faulty_since = -1,
    .state_file = -1,
  };
}

/* The array was stopped, and an array that is no mirror may have its name
 * now.
 */
static bool
clear_stopped_array (struct member *h)
{
  if (h->array[0] == '\0' || md_is_mirror (h->array))
    return false;
  h->array[0] = '\0';
  return true;
}

static bool
find_mirror (struct member *h)
{
  char array[MD_NAME_SIZE];

  if (!md_find_array (array, h->index) || !md_is_mirror (array)
      || strcmp (array, h->array) == 0)
    return false;
  strcpy (h->array, array);
  return true;
}

static enum md_member
read_state (struct member *h)
{
  enum md_member state;

  if (h->array[0] == '\0')
    return MD_NO_MEMBER;
  if (h->state_file == -1)
    h->state_file = md_member_open (h->array, h->index);
  if (h->state_file == -1)
    return MD_NO_MEMBER;
  state = md_member_read (h->state_file);
  if (state == MD_NO_MEMBER) {
    close (h->state_file);
    h->state_file = -1;
  }
  return state;
}

/* The mirror does not wait for a device that is no working member. */
static bool
is_dispensable (struct member *h)
{
  switch (read_state (h)) {
  case MD_NO_MEMBER:
  case MD_MEMBER_FAULTY:
    return true;
  default:
    return md_has_other_in_sync (h->array, h->index);
  }
}

static enum member_event
check_adder (struct member *h, int64_t now, char *text, unsigned size)
{
  int result;

  if (!program_ended (&h->adder, &result, text, size))
    return MEMBER_UNCHANGED;
  h->next_add = now + ADD_AGAIN_MS;
  return result == 0 ? MEMBER_ADDED : MEMBER_NOT_ADDED;
}

static enum member_event
start_adder (struct member *h, int64_t now, char *text, unsigned size)
{
  if (now < h->next_add)
    return MEMBER_UNCHANGED;
  if (md_add_begin (&h->adder, h->array, h->index, text, size) == 0)
    return MEMBER_ADDING;
  h->next_add = now + ADD_AGAIN_MS;
  return MEMBER_NOT_ADDED;
}

static enum member_event
check_live_member (struct member *h, int64_t now, char *text, unsigned size)
{
  enum md_member state = read_state (h);

  if (state == MD_NO_MEMBER)
    return clear_stopped_array (h) || find_mirror (h) ? MEMBER_ARRAY_CHANGED
      : h->array[0] != '\0' ? start_adder (h, now, text, size)
      : MEMBER_UNCHANGED;
  if (state != MD_MEMBER_FAULTY)
    h->faulty_since = -1;
  else if (h->faulty_since == -1)
    h->faulty_since = now;
  else if (now - h->faulty_since >= FAULTY_AGAIN_MS)
    md_remove_member (h->array, h->index);
  return MEMBER_UNCHANGED;
}

static enum member_event
check_dead_member (struct member *h, int64_t now)
{
  if (now - h->dead_since < GIVE_UP_MS || now < h->next_check)
    return MEMBER_UNCHANGED;
  h->next_check = now + CHECK_OTHERS_MS;
  if (clear_stopped_array (h) || find_mirror (h))
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
    return check_dead_member (h, now);
  return h->adder.pid != 0 ? check_adder (h, now, text, size)
    : check_live_member (h, now, text, size);
}

int
member_check_again_ms (const struct member *h)
{
  return h->dead_since != -1 || h->adder.pid != 0 ? CHECK_MS
    : CHECK_SLOWLY_MS;
}

/* If no request was pending, md has not noticed that the member is dead. */
bool
member_try_leave (struct member *h)
{
  char text[256];
  int result;

  if (h->adder.pid != 0
      && !program_ended (&h->adder, &result, text, sizeof text))
    return false;
  switch (read_state (h)) {
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
