/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Load an NBD server with real pages and print, in one line, how fast
 * it answered.
 *
 * Each connection is a thread that keeps its share of the depth in
 * flight.  Offsets are random multiples of the request's size, and what
 * is written comes from a random place of the data, the same ones in
 * every run with the same seed.
 */

#include <config.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

#include "lib/base/util.h"

#include "measure.h"
#include "nbd-load.h"

#define FILL_SIZE (128 * KIB)
#define TRIM_SIZE (64 * MIB)
#define SEQUENTIAL_DEPTH 8

static void __attribute__ ((noreturn))
nbd_failed (void)
{
  errx (EXIT_FAILURE, "%s", nbd_get_error ());
}

/* ---- requests ---- */

static void
note_latency (struct connection *c, double seconds)
{
  if (c->done == c->room) {
    c->room = MAX (4096, 2 * c->room);
    c->latencies = realloc (c->latencies, c->room * sizeof c->latencies[0]);
    if (!c->latencies)
      err (EXIT_FAILURE, "realloc");
  }
  c->latencies[c->done++] = (float) (seconds * 1e6);
}

void
load_done (struct request *r)
{
  struct connection *c = r->c;

  note_latency (c, now () - r->start);
  r->next = c->idle;
  c->idle = r;
  --c->in_flight;
}

static int
completed (void *opaque, int *error)
{
  if (*error != 0)
    errx (EXIT_FAILURE, "the server failed a request: %s", strerror (*error));
  load_done (opaque);
  return 1;
}

static uint64_t
next_offset (struct connection *c)
{
  const struct load *l = c->load;

  if (l->sequential)
    return c->started * l->size;
  return prng (&c->prng) % (l->span / l->size) * l->size;
}

/* When filling, the data in their order. */
const uint8_t *
load_data (struct connection *c, uint64_t offset, uint32_t size)
{
  const struct load *l = c->load;
  size_t pages = (size_t) div_up (size, DATA_PAGE);

  if (l->sequential)
    return l->data.pages + offset;
  return data_page (&l->data,
                    prng (&c->prng) % (l->data.count - pages + 1));
}

static int64_t
begin (struct connection *c, struct request *r, uint64_t offset, uint32_t size)
{
  nbd_completion_callback done = { .callback = completed, .user_data = r };

  switch (c->load->op) {
  case OP_READ:
    return nbd_aio_pread (c->nbd, r->buf, size, offset, done, 0);
  case OP_WRITE:
    return nbd_aio_pwrite (c->nbd, load_data (c, offset, size), size, offset,
                           done, 0);
  default:
    return nbd_aio_trim (c->nbd, size, offset, done, 0);
  }
}

struct request *
load_begin (struct connection *c, uint64_t *offset, uint32_t *size)
{
  struct request *r = c->idle;

  *offset = next_offset (c);
  *size = (uint32_t) MIN (c->load->size, c->load->span - *offset);
  c->idle = r->next;
  ++c->in_flight;
  ++c->started;
  r->start = now ();
  return r;
}

bool
load_another (const struct connection *c)
{
  return c->idle && c->started < c->count && now () < c->deadline;
}

static void *
run_connection (void *arg)
{
  struct connection *c = arg;
  struct request *r;
  uint64_t offset;
  uint32_t size;

  if (c->load->batch) {
    batch_run (c);
    return NULL;
  }
  for (;;) {
    while (load_another (c)) {
      r = load_begin (c, &offset, &size);
      if (begin (c, r, offset, size) == -1)
        nbd_failed ();
    }
    if (c->in_flight == 0)
      return NULL;
    if (nbd_poll (c->nbd, -1) == -1)
      nbd_failed ();
  }
}

/* ---- connections ---- */

static struct nbd_handle *
connect_to (const char *uri, bool batch)
{
  struct nbd_handle *nbd = nbd_create ();

  /* batch_run reads simple replies. */
  if (!nbd || nbd_set_request_structured_replies (nbd, !batch) == -1
      || nbd_connect_uri (nbd, uri) == -1)
    nbd_failed ();
  /* The buffers are written before they are looked at, if ever. */
  if (nbd_set_pread_initialize (nbd, false) == -1)
    nbd_failed ();
  return nbd;
}

/* The part of N that is number I's, of as many as there are connections. */
static uint64_t
share (const struct load *l, uint64_t n, unsigned i)
{
  return n / l->connections + (i < n % l->connections);
}

