/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of a test's own file in a directory of its own. */

#ifndef NBDZRAM_TESTS_LIB_CONF_FILE_H
#define NBDZRAM_TESTS_LIB_CONF_FILE_H

#include <limits.h>

#include "command/conf/internal.h"
#include "unit.h"

/* The memory of the machine, to settings. */
#define RAM (8 * GIB)

extern char directory[64];

/* Why a setting was refused. */
extern char cause[CONF_ERROR_SIZE + PATH_MAX];

/* For cmocka_run_group_tests: make the directory, and remove it. */
int conf_setup (void **state);
int conf_teardown (void **state);

/* The path of NAME in it, until the next call. */
const char *in_directory (const char *name);

void begin (struct conf *c);

/* Write a.conf.  read_text reads it as well. */
void put_file (const char *text, size_t length);
void read_text (struct conf *c, const char *text);

/* Set KEY=VALUE. */
void set (struct conf *c, const char *word);

/* All parameters for the server, in order, separated by spaces. */
void assert_parameters (const struct conf *c, const char *wanted);

#endif /* NBDZRAM_TESTS_LIB_CONF_FILE_H */
