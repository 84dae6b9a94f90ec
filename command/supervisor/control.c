/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "supervisor.h"

/* While descriptors are short, accept would fail again at once. */
#define ACCEPT_PAUSE_MS 200

void
supervisor_control_init (struct supervisor_control *c)
{
  c->socket.fd = -1;
  for_each (p, c->peers)
    p->fd = -1;
}

unsigned
supervisor_control_get_polls (const struct supervisor *s, struct pollfd *polls)
{
  unsigned count = 0;
  bool room = false;

  for_each (p, s->control.peers) {
    room |= p->fd == -1;
    /* A client that waits for a reply is not read. */
    if (p->fd != -1)
      polls[count++] = (struct pollfd) {
        .fd = p->fd,
        .events = p->sent < p->reply_length ? POLLOUT
                  : p->awaited == AWAIT_NOTHING ? POLLIN : 0,
      };
  }
  if (room && now_ms () >= s->control.accept_next)
    polls[count++] = (struct pollfd) {
      .fd = s->control.socket.fd, .events = POLLIN,
    };
  return count;
}

bool
supervisor_control_has_replies (const struct supervisor *s)
{
  for_each (p, s->control.peers)
    if (p->fd != -1 && p->sent < p->reply_length)
      return true;
  return false;
}

/* ---- replies ---- */

/* Releases OBJECT. */
static void
set_reply (struct supervisor_peer *p, json_t *object)
{
  size_t n = object
    ? json_dumpb (object, p->reply, REPLY_MAX - 1, JSON_COMPACT) : 0;

  json_decref (object);
  if (n == 0 || n >= REPLY_MAX) {
    strcpy (p->reply, "{\"ok\":false,\"error\":\"out of memory\"}");
    n = strlen (p->reply);
  }
  p->reply[n] = '\n';
  p->reply_length = n + 1;
  p->sent = 0;
  p->awaited = AWAIT_NOTHING;
}

static void
set_reply_ok (struct supervisor_peer *p)
{
  set_reply (p, json_pack ("{s:b}", "ok", 1));
}

static void
set_reply_error (struct supervisor_peer *p, const char *error)
{
  set_reply (p, json_pack ("{s:b, s:s}", "ok", 0, "error", error));
}

/* ---- status ---- */

static json_t *
make_server_status (struct supervisor *s)
{
  const struct generation *g = generation_find (s, GENERATION_READY);

  if (!g)
    g = generation_find (s, GENERATION_STARTING);
  if (!g)
    return json_null ();
  return json_pack ("{s:i, s:b, s:s}", "pid", (int) g->process.pid,
                    "ready", g->state == GENERATION_READY,
                    "version", g->version);
}

static json_t *
make_standby_status (struct supervisor *s)
{
  const struct generation *g = generation_find (s, GENERATION_WAITING);
  bool waiting = g != NULL;

  if (!g && generation_find (s, GENERATION_READY))
    g = generation_find (s, GENERATION_STARTING);
  return g ? json_pack ("{s:i, s:b}", "pid", (int) g->process.pid,
                        "waiting", waiting)
           : json_null ();
}

/* That of the server or, while there is no server, of the last one. */
static json_t *
make_lock_keeper_status (struct supervisor *s)
{
  const struct generation *g = generation_find (s, GENERATION_READY);

  if (!g)
    g = generation_find (s, GENERATION_GONE);
  return g && g->lock_keeper.pid
    ? json_pack ("{s:i}", "pid", (int) g->lock_keeper.pid) : json_null ();
}

static json_t *
make_listen_status (const struct supervisor *s)
{
  const char *scheme = conf_has_tls (&s->setup.conf) ? "nbds" : "nbd";
  json_t *list = json_array ();

  for (unsigned i = 0; i < s->listeners.count; ++i)
    json_array_append_new (list, json_sprintf (
      "%s%s", scheme, s->listeners.list[i].uri + strlen ("nbd")));
  return list;
}

static json_t *
make_watchers_status (const struct supervisor *s)
{
  json_t *list = json_array ();

  for_each (w, s->watchers)
    if (w->used)
      json_array_append_new (list, json_pack (
        "{s:s, s:i}", "name", w->name, "pid", (int) w->process.pid));
  return list;
}

static const char *
get_state_name (struct supervisor *s)
{
  if (s->stop.requested)
    return "stopped";
  if (!s->setup.serves || generation_find (s, GENERATION_READY))
    return "running";
  return s->servers.failing ? "failing" : "starting";
}

static void
on_status (struct supervisor *s, struct supervisor_peer *p,
           const json_t *args)
{
  const char *pool = !s->setup.serves ? NULL
    : s->setup.conf.pool ? s->setup.conf.pool : "memfd";

  (void) args;
  set_reply (p, json_pack (
    "{s:b, s:s, s:s, s:i, s:s, s:o, s:o, s:o, s:I, s:s*, s:o, s:s*, s:b, "
    "s:o}", "ok", 1, "name", s->setup.options.name,
    "version", PACKAGE_VERSION, "pid", (int) getpid (),
    "state", get_state_name (s), "server", make_server_status (s),
    "standby", make_standby_status (s), "holder", make_lock_keeper_status (s),
    "restarts", (json_int_t) s->servers.restarts,
    "last_exit", s->servers.last_exit[0] ? s->servers.last_exit : NULL,
    "listen", make_listen_status (s), "pool", pool,
    "swap", s->setup.options.swap, "watchers", make_watchers_status (s)));
}

