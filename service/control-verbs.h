/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs: what can be asked of a server.  A table says which there are
 * and which keys each takes, so that whatever else is asked is refused
 * before anything is done.
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

/* What verbs are about. */
struct control_context {
  struct pool *pool;
  struct maintainer *maintainer;
  const char *name;
  _Atomic unsigned *clients;
  const struct control_exports *exports;
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

/* What a line of LENGTH bytes asks for.  NULL when that is nothing that
 * can be done: then *REPLY says why.  Otherwise *ARGS is the caller's.
 */
const struct verb *verb_parse (const char *line, size_t length,
                               json_t **args, json_t **reply);

json_t *verb_run (const struct verb *verb, struct control_context *context,
                  json_t *args, const _Atomic bool *cancelled);

/* A refusal: one sentence. */
json_t *verb_error (const char *format, ...)
  __attribute__ ((format (printf, 1, 2)));

/* ---- what they do, by file ---- */

#define VERB(name)                                                      \
  json_t *verb_##name (struct control_context *context, json_t *args,   \
                       const _Atomic bool *cancelled)

/* control-status.c */
VERB (status);
VERB (metrics);

/* control-pages.c */
VERB (pages);

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

/* ---- for them ---- */

/* A number or a string of ARGS, or what stands for none. */
json_int_t verb_number (const json_t *args, const char *name,
                        json_int_t otherwise);
const char *verb_string (const json_t *args, const char *name,
                         const char *otherwise);

/* The range of pages that "device", "first" and "end" of ARGS name: all
 * of the device where they don't.  The caller uses the device then
 * (devices.h).  False: *REPLY says why it can't be.
 */
bool verb_range (const struct control_context *context, const json_t *args,
                 struct device **device, uint64_t *first, uint64_t *end,
                 json_t **reply);

#endif /* NBDZRAM_SERVICE_CONTROL_VERBS_H */
