/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a shell offers after TAB: "nbdzram --complete WORD..." prints it for
 * the last WORD, which may be empty.  The scripts of all shells ask for this,
 * so that they need no change when a verb, an option or a setting is new.
 *
 * Each line is a word, a tab, and what the word means.  Lines that begin with
 * a tab ask the shell for names of its own: "\tfiles", "\tdirectories".  A
 * word of the form KEY=VALUE, or --OPTION=VALUE, is printed in full.  The
 * shell leaves out what does not begin as the last WORD does.
 */

#ifndef NBDZRAM_COMMAND_BASE_COMPLETE_H
#define NBDZRAM_COMMAND_BASE_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"

struct completion {
  const char *word;             /* the last one */
  const char *first;            /* the first argument, or NULL */
  size_t position;              /* of the last word among the arguments
                                 * that are neither options nor KEY=VALUE */
};

/* From now on options_parse calls complete_options, which prints what can be
 * the last of the words ARGV[0], a verb, and ARGV[1], ..., and ends the
 * program.
 */
void complete_begin (void);
bool is_completing (void);
_Noreturn void complete_options (const struct command *command, int argc,
                                 char *argv[],
                                 const struct option_entry *entries);

/* Prints one word: PREFIX and WORD.  A word that a shell would have to quote
 * is left out.  HELP may have several lines, of which the first sentence is
 * printed, or be "".
 */
void complete_word (const char *prefix, const char *word, const char *help);

/* Prints each of the WORDS, with spaces between them. */
void complete_words (const char *prefix, const char *words);

/* Asks the shell for files, or only directories. */
void complete_files (void);
void complete_directories (void);

/* Prints the names of running servers. */
void complete_servers (const struct completion *c);

#endif /* NBDZRAM_COMMAND_BASE_COMPLETE_H */