/* ---- other verbs ---- */

static void
on_upgrade (struct supervisor *s, struct supervisor_peer *p,
            const json_t *args)
{
  char error[MESSAGE_SIZE];

  (void) args;
  if (upgrade_begin (s, error, sizeof error) == -1)
    set_reply_error (p, error);
  else
    p->awaited = AWAIT_UPGRADE;
}

static void
on_stop (struct supervisor *s, struct supervisor_peer *p, const json_t *args)
{
  bool force = json_is_true (json_object_get (args, "force"));
  char error[MESSAGE_SIZE];

  if (stop_begin (s, force, error, sizeof error) == -1) {
    set_reply_error (p, error);
    return;
  }
  if (json_is_true (json_object_get (args, "failed")))
    s->exit_code = EXIT_FAILURE;
  p->awaited = AWAIT_STOP;
}

/* Set *N to the number KEY of a request, if it has that key.  Returns false
 * after an error reply, if the number is wrong.
 */
static bool
parse_number_at (struct supervisor_peer *p, const json_t *args,
                 const char *key, uint64_t max, uint64_t *n)
{
  const json_t *value = json_object_get (args, key);
  char error[MESSAGE_SIZE];

  if (!value)
    return true;
  *n = (uint64_t) json_integer_value (value);
  if (json_is_integer (value) && json_integer_value (value) > 0 && *n <= max)
    return true;
  snprintf (error, sizeof error, "%s must be from 1 to %" PRIu64, key, max);
  set_reply_error (p, error);
  return false;
}

static void
on_watch (struct supervisor *s, struct supervisor_peer *p,
          const json_t *args)
{
  const struct conf *c = &s->setup.conf;
  struct watch_request request = {
    .name = json_string_value (json_object_get (args, "name")),
    .uri = json_string_value (json_object_get (args, "uri")),
    .connections = c->connections, .timeout = c->timeout,
    .dead_timeout = c->dead_timeout, .block_size = conf_block_size (c),
    .mirror = json_is_true (json_object_get (args, "mirror")),
  };
  struct watcher_process *w = NULL;
  char error[MESSAGE_SIZE];

  if (!parse_number_at (p, args, "connections", CONF_CONNECTIONS_MAX,
                        &request.connections)
      || !parse_number_at (p, args, "timeout", CONF_TIMEOUT_MAX,
                           &request.timeout)
      || !parse_number_at (p, args, "dead_timeout", CONF_DEAD_TIMEOUT_MAX,
                           &request.dead_timeout)
      || !parse_number_at (p, args, "block_size", CONF_BLOCK_SIZE_MAX,
                           &request.block_size))
    return;
  if (!request.uri)
    request.uri = s->listeners.count > 0 ? s->listeners.list[0].uri : NULL;
  if (!request.uri)
    set_reply_error (p, "uri is missing");
  else if (!s->setup.options.swap)
    set_reply_error (p, "the supervisor was not started with --swap");
  else if (watcher_process_add (s, &request, &w, error, sizeof error) == -1)
    set_reply_error (p, error);
  else
    set_reply (p, json_pack ("{s:b, s:s, s:i}", "ok", 1, "name", w->name,
                             "pid", (int) w->process.pid));
}

static void
on_areas (struct supervisor *s, struct supervisor_peer *p, const json_t *args)
{
  const json_t *priority = json_object_get (args, "priority");
  uint64_t most = CONF_AREAS_MAX;
  char error[MESSAGE_SIZE];
  struct watcher_process *w;

  if (!parse_number_at (p, args, "most", CONF_AREAS_MAX, &most))
    return;
  if (!json_is_integer (priority))
    set_reply_error (p, "priority must be a number");
  else if (!s->setup.options.swap)
    set_reply_error (p, "the supervisor was not started with --swap");
  else if (watcher_process_add_areas (
             s, (int) json_integer_value (priority), (unsigned) most, &w,
             error, sizeof error) == -1)
    set_reply_error (p, error);
  else
    set_reply (p, json_pack ("{s:b, s:s, s:i}", "ok", 1, "name", w->name,
                             "pid", (int) w->process.pid));
}

static void
on_unwatch (struct supervisor *s, struct supervisor_peer *p,
            const json_t *args)
{
  const char *name = json_string_value (json_object_get (args, "name"));

  if (!name) {
    set_reply_error (p, "name is missing");
    return;
  }
  watcher_process_remove (s, name);
  set_reply_ok (p);
}

