/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The states of the watcher, and how it counts readers: which transitions are
 * allowed.
 */

#include <config.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "tests/lib/watcher-world.h"

static bool
is_legal (enum watcher_state state, enum watcher_event event)
{
  return watcher_transition (state, event).next != WATCHER_REFUSED;
}

/* Every transition that is allowed, and no other one. */
TEST (test_transitions)
{
  static const struct {
    enum watcher_state from;
    enum watcher_event event;
    enum watcher_state to;
    enum watcher_action action;
  } legal[] = {
    { WATCHER_CHECKING, EVENT_SERVER_LIVES, WATCHER_FENCING, ACTION_NONE },
    { WATCHER_CHECKING, EVENT_ALL_LIVE, WATCHER_ATTACHED, ACTION_DROP_SPARE },
    { WATCHER_CHECKING, EVENT_SOME_MISSING, WATCHER_PAUSING, ACTION_NONE },
    { WATCHER_ATTACHED, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_FENCING, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_PAUSING, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_PAUSING, EVENT_DEAD_KNOWN, WATCHER_DIALING, ACTION_NONE },
    { WATCHER_PAUSING, EVENT_DEAD_UNKNOWN, WATCHER_COUNTING, ACTION_NONE },
    { WATCHER_COUNTING, EVENT_NONE_DEAD, WATCHER_CHECKING, ACTION_BACK_OFF },
    { WATCHER_COUNTING, EVENT_SERVER_LIVES, WATCHER_CHECKING,
      ACTION_RETRY_NOW },
    { WATCHER_COUNTING, EVENT_DEAD_FOUND, WATCHER_DIALING, ACTION_RETRY_NOW },
    { WATCHER_COUNTING, EVENT_DISCONNECTED, WATCHER_GONE, ACTION_DROP_SPARE },
    { WATCHER_DIALING, EVENT_STEP, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_DIALING, EVENT_DIAL_FAILED, WATCHER_CHECKING, ACTION_BACK_OFF },
    { WATCHER_DIALING, EVENT_DIALED, WATCHER_OFFERING, ACTION_NONE },
    { WATCHER_OFFERING, EVENT_LOSS, WATCHER_CHECKING, ACTION_NONE },
    { WATCHER_OFFERING, EVENT_READERS_LEFT, WATCHER_CHECKING,
      ACTION_RECOUNT },
    { WATCHER_OFFERING, EVENT_READERS_HIDDEN, WATCHER_CHECKING,
      ACTION_AWAIT_READERS },
    { WATCHER_OFFERING, EVENT_NOT_TAKEN, WATCHER_CHECKING, ACTION_RECOUNT },
    { WATCHER_OFFERING, EVENT_TAKEN, WATCHER_CHECKING, ACTION_RETRY_NOW },
    { WATCHER_OFFERING, EVENT_DISCONNECTED, WATCHER_GONE, ACTION_DROP_SPARE },
    { WATCHER_GONE, EVENT_STEP, WATCHER_GONE, ACTION_NONE },
  };
  const size_t count = sizeof legal / sizeof legal[0];
  size_t found = 0;

  for (size_t i = 0; i < count; ++i) {
    struct watcher_transition t = watcher_transition (legal[i].from,
                                                      legal[i].event);

    assert_int_equal (t.next, legal[i].to);
    assert_int_equal (t.action, legal[i].action);
  }
  for (unsigned s = 0; s < WATCHER_STATES; ++s)
    for (unsigned e = 0; e < WATCHER_EVENTS; ++e)
      found += is_legal (s, e);
  assert_int_equal (found, count);
}

/* A step can begin where one can end, and nowhere else.  Every event can
 * happen, but for that which ends a step; every state can be left.
 */
TEST (test_steps)
{
  for (unsigned s = 0; s < WATCHER_STATES; ++s) {
    unsigned events = 0;

    assert_int_equal (is_legal (s, EVENT_STEP), (ENDS_STEP >> s & 1) != 0);
    for (unsigned e = 0; e < WATCHER_EVENTS; ++e)
      events += is_legal (s, e);
    assert_int_equal (events > 0, s != WATCHER_REFUSED);
  }
  for (unsigned e = 0; e < WATCHER_EVENTS; ++e) {
    unsigned states = 0;

    for (unsigned s = 0; s < WATCHER_STATES; ++s)
      states += is_legal (s, e);
    assert_int_equal (states > 0, e != EVENT_NONE);
  }
}

/* A reader that dies is only missed while the newest one may not have
 * started; a count that can be trusted ends all doubt.
 */
TEST (test_reader_transitions)
{
  for (unsigned s = 0; s < READER_STATES; ++s) {
    assert_int_equal (reader_transition (s, READER_ADDED),
                      s == READERS_LOST ? READERS_LOST : READERS_STARTING);
    assert_int_equal (reader_transition (s, READER_DIED),
                      s == READERS_STARTED ? READERS_STARTED : READERS_LOST);
    assert_int_equal (reader_transition (s, READERS_SETTLED),
                      READERS_STARTED);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_transitions),
    cmocka_unit_test (test_steps),
    cmocka_unit_test (test_reader_transitions),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
