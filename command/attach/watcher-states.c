/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "watcher-states.h"

/* What is missing can't happen. */
static const struct watcher_transition
table[WATCHER_STATES][WATCHER_EVENTS] = {
  [WATCHER_CHECKING] = {
    [EVENT_SERVER_LIVES] =   { WATCHER_FENCING,  ACTION_NONE },
    [EVENT_ALL_LIVE] =       { WATCHER_ATTACHED, ACTION_DROP_SPARE },
    [EVENT_SOME_MISSING] =   { WATCHER_PAUSING,  ACTION_NONE },
  },
  [WATCHER_ATTACHED] = {
    [EVENT_STEP] =           { WATCHER_CHECKING, ACTION_NONE },
  },
  [WATCHER_FENCING] = {
    [EVENT_STEP] =           { WATCHER_CHECKING, ACTION_NONE },
  },
  [WATCHER_PAUSING] = {
    [EVENT_STEP] =           { WATCHER_CHECKING, ACTION_NONE },
    [EVENT_DEAD_KNOWN] =     { WATCHER_DIALING,  ACTION_NONE },
    [EVENT_DEAD_UNKNOWN] =   { WATCHER_COUNTING, ACTION_NONE },
  },
  [WATCHER_COUNTING] = {
    [EVENT_NONE_DEAD] =      { WATCHER_CHECKING, ACTION_BACK_OFF },
    [EVENT_SERVER_LIVES] =   { WATCHER_CHECKING, ACTION_RETRY_NOW },
    [EVENT_DEAD_FOUND] =     { WATCHER_DIALING,  ACTION_RETRY_NOW },
    [EVENT_DISCONNECTED] =   { WATCHER_GONE,     ACTION_DROP_SPARE },
  },
  [WATCHER_DIALING] = {
    [EVENT_STEP] =           { WATCHER_CHECKING, ACTION_NONE },
    [EVENT_DIAL_FAILED] =    { WATCHER_CHECKING, ACTION_BACK_OFF },
    [EVENT_DIALED] =         { WATCHER_OFFERING, ACTION_NONE },
  },
  [WATCHER_OFFERING] = {
    [EVENT_LOSS] =           { WATCHER_CHECKING, ACTION_NONE },
    [EVENT_READERS_LEFT] =   { WATCHER_CHECKING, ACTION_RECOUNT },
    [EVENT_READERS_HIDDEN] = { WATCHER_CHECKING, ACTION_AWAIT_READERS },
    [EVENT_NOT_TAKEN] =      { WATCHER_CHECKING, ACTION_RECOUNT },
    [EVENT_TAKEN] =          { WATCHER_CHECKING, ACTION_RETRY_NOW },
    [EVENT_DISCONNECTED] =   { WATCHER_GONE,     ACTION_DROP_SPARE },
  },
  [WATCHER_GONE] = {
    [EVENT_STEP] =           { WATCHER_GONE,     ACTION_NONE },
  },
};

struct watcher_transition
watcher_transition (enum watcher_state state, enum watcher_event event)
{
  return table[state][event];
}

static const enum reader_state readers[READER_STATES][READER_EVENTS] = {
  [READERS_STARTED] = {
    [READER_ADDED] =    READERS_STARTING,
    [READER_DIED] =     READERS_STARTED,
    [READERS_SETTLED] = READERS_STARTED,
  },
  [READERS_STARTING] = {
    [READER_ADDED] =    READERS_STARTING,
    [READER_DIED] =     READERS_LOST,
    [READERS_SETTLED] = READERS_STARTED,
  },
  [READERS_LOST] = {
    [READER_ADDED] =    READERS_LOST,
    [READER_DIED] =     READERS_LOST,
    [READERS_SETTLED] = READERS_STARTED,
  },
};

enum reader_state
reader_transition (enum reader_state state, enum reader_event event)
{
  return readers[state][event];
}