static const struct {
  const char *name;
  void (*run) (struct supervisor *s, struct supervisor_peer *p,
               const json_t *args);
  const char *keys[8];
} verbs[] = {
  { "status", on_status, { NULL } },
  { "upgrade", on_upgrade, { NULL } },
  { "stop", on_stop, { "force", "failed" } },
  { "watch", on_watch,
    { "name", "uri", "connections", "timeout", "dead_timeout", "block_size",
      "mirror" } },
  { "unwatch", on_unwatch, { "name" } },
  { "areas", on_areas, { "priority", "most" } },
  { NULL, NULL, { NULL } },
};

/* ---- requests ---- */

static bool
knows_key (const char *const *keys, const char *key)
{
  for (; *keys; ++keys)
    if (strcmp (*keys, key) == 0)
      return true;
  return strcmp (key, "verb") == 0;
}

static void
execute_request (struct supervisor *s, struct supervisor_peer *p, json_t *args)
{
  const char *verb = json_string_value (json_object_get (args, "verb"));
  const char *key;
  json_t *value;
  unsigned i = 0;

  if (!verb) {
    set_reply_error (p, "not a JSON object with a verb");
    return;
  }
  while (verbs[i].name && strcmp (verbs[i].name, verb) != 0)
    ++i;
  if (!verbs[i].name) {
    set_reply_error (p, "unknown verb");
    return;
  }
  json_object_foreach (args, key, value)
    if (!knows_key (verbs[i].keys, key)) {
      set_reply_error (p, "unknown key");
      return;
    }
  verbs[i].run (s, p, args);
}

static void
disconnect_peer (struct supervisor_peer *p)
{
  fd_close (&p->fd);
  p->length = p->reply_length = p->sent = 0;
  p->awaited = AWAIT_NOTHING;
}

/* Execute the first request in the buffer, if it is complete. */
static void
execute_next_request (struct supervisor *s, struct supervisor_peer *p)
{
  char *end = memchr (p->request, '\n', p->length);
  json_auto_t *args = NULL;
  size_t used;

  if (!end) {
    if (p->length == REQUEST_MAX)
      disconnect_peer (p);
    return;
  }
  used = (size_t) (end + 1 - p->request);
  args = json_loadb (p->request, used, JSON_REJECT_DUPLICATES, NULL);
  p->length -= used;
  memmove (p->request, p->request + used, p->length);
  execute_request (s, p, args);
}

static bool
is_busy (const struct supervisor_peer *p)
{
  return p->awaited != AWAIT_NOTHING || p->sent < p->reply_length;
}

static void
receive_from_peer (struct supervisor *s, struct supervisor_peer *p)
{
  ssize_t n;

  if (is_busy (p)) {
    /* A client that has disconnected (POLLHUP) needs no reply. */
    if (fd_has_event (p->fd, 0))
      disconnect_peer (p);
    return;
  }
  /* First the requests that are in the buffer: a client that sent several at
   * once may have closed its side since.
   */
  if (!memchr (p->request, '\n', p->length)) {
    n = recv (p->fd, p->request + p->length, REQUEST_MAX - p->length,
              MSG_DONTWAIT);
    if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
      disconnect_peer (p);
      return;
    }
    p->length += n > 0 ? (size_t) n : 0;
  }
  execute_next_request (s, p);
}

/* Reply if what the client waits for is over. */
static void
reply_if_over (struct supervisor *s, struct supervisor_peer *p)
{
  if (p->awaited == AWAIT_UPGRADE && s->upgrade.reply[0])
    set_reply (p, json_loads (s->upgrade.reply, 0, NULL));
  else if (p->awaited == AWAIT_STOP && s->finished)
    set_reply_ok (p);
}

static void
send_reply (struct supervisor_peer *p)
{
  ssize_t n;

  if (p->sent == p->reply_length)
    return;
  n = send (p->fd, p->reply + p->sent, p->reply_length - p->sent,
            MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n > 0)
    p->sent += (size_t) n;
  else if (errno != EAGAIN && errno != EINTR)
    disconnect_peer (p);
}

static void
accept_peers (struct supervisor *s)
{
  if (s->control.socket.fd == -1 || now_ms () < s->control.accept_next)
    return;
  for_each (p, s->control.peers) {
    if (p->fd != -1)
      continue;
    p->fd = accept4 (s->control.socket.fd, NULL, NULL,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (p->fd == -1) {
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        s->control.accept_next = now_ms () + ACCEPT_PAUSE_MS;
      return;
    }
  }
}

void
supervisor_control_receive (struct supervisor *s)
{
  accept_peers (s);
  for_each (p, s->control.peers)
    if (p->fd != -1)
      receive_from_peer (s, p);
}

int64_t
supervisor_control_reply (struct supervisor *s)
{
  int64_t next
    = now_ms () < s->control.accept_next ? s->control.accept_next : 0;

  for_each (p, s->control.peers) {
    if (p->fd == -1)
      continue;
    reply_if_over (s, p);
    send_reply (p);
    /* A client may have sent several requests at once. */
    if (p->fd != -1 && !is_busy (p)
        && memchr (p->request, '\n', p->length))
      next = now_ms ();
  }
  return next;
}
