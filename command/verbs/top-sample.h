/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The numbers that "nbdzram top" shows: two samples of a server, and rates
 * between them.  This does not depend on a terminal.
 */

#ifndef NBDZRAM_COMMAND_VERBS_TOP_SAMPLE_H
#define NBDZRAM_COMMAND_VERBS_TOP_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define LATENCIES_MAX 64        /* buckets of a histogram */
#define HISTORY_MAX 512         /* samples */
#define LINE_SIZE 1024          /* bytes of a line, multibyte or not */

/* Requests of one kind since the server started. */
struct request_sample {
  uint64_t count, bytes;
  uint64_t latency[LATENCIES_MAX];
};

struct sample {
  double time;                  /* seconds, of any clock */
  json_t *reply;                /* to "metrics" */
  struct request_sample requests[2]; /* writes, reads */
};

struct history {
  struct sample now, before;    /* replies are NULL at first */
  double memory[HISTORY_MAX], requests[HISTORY_MAX]; /* oldest first */
  unsigned length;
};

/* Make REPLY the newest sample, taken at TIME.  H owns REPLY then. */
void history_add (struct history *h, json_t *reply, double time);
void history_free (struct history *h);

/* Requests a second and bytes a second between the two samples, of reads if
 * READ, or else of writes.
 */
double history_rate (const struct history *h, bool read);
double history_bytes_rate (const struct history *h, bool read);

/* The increase a second of a counter from BEFORE to NOW; 0 if it decreased,
 * since a restarted server counts from zero.
 */
double history_difference (const struct history *h, uint64_t now,
                           uint64_t before);

/* The latency in seconds that SHARE (0 to 1) of the requests between the two
 * samples did not exceed: the bound of a bucket.  0: there were no requests.
 */
double history_latency (const struct history *h, bool read, double share);

/* A statistic of the newest sample, and its increase a second. */
uint64_t history_statistic (const struct history *h, const char *name);
double history_statistic_rate (const struct history *h, const char *name);

/* Draw the last values that fit in WIDTH columns to LINE, scaled from 0 to the
 * largest, in block characters if BLOCKS, or else in ASCII.
 */
void spark_line (char line[LINE_SIZE], const double *values, unsigned count,
                 unsigned width, bool blocks);

#endif /* NBDZRAM_COMMAND_VERBS_TOP_SAMPLE_H */
