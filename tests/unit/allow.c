/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which addresses may connect. */

#include <config.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "service/allow.h"

static struct sockaddr_storage
address (const char *text)
{
  struct sockaddr_storage a = { .ss_family = AF_INET };

  if (inet_pton (AF_INET, text, &((struct sockaddr_in *) &a)->sin_addr) == 1)
    return a;
  a.ss_family = AF_INET6;
  assert_int_equal (inet_pton (AF_INET6, text,
                               &((struct sockaddr_in6 *) &a)->sin6_addr), 1);
  return a;
}

static bool
permits (const struct allow *a, const char *text)
{
  const struct sockaddr_storage peer = address (text);

  return allow_permits (a, (const struct sockaddr *) &peer);
}

TEST (by_hand)
{
  static const struct {
    const char *list, *in, *out;
  } rows[] = {
    { "127.0.0.1", "127.0.0.1", "127.0.0.2" },
    { "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
    { "192.0.2.77/24", "192.0.2.1", "192.0.1.77" },
    { "10.0.0.0/9", "10.127.255.255", "10.128.0.0" },
    { "10.0.0.1/31", "10.0.0.0", "10.0.0.2" },
    { "0.0.0.0/0", "255.255.255.255", "2001:db8::1" },
    { "::1", "::1", "::2" },
    { "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
    { "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::" },
    { "127.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1" },
    { "::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9" },
    { "192.0.2.1,::1,198.51.100.0/24", "198.51.100.3", "203.0.113.1" },
    { "::/1", "7fff::", "8000::" },
  };
  char error[256];

  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    struct allow a = { .count = 0 };

    assert_int_equal (allow_add (&a, rows[i].list, error, sizeof error), 0);
    if (!permits (&a, rows[i].in) || permits (&a, rows[i].out))
      fail_msg ("%s", rows[i].list);
    allow_free (&a);
  }
}

/* Against comparing one bit after the other. */
TEST (by_chance)
{
  struct rng rng = { unit_seed () };

  for (unsigned n = unit_scaled (20000); n > 0; --n) {
    struct sockaddr_in6 peer = { .sin6_family = AF_INET6 };
    uint8_t prefix[16], *other = peer.sin6_addr.s6_addr;
    unsigned bits = (unsigned) rng_below (&rng, 129), same = 0;
    char text[64], list[80], error[256];
    struct allow a = { .count = 0 };

    for (unsigned i = 0; i < 16; ++i)
      prefix[i] = other[i] = (uint8_t) rng_next (&rng);
    other[rng_below (&rng, 16)] ^= (uint8_t) (1 << rng_below (&rng, 8));
    while (same < 128 && !((prefix[same / 8] ^ other[same / 8])
                           & (0x80 >> same % 8)))
      ++same;
    inet_ntop (AF_INET6, prefix, text, sizeof text);
    snprintf (list, sizeof list, "%s/%u", text, bits);
    assert_int_equal (allow_add (&a, list, error, sizeof error), 0);
    assert_int_equal (allow_permits (&a, (struct sockaddr *) &peer),
                      same >= bits);
    allow_free (&a);
  }
}

TEST (nobody_and_everybody)
{
  const struct sockaddr_un local = { .sun_family = AF_UNIX };
  const struct sockaddr other = { .sa_family = AF_APPLETALK };
  struct allow a = { .count = 0 };
  char error[256];

  assert_true (permits (&a, "192.0.2.1") && permits (&a, "::"));
  assert_true (allow_permits (&a, &other));
  assert_int_equal (allow_add (&a, "192.0.2.1", error, sizeof error), 0);
  assert_int_equal (allow_add (&a, "192.0.2.2", error, sizeof error), 0);
  assert_true (permits (&a, "192.0.2.1") && permits (&a, "192.0.2.2"));
  assert_false (permits (&a, "192.0.2.3"));
  assert_true (allow_permits (&a, (const struct sockaddr *) &local));
  assert_false (allow_permits (&a, &other));
  allow_free (&a);
}

TEST (mistakes)
{
  static const char *const lists[] = {
    "", ",", "127.0.0.1,", ",127.0.0.1", "localhost", "127.0.0.1/33",
    "127.0.0.1/-1", "127.0.0.1/", "127.0.0.1/8x", "127.0.0.1/ 8", "::1/129",
    "127.0.0", "1.2.3.4/0008", "all", "[::1]", "::1%lo",
    "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff:"
    "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff:"
    "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff:aaaaaaaaaaaaaaaaaaaaa",
  };
  char error[256];

  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; ++i) {
    struct allow a = { .count = 0 };

    if (allow_add (&a, lists[i], error, sizeof error) == 0)
      fail_msg ("'%s' was taken", lists[i]);
    assert_non_null (strstr (error, "is neither an address"));
    allow_free (&a);
  }
}

TEST (names)
{
  const struct sockaddr_un local = { .sun_family = AF_UNIX };
  struct sockaddr_storage a = address ("192.0.2.1");
  char name[ALLOW_NAME_SIZE];

  assert_string_equal (allow_name ((struct sockaddr *) &a, name),
                       "192.0.2.1");
  a = address ("2001:db8::1");
  assert_string_equal (allow_name ((struct sockaddr *) &a, name),
                       "2001:db8::1");
  assert_string_equal (allow_name ((const struct sockaddr *) &local, name),
                       "a client");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (by_hand),
    cmocka_unit_test (by_chance),
    cmocka_unit_test (nobody_and_everybody),
    cmocka_unit_test (mistakes),
    cmocka_unit_test (names),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
