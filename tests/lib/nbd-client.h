/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An NBD client and a fake server, whose blocks are known by their numbers. */

#ifndef NBDZRAM_TESTS_LIB_NBD_CLIENT_H
#define NBDZRAM_TESTS_LIB_NBD_CLIENT_H

#include "lib/backing/nbd-client.h"
#include "tests/fake/server.h"
#include "tests/lib/unit.h"

#define DISK (8 * MIB)

/* Of the first block: what makes it the right one. */
#define RIGHT 'R'

/* Seconds: longer than anything takes that must succeed. */
#define LONG 600

extern _Atomic unsigned said;   /* lines of the log */

/* Is BLOCK, the first one, the right one? */
bool is_right (void *opaque, const void *block);
/* The first content of block N. */
void fill_block (uint8_t *block, uint64_t n);

/* Start a server of the right disk. */
struct fake_server *start_server (bool multi_conn);
/* Open a client, and start its threads as well. */
struct nbd_client *open_client (struct fake_server *p, unsigned timeout);
struct nbd_client *start_client (struct fake_server *p, unsigned timeout);
void wait_for_connections (struct nbd_client *f, unsigned n);

/* Check that block N is read, and has its first content. */
void assert_block (struct nbd_client *f, uint64_t n);
/* Write BLOCKS blocks of DATA to block N and the next ones. */
int write_blocks (struct nbd_client *f, const uint8_t *data, uint64_t n,
                  unsigned blocks, bool *unsure);

#endif /* NBDZRAM_TESTS_LIB_NBD_CLIENT_H */
