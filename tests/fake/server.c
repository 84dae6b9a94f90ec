/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "tests/lib/unit.h"

#include "server.h"

#include <cmocka.h>

#define CLIENTS_MAX 4096

/* Constants of the NBD protocol. */
#define MAGIC "NBDMAGICIHAVEOPT"
#define REPLY_MAGIC UINT64_C (0x3e889045565a9)
#define OPT_GO 7
#define REP_ACK 1
#define REP_INFO 3
#define REP_ERR_UNSUP 0x80000001
#define HAS_FLAGS 0x1
#define READ_ONLY 0x2
#define SEND_FUA 0x8
#define SEND_TRIM 0x20
#define CAN_MULTI_CONN 0x100
#define SIMPLE_REPLY 0x67446698
#define FLAG_FUA 1

enum { READ, WRITE, DISCONNECT, FLUSH, TRIM };

struct client {
  struct fake_server *fake_server;
  int fd;
};

struct fake_clients {
  pthread_mutex_t lock;         /* of all that follows */
  int fds[CLIENTS_MAX];         /* by number; -1: closed */
  pthread_t threads[CLIENTS_MAX];
  struct client list[CLIENTS_MAX];
  unsigned count;
  pthread_t acceptor;
  pthread_mutex_t disk;         /* ... and of the disk */
};

/* ---- connections that end at a byte ---- */

/* How many of LEN bytes pass before the connection ends. */
static size_t
allowed (_Atomic int64_t *left, size_t len)
{
  int64_t n = *left;

  if (n == -1)
    return len;
  if ((uint64_t) n >= len) {
    *left = n - (int64_t) len;
    return len;
  }
  *left = -1;
  return (size_t) n;
}

static bool
receive (const struct client *c, void *buf, size_t len)
{
  size_t n, done = 0;
  char first;

  /* The limit that was set when the bytes came counts. */
  if (len > 0 && recv (c->fd, &first, 1, MSG_PEEK) != 1)
    return false;
  n = allowed (&c->fake_server->receive_left, len);
  while (done < n) {
    ssize_t r = recv (c->fd, (char *) buf + done, n - done, 0);

    if (r <= 0)
      return false;
    done += (size_t) r;
  }
  return n == len;
}

static bool
transmit (const struct client *c, const void *buf, size_t len)
{
  size_t n = allowed (&c->fake_server->send_left, len), done = 0;

  while (done < n) {
    ssize_t r = send (c->fd, (const char *) buf + done, n - done,
                      MSG_NOSIGNAL);

    if (r <= 0)
      return false;
    done += (size_t) r;
  }
  return n == len;
}

/* ---- the handshake ---- */

struct option {
  uint64_t magic;
  uint32_t option, length;
} __attribute__ ((packed));

struct option_reply {
  uint64_t magic;
  uint32_t option, type, length;
} __attribute__ ((packed));

struct export_info {
  uint16_t type;
  uint64_t size;
  uint16_t flags;
} __attribute__ ((packed));

static bool
reply_option (const struct client *c, uint32_t option, uint32_t type,
              const void *data, uint32_t length)
{
  const struct option_reply r = {
    htobe64 (REPLY_MAGIC), htobe32 (option), htobe32 (type), htobe32 (length),
  };

  return transmit (c, &r, sizeof r) && transmit (c, data, length);
}

static bool
handshake (const struct client *c)
{
  const struct fake_server *p = c->fake_server;
  const uint16_t flags = htobe16 (3); /* fixed newstyle, no zeroes */
  char data[4096];
  struct option o;

  if (!transmit (c, MAGIC, 16) || !transmit (c, &flags, sizeof flags)
      || !receive (c, data, 4))
    return false;
  for (;;) {
    if (!receive (c, &o, sizeof o) || be32toh (o.length) > sizeof data
        || !receive (c, data, be32toh (o.length)))
      return false;
    if (be32toh (o.option) == OPT_GO)
      break;
    if (!reply_option (c, be32toh (o.option), REP_ERR_UNSUP, NULL, 0))
      return false;
  }

  const struct export_info info = {
    .size = htobe64 (p->size),
    .flags = htobe16 (HAS_FLAGS | (p->no_trim ? 0 : SEND_TRIM)
                      | (p->no_fua ? 0 : SEND_FUA)
                      | (p->read_only ? READ_ONLY : 0)
                      | (p->multi_conn ? CAN_MULTI_CONN : 0)),
  };

  return reply_option (c, OPT_GO, REP_INFO, &info, sizeof info)
    && reply_option (c, OPT_GO, REP_ACK, NULL, 0);
}

