/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of settings: what each parameter of a server is called, which
 * values it takes, and whether it can change while the server runs.
 *
 * The server's parameters, nbdkit zram --help, nbdzram set (in the command
 * and in the server), and the check of NAME.conf all use this table.  So a
 * new setting is a row here, a field of struct server_settings, the code
 * that uses the field, and the manual.  HACKING.md has the details.
 */

#ifndef NBDZRAM_SERVICE_SETTINGS_H
#define NBDZRAM_SERVICE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETTING_WORDS 3

/* Microseconds that nbdzramd may poll for a request: more would be a mistake
 * of the unit.
 */
#define BUSY_POLL_MAX 10000

/* Room for any error of setting_parse: the value may be long. */
#define SETTING_ERROR 512

enum setting_type {
  SETTING_TEXT,
  SETTING_PATH,
  SETTING_PLACE,                /* a path or a URI */
  SETTING_ALGORITHM,            /* NAME[:level=N]; the codecs check it */
  SETTING_WORD,                 /* one of the words */
  SETTING_BOOLEAN,
  SETTING_NUMBER,
  SETTING_SECONDS,
  SETTING_PERCENT,              /* "10" or "10%" */
  SETTING_SIZE,                 /* bytes; see parse-size.h */
};

struct setting {
  const char *name;             /* with dashes; in the control protocol with
                                 * underscores */
  enum setting_type type;
  bool repeats;                 /* each use adds a value */
  bool live;                    /* can change while the server runs */
  bool power_of_2;              /* of sizes */
  uint64_t min, max;            /* of numbers and sizes, both allowed; max 0:
                                 * no maximum */
  uint64_t conf_min;            /* the minimum in NAME.conf, if that is more:
                                 * less is probably a forgotten unit */
  bool or_zero;                 /* zero is allowed below conf_min */
  const char *needs;            /* setting without which this one is an
                                 * error; or NULL */
  struct {
    const char *name;
    int64_t value;
  } words[SETTING_WORDS];       /* values besides those of the type */

  const char *values;           /* placeholder for --help, as <SIZE> */
  const char *help;             /* lines with '\n' between */

  size_t offset, bytes;         /* of the field in struct server_settings, or
                                 * in that of another table;
                                 * bytes 0: a function there sets it */
};

extern const struct setting settings[]; /* ended by a NULL name */

/* The setting called NAME, of LENGTH bytes, in TABLE, which is ended by a NULL
 * name; or NULL.
 */
const struct setting *setting_find_in (const struct setting *table,
                                       const char *name, size_t length);

/* The same in the table above. */
const struct setting *setting_find (const char *name, size_t length);

/* Set and get the field of S in BASE, which is an integer or a bool. */
void setting_set_field (void *base, const struct setting *s, int64_t value);
int64_t setting_get_field (const void *base, const struct setting *s);

/* Is TEXT one of the words of S?  If so, *VALUE is what it stands for. */
bool setting_is_word (const struct setting *s, const char *text,
                      int64_t *value);

/* Numbers, sizes, booleans and single words have an integer as their value;
 * all other types have the text itself.
 */
bool setting_is_integer (const struct setting *s);

/* Check TEXT as the value of S, and convert it to an integer in *VALUE,
 * which stays as it is for a setting that has none.  "ram" in a size is RAM
 * bytes.  Returns 0, or -1 with errno EINVAL and "NAME: 'TEXT' is ..." in
 * ERROR.  Algorithms, paths and texts are not checked.
 */
int setting_parse (const struct setting *s, const char *text, uint64_t ram,
                   int64_t *value, char *error, size_t size);

/* The same with the stricter minimum of NAME.conf. */
int setting_parse_conf (const struct setting *s, const char *text,
                        uint64_t ram, int64_t *value, char *error,
                        size_t size);

/* ", or WORD, or WORD" for the words of S, for messages. */
#define SETTING_OR_WORDS_SIZE 64
const char *setting_or_words (const struct setting *s,
                              char text[SETTING_OR_WORDS_SIZE]);

/* The key of S in the control protocol. */
#define SETTING_KEY_SIZE 32
const char *setting_key (const struct setting *s,
                         char key[SETTING_KEY_SIZE]);

/* The setting with this key that can change while the server runs, or
 * NULL.
 */
const struct setting *setting_find_live (const char *key);

/* The help of all settings, in TEXT. */
#define SETTINGS_HELP_SIZE 8192
void settings_help (char text[SETTINGS_HELP_SIZE]);

/* BYTES as it can be typed back, exactly: "1M", or "4097 bytes". */
#define SIZE_TEXT_SIZE 32
const char *size_text (char text[SIZE_TEXT_SIZE], uint64_t bytes);

#endif /* NBDZRAM_SERVICE_SETTINGS_H */
