/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nbdzram check looks at: a file for what each group of checks is
 * about, check-machine.c and check-server.c.  swapon looks at the same
 * before it turns the swap on.
 */

#ifndef NBDZRAM_COMMAND_SWAP_CHECK_H
#define NBDZRAM_COMMAND_SWAP_CHECK_H

#include <stdbool.h>

#include <jansson.h>

#include "command/base/control-client.h"

enum check_status {
  CHECK_OK,
  CHECK_WARN,                   /* it works, though not as well */
  CHECK_MISSING,                /* swap may hang, or be lost */
};

/* Add one to LIST, an array of objects with "check", "status", "found" and,
 * unless it is ok, "remedy".  FORMAT is of what was found.
 */
void check_add (json_t *list, enum check_status status, const char *name,
                const char *remedy, const char *format, ...)
  __attribute__ ((format (printf, 5, 6)));

/* The same, MISSING or OK. */
#define check_that(list, is_ok, ...)                                    \
  check_add (list, (is_ok) ? CHECK_OK : CHECK_MISSING, __VA_ARGS__)

bool check_any_missing (const json_t *list);

/* For people. */
void check_print (const json_t *list);

/* Of those that are not ok, lines to standard error, each after PREFIX. */
void check_complain (const json_t *list, const char *prefix);

void check_machine (json_t *list);

/* Of these, the one without which a server of swap stands still at once. */
void check_real_time (json_t *list);

/* Devices that are attached for NAME to servers elsewhere.  False: there
 * are none.
 */
bool check_remote (json_t *list, const char *name);

/* STATUS is what the server says of itself. */
void check_server (json_t *list, const struct server *s,
                   const json_t *status);

/* The same, of the server called NAME.  EXIT_OK, or another code after a
 * message.
 */
int check_local (json_t *list, const char *name);

#endif /* NBDZRAM_COMMAND_SWAP_CHECK_H */
