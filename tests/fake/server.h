/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An NBD server that is played: it has faults when it is told to. */

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

  /* What it does now.  Counts are of bytes since they were set, of all
   * connections; the one that reaches one ends there.  -1: none does.
   */
  _Atomic int64_t receive_left, send_left;
  _Atomic bool mute;            /* takes requests, and does not answer */
  _Atomic bool mute_writes;     /* the same, but for reads */
  _Atomic bool multi_conn;      /* says that it can */
  _Atomic bool no_trim;         /* says that it can't */
  _Atomic bool no_fua;          /* the same */
  _Atomic bool read_only;       /* says that it is */
  _Atomic uint64_t bad;         /* reads of this byte fail; 0: none */
  _Atomic unsigned forgets;     /* writes that it says are done, and does not
                                 * do; then none */
  _Atomic int error;            /* of NBD, that requests are answered with */
  _Atomic unsigned errors;      /* how many of them; then none */

  _Atomic unsigned connections; /* ever made */
  _Atomic unsigned reads, writes, trims; /* done; no reads of the first
                                 * block, which connections begin with */
  _Atomic uint64_t trimmed;     /* bytes */
  _Atomic bool stop;
};

/* A disk of SIZE zeroes, at p->uri. */
struct fake_server *fake_server_start (uint64_t size);

/* The clients have gone. */
void fake_server_stop (struct fake_server *p);

/* End all connections, and take no more until fake_server_return, which finds
 * the disk so.
 */
enum fake_disk {
  FAKE_DISK_KEPT,               /* as it is */
  FAKE_DISK_EMPTY,
  FAKE_DISK_POWER_LOST,         /* without writes that were not FUA */
};

void fake_server_leave (struct fake_server *p);
void fake_server_return (struct fake_server *p, enum fake_disk disk);

/* Change LENGTH bytes of the disk, for good. */
void fake_server_fill (struct fake_server *p, uint64_t offset, uint64_t length,
                       uint8_t byte);

/* Put LENGTH bytes of the disk, from OFFSET on, into BUF, or those of BUF to the
 * disk, for good.
 */
void fake_server_get (struct fake_server *p, uint64_t offset, void *buf,
                      size_t length);
void fake_server_put (struct fake_server *p, uint64_t offset, const void *buf,
                      size_t length);

/* End all connections. */
void fake_server_cut (struct fake_server *p);

#endif /* NBDZRAM_TESTS_FAKE_SERVER_H */
