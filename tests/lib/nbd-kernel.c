/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fake of the kernel's nbd.  It accepts sockets from a watcher, keeps one
 * request in flight on each, kills the sockets of requests that take longer
 * than the timeout, sends the requests of dead sockets again, and accepts new
 * sockets only in place of dead ones.
 *
 * Requests write and read random pages, and each read is compared.  It ends
 * when the device is disconnected, and prints the numbers of requests and
 * sockets.
 *
 *   nbd-kernel -s SEED SOCKET ROOT
 *
 * ROOT gets the files of /sys that describe /dev/nbd0.
 */

#include <config.h>

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "command/base/clock.h"
#include "tests/fake/kernel.h"

#include "prng.h"

#define PAGE 4096
#define REQUEST_MAGIC 0x25609513
#define REPLY_MAGIC 0x67446698
#define CLIENTS 4

struct op {
  bool active, write;
  uint64_t page;
  uint32_t version;             /* that is written, or expected */
  int64_t sent;                 /* ms */
};

struct slot {
  int fd;
  bool dead;
  struct op op;
};

static struct slot slots[FAKE_FDS];
static unsigned slot_count;
/* Requests of dead sockets, whose timers still run; and those whose timers
 * have expired, which must be sent again.
 */
static struct op waiting[2 * FAKE_FDS], again[2 * FAKE_FDS];
static unsigned waiting_count, again_count;
static uint32_t *versions;      /* acknowledged; 0: zeroes */
static bool *busy;              /* a request for the page is pending */
static uint64_t pages, seed, done, resent, taken, refused, handles;
static int64_t timeout_ms;
static const char *root;
static char identifier[80];

static _Noreturn void __attribute__ ((format (printf, 1, 2)))
fail (const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vprintf (format, ap);
  va_end (ap);
  printf ("\n");
  exit (1);
}

static void
fill (uint8_t *data, uint64_t page, uint32_t version)
{
  uint64_t state = page << 32 | version;

  memset (data, 0, PAGE);
  if (version > 0)
    for (unsigned i = 0; i < PAGE / 8; i += 4) {
      uint64_t word = next (&state);

      memcpy (data + 8 * i, &word, sizeof word);
    }
}

/* ---- /sys ---- */

static void
put_file (const char *name, const char *text)
{
  char path[4096];
  FILE *fp;

  snprintf (path, sizeof path, "%s/sys/block/nbd0/%s", root, name);
  fp = fopen (path, "w");
  if (!fp || fputs (text, fp) == EOF || fclose (fp) == EOF)
    fail ("%s: %m", path);
}

static void
remove_file (const char *name)
{
  char path[4096];

  snprintf (path, sizeof path, "%s/sys/block/nbd0/%s", root, name);
  unlink (path);
}

/* ---- requests ---- */

static void
kill_slot (struct slot *s)
{
  if (s->dead)
    return;
  shutdown (s->fd, SHUT_RDWR);
  s->dead = true;
  if (s->op.active)
    waiting[waiting_count++] = s->op;
  s->op.active = false;
}

static void
choose_request (struct op *op)
{
  do
    op->page = below (&seed, pages);
  while (busy[op->page]);
  busy[op->page] = true;
  op->write = below (&seed, 2);
  op->version = versions[op->page] + op->write;
}

static void
send_op (struct slot *s, const struct op *op)
{
  struct __attribute__ ((packed)) {
    uint32_t magic, type;
    uint64_t handle, from;
    uint32_t length;
    uint8_t data[PAGE];
  } r = {
    .magic = htobe32 (REQUEST_MAGIC), .type = htobe32 (op->write),
    .handle = htobe64 (++handles), .from = htobe64 (op->page * PAGE),
    .length = htobe32 (PAGE),
  };
  size_t length = sizeof r - (op->write ? 0 : PAGE);

  s->op = *op;
  s->op.active = true;
  s->op.sent = now_ms ();
  if (op->write)
    fill (r.data, op->page, op->version);
  if (send (s->fd, &r, length, MSG_NOSIGNAL) != (ssize_t) length)
    kill_slot (s);
}

static bool
receive (struct slot *s, void *buf, size_t length)
{
  return recv (s->fd, buf, length, MSG_WAITALL) == (ssize_t) length;
}

static void
take_reply (struct slot *s)
{
  struct __attribute__ ((packed)) {
    uint32_t magic, error;
    uint64_t handle;
  } reply;
  uint8_t data[PAGE], wanted[PAGE];

  if (!receive (s, &reply, sizeof reply)) {
    kill_slot (s);
    return;
  }
  if (!s->op.active || be32toh (reply.magic) != REPLY_MAGIC)
    fail ("an unexpected reply");
  if (reply.error != 0)
    fail ("error %u for page %" PRIu64, be32toh (reply.error), s->op.page);
  if (!s->op.write && !receive (s, data, PAGE)) {
    kill_slot (s);
    return;
  }
  if (!s->op.write) {
    fill (wanted, s->op.page, s->op.version);
    if (memcmp (data, wanted, PAGE) != 0)
      fail ("page %" PRIu64 " is not as it was written (%" PRIu32 ")",
            s->op.page, s->op.version);
  }
  versions[s->op.page] = s->op.version;
  busy[s->op.page] = false;
  s->op.active = false;
  done++;
}

static bool
is_late (const struct op *op)
{
  return now_ms () - op->sent >= timeout_ms;
}

static void
check_timers (void)
{
  for (unsigned i = 0; i < slot_count; ++i)
    if (slots[i].op.active && is_late (&slots[i].op))
      kill_slot (&slots[i]);
  for (unsigned i = 0; i < waiting_count; )
    if (is_late (&waiting[i])) {
      again[again_count++] = waiting[i];
      waiting[i] = waiting[--waiting_count];
      resent++;
    }
    else
      ++i;
}

