/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings from files and words: what they become, what they replace, and
 * that they can be written and read again.
 */

#include <config.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/util.h"
#include "tests/lib/conf-file.h"

static struct rng rng;

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
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
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
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  conf_new_layer (&c);
  set (&c, "remote=nbd://c");
  assert_int_equal (c.remote_count, 1);
  assert_string_equal (c.remotes[0], "nbd://c");
  for (unsigned i = 1; i < CONF_REMOTES_MAX; ++i)
    set (&c, "remote=nbd://d");
  assert_int_equal (conf_set (&c, "remote", "nbd://e", cause, sizeof cause),
                    -1);
  assert_string_equal (cause, "remote: at most 8 of them");
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
  assert_int_equal (conf_load (&c, "none", cause, sizeof cause), 0);
  assert_int_equal (c.size, 0);

  read_text (&c, "size = 1G\nrecompress = lzo\ntimeout = 9\n");
  conf_free (&c);

  begin (&c);
  set (&c, "size=3G");
  set (&c, "recompress=zstd");
  conf_run_path (path, sizeof path, "a");
  assert_int_equal (conf_write (&c, path, cause, sizeof cause), 0);
  conf_free (&c);

  begin (&c);
  assert_int_equal (conf_load (&c, "a", cause, sizeof cause), 0);
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

      taken += conf_set (&a, key, random_value (key), cause,
                         sizeof cause) == 0;
    }
    if (conf_write (&a, in_directory ("w.conf"), cause, sizeof cause) == -1
        || conf_read (&b, in_directory ("w.conf"), cause, sizeof cause) == -1)
      fail_msg ("%s", cause);
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
    if (conf_read (&c, in_directory ("a.conf"), cause, sizeof cause) == 0)
      taken++;
    else if (strncmp (cause, in_directory ("a.conf:"),
                      strlen (in_directory ("a.conf:"))) != 0
             || strpbrk (cause, "\n\r"))
      fail_msg ("'%s' for '%s'", cause, text);
    conf_free (&c);
  }
  assert_true (taken > 100);
}

TEST (written_whole_or_not)
{
  struct conf c;

  begin (&c);
  assert_int_equal (conf_write (&c, in_directory ("no/ne/x"), cause,
                                sizeof cause), -1);
  assert_non_null (strstr (cause, "no/ne/x: No such file"));
  assert_int_equal (conf_write (&c, in_directory (""), cause, sizeof cause),
                    -1);
  conf_free (&c);
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
    cmocka_unit_test (random_files),
    cmocka_unit_test (written_and_read),
    cmocka_unit_test (written_whole_or_not),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests (tests, conf_setup, conf_teardown);
}