/* ---- requests ---- */

struct request {
  uint32_t magic;
  uint16_t flags, type;
  uint64_t cookie, offset;
  uint32_t length;
} __attribute__ ((packed));

struct reply {
  uint32_t magic, error;
  uint64_t cookie;
} __attribute__ ((packed));

/* Decrement *LEFT unless it is 0.  Returns whether it was decremented. */
static bool
takes_one (_Atomic unsigned *left)
{
  unsigned n = *left;

  while (n > 0 && !atomic_compare_exchange_weak (left, &n, n - 1))
    ;
  return n > 0;
}

/* Execute a request; BUF gets what is read. */
static void
perform (struct fake_server *p, uint16_t type, uint64_t offset,
         uint32_t length, bool fua, uint8_t *buf)
{
  LOCK_FOR_SCOPE (&p->clients->disk);
  if (type == WRITE) {
    memcpy (p->disk + offset, buf, length);
    if (fua)
      memcpy (p->durable + offset, buf, length);
    p->writes++;
  } else if (type == TRIM) {
    memset (p->disk + offset, 0, length);
    p->trims++;
    p->trimmed += length;
  } else if (type == READ) {
    memcpy (buf, p->disk + offset, length);
    p->reads += offset != 0;
  }
}

void
fake_server_fill (struct fake_server *p, uint64_t offset, uint64_t length,
                  uint8_t byte)
{
  LOCK_FOR_SCOPE (&p->clients->disk);
  memset (p->disk + offset, byte, length);
  memset (p->durable + offset, byte, length);
}

void
fake_server_get (struct fake_server *p, uint64_t offset, void *buf,
                 size_t length)
{
  LOCK_FOR_SCOPE (&p->clients->disk);
  memcpy (buf, p->disk + offset, length);
}

void
fake_server_put (struct fake_server *p, uint64_t offset, const void *buf,
                 size_t length)
{
  LOCK_FOR_SCOPE (&p->clients->disk);
  memcpy (p->disk + offset, buf, length);
  memcpy (p->durable + offset, buf, length);
}

static bool
serve_one (const struct client *c, uint8_t *buf)
{
  struct fake_server *p = c->fake_server;
  struct request r;
  struct reply reply = { .magic = htobe32 (SIMPLE_REPLY) };
  uint64_t offset;
  uint32_t length;

  if (!receive (c, &r, sizeof r))
    return false;
  offset = be64toh (r.offset);
  length = be32toh (r.length);
  r.type = be16toh (r.type);
  if (r.type == DISCONNECT || offset + length > p->size
      || (r.type == WRITE && !receive (c, buf, length)))
    return false;
  while ((p->mute || (p->mute_writes && r.type != READ)) && !p->stop)
    usleep (1000);
  reply.cookie = r.cookie;
  if (takes_one (&p->errors))
    reply.error = htobe32 ((uint32_t) p->error);
  else if (r.type == READ && p->bad != 0 && p->bad - offset < length)
    reply.error = htobe32 (5);  /* EIO */
  else if (r.type != WRITE || !takes_one (&p->forgets))
    perform (p, r.type, offset, length, be16toh (r.flags) & FLAG_FUA, buf);
  if (!transmit (c, &reply, sizeof reply))
    return false;
  return r.type != READ || reply.error != 0 || transmit (c, buf, length);
}

