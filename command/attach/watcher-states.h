/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The states of a watcher (watcher.h), as a table of transitions.
 *
 *    each step begins here
 *        |
 *        v
 *    CHECKING <------------------------------------------------.
 *     |   |  '-- all live ---------> ATTACHED  (ends the step) |
 *     |   '----- server lives -----> FENCING   (ends the step) |
 *     |                                                        |
 *     | some missing                                           |
 *     v                                                        |
 *    PAUSING --- not over yet                  (ends the step) |
 *     |    |                                                   |
 *     |    | dead unknown                                      |
 *     |    '-------> COUNTING --- none dead, server lives ---->|
 *     | dead known      | dead found                           |
 *     v                 |                                      |
 *    DIALING <----------'                                      |
 *     |    '--- under way                      (ends the step) |
 *     |    '--- failed --------------------------------------->|
 *     | dialed                                                 |
 *     v                                                        |
 *    OFFERING -- taken, not taken, readers left, loss ---------'
 *     |
 *     | disconnected (also from COUNTING)
 *     v
 *    GONE                                      (ends the step)
 *
 * The next step goes from where the last one ended to CHECKING, since any
 * socket or server may have died in between.  GONE is final.
 *
 * A second, small machine says whether the number of readers that the
 * kernel shows can be compared with the number of live sockets.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_WATCHER_STATES_H
#define NBDZRAM_COMMAND_ATTACH_WATCHER_STATES_H

enum watcher_state {
  WATCHER_REFUSED,              /* no state: the event can't happen here */
  WATCHER_CHECKING,             /* look which sockets and servers died */
  WATCHER_ATTACHED,             /* all sockets live */
  WATCHER_FENCING,              /* a condemned server must end first */
  WATCHER_PAUSING,              /* until retry_at */
  WATCHER_COUNTING,             /* which of the unknown sockets are dead? */
  WATCHER_DIALING,              /* connect a spare socket */
  WATCHER_OFFERING,             /* offer the spare to the kernel */
  WATCHER_GONE,                 /* the device is not connected any more */
  WATCHER_STATES
};

enum watcher_event {
  EVENT_NONE,                   /* not in the table: the step ends */
  EVENT_STEP,                   /* the caller has polled */

  /* of CHECKING */
  EVENT_SERVER_LIVES,           /* a condemned server has not ended yet */
  EVENT_ALL_LIVE,
  EVENT_SOME_MISSING,           /* and nothing is left to be fenced */

  /* of PAUSING */
  EVENT_DEAD_KNOWN,             /* the pause is over, and a socket is dead */
  EVENT_DEAD_UNKNOWN,           /* ... and none is known to be */

  /* of COUNTING; also EVENT_SERVER_LIVES */
  EVENT_NONE_DEAD,
  EVENT_DEAD_FOUND,

  /* of DIALING */
  EVENT_DIAL_FAILED,
  EVENT_DIALED,

  /* of OFFERING */
  EVENT_LOSS,                   /* another socket or server has died */
  EVENT_READERS_LEFT,           /* the kernel still reads from a dead one */
  EVENT_READERS_HIDDEN,         /* ... perhaps: it does not show readers */
  EVENT_NOT_TAKEN,
  EVENT_TAKEN,

  /* of COUNTING and OFFERING */
  EVENT_DISCONNECTED,
  WATCHER_EVENTS
};

enum watcher_action {
  ACTION_NONE,
  ACTION_BACK_OFF,              /* pause, and longer the next time */
  ACTION_RETRY_NOW,             /* no pause, and short ones afterwards */
  ACTION_RECOUNT,               /* forget dead sockets that were inferred
                                 * from missing readers; back off */
  ACTION_AWAIT_READERS,         /* pause until hidden readers have ended */
  ACTION_DROP_SPARE,
  WATCHER_ACTIONS
};

struct watcher_transition {
  enum watcher_state next;      /* WATCHER_REFUSED: a bug */
  enum watcher_action action;   /* done before the next state begins */
};

struct watcher_transition watcher_transition (enum watcher_state state,
                                              enum watcher_event event);

/* The kernel's readers of live sockets. */
enum reader_state {
  READERS_STARTED,              /* each has been seen, or had the time */
  READERS_STARTING,             /* that of the newest may not have begun */
  READERS_LOST,                 /* ... and a socket died meanwhile: its
                                 * reader may still begin, and end */
  READER_STATES
};

enum reader_event {
  READER_ADDED,                 /* the kernel took a socket */
  READER_DIED,                  /* a socket has died */
  READERS_SETTLED,              /* the count can be trusted again */
  READER_EVENTS
};

enum reader_state reader_transition (enum reader_state state,
                                     enum reader_event event);

#endif /* NBDZRAM_COMMAND_ATTACH_WATCHER_STATES_H */
