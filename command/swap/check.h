/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of nbdzram check, which swapon makes before it turns swap on.
 * check-machine.c checks the machine, check-server.c one server and its
 * devices.
 */

#ifndef NBDZRAM_COMMAND_SWAP_CHECK_H
#define NBDZRAM_COMMAND_SWAP_CHECK_H

#include <stdbool.h>

#include <jansson.h>

#include "command/base/control-client.h"

enum check_status {
  CHECK_OK,
  CHECK_WARN,                   /* it works, but not as well */
  CHECK_MISSING,                /* swap may hang, or be lost */
};

/* Append a result to LIST, an array of objects with "check" (NAME), "status",
 * "found" (FORMAT) and, unless it is ok, "remedy".
 */
void check_add (json_t *list, enum check_status status, const char *name,
                const char *remedy, const char *format, ...)
  __attribute__ ((format (printf, 5, 6)));

/* The same; the status is CHECK_OK or CHECK_MISSING. */
#define check_that(list, is_ok, ...)                                    \
  check_add (list, (is_ok) ? CHECK_OK : CHECK_MISSING, __VA_ARGS__)

/* Is the status of one CHECK_MISSING? */
bool check_has_missing (const json_t *list);

/* Print LIST as text. */
void check_print (const json_t *list);

/* Print those that are not ok to standard error, each after PREFIX. */
void check_print_problems (const json_t *list, const char *prefix);

/* Check the machine. */
void check_machine (json_t *list);

/* One of these checks: without it, a server of swap stands still at once. */
void check_real_time (json_t *list);

/* Check the devices that are attached for NAME to servers on other machines.
 * False: there are none.
 */
bool check_remote (json_t *list, const char *name);

/* Check S by its reply to "status", which goes to *STATUS for the caller to
 * release.  EXIT_OK, or another code after a message; then *STATUS is NULL.
 */
int check_server (json_t *list, const struct server *s, json_t **status);

#endif /* NBDZRAM_COMMAND_SWAP_CHECK_H */
