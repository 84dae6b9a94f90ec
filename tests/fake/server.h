/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fake NBD server, which has faults when a test asks for them. */

#ifndef NBDZRAM_TESTS_FAKE_SERVER_H
#define NBDZRAM_TESTS_FAKE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fake_clients;

struct fake_server {
  char dir[64], uri[128];
  uint8_t *disk, *durable;      /* the latter survives a loss of power */
  uint64_t size;
  int listener;
  struct fake_clients *clients;

  /* Its faults now.  Limits count the bytes of all connections since they were
   * set; the connection that reaches a limit ends there.  -1: no limit.
   */
  _Atomic int64_t receive_left, send_left;
  _Atomic bool mute;            /* accepts requests, never answers */
  _Atomic bool mute_writes;     /* the same, but answers reads */
  _Atomic bool multi_conn;      /* announces the feature */
  _Atomic bool no_trim;         /* does not announce trims */
  _Atomic bool no_fua;          /* does not announce FUA */
  _Atomic bool read_only;       /* announces that */
  _Atomic uint64_t bad;         /* reads of this byte fail; 0: none */
  _Atomic unsigned forgets;     /* so many writes are confirmed, but not
                                 * executed */
  _Atomic int error;            /* of NBD, with which requests are answered */
  _Atomic unsigned errors;      /* how many requests get it */

  _Atomic unsigned connections; /* ever made */
  _Atomic unsigned reads, writes, trims; /* executed, except reads of the
                                 * first block, by which connections begin */
  _Atomic uint64_t trimmed;     /* bytes */
  _Atomic bool stop;
};

/* Start a server with a disk of SIZE zeroes, at p->uri. */
struct fake_server *fake_server_start (uint64_t size);

/* Stop it, after its clients have disconnected. */
void fake_server_stop (struct fake_server *p);

/* End all connections, and accept none until fake_server_return, which says
 * what is on the disk then.
 */
enum fake_disk {
  FAKE_DISK_KEPT,               /* all that was written */
  FAKE_DISK_EMPTY,
  FAKE_DISK_POWER_LOST,         /* without writes that were not FUA */
};

void fake_server_leave (struct fake_server *p);
void fake_server_return (struct fake_server *p, enum fake_disk disk);

/* Change LENGTH bytes of the disk, durably. */
void fake_server_fill (struct fake_server *p, uint64_t offset, uint64_t length,
                       uint8_t byte);

/* Copy LENGTH bytes of the disk, from OFFSET on, to BUF, or those of BUF to
 * the disk, durably.
 */
void fake_server_get (struct fake_server *p, uint64_t offset, void *buf,
                      size_t length);
void fake_server_put (struct fake_server *p, uint64_t offset, const void *buf,
                      size_t length);

/* End all connections. */
void fake_server_cut (struct fake_server *p);

#endif /* NBDZRAM_TESTS_FAKE_SERVER_H */