static void *
serve (void *opaque)
{
  struct client *c = opaque;
  struct fake_clients *all = c->fake_server->clients;
  uint8_t *buf = malloc (MIB);

  assert_non_null (buf);
  if (handshake (c))
    while (serve_one (c, buf))
      ;
  free (buf);

  LOCK_FOR_SCOPE (&all->lock);
  close (c->fd);
  all->fds[c - all->list] = -1;
  return NULL;
}

static void *
accept_all (void *opaque)
{
  struct fake_server *p = opaque;
  struct fake_clients *all = p->clients;
  int fd;

  while ((fd = accept4 (p->listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
    LOCK_FOR_SCOPE (&all->lock);
    unsigned n = all->count++;

    assert_true (n < CLIENTS_MAX);
    all->list[n] = (struct client) { p, fd };
    all->fds[n] = fd;
    p->connections++;
    assert_int_equal (pthread_create (&all->threads[n], NULL, serve,
                                      &all->list[n]), 0);
  }
  return NULL;
}

/* ---- start and stop ---- */

static void
socket_path (const struct fake_server *p, struct sockaddr_un *addr)
{
  *addr = (struct sockaddr_un) { .sun_family = AF_UNIX };
  snprintf (addr->sun_path, sizeof addr->sun_path, "%s/socket", p->dir);
}

static void
begin (struct fake_server *p)
{
  struct sockaddr_un addr;

  socket_path (p, &addr);
  p->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (p->listener, (struct sockaddr *) &addr,
                          sizeof addr), 0);
  assert_int_equal (listen (p->listener, 16), 0);
  assert_int_equal (pthread_create (&p->clients->acceptor, NULL, accept_all,
                                    p), 0);
}

static void
end (struct fake_server *p)
{
  struct fake_clients *all = p->clients;
  struct sockaddr_un addr;

  p->stop = true;
  socket_path (p, &addr);
  unlink (addr.sun_path);
  shutdown (p->listener, SHUT_RDWR);
  pthread_join (all->acceptor, NULL);
  fake_server_cut (p);
  for (unsigned i = 0; i < all->count; ++i)
    pthread_join (all->threads[i], NULL);
  all->count = 0;
  close (p->listener);
  p->stop = false;
}

struct fake_server *
fake_server_start (uint64_t size)
{
  struct fake_server *p = calloc (1, sizeof *p);
  struct sockaddr_un addr;

  assert_non_null (p);
  p->clients = calloc (1, sizeof *p->clients);
  assert_non_null (p->clients);
  pthread_mutex_init (&p->clients->lock, NULL);
  pthread_mutex_init (&p->clients->disk, NULL);
  p->size = size;
  p->receive_left = p->send_left = -1;
  p->disk = os_map_anon (size);
  p->durable = os_map_anon (size);
  assert_true (p->disk && p->durable);
  snprintf (p->dir, sizeof p->dir, "/tmp/nbdzram-unit-XXXXXX");
  assert_non_null (mkdtemp (p->dir));
  socket_path (p, &addr);
  snprintf (p->uri, sizeof p->uri, "nbd+unix:///?socket=%s", addr.sun_path);
  begin (p);
  return p;
}

void
fake_server_cut (struct fake_server *p)
{
  struct fake_clients *all = p->clients;

  LOCK_FOR_SCOPE (&all->lock);
  for (unsigned i = 0; i < all->count; ++i)
    if (all->fds[i] != -1)
      shutdown (all->fds[i], SHUT_RDWR);
}

void
fake_server_leave (struct fake_server *p)
{
  end (p);
}

void
fake_server_return (struct fake_server *p, enum fake_disk disk)
{
  if (disk == FAKE_DISK_EMPTY)
    fake_server_fill (p, 0, p->size, 0);
  else if (disk == FAKE_DISK_POWER_LOST)
    memcpy (p->disk, p->durable, p->size);
  begin (p);
}

void
fake_server_stop (struct fake_server *p)
{
  end (p);
  assert_int_equal (rmdir (p->dir), 0);
  os_unmap (p->disk, p->size);
  os_unmap (p->durable, p->size);
  pthread_mutex_destroy (&p->clients->lock);
  pthread_mutex_destroy (&p->clients->disk);
  free (p->clients);
  free (p);
}
