/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pages hold, and the requests that change it. */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nbd-kill.h"

/* ---- what pages hold ---- */

/* From few phrases, which a dictionary would know. */
static void
fill_phrases (uint64_t random, uint8_t *p)
{
  for (uint32_t i = 0; i < page_size; i += 64) {
    uint64_t phrase = below (&random, 200), word;

    for (unsigned k = 0; k < 64; k += sizeof word) {
      word = next (&phrase);
      memcpy (p + i + k, &word, sizeof word);
    }
  }
}

/* Version VERSION of page INDEX: incompressible, text, half of each, or
 * one word all over, but never that of another page or version; or, now
 * and then, the same as that of others.
 */
static void
fill_page (uint64_t index, uint32_t version, uint8_t *p)
{
  uint64_t random = seed ^ (index << 32 | version);
  uint64_t words[2] = { index, version };
  uint32_t noise = 0;

  switch (below (&random, 8)) {
  case 0: noise = page_size; break;
  case 1: noise = page_size / 2; break;
  case 2: noise = page_size * 3 / 4; break;
  case 3:                       /* a word that a slot can't hold */
    words[0] = words[1]
      = UINT64_C (0x4000000000000000) | index << 32 | version;
    break;
  case 4:
    fill_phrases (random % 64, p);
    return;
  case 5:
  case 6:
    fill_phrases (random, p);
    memcpy (p, words, sizeof words);
    return;
  default:
    break;
  }
  for (uint32_t i = 0; i < page_size; i += sizeof words)
    memcpy (p + i, words, sizeof words);
  for (uint32_t i = sizeof words; i < noise; ++i)
    p[i] = (uint8_t) next (&random);
}

/* ---- requests ---- */

static bool
run_is_free (uint64_t first)
{
  for (uint64_t i = first; i < first + RUN && i < n_pages; ++i)
    if (pages[i].in_flight)
      return false;
  return true;
}

static uint64_t
pick_run (struct worker *w)
{
  uint64_t runs = n_pages / RUN, run;

  do
    run = below (&w->random, runs);
  while (run % threads != w->id || !run_is_free (run * RUN));
  return run * RUN;
}

/* Put in PENDING what the request makes of its pages. */
static void
foresee (struct op *op)
{
  uint8_t *whole = allocate ((size_t) op->count * page_size);
  uint64_t version;

  for (unsigned i = 0; i < op->count; ++i) {
    struct page *page = &pages[op->first + i];

    memcpy (whole + i * page_size, page->acked, page_size);
    version = ++page->version;
    if (op->kind == WRITE || op->kind == WRITE_PART)
      fill_page (op->first + i, (uint32_t) version,
                 op->data + i * page_size);
  }
  if (op->kind == TRIM || op->kind == ZERO)
    memset (whole + op->start, 0, op->length);
  else
    memcpy (whole + op->start, op->data + op->start, op->length);
  for (unsigned i = 0; i < op->count; ++i) {
    struct page *page = &pages[op->first + i];

    memcpy (page->pending, whole + i * page_size, page_size);
    page->in_flight = true;
  }
  free (whole);
}

static void
pick_op (struct worker *w, struct op *op)
{
  uint64_t run = pick_run (w);

  op->kind = (enum kind) below (&w->random, KINDS);
  if (below (&w->random, 2) == 0)
    op->kind = WRITE;
  op->first = run + below (&w->random, RUN);
  op->count = 1 + (unsigned) below (&w->random, run + RUN - op->first);
  op->start = 0;
  op->length = op->count * page_size;
  if (op->kind == WRITE_PART
      || ((op->kind == TRIM || op->kind == ZERO)
          && below (&w->random, 3) == 0)) {
    op->start = (uint32_t) below (&w->random, page_size);
    op->length -= op->start;
    op->length -= (uint32_t) below (&w->random, op->count > 1 ? page_size
                                    : op->length);
  }
  foresee (op);
}

static int
start_op (struct worker *w, struct op *op)
{
  uint64_t offset = offset_of (op->first) + op->start;

  switch (op->kind) {
  case WRITE:
  case WRITE_PART:
    op->cookie = nbd_aio_pwrite (w->nbd, op->data + op->start, op->length,
                                 offset, NBD_NULL_COMPLETION, 0);
    break;
  case TRIM:
    op->cookie = nbd_aio_trim (w->nbd, op->length, offset,
                               NBD_NULL_COMPLETION, 0);
    break;
  default:
    op->cookie = nbd_aio_zero (w->nbd, op->length, offset,
                               NBD_NULL_COMPLETION, 0);
  }
  return op->cookie == -1 ? -1 : 0;
}

/* 0 when it was acknowledged, -1 when the server is gone. */
static int
finish_op (struct worker *w, struct op *op)
{
  int r;

  while ((r = nbd_aio_command_completed (w->nbd, (uint64_t) op->cookie)) == 0)
    if (nbd_poll (w->nbd, -1) == -1)
      return -1;
  if (r == -1) {
    int err = nbd_get_errno ();

    if (!nbd_aio_is_ready (w->nbd) || err == ENOTCONN || err == ESHUTDOWN)
      return -1;
    fail ("a request failed: %s", nbd_get_error ());
  }
  for (unsigned i = 0; i < op->count; ++i) {
    struct page *page = &pages[op->first + i];
    uint8_t *swap = page->acked;

    page->acked = page->pending;
    page->pending = swap;
    page->in_flight = false;
  }
  __atomic_add_fetch (&acknowledged, 1, __ATOMIC_RELAXED);
  return 0;
}

void *
work (void *opaque)
{
  struct worker *w = opaque;
  unsigned started = 0, finished = 0;

  for (;;) {
    struct op *op = &w->ops[started % DEPTH];

    if (started - finished == DEPTH) {
      if (finish_op (w, op) == -1)
        break;
      finished++;
    }
    pick_op (w, op);
    if (start_op (w, op) == -1)
      break;
    started++;
  }
  /* Answers that have come are answers. */
  for (; finished != started; finished++)
    if (finish_op (w, &w->ops[finished % DEPTH]) == -1)
      continue;
  return NULL;
}
