/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings from files and words: what they become, what they replace, and
 * what is refused, with the file and the line.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/conf/internal.h"
#include "lib/base/util.h"

#define RAM (8 * GIB)

static struct rng rng;
static char directory[64], error[CONF_ERROR_SIZE + PATH_MAX];

static const char *
in_directory (const char *name)
{
  static char path[PATH_MAX];

  snprintf (path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void
begin (struct conf *c)
{
  conf_init (c);
  assert_true (c->ram > 0);
  c->ram = RAM;
  error[0] = '\0';
}

static void
put_file (const char *text, size_t length)
{
  FILE *file = fopen (in_directory ("a.conf"), "w");

  assert_non_null (file);
  assert_int_equal (fwrite (text, 1, length, file), length);
  assert_int_equal (fclose (file), 0);
}

static void
read_text (struct conf *c, const char *text)
{
  put_file (text, strlen (text));
  if (conf_read (c, in_directory ("a.conf"), error, sizeof error) == -1)
    fail_msg ("%s", error);
}

static void
set (struct conf *c, const char *word)
{
  if (conf_set_word (c, word, error, sizeof error) == -1)
    fail_msg ("%s: %s", word, error);
}

static void
assert_parameters (const struct conf *c, const char *wanted)
{
  char all[1024] = "";

  for (size_t i = 0; i < c->parameter_count; ++i) {
    strcat (all, i ? " " : "");
    strcat (all, c->parameters[i]);
  }
  assert_string_equal (all, wanted);
}

/* ---- what files say ---- */

TEST (whole_file)
{
  struct conf c;

  begin (&c);
  read_text (&c,
             "\xef\xbb\xbf# swap for this machine\n"
             "\n"
             "size = min(ram / 2, 4G)   # with room\n"
             "  algorithm=lz4\n"
             "\trecompress = zstd:level=3 ; first\n"
             "recompress = zstd:level=9:dict=auto\r\n"
             "mem-limit = ram / 4\n"
             "policy = on\n"
             "writeback-watermark = 70%\n"
             "backing = nbd://far/a#1\n"
             "backing = nbd://off\n"
             "backing-size = 2 * 3G\n"
             "; and the rest\n"
             "threads = 4\n"
             "priority = 7\n"
             "timeout = 5\n"
             "dead-timeout = 600\n"
             "connections = 3\n"
             "busy-poll = 50\n"
             "page-cluster = keep\n"
             "swappiness = 133\n"
             "min-free = 64M\n"
             "pool = /dev/shm/p\n"
             "listen = 0.0.0.0:10809");
  assert_int_equal (c.size, 4 * GIB);
  assert_parameters (&c, "algorithm=lz4 recompress=zstd:level=3 "
                     "recompress=zstd:level=9:dict=auto "
                     "mem-limit=2147483648 policy=on "
                     "writeback-watermark=70 backing=nbd://far/a#1 "
                     "backing=nbd://off "
                     "backing-size=6442450944");
  assert_string_equal (conf_parameter (&c, "backing"), "nbd://far/a#1");
  assert_null (conf_parameter (&c, "back"));
  assert_string_equal (c.pool, "/dev/shm/p");
  assert_string_equal (c.listen, "0.0.0.0:10809");
  assert_false (conf_has_tls (&c));
  assert_string_equal (c.obsolete, "threads");
  assert_int_equal (c.priority, 7);
  assert_int_equal (c.connections, 3);
  assert_int_equal (c.busy_poll, 50);
  assert_int_equal (c.timeout, 5);
  assert_int_equal (c.dead_timeout, 600);
  assert_int_equal (c.page_cluster, CONF_KEEP);
  assert_int_equal (c.swappiness, 133);
  assert_int_equal (c.min_free, 64 * MIB);
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  conf_free (&c);
}

TEST (defaults)
{
  struct conf c;

  begin (&c);
  read_text (&c, "");
  assert_int_equal (c.size, 0);
  assert_int_equal (c.parameter_count, 0);
  assert_null (c.pool);
  assert_null (c.listen);
  assert_false (conf_has_tls (&c));
  assert_int_equal (c.remote_count, 0);
  assert_false (c.mirror || c.stripe || c.attach_only);
  assert_int_equal (c.priority, 100);
  assert_int_equal (c.busy_poll, CONF_CHOOSE);
  assert_int_equal (c.connections, 2);
  assert_int_equal (c.timeout, 3);
  assert_int_equal (c.dead_timeout, 300);
  assert_int_equal (c.page_cluster, 0);
  assert_int_equal (c.swappiness, 150);
  assert_int_equal (c.min_free, CONF_CHOOSE);
  conf_free (&c);
}

TEST (words_for_numbers)
{
  struct conf c;

  begin (&c);
  read_text (&c, "priority = auto\nmin-free = keep\n"
             "swappiness = keep\n");
  assert_int_equal (c.priority, -1);
  assert_int_equal (c.min_free, CONF_KEEP);
  assert_int_equal (c.swappiness, CONF_KEEP);
  set (&c, "min-free=auto");
  assert_int_equal (c.min_free, CONF_CHOOSE);
  conf_free (&c);
}

/* A disk of whole blocks. */
TEST (size_is_rounded)
{
  struct conf c;

  begin (&c);
  set (&c, "size=ram / 3");
  assert_int_equal (c.size, RAM / 3 / 4096 * 4096);
  set (&c, "size=1M + 4097");
  assert_int_equal (c.size, MIB + 4096);
  set (&c, "size=1M");
  assert_int_equal (c.size, MIB);
  conf_free (&c);
}

/* ---- layers ---- */

TEST (later_layers_replace)
{
  struct conf c;

  begin (&c);
  read_text (&c, "size = 1G\nalgorithm = lz4\nrecompress = lzo\n"
             "recompress = zstd\npool = /a\n");
  read_text (&c, "recompress = deflate\nsize = 2G\n");
  assert_int_equal (c.size, 2 * GIB);
  assert_parameters (&c, "algorithm=lz4 recompress=deflate");
  conf_new_layer (&c);
  set (&c, "recompress=lz4hc");
  set (&c, "recompress=zstd");
  set (&c, "algorithm=lzo");
  set (&c, "algorithm=zstd");
  set (&c, "pool=/b");
  assert_parameters (&c, "recompress=lz4hc recompress=zstd algorithm=zstd");
  assert_string_equal (c.pool, "/b");
  conf_free (&c);
}

TEST (remotes_add_up)
{
  struct conf c;

  begin (&c);
  read_text (&c, "remote = nbd://a:10809/x\nremote = nbd://b\n");
  assert_int_equal (c.remote_count, 2);
  assert_string_equal (c.remotes[0], "nbd://a:10809/x");
  assert_string_equal (c.remotes[1], "nbd://b");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  conf_new_layer (&c);
  set (&c, "remote=nbd://c");
  assert_int_equal (c.remote_count, 1);
  assert_string_equal (c.remotes[0], "nbd://c");
  for (unsigned i = 1; i < CONF_REMOTES_MAX; ++i)
    set (&c, "remote=nbd://d");
  assert_int_equal (conf_set (&c, "remote", "nbd://e", error, sizeof error),
                    -1);
  assert_string_equal (error, "remote: at most 8 of them");
  assert_int_equal (c.remote_count, CONF_REMOTES_MAX);
  conf_free (&c);
}

TEST (both_files_of_a_name)
{
  char path[PATH_MAX];
  struct conf c;

  setenv ("NBDZRAM_CONF_DIR", directory, 1);
  setenv ("XDG_RUNTIME_DIR", directory, 1);
  begin (&c);
  assert_int_equal (conf_load (&c, "none", error, sizeof error), 0);
  assert_int_equal (c.size, 0);

  read_text (&c, "size = 1G\nrecompress = lzo\ntimeout = 9\n");
  conf_free (&c);

  begin (&c);
  set (&c, "size=3G");
  set (&c, "recompress=zstd");
  conf_run_path (path, sizeof path, "a");
  assert_int_equal (conf_write (&c, path, error, sizeof error), 0);
  conf_free (&c);

  begin (&c);
  assert_int_equal (conf_load (&c, "a", error, sizeof error), 0);
  assert_int_equal (c.size, 3 * GIB);
  assert_parameters (&c, "recompress=zstd");
  assert_int_equal (c.timeout, 3);
  set (&c, "recompress=deflate");
  assert_parameters (&c, "recompress=deflate");
  conf_free (&c);
  unlink (path);
  snprintf (path, sizeof path, "%s/nbdzram", directory);
  rmdir (path);
}

/* ---- refusals ---- */

static const struct {
  const char *text, *line, *why;
} refusals[] = {
  { "size = 1G\nsiez = 2G\n", "2", "unknown key 'siez'" },
  { "\n\n# x\nsize = 4X", "4", "size: '4X' has the unknown unit 'X'" },
  { "size = 1G - 2G", "1", "size: '1G - 2G' is less than nothing" },
  { "size = 1", "1", "size: '1' is 1 bytes, and must be from 1M to 1P;" },
  { "size = min(ram / 2, 4096)", "1", "size: 'min(ram / 2, 4096)' is 4096 "
    "bytes, and must be from 1M to 1P; a number without a unit is in bytes"
  },
  { "size = 4096", "1", "size: '4096' is 4096 bytes, and must" },
  { "size = 1M - 1", "1", "size: '1M - 1' is 1048575 bytes, and must" },
  { "export-size = 4096", "1", "export-size: '4096' is 4096 bytes" },
  { "export = a:size=4096", "1", "export: 'a:size=4096' is 4096 bytes" },
  { "export = a:quota=1G:size=1023K:allow=::1", "1", "is 1047552 bytes" },
  { "backing-size = 4096", "1", "backing-size: '4096' is 4096 bytes" },
  { "writeback-limit = 4096", "1", "writeback-limit: '4096' is 4096" },
  { "min-free = 64", "1", "min-free: '64' is 64 bytes, and must be from" },
  { "size = 2P", "1", "size: '2P' is 2251799813685248 bytes, and must" },
  { "size =", "1", "size: the value is missing" },
  { "size", "1", "the line is not KEY = VALUE" },
  { "= 4", "1", "unknown key ''" },
  { "size = 1G\nsize = 1G\n", "2", "size: the file says it a second" },
  { "policy = maybe", "1", "policy: 'maybe' is neither on nor off" },
  { "backing = cold", "1", "backing: 'cold' is no path" },
  { "pool = nbd://there", "1", "pool: 'nbd://there' is no path" },
  { "priority = 40000", "1",
    "priority: '40000' is not a whole number from 0 to 32767, or auto" },
  { "priority = -1", "1", "priority: '-1' is not a whole number" },
  { "connections = 1", "1", "connections: '1' is not a whole number from"
    " 2 to 16" },
  { "connections = 17", "1", "connections: '17' is not a whole number" },
  { "swappiness = 201", "1", "not a whole number from 0 to 200, or keep" },
  { "timeout = 99999999999999999999", "1", "timeout: '9999" },
  { "timeout = 2", "1", "timeout: '2' is not a whole number from 3 to 30" },
  { "timeout = 1s", "1", "timeout: '1s' is not" },
  { "maintenance-cpu = %", "1", "maintenance-cpu: '%' is not" },
  { "min-free = some", "1", "(ram, min and max are known), or keep, or "
    "auto" },
  { "name = x", "1", "name: follows from what the disk is called" },
  { "control = off", "1", "control: follows from" },
  { "[swap]\nsize = 1G\n", "1", "there are no sections" },
  { "size = 1G\n [x]", "2", "there are no sections" },
  { "size = 1G\n  size = 2G\n", "2", "size: the file says it a second" },
  { "remote = a\x01z", "1", "the line has a control character" },
  { "pool = /a\xfcz", "1", "pool: the value is not UTF-8" },
  { "Size = 1G", "1", "unknown key 'Size'" },
  { "si\033[1mze = 1G", "1", "the line has a control character" },
  { "si\rze = 1G", "1", "the line has a control character" },
  { "mem_limit = 1G", "1", "unknown key 'mem_limit'" },
};

TEST (refused_lines)
{
  for (unsigned i = 0; i < ARRAY_SIZE (refusals); ++i) {
    char prefix[PATH_MAX + 16];
    struct conf c;

    begin (&c);
    put_file (refusals[i].text, strlen (refusals[i].text));
    errno = 0;
    if (conf_read (&c, in_directory ("a.conf"), error, sizeof error) == 0)
      fail_msg ("'%s' was taken", refusals[i].text);
    assert_int_equal (errno, EINVAL);
    snprintf (prefix, sizeof prefix, "%s:%s: ", in_directory ("a.conf"),
              refusals[i].line);
    if (strncmp (error, prefix, strlen (prefix)) != 0
        || !strstr (error, refusals[i].why) || strchr (error, '\n'))
      fail_msg ("'%s': '%s', not '%s%s'", refusals[i].text, error, prefix,
                refusals[i].why);
    conf_free (&c);
  }
}

/* What is long is a comment, or blanks. */
TEST (long_lines)
{
  enum { LONG = 3000 };
  static const char *const fillers[] = {
    "#%s", "size = 1G #%s", "size = 1G %s",
  };
  struct conf c;

  for (unsigned i = 0; i < ARRAY_SIZE (fillers); ++i) {
    char filler[LONG + 1], text[2 * LONG];
    int n;

    memset (filler, i < 2 ? 'x' : ' ', LONG);
    filler[LONG] = '\0';
    n = snprintf (text, sizeof text, fillers[i], filler);
    n += snprintf (text + n, sizeof text - (size_t) n, "\npool = /a\n");
    begin (&c);
    put_file (text, (size_t) n);
    if (conf_read (&c, in_directory ("a.conf"), error, sizeof error) == -1)
      fail_msg ("%s", error);
    assert_string_equal (c.pool, "/a");
    assert_int_equal (c.size, i == 0 ? 0 : GIB);
    conf_free (&c);
  }
}

TEST (unreadable)
{
  struct conf c;

  begin (&c);
  assert_int_equal (conf_read (&c, directory, error, sizeof error), -1);
  assert_int_equal (errno, EISDIR);
  assert_non_null (strstr (error, ": Is a directory"));
  conf_free (&c);
}

TEST (refused_bytes)
{
  static const char zero[] = "size = 1G\n\0size = 2G\n";
  char line[1024] = "backing = /";
  struct conf c;

  begin (&c);
  put_file (zero, sizeof zero - 1);
  assert_int_equal (conf_read (&c, in_directory ("a.conf"), error,
                               sizeof error), -1);
  assert_non_null (strstr (error, "a.conf:2: the line has a zero byte"));
  memset (line + strlen (line), 'x', sizeof line - strlen (line));
  put_file (line, sizeof line);
  assert_int_equal (conf_read (&c, in_directory ("a.conf"), error,
                               sizeof error), -1);
  assert_non_null (strstr (error, "a.conf:1: the line is too long"));
  line[sizeof line - 1] = '\0';
  assert_int_equal (conf_set_word (&c, line, error, sizeof error), -1);
  assert_non_null (strstr (error, "unknown key 'backing '"));
  assert_int_equal (conf_set (&c, "backing", line + 10, error, sizeof error),
                    -1);
  assert_string_equal (error, "backing: the value has more than 160 bytes");
  assert_int_equal (conf_set_word (&c, "size", error, sizeof error), -1);
  assert_string_equal (error, "'size' is not KEY=VALUE");
  conf_free (&c);
}

TEST (refused_files)
{
  struct conf c;

  begin (&c);
  assert_int_equal (conf_read (&c, in_directory ("none"), error,
                               sizeof error), -1);
  assert_int_equal (errno, ENOENT);
  assert_non_null (strstr (error, "/none: No such file or directory"));
  assert_int_equal (conf_read (&c, directory, error, sizeof error), -1);
  assert_int_not_equal (errno, ENOENT);
  conf_free (&c);
}

/* ---- what makes no sense ---- */

static void
assert_senseless (struct conf *c, bool swap, const char *why)
{
  assert_int_equal (conf_check (c, swap, error, sizeof error), -1);
  assert_int_equal (errno, EINVAL);
  if (!strstr (error, why))
    fail_msg ("'%s', not '%s'", error, why);
}

TEST (senseless_sizes)
{
  struct conf c;

  begin (&c);
  assert_senseless (&c, false, "the size is missing");
  set (&c, "size=128G");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  set (&c, "size=128G + 4K");
  assert_int_equal (conf_check (&c, false, error, sizeof error), 0);
  assert_senseless (&c, true, "size: 131072M of swap is more than 16 times "
                    "what there is to keep it in: at most 131072M");
  set (&c, "backing-size=1G");
  assert_senseless (&c, true, "backing-size requires backing");
  set (&c, "backing=/var/lib/cold");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  set (&c, "writeback-limit=0");
  set (&c, "backing-size=1T");
  set (&c, "size=512G");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  set (&c, "size=512G + 4K");
  assert_senseless (&c, true, "size: 524288M of swap is more than 64 times "
                    "the memory: at most 524288M");
  set (&c, "size=512G");
  set (&c, "min-free=3G");
  assert_senseless (&c, true, "min-free: 3072M is more than a quarter");
  set (&c, "min-free=auto");
  set (&c, "timeout=30");
  set (&c, "dead-timeout=30");
  assert_senseless (&c, true, "dead-timeout: must be more than timeout");
  conf_free (&c);
}

TEST (block_sizes)
{
  struct conf c;

  begin (&c);
  read_text (&c, "size = 1G\n");
  assert_int_equal (conf_block_size (&c), 4096);
  set (&c, "block-size=4K");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  set (&c, "block-size=512");
  assert_senseless (&c, true, "block-size: swap has blocks of 4096 bytes");
  set (&c, "attach-only=on");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  set (&c, "block-size=auto");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  assert_int_equal (conf_block_size (&c), 512);
  set (&c, "block-size=2048");
  assert_int_equal (conf_block_size (&c), 2048);
  set (&c, "block-size=1536");
  assert_senseless (&c, true, "block-size: 1536 is not 512, 1024, 2048 or");
  assert_int_equal (conf_set (&c, "block-size", "256", error, sizeof error),
                    -1);
  assert_int_equal (conf_set (&c, "block-size", "8192", error, sizeof error),
                    -1);
  conf_free (&c);
}

TEST (here_or_elsewhere)
{
  static const struct {
    const char *word, *why;
  } local[] = {
    { "pool=/dev/shm/x", "pool and remote" },
    { "listen=:10809", "listen and remote" },
    { "tls-psk=/etc/keys", "tls-psk and remote" },
    { "tls-certificates=/etc/pki", "tls-certificates and remote" },
    { "busy-poll=off", "busy-poll and remote" },
  };
  struct conf c;

  begin (&c);
  set (&c, "remote=nbd://a");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  set (&c, "algorithm=zstd");
  assert_senseless (&c, true, "algorithm and remote: one is of a server");
  set (&c, "size=1G");
  assert_senseless (&c, true, "size and remote: a remote disk has");
  conf_free (&c);
  for (size_t i = 0; i < ARRAY_SIZE (local); ++i) {
    begin (&c);
    set (&c, "remote=nbd://a");
    set (&c, local[i].word);
    assert_senseless (&c, true, local[i].why);
    assert_senseless (&c, false, local[i].why);
    conf_free (&c);
  }
}

TEST (busy_poll)
{
  struct conf c;

  begin (&c);
  read_text (&c, "busy-poll = off\n");
  assert_int_equal (c.busy_poll, 0);
  set (&c, "busy-poll=10000");
  assert_int_equal (c.busy_poll, 10000);
  assert_int_equal (conf_set (&c, "busy-poll", "10001", error, sizeof error),
                    -1);
  assert_non_null (strstr (error, "busy-poll: '10001' is not a whole number "
                           "from 0 to 10000, or auto, or off"));
  set (&c, "busy-poll=auto");
  assert_int_equal (c.busy_poll, CONF_CHOOSE);
  conf_free (&c);
}

TEST (tls_or_swap)
{
  struct conf c;

  begin (&c);
  set (&c, "size=1G");
  set (&c, "tls-psk=/etc/keys");
  assert_string_equal (c.tls_psk, "/etc/keys");
  assert_true (conf_has_tls (&c));
  assert_int_equal (conf_check (&c, false, error, sizeof error), 0);
  assert_senseless (&c, true, "tls-psk: the kernel, which swaps, knows no");
  set (&c, "tls-certificates=/etc/pki");
  assert_senseless (&c, false, "tls-certificates and tls-psk: a server");
  conf_free (&c);
}

TEST (exports_add_up)
{
  struct conf c;

  begin (&c);
  read_text (&c, "export = a:size=1G\nexport = b:size=2G:quota=64M\n"
             "exports = /etc/guests\nmax-exports = 9\n"
             "export-size = ram / 8\nexport-quota = 16M\n");
  assert_parameters (&c, "export=a:size=1G export=b:size=2G:quota=64M "
                     "exports=/etc/guests max-exports=9 "
                     "export-size=1073741824 export-quota=16777216");
  conf_new_layer (&c);
  set (&c, "export=c");
  set (&c, "exports=auto");
  assert_parameters (&c, "max-exports=9 export-size=1073741824 "
                     "export-quota=16777216 export=c exports=auto");
  assert_int_equal (conf_set (&c, "exports", "guests", error, sizeof error),
                    -1);
  assert_string_equal (error, "exports: 'guests' is no path that begins with "
                       "a slash, or auto");
  conf_free (&c);
}

/* They need no disk without a name. */
TEST (exports_or_size)
{
  static const char *const words[] = { "export=a:size=1G", "exports=auto" };
  struct conf c;

  for (size_t i = 0; i < ARRAY_SIZE (words); ++i) {
    begin (&c);
    set (&c, "max-exports=4");
    assert_senseless (&c, false, "the size is missing");
    set (&c, words[i]);
    assert_true (conf_has_exports (&c));
    assert_int_equal (conf_check (&c, false, error, sizeof error), 0);
    assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
    set (&c, "size=1G");
    assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
    set (&c, "remote=nbd://a");
    assert_senseless (&c, true, "size and remote");
    conf_free (&c);
    begin (&c);
    set (&c, "remote=nbd://a");
    set (&c, words[i]);
    assert_senseless (&c, true, "and remote: one is of a server");
    conf_free (&c);
  }
}

TEST (open_to_everybody)
{
  struct conf c;

  begin (&c);
  set (&c, "export=a:size=1G:allow=192.0.2.1");
  set (&c, "export=b:allow=192.0.2.1:size=1G");
  assert_false (conf_is_open (&c));
  set (&c, "export=c:size=1G");
  assert_true (conf_is_open (&c));
  set (&c, "allow=192.0.2.1");
  assert_false (conf_is_open (&c));
  conf_free (&c);
  begin (&c);
  set (&c, "export=a:size=1G:allow=192.0.2.1");
  set (&c, "size=1G");
  assert_true (conf_is_open (&c));
  set (&c, "tls-psk=/etc/keys");
  assert_false (conf_is_open (&c));
  conf_free (&c);
  begin (&c);
  set (&c, "exports=auto");
  assert_true (conf_is_open (&c));
  conf_free (&c);
}

/* ---- there and back ---- */

static const char *
random_value (const char *key)
{
  static const char *const all[] = {
    "on", "off", "zstd:level=3", "/a/path", "17", "45%", "300", "1G",
    "ram / 3", "min(ram, 5G)", "keep", "auto", "nbd://host:1/x", "0", "2",
    "a b", "/p#1",
  };

  (void) key;
  return all[rng_below (&rng, ARRAY_SIZE (all))];
}

TEST (arrays)
{
  struct conf c;

  begin (&c);
  read_text (&c, "size = 1G\nmirror = on\n");
  assert_true (c.mirror);
  assert_senseless (&c, true, "mirror: of two servers at least");
  read_text (&c, "size = 1G\nmirror = no\nstripe = yes\n");
  assert_false (c.mirror);
  assert_senseless (&c, true, "stripe: of two servers at least");
  conf_free (&c);

  begin (&c);
  read_text (&c, "remote = nbd://a\nmirror = 1\nattach-only = true\n");
  assert_true (c.attach_only);
  assert_senseless (&c, true, "mirror: of two servers at least");
  read_text (&c, "remote = nbd://a\nremote = nbd://b\n");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  set (&c, "stripe=on");
  assert_senseless (&c, true, "mirror and stripe: several servers are one");
  set (&c, "mirror=off");
  assert_int_equal (conf_check (&c, true, error, sizeof error), 0);
  assert_int_equal (conf_set (&c, "mirror", "2", error, sizeof error), -1);
  assert_string_equal (error, "mirror: '2' is neither on nor off");
  conf_free (&c);
}

static void
assert_same_text (const char *a, const char *b)
{
  assert_string_equal (a ? a : "", b ? b : "");
}

static void
assert_same (const struct conf *a, const struct conf *b)
{
  assert_int_equal (a->size, b->size);
  assert_int_equal (a->parameter_count, b->parameter_count);
  for (size_t i = 0; i < a->parameter_count; ++i)
    assert_string_equal (a->parameters[i], b->parameters[i]);
  assert_same_text (a->pool, b->pool);
  assert_same_text (a->listen, b->listen);
  assert_same_text (a->tls_certificates, b->tls_certificates);
  assert_same_text (a->tls_psk, b->tls_psk);
  assert_int_equal (a->busy_poll, b->busy_poll);
  assert_int_equal (a->remote_count, b->remote_count);
  for (size_t i = 0; i < a->remote_count; ++i)
    assert_string_equal (a->remotes[i], b->remotes[i]);
  assert_int_equal (a->mirror, b->mirror);
  assert_int_equal (a->stripe, b->stripe);
  assert_int_equal (a->attach_only, b->attach_only);
  assert_int_equal (a->priority, b->priority);
  assert_int_equal (a->connections, b->connections);
  assert_int_equal (a->block_size, b->block_size);
  assert_int_equal (a->timeout, b->timeout);
  assert_int_equal (a->dead_timeout, b->dead_timeout);
  assert_int_equal (a->page_cluster, b->page_cluster);
  assert_int_equal (a->swappiness, b->swappiness);
  assert_int_equal (a->min_free, b->min_free);
}

TEST (written_and_read)
{
  const char *keys[100];
  size_t count = 0, taken = 0;

  for (const struct setting *e = conf_fields; e->name; ++e)
    keys[count++] = e->name;
  for (const struct setting *e = settings; e->name; ++e)
    if (conf_entry (e->name) == e)
      keys[count++] = e->name;
  for (unsigned i = 0; i < unit_scaled (3000); ++i) {
    struct conf a, b;

    begin (&a);
    begin (&b);
    for (uint64_t n = rng_below (&rng, 30); n > 0; --n) {
      const char *key = keys[rng_below (&rng, count)];

      taken += conf_set (&a, key, random_value (key), error,
                         sizeof error) == 0;
    }
    if (conf_write (&a, in_directory ("w.conf"), error, sizeof error) == -1
        || conf_read (&b, in_directory ("w.conf"), error, sizeof error) == -1)
      fail_msg ("%s", error);
    assert_same (&a, &b);
    conf_free (&a);
    conf_free (&b);
  }
  assert_true (taken > 1000);
}

/* Any file is settings or a line that says why not. */
TEST (random_files)
{
  static const char *const words[] = {
    "size", "recompress", "remote", "min-free", "name", " ", "=", "=", "\n",
    "\n", "\r\n", "\t", "#", ";", "[", "]", ":", "1G", "zstd", "\xef\xbb\xbf",
    "\x80", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  };
  unsigned taken = 0;

  for (unsigned i = 0; i < unit_scaled (20000); ++i) {
    char text[4096] = "";
    size_t length;
    struct conf c;

    for (uint64_t n = rng_below (&rng, 30); n > 0; --n)
      strcat (text, words[rng_below (&rng, ARRAY_SIZE (words))]);
    length = strlen (text);
    if (length > 0 && rng_below (&rng, 8) == 0)
      text[rng_below (&rng, length)] = '\0';
    begin (&c);
    put_file (text, length);
    if (conf_read (&c, in_directory ("a.conf"), error, sizeof error) == 0)
      taken++;
    else if (strncmp (error, in_directory ("a.conf:"),
                      strlen (in_directory ("a.conf:"))) != 0
             || strpbrk (error, "\n\r"))
      fail_msg ("'%s' for '%s'", error, text);
    conf_free (&c);
  }
  assert_true (taken > 100);
}

TEST (written_whole_or_not)
{
  struct conf c;

  begin (&c);
  assert_int_equal (conf_write (&c, in_directory ("no/ne/x"), error,
                                sizeof error), -1);
  assert_non_null (strstr (error, "no/ne/x: No such file"));
  assert_int_equal (conf_write (&c, in_directory (""), error, sizeof error),
                    -1);
  conf_free (&c);
}

/* ---- */

static int
setup (void **state)
{
  (void) state;
  snprintf (directory, sizeof directory, "/tmp/nbdzram-conf.XXXXXX");
  return mkdtemp (directory) ? 0 : -1;
}

static int
teardown (void **state)
{
  (void) state;
  unlink (in_directory ("a.conf"));
  unlink (in_directory ("w.conf"));
  return rmdir (directory);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (whole_file),
    cmocka_unit_test (defaults),
    cmocka_unit_test (words_for_numbers),
    cmocka_unit_test (size_is_rounded),
    cmocka_unit_test (later_layers_replace),
    cmocka_unit_test (remotes_add_up),
    cmocka_unit_test (both_files_of_a_name),
    cmocka_unit_test (refused_lines),
    cmocka_unit_test (refused_bytes),
    cmocka_unit_test (long_lines),
    cmocka_unit_test (unreadable),
    cmocka_unit_test (refused_files),
    cmocka_unit_test (senseless_sizes),
    cmocka_unit_test (block_sizes),
    cmocka_unit_test (here_or_elsewhere),
    cmocka_unit_test (arrays),
    cmocka_unit_test (busy_poll),
    cmocka_unit_test (tls_or_swap),
    cmocka_unit_test (exports_add_up),
    cmocka_unit_test (exports_or_size),
    cmocka_unit_test (open_to_everybody),
    cmocka_unit_test (random_files),
    cmocka_unit_test (written_and_read),
    cmocka_unit_test (written_whole_or_not),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests (tests, setup, teardown);
}
