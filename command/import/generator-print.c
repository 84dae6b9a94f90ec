/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints settings of ours for a device of zram-generator. */

#include <config.h>

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "command/conf/conf.h"
#include "lib/base/util.h"

#include "expression.h"
#include "functions.h"
#include "generator.h"
#include "print-algorithms.h"

#define DEFAULT_SIZE "min(ram / 2, 4096)"
#define DEFAULT_FRACTION "0.5"

#define COMMENT_WIDTH 77
#define COMMENT_SIZE 2048
#define BLANKS " \t\n"

/* Breaks the lines at blanks. */
void
generator_print_comment (FILE *out, const char *format, ...)
{
  char text[COMMENT_SIZE];
  const char *at = text;
  size_t column = 0, length;
  va_list ap;

  va_start (ap, format);
  vsnprintf (text, sizeof text, format, ap);
  va_end (ap);
  while (at += strspn (at, BLANKS), (length = strcspn (at, BLANKS)) > 0) {
    if (column > 0 && column + 1 + length > COMMENT_WIDTH) {
      putc ('\n', out);
      column = 0;
    }
    column += (size_t) fprintf (out, "%s%.*s", column > 0 ? " " : "# ",
                                (int) length, at);
    at += length;
  }
  putc ('\n', out);
}

bool
print_setting (struct printing *p, const char *key, const char *value)
{
  char error[CONF_ERROR_SIZE];

  if (conf_set (&p->conf, key, value, error, sizeof error) == -1) {
    generator_print_comment (p->out, "Left out: %s = %s.  %s.", key, value,
                             error);
    return false;
  }
  fprintf (p->out, "%s = %s\n", key, value);
  return true;
}

static const char *
value_of (const struct printing *p, enum generator_key key)
{
  return p->device->values[key];
}

/* ---- sizes ---- */

static bool
is_zero (const struct printing *p, const char *text)
{
  char error[CONF_ERROR_SIZE];
  struct expression e;

  return expression_parse (text, p->ram, &e, error, sizeof error) == 0
    && !e.variable[0] && fpclassify (e.megabytes) == FP_ZERO;
}

/* Prints our KEY for TEXT, the value of THEIRS. */
static void
print_size (struct printing *p, const char *key, const char *theirs,
            const char *text)
{
  char error[CONF_ERROR_SIZE], bytes[TEXT_NUMBER_SIZE];
  struct expression e;

  if (expression_parse (text, p->ram, &e, error, sizeof error) == -1)
    generator_print_comment (p->out, "Left out: %s = %s %s.", theirs, text,
                             error);
  else if (e.variable[0])
    generator_print_comment (p->out, "Left out: %s = %s, since %s is not "
                             "known: a program sets it there.  Add %s = SIZE.",
                             theirs, text, e.variable, key);
  else if (e.size[0])
    print_setting (p, key, e.size);
  else if (!(e.megabytes >= 0 && e.megabytes * MIB < (double) DISK_SIZE_MAX))
    generator_print_comment (p->out, "Left out: %s = %s has no value on this "
                             "machine.", theirs, text);
  else {
    snprintf (bytes, sizeof bytes, "%.0f", floor (e.megabytes * MIB));
    generator_print_comment (p->out, "%s = %s can't be written here; this is "
                             "its value on a machine of %" PRIu64 "M:", theirs,
                             text, p->ram);
    print_setting (p, key, bytes);
  }
}

static void
print_disk_size_of (struct printing *p, const char *theirs, const char *text)
{
  if (is_zero (p, text))
    generator_print_comment (p->out, "Left out: %s = %s.  zram-generator "
                             "makes no such device.", theirs, text);
  else
    print_size (p, "size", theirs, text);
}

/* The obsolete keys override zram-size there. */
static void
print_disk_size (struct printing *p)
{
  const char *fraction = value_of (p, ZRAM_FRACTION);
  const char *max = value_of (p, MAX_ZRAM_SIZE);
  const char *size = value_of (p, ZRAM_SIZE);
  char text[CONF_ERROR_SIZE];
  bool limited = max && strcmp (max, "none") != 0;

  if (!fraction && !max) {
    print_disk_size_of (p, "zram-size", size ? size : DEFAULT_SIZE);
    return;
  }
  if (size)
    generator_print_comment (p->out, "Left out: zram-size = %s, since "
                             "zram-fraction and max-zram-size override it.",
                             size);
  snprintf (text, sizeof text, limited ? "min(ram * %s, %s)" : "ram * %s",
            fraction ? fraction : DEFAULT_FRACTION, max);
  print_disk_size_of (p, "zram-fraction", text);
  if (!max)
    generator_print_comment (p->out, "The manual of zram-generator has a "
                             "max-zram-size of 4096 by default, but the "
                             "program has none.");
}

static void
print_memory_limit (struct printing *p)
{
  const char *limit = value_of (p, ZRAM_RESIDENT_LIMIT);

  if (!limit || is_zero (p, limit))
    return;
  print_size (p, "mem-limit", "zram-resident-limit", limit);
  if (conf_parameter (&p->conf, "mem-limit"))
    generator_print_comment (p->out, "mem-limit counts all memory that is "
                             "held, tables included.");
}

/* ---- the rest ---- */

static void
print_memory_condition (struct printing *p)
{
  const char *limit = value_of (p, HOST_MEMORY_LIMIT);

  if (!limit || strcmp (limit, "none") == 0)
    return;
  generator_print_comment (p->out, "Left out: host-memory-limit = %s.  To "
                           "have no such device on a machine with more "
                           "memory, let 'systemctl edit nbdzram-swap@%s' add "
                           "these lines to the unit:", limit,
                           p->device->name);
  fprintf (p->out, "#   [Unit]\n#   ConditionMemory=<=%sM\n", limit);
}

