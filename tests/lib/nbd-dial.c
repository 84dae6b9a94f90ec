/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dial as the watcher does, and say what came of it: "SIZE FLAGS PID", or
 * the error.  With -r, requests are sent, to see that the connection is
 * one that the kernel could have: reads of its first block.  With -d, the
 * description of the export is said instead.
 *
 *   nbd-dial [-r | -d] URI MILLISECONDS
 */

#include <config.h>

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "command/attach/nbd-dial.h"

#define REQUEST_MAGIC 0x25609513
#define REPLY_MAGIC 0x67446698

static void
get (int fd, void *buf, size_t length)
{
  ssize_t n;

  for (char *p = buf; length > 0; p += n, length -= (size_t) n)
    if ((n = read (fd, p, length)) <= 0) {
      printf ("the connection ended: %m\n");
      exit (1);
    }
}

static void
read_block (int fd, uint64_t handle)
{
  struct __attribute__ ((packed)) {
    uint32_t magic, type;
    uint64_t handle, from;
    uint32_t length;
  } request = { htobe32 (REQUEST_MAGIC), 0, handle, 0, htobe32 (4096) };
  struct __attribute__ ((packed)) {
    uint32_t magic, error;
    uint64_t handle;
  } reply;
  char block[4096];

  if (write (fd, &request, sizeof request) != sizeof request) {
    printf ("write: %m\n");
    exit (1);
  }
  get (fd, &reply, sizeof reply);
  if (be32toh (reply.magic) != REPLY_MAGIC || reply.error != 0
      || reply.handle != handle) {
    printf ("not a simple reply: %08x\n", be32toh (reply.magic));
    exit (1);
  }
  get (fd, block, sizeof block);
}

static bool
has_send_timeout (int fd)
{
  struct timeval t = { 0 };
  socklen_t length = sizeof t;

  return getsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &t, &length) != 0
    || t.tv_sec != 0 || t.tv_usec != 0;
}

int
main (int argc, char *argv[])
{
  bool requests = argc > 1 && strcmp (argv[1], "-r") == 0;
  bool description = argc > 1 && strcmp (argv[1], "-d") == 0;
  struct nbd_address address;
  struct nbd_dial dial;
  char error[256];

  argv += requests || description;
  if (argc - (requests || description) != 3)
    return 2;
  if (nbd_resolve (&address, argv[1], error, sizeof error) == -1) {
    puts (error);
    return 1;
  }
  if (nbd_dial (&dial, &address, atoi (argv[2])) == -1) {
    puts (dial.error);
    return 1;
  }
  if (has_send_timeout (dial.result.fd)
      || fcntl (dial.result.fd, F_GETFL) & O_NONBLOCK) {
    puts ("the socket is not as new");
    return 1;
  }
  for (uint64_t i = 0; requests && i < 100; ++i)
    read_block (dial.result.fd, i);
  if (description)
    puts (dial.result.description);
  else
    printf ("%" PRIu64 " %" PRIu64 " %d\n", dial.result.size,
            dial.result.flags, (int) dial.result.pid);
  return 0;
}