static void
connection_init (struct connection *c, const struct load *l, unsigned i)
{
  *c = (struct connection) {
    .load = l,
    .nbd = connect_to (l->uris[i % l->uri_count], l->batch),
    .depth = (unsigned) share (l, l->depth, i),
    .prng = l->seed + i,
    .count = share (l, l->count, i),
  };
  c->requests = must_alloc (c->depth * sizeof c->requests[0]);
  for (unsigned k = 0; k < c->depth; ++k) {
    c->requests[k] = (struct request) {
      .c = c,
      .buf = l->op == OP_READ ? must_alloc (l->size) : NULL,
      .next = c->idle,
    };
    c->idle = &c->requests[k];
  }
}

static void
connection_free (struct connection *c)
{
  nbd_shutdown (c->nbd, 0);
  nbd_close (c->nbd);
  for (unsigned k = 0; k < c->depth; ++k)
    free (c->requests[k].buf);
  free (c->requests);
  free (c->latencies);
}

/* ---- results ---- */

static int
compare_floats (const void *a, const void *b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* All latencies, sorted, for the caller to free. */
static float *
gather (const struct connection *conns, unsigned n, size_t *count)
{
  float *all;
  size_t have = 0;

  *count = 0;
  for (unsigned i = 0; i < n; ++i)
    *count += conns[i].done;
  all = must_alloc (MAX (1, *count) * sizeof *all);
  for (unsigned i = 0; i < n; ++i) {
    if (conns[i].done > 0)
      memcpy (all + have, conns[i].latencies, conns[i].done * sizeof *all);
    have += conns[i].done;
  }
  qsort (all, *count, sizeof *all, compare_floats);
  return all;
}

static void
print_result (const struct load *l, const struct connection *conns,
              double seconds)
{
  static const char *const names[] = { "none", "read", "write", "trim" };
  size_t count;
  float *all = gather (conns, l->connections, &count);

  if (count == 0)
    errx (EXIT_FAILURE, "no request was done");
  printf ("op=%s size=%" PRIu32 " depth=%u connections=%u seconds=%.3f"
          " requests=%zu rps=%.0f mbps=%.1f p50_us=%.1f p99_us=%.1f\n",
          names[l->op], l->size, l->depth, l->connections, seconds, count,
          (double) count / seconds, (double) count / seconds * l->size / 1e6,
          (double) all[count / 2], (double) all[count * 99 / 100]);
  free (all);
}

static void
run_load (const struct load *l, bool quiet)
{
  struct connection *conns = must_alloc (l->connections * sizeof *conns);
  double start;

  for (unsigned i = 0; i < l->connections; ++i)
    connection_init (&conns[i], l, i);
  start = now ();
  for (unsigned i = 0; i < l->connections; ++i) {
    conns[i].deadline = start + l->seconds;
    if (pthread_create (&conns[i].thread, NULL, run_connection, &conns[i])
        != 0)
      errx (EXIT_FAILURE, "pthread_create");
  }
  for (unsigned i = 0; i < l->connections; ++i)
    pthread_join (conns[i].thread, NULL);
  if (!quiet)
    print_result (l, conns, now () - start);
  for (unsigned i = 0; i < l->connections; ++i)
    connection_free (&conns[i]);
  free (conns);
}

/* Go once over the span with OP. */
static void
sweep (const struct load *l, enum op op, uint32_t size)
{
  struct load once = *l;

  once.op = op;
  once.sequential = true;
  once.batch = false;
  once.size = size;
  once.depth = SEQUENTIAL_DEPTH;
  once.connections = 1;
  once.count = div_up (l->span, size);
  once.seconds = 1e9;
  run_load (&once, true);
}

/* ---- arguments ---- */

static const char usage[] =
  "usage: nbd-load [OPTION...] URI...\n"
  "Load an NBD server and print requests a second, MB a second and\n"
  "latencies, in one line.\n"
  "  -d, --data=FILE        pages to write\n"
  "  -f, --fill             first write the data to the disk, in order\n"
  "  -t, --trim             first trim the disk (after a fill)\n"
  "  -o, --op=read|write    without it, only fill or trim\n"
  "  -s, --size=BYTES       of a request (4096)\n"
  "  -D, --depth=N          requests in flight, of all connections (1)\n"
  "  -b, --batch            send requests together, without libnbd\n"
  "  -c, --connections=N    one URI after the other (1)\n"
  "  -S, --seconds=S        how long (1)\n"
  "  -n, --count=N          or at most so many requests\n"
  "      --span=BYTES       use only the beginning of the disk\n"
  "      --seed=N           of the random offsets (1)\n"
  "  -h, --help\n";

struct arguments {
  struct load load;
  const char *data;
  bool fill, trim;
};

static enum op
parse_op (const char *s)
{
  if (strcmp (s, "read") == 0)
    return OP_READ;
  if (strcmp (s, "write") == 0)
    return OP_WRITE;
  errx (EXIT_FAILURE, "--op: '%s' is neither read nor write", s);
}

static double
parse_seconds (const char *s)
{
  char *end;
  double seconds = strtod (s, &end);

  if (end == s || *end != '\0' || !(seconds > 0))
    errx (EXIT_FAILURE, "--seconds: '%s' is no length of time", s);
  return seconds;
}

static void
check (const struct arguments *args)
{
  const struct load *l = &args->load;

  if (l->op == OP_NONE && !args->fill && !args->trim)
    errx (EXIT_FAILURE, "nothing to do: none of --op, --fill, --trim given");
  if ((l->op == OP_WRITE || args->fill) && !args->data)
    errx (EXIT_FAILURE, "--data is missing: the pages to write");
  if (l->connections > l->depth)
    errx (EXIT_FAILURE, "--depth: must be at least one a connection");
}

static void
parse (struct arguments *args, int argc, char *argv[])
{
  static const struct option options[] = {
    { "data", required_argument, NULL, 'd' },
    { "fill", no_argument, NULL, 'f' },
    { "trim", no_argument, NULL, 't' },
    { "op", required_argument, NULL, 'o' },
    { "size", required_argument, NULL, 's' },
    { "depth", required_argument, NULL, 'D' },
    { "batch", no_argument, NULL, 'b' },
    { "connections", required_argument, NULL, 'c' },
    { "seconds", required_argument, NULL, 'S' },
    { "count", required_argument, NULL, 'n' },
    { "span", required_argument, NULL, 'p' },
    { "seed", required_argument, NULL, 'e' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
  };
  struct load *l = &args->load;
  int c;

  while ((c = getopt_long (argc, argv, "d:fto:s:D:bc:S:n:h", options, NULL))
         != -1)
    switch (c) {
    case 'd': args->data = optarg; break;
    case 'f': args->fill = true; break;
    case 't': args->trim = true; break;
    case 'o': l->op = parse_op (optarg); break;
    case 's': l->size = (uint32_t) must_number ("--size", optarg, 1); break;
    case 'D': l->depth = (unsigned) must_number ("--depth", optarg, 1); break;
    case 'b': l->batch = true; break;
    case 'c':
      l->connections = (unsigned) must_number ("--connections", optarg, 1);
      break;
    case 'S': l->seconds = parse_seconds (optarg); break;
    case 'n': l->count = must_number ("--count", optarg, 1); break;
    case 'p': l->span = must_number ("--span", optarg, 1); break;
    case 'e': l->seed = must_number ("--seed", optarg, 0); break;
    case 'h': fputs (usage, stdout); exit (EXIT_SUCCESS);
    default: fputs (usage, stderr); exit (EXIT_FAILURE);
    }
  if (optind >= argc) {
    fputs (usage, stderr);
    exit (EXIT_FAILURE);
  }
  l->uris = argv + optind;
  l->uri_count = (unsigned) (argc - optind);
}

/* Limit the span to what there is of disk and, for a fill, of data. */
static void
settle_span (struct arguments *args)
{
  struct load *l = &args->load;
  struct nbd_handle *nbd = connect_to (l->uris[0], false);
  int64_t size = nbd_get_size (nbd);

  if (size == -1)
    nbd_failed ();
  nbd_close (nbd);
  l->span = MIN (l->span, (uint64_t) size);
  if (args->fill)
    l->span = MIN (l->span, l->data.count * DATA_PAGE);
  if (l->span < l->size)
    errx (EXIT_FAILURE, "--size: larger than the disk");
  if (l->op == OP_WRITE && l->size > l->data.count * DATA_PAGE)
    errx (EXIT_FAILURE, "--size: larger than the data");
}

int
main (int argc, char *argv[])
{
  struct arguments args = {
    .load = {
      .size = 4096,
      .depth = 1,
      .connections = 1,
      .span = UINT64_MAX,
      .count = UINT64_MAX,
      .seconds = 1,
      .seed = 1,
    },
  };

  parse (&args, argc, argv);
  check (&args);
  if (args.data)
    args.load.data = data_open (args.data, 0);
  settle_span (&args);
  if (args.fill)
    sweep (&args.load, OP_WRITE, FILL_SIZE);
  if (args.trim)
    sweep (&args.load, OP_TRIM, TRIM_SIZE);
  if (args.load.op != OP_NONE)
    run_load (&args.load, false);
  return EXIT_SUCCESS;
}
