/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An NBD server that is played: it has faults when it is told to. */

#ifndef NBDZRAM_TESTS_PLAYED_SERVER_H
#define NBDZRAM_TESTS_PLAYED_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct played {
  char dir[64], uri[128];
  uint8_t *disk;
  uint64_t size;
  int listener;

  /* What it does now.  Counts are of bytes since they were set, of all
   * connections; the one that reaches one ends there.  -1: none does.
   */
  _Atomic int64_t receive_left, send_left;
  _Atomic bool mute;            /* takes requests, and does not answer */
  _Atomic bool multi_conn;      /* says that it can */
  _Atomic int error;            /* of NBD, that requests are answered with */
  _Atomic unsigned errors;      /* how many of them; then none */

  _Atomic unsigned connections; /* ever made */
  _Atomic unsigned reads, writes, trims; /* done */
  _Atomic uint64_t trimmed;     /* bytes */
  _Atomic bool stop;
};

/* A disk of SIZE zeroes, at p->uri. */
struct played *played_start (uint64_t size);

/* The clients have gone. */
void played_stop (struct played *p);

/* Change a byte of the disk. */
void played_put (struct played *p, uint64_t offset, uint8_t byte);

/* End all connections. */
void played_cut (struct played *p);

#endif /* NBDZRAM_TESTS_PLAYED_SERVER_H */