static void
print_backing (struct printing *p)
{
  const char *device = value_of (p, WRITEBACK_DEVICE);

  if (!device)
    return;
  if (print_setting (p, "backing", device))
    generator_print_comment (p->out, "There, pages are written back when a "
                             "program asks for it.  Here, the server writes "
                             "back what is idle for long (writeback-age, "
                             "writeback-watermark); with policy = off, only "
                             "'nbdzram writeback' does.  The device must "
                             "begin with 1M of zeroes.");
}

static void
print_priority (struct printing *p)
{
  const char *priority = value_of (p, SWAP_PRIORITY);

  if (priority)
    print_setting (p, "priority",
                   strcmp (priority, "-1") == 0 ? "auto" : priority);
}

static void
print_swap_options (struct printing *p)
{
  const char *options = value_of (p, OPTIONS);

  if (!options || strcmp (options, "discard") == 0)
    return;
  if (options[0] == '\0')
    generator_print_comment (p->out, "Left out: options without discard.  "
                             "Swap always has it here, so that freed pages "
                             "take no memory.");
  else
    generator_print_comment (p->out, "Left out: options = %s.  Swap always "
                             "has discard here, and no other options.",
                             options);
}

/* Does "nbdzram mount" make such a file system?  It makes ext4 for ext2: both
 * have no journal then.
 */
static bool
is_made_here (const char *type)
{
  static const char *const types[] = { "ext2", "ext4", "xfs", "btrfs" };

  for (size_t i = 0; type && i < ARRAY_SIZE (types); ++i)
    if (strcmp (type, types[i]) == 0)
      return true;
  return !type;
}

/* The list OPTIONS without the word discard, in LIST.  Returns whether it was
 * there.
 */
static bool
remove_discard (const char *options, char list[CONF_VALUE_MAX + 1])
{
  bool found = false;

  list[0] = '\0';
  for (size_t length; *options; options += length + (options[length] == ',')) {
    length = strcspn (options, ",");
    if (length == strlen ("discard") && strncmp (options, "discard", length)
        == 0)
      found = true;
    else if (strlen (list) + length + 1 < CONF_VALUE_MAX)
      sprintf (list + strlen (list), "%s%.*s", list[0] ? "," : "",
               (int) length, options);
  }
  return found;
}

/* Returns false if POINT can't be a setting. */
static bool
print_mount (struct printing *p, const char *point, const char *type,
             const char *options)
{
  char list[CONF_VALUE_MAX + 1] = "";

  if (!print_setting (p, "mount-point", point))
    return false;
  if (!type || strcmp (type, "ext2") == 0)
    generator_print_comment (p->out, "ext2 is ext4 without a journal here.");
  else
    print_setting (p, "fs-type", type);
  if (options && !remove_discard (options, list))
    generator_print_comment (p->out, "'nbdzram mount' always adds discard to "
                             "the options.");
  if (list[0])
    print_setting (p, "mount-options", list);
  generator_print_comment (p->out, "This is for 'nbdzram mount %s' and for "
                           "nbdzram-mount@%s.service.", p->device->name,
                           p->device->name);
  return true;
}

static void
print_file_system (struct printing *p)
{
  const char *point = value_of (p, MOUNT_POINT), *type = value_of (p, FS_TYPE);
  const char *options = value_of (p, OPTIONS);

  if (point && is_made_here (type) && print_mount (p, point, type, options))
    return;
  print_setting (p, "attach-only", "on");
  type = type ? type : "ext2";
  options = options ? options : "discard";
  generator_print_comment (p->out, "Left out: fs-type = %s%s%s.  'nbdzram "
                           "swapon %s' attaches the device, which 'nbdzram "
                           "status -o NAME,DEVICE' shows; then run:", type,
                           point ? ", mount-point = " : "", point ? point : "",
                           p->device->name);
  fprintf (p->out, "#   mkfs.%s DEVICE\n", type);
  if (point)
    fprintf (p->out, "#   mount%s%s DEVICE %s\n", options[0] ? " -o " : "",
             options, point);
  generator_print_comment (p->out, "Before 'nbdzram swapoff %s', unmount it.",
                           p->device->name);
}

static bool
is_swap (const struct generator_device *d)
{
  return !d->values[MOUNT_POINT]
    && (!d->values[FS_TYPE] || strcmp (d->values[FS_TYPE], "swap") == 0);
}

/* Tells what swapon would refuse on this machine. */
static void
print_verdict (struct printing *p)
{
  char error[CONF_ERROR_SIZE];

  if (p->conf.size > 0
      && conf_check (&p->conf, true, error, sizeof error) == -1)
    generator_print_comment (p->out, "On this machine, 'nbdzram swapon %s' "
                             "refuses this.  %s.", p->device->name, error);
}

void
generator_print (const struct generator *g, const struct generator_device *d,
                 FILE *out)
{
  struct printing p = { .device = d, .ram = g->ram, .out = out };
  char path[PATH_MAX];

  conf_init (&p.conf);
  conf_path (path, sizeof path, d->name);
  generator_print_comment (out, "%s, from [%s] of zram-generator", path,
                           d->name);
  for (size_t i = 0; i < g->remark_count; ++i)
    generator_print_comment (out, "%s", g->remarks[i]);
  putc ('\n', out);
  print_memory_condition (&p);
  print_disk_size (&p);
  print_memory_limit (&p);
  print_algorithms (&p, value_of (&p, COMPRESSION_ALGORITHM));
  print_backing (&p);
  if (is_swap (d)) {
    print_priority (&p);
    print_swap_options (&p);
  }
  else
    print_file_system (&p);
  print_verdict (&p);
  conf_free (&p.conf);
}