/* New requests only while all pending ones could wait. */
static void
submit (struct slot *s)
{
  struct op op = { .active = false };

  if (s->dead || s->op.active)
    return;
  if (again_count > 0)
    op = again[--again_count];
  else if (waiting_count < FAKE_FDS)
    choose_request (&op);
  else
    return;
  send_op (s, &op);
}

/* ---- a watcher ---- */

static void
set_timeout (int fd)
{
  const struct timeval t = { .tv_sec = timeout_ms / 1000 };

  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
  /* The real kernel has a reader for each socket instead: a server may be
   * stopped in the middle of a reply.
   */
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

static int
start_device (const struct fake_request *r, const int *fds, unsigned count)
{
  char text[32];

  if (slot_count > 0)
    return EBUSY;
  timeout_ms = (int64_t) r->timeout * 1000;
  pages = r->size / PAGE;
  versions = calloc (pages, sizeof *versions);
  busy = calloc (pages, sizeof *busy);
  for (slot_count = 0; slot_count < count; ++slot_count) {
    slots[slot_count] = (struct slot) { .fd = fds[slot_count] };
    set_timeout (fds[slot_count]);
  }
  strcpy (identifier, r->identifier);
  snprintf (text, sizeof text, "%" PRIu64, r->size / 512);
  put_file ("size", text);
  put_file ("backend", identifier);
  put_file ("pid", "1");
  return 0;
}

static int
take_socket (const struct fake_request *r, int fd)
{
  if (strcmp (r->identifier, identifier) != 0)
    return EINVAL;
  for (unsigned i = 0; i < slot_count; ++i) {
    struct slot *s = &slots[i];

    if (!s->dead)
      continue;
    close (s->fd);
    s->fd = fd;
    s->dead = false;
    set_timeout (fd);
    taken++;
    return 0;
  }
  refused++;
  close (fd);
  return 0;
}

static void
answer_request (int client, const struct fake_request *r, int *fds,
                unsigned count)
{
  struct fake_reply reply = { .connected = slot_count > 0 };

  switch (r->command) {
  case FAKE_CONNECT:
    reply.error = start_device (r, fds, count);
    break;
  case FAKE_RECONFIGURE:
    reply.error = count == 1 ? take_socket (r, fds[0]) : EINVAL;
    break;
  case FAKE_DISCONNECT:
    remove_file ("pid");
    remove_file ("backend");
    break;
  case FAKE_STATUS:
    break;
  }
  if (send (client, &reply, sizeof reply, MSG_NOSIGNAL) == -1)
    return;
  if (r->command == FAKE_DISCONNECT) {
    printf ("%" PRIu64 " requests, %" PRIu64 " sent again, %" PRIu64
            " sockets taken, %" PRIu64 " not\n", done, resent, taken,
            refused);
    exit (0);
  }
}

/* False: the watcher has closed the connection. */
static bool
serve_watcher (int client)
{
  struct fake_request r;
  struct iovec iov = { .iov_base = &r, .iov_len = sizeof r };
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE (FAKE_FDS * sizeof (int))];
  } control;
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof control };
  int fds[FAKE_FDS];
  unsigned count = 0;
  struct cmsghdr *c;

  if (recvmsg (client, &msg, MSG_CMSG_CLOEXEC) != sizeof r)
    return false;
  c = CMSG_FIRSTHDR (&msg);
  if (c && c->cmsg_type == SCM_RIGHTS) {
    count = (unsigned) ((c->cmsg_len - CMSG_LEN (0)) / sizeof (int));
    memcpy (fds, CMSG_DATA (c), count * sizeof (int));
  }
  answer_request (client, &r, fds, count);
  return true;
}

/* ---- the main loop ---- */

static int
listen_at (const char *path)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  strncpy (a.sun_path, path, sizeof a.sun_path - 1);
  if (bind (fd, (struct sockaddr *) &a, sizeof a) == -1
      || listen (fd, CLIENTS) == -1)
    fail ("%s: %m", path);
  return fd;
}

static void
run_kernel (int listener)
{
  int clients[CLIENTS] = { -1, -1, -1, -1 };
  unsigned n = 0;

  for (;;) {
    struct pollfd p[1 + CLIENTS + FAKE_FDS];

    p[0] = (struct pollfd) { .fd = listener, .events = POLLIN };
    for (unsigned i = 0; i < CLIENTS; ++i)
      p[1 + i] = (struct pollfd) { .fd = clients[i], .events = POLLIN };
    check_timers ();
    for (unsigned i = 0; i < slot_count; ++i) {
      submit (&slots[i]);
      p[1 + CLIENTS + i] = (struct pollfd) {
        .fd = slots[i].dead ? -1 : slots[i].fd, .events = POLLIN,
      };
    }
    poll (p, 1 + CLIENTS + slot_count, 10);
    for (unsigned i = 0; i < slot_count; ++i)
      if (p[1 + CLIENTS + i].fd != -1 && p[1 + CLIENTS + i].revents)
        take_reply (&slots[i]);
    for (unsigned i = 0; i < CLIENTS; ++i)
      if (p[1 + i].revents && !serve_watcher (clients[i])) {
        close (clients[i]);
        clients[i] = -1;
      }
    if (p[0].revents) {
      unsigned i = n++ % CLIENTS;

      if (clients[i] != -1)
        close (clients[i]);
      clients[i] = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
    }
  }
}

int
main (int argc, char *argv[])
{
  if (argc != 5 || strcmp (argv[1], "-s") != 0)
    return 2;
  seed = strtoull (argv[2], NULL, 0);
  root = argv[4];
  run_kernel (listen_at (argv[3]));
}
