/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings that make no sense together. */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/util.h"
#include "tests/lib/conf-file.h"

static void
assert_senseless (struct conf *c, bool swap, const char *why)
{
  assert_int_equal (conf_check (c, swap, cause, sizeof cause), -1);
  assert_int_equal (errno, EINVAL);
  if (!strstr (cause, why))
    fail_msg ("'%s', not '%s'", cause, why);
}

TEST (senseless_sizes)
{
  struct conf c;

  begin (&c);
  assert_senseless (&c, false, "the size is missing");
  set (&c, "size=128G");
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  set (&c, "size=128G + 4K");
  assert_int_equal (conf_check (&c, false, cause, sizeof cause), 0);
  assert_senseless (&c, true, "size: 131072M of swap is more than 16 times "
                    "what there is to keep it in: at most 131072M");
  set (&c, "backing-size=1G");
  assert_senseless (&c, true, "backing-size requires backing");
  set (&c, "backing=/var/lib/cold");
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  set (&c, "writeback-limit=0");
  set (&c, "backing-size=1T");
  set (&c, "size=512G");
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
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

/* What swap gets that says no size, of a machine with 8G. */
TEST (size_of_swap_by_default)
{
  static const struct {
    const char *words[3];
    const char *limit;
    uint64_t size;
  } cases[] = {
    { { NULL }, "2147483648", 12 * GIB },
    { { "algorithm=zstd" }, "2147483648", 12 * GIB },
    { { "mem-limit=1G" }, "1073741824", 6 * GIB },
    { { "mem-limit=0" }, "0", 4 * GIB },
    { { "size=3G" }, NULL, 3 * GIB },
    { { "size=3G", "mem-limit=1G" }, "1073741824", 3 * GIB },
    { { "backing=/cold", "backing-size=10G" }, "2147483648", 32 * GIB },
    { { "backing=/cold", "backing-size=1T" }, "2147483648", 512 * GIB },
    /* None of these is cut into areas. */
    { { "areas=1" }, NULL, 0 },
    { { "attach-only=on" }, NULL, 0 },
    { { "mount-point=/tmp" }, NULL, 0 },
    { { "export=a:size=1G" }, NULL, 0 },
    { { "remote=nbd://x" }, NULL, 0 },
    { { "listen=:10809" }, NULL, 0 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (cases); ++i) {
    const char *limit;
    struct conf c;

    begin (&c);
    for (size_t k = 0; k < 3 && cases[i].words[k]; ++k)
      set (&c, cases[i].words[k]);
    assert_int_equal (conf_choose_size (&c, "s", cause, sizeof cause), 0);
    assert_int_equal (c.size, cases[i].size);
    limit = conf_parameter (&c, "mem-limit");
    if (cases[i].limit)
      assert_string_equal (limit, cases[i].limit);
    else
      assert_null (limit);
    conf_free (&c);
  }
}

/* A name that no file and no setting tells of is misspelt, unless it is the
 * usual one.
 */
TEST (size_of_a_name_without_settings)
{
  struct conf c;

  begin (&c);
  c.file_missing = true;
  assert_int_equal (conf_choose_size (&c, "swpa0", cause, sizeof cause), 0);
  assert_int_equal (c.size, 0);
  assert_int_equal (conf_choose_size (&c, "swap0", cause, sizeof cause), 0);
  assert_int_equal (c.size, 12 * GIB);
  conf_free (&c);
  begin (&c);
  c.file_missing = true;
  set (&c, "mem-limit=1G");
  assert_int_equal (conf_choose_size (&c, "swpa0", cause, sizeof cause), 0);
  assert_int_equal (c.size, 6 * GIB);
  conf_free (&c);
}

TEST (block_sizes)
{
  struct conf c;

  begin (&c);
  read_text (&c, "size = 1G\n");
  assert_int_equal (conf_block_size (&c), 4096);
  set (&c, "block-size=4K");
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  set (&c, "block-size=512");
  assert_senseless (&c, true, "block-size: swap has blocks of 4096 bytes");
  set (&c, "attach-only=on");
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  set (&c, "block-size=auto");
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  assert_int_equal (conf_block_size (&c), 512);
  set (&c, "block-size=2048");
  assert_int_equal (conf_block_size (&c), 2048);
  set (&c, "block-size=1536");
  assert_senseless (&c, true, "block-size: 1536 is not 512, 1024, 2048 or");
  assert_int_equal (conf_set (&c, "block-size", "256", cause, sizeof cause),
                    -1);
  assert_int_equal (conf_set (&c, "block-size", "8192", cause, sizeof cause),
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
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
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
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  set (&c, "stripe=on");
  assert_senseless (&c, true, "mirror and stripe: several servers are one");
  set (&c, "mirror=off");
  assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
  assert_int_equal (conf_set (&c, "mirror", "2", cause, sizeof cause), -1);
  assert_string_equal (cause, "mirror: '2' is neither on nor off");
  conf_free (&c);
}

TEST (busy_poll)
{
  struct conf c;

  begin (&c);
  read_text (&c, "busy-poll = off\n");
  assert_int_equal (c.busy_poll, 0);
  set (&c, "busy-poll=10000");
  assert_int_equal (c.busy_poll, 10000);
  assert_int_equal (conf_set (&c, "busy-poll", "10001", cause, sizeof cause),
                    -1);
  assert_non_null (strstr (cause, "busy-poll: '10001' is not a whole number "
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
  assert_int_equal (conf_check (&c, false, cause, sizeof cause), 0);
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
  assert_int_equal (conf_set (&c, "exports", "guests", cause, sizeof cause),
                    -1);
  assert_string_equal (cause, "exports: 'guests' is no path that begins with "
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
    assert_int_equal (conf_check (&c, false, cause, sizeof cause), 0);
    assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
    set (&c, "size=1G");
    assert_int_equal (conf_check (&c, true, cause, sizeof cause), 0);
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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (senseless_sizes),
    cmocka_unit_test (size_of_swap_by_default),
    cmocka_unit_test (size_of_a_name_without_settings),
    cmocka_unit_test (block_sizes),
    cmocka_unit_test (here_or_elsewhere),
    cmocka_unit_test (arrays),
    cmocka_unit_test (busy_poll),
    cmocka_unit_test (tls_or_swap),
    cmocka_unit_test (exports_add_up),
    cmocka_unit_test (exports_or_size),
    cmocka_unit_test (open_to_everybody),
  };

  return cmocka_run_group_tests (tests, conf_setup, conf_teardown);
}
