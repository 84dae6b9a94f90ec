/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs: the requests that a server takes.  A table has the verbs and the keys
 * of each, so that any other request is refused before anything is done.
 *
 * Replies are JSON objects with "ok" first.  NULL stands for "no
 * memory" everywhere.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_VERBS_H
#define NBDZRAM_SERVICE_CONTROL_VERBS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include <jansson.h>

#include "lib/store/devices.h"
#include "control.h"

/* What verbs work on. */
struct control_context {
  struct pool *pool;
  struct maintainer *maintainer;
  const char *name;
  _Atomic unsigned *clients;
  struct timespec started;      /* CLOCK_MONOTONIC */
};

#define PAGES_COUNT_MAX 4096    /* in one reply to "pages" */

enum argument_type {
  ARGUMENT_NUMBER,              /* an integer from MIN to MAX */
  ARGUMENT_STRING,              /* one of CHOICES, where there are any */
  ARGUMENT_BOOLEAN,
};

struct argument {
  const char *name;
  enum argument_type type;
  json_int_t min, max;
  const char *const *choices;   /* ended by NULL */
  bool required;
};

struct verb {
  const char *name;
  bool slow;                    /* for the worker */
  const struct argument *arguments; /* ended by a NULL name; or NULL */
  bool takes_settings;          /* those that can change (settings.h) are
                                 * its arguments */

  /* ARGS has been checked against the table.  A slow verb ends soon
   * after *CANCELLED becomes true; its reply is then lost.
   */
  json_t *(*run) (struct control_context *context, json_t *args,
                  const _Atomic bool *cancelled);
};

/* Parse a request, a line of LENGTH bytes.  Returns its verb, and *ARGS, which
 * the caller frees; or NULL with the error in *REPLY.
 */
const struct verb *verb_parse (const char *line, size_t length,
                               json_t **args, json_t **reply);

/* Make the reply for an error: one sentence. */
json_t *verb_error (const char *format, ...)
  __attribute__ ((format (printf, 1, 2)));

/* ---- the verbs, by file ---- */

#define VERB(name)                                                      \
  json_t *verb_##name (struct control_context *context                  \
                       __attribute__ ((unused)),                        \
                       json_t *args __attribute__ ((unused)),           \
                       const _Atomic bool *cancelled                    \
                       __attribute__ ((unused)))

/* control-status.c */
VERB (status);
VERB (metrics);

/* control-pages.c */
VERB (pages);
VERB (usage);

/* control-maintain.c */
VERB (idle);
VERB (recompress);
VERB (writeback);
VERB (compact);
VERB (trim_empty);
VERB (reset);

/* control-set.c */
VERB (set);
json_t *verb_settings (struct control_context *context);

/* control-exports.c */
VERB (export_add);
VERB (export_remove);
VERB (export_resize);
json_t *verb_devices (struct control_context *context);

/* ---- helpers of verbs ---- */

/* A number or a string of ARGS, or OTHERWISE if ARGS have no such key. */
json_int_t verb_number (const json_t *args, const char *name,
                        json_int_t otherwise);
const char *verb_string (const json_t *args, const char *name,
                         const char *otherwise);

/* The range of pages that "device", "first" and "end" of ARGS name; by default
 * all pages of the device.  The caller has to put the device (devices.h).
 * Returns false, with the error in *REPLY, if there is no such range.
 */
bool verb_range (const struct control_context *context, const json_t *args,
                 struct device **device, uint64_t *first, uint64_t *end,
                 json_t **reply);

#endif /* NBDZRAM_SERVICE_CONTROL_VERBS_H */
