/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks that need all settings together. */

#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/util.h"
#include "service/settings.h"

#include "conf.h"
#include "internal.h"

/* Memory does not compress better than that on average, and the tables of such
 * a disk, which are locked, take 4 % of it.
 */
#define SWAP_RATIO_MAX 16

/* More swap is not useful, however large the backing file is. */
#define SWAP_RAM_MAX 64

/* The pool's limit by default, as a share of the machine's memory, and how
 * much larger the disk is than it.  At worst, when nothing compresses, what
 * is swapped takes as much memory as it frees, so the limit costs nothing but
 * the processor's time; a quarter leaves the machine three quarters to work
 * in then.  When pages compress 3 : 1, it holds three quarters of the
 * memory's size.  Areas (area-plan.h) keep a size that is larger than what
 * fits from being a lie, so it is made for data that compresses 6 : 1: its
 * tables take 0.4 % of the memory.
 */
#define DEFAULT_LIMIT_SHARE 4
#define DEFAULT_SIZE_RATIO 6
#define DEFAULT_BACKING_RATIO 2

/* The size as a share of the machine's memory if the pool has no limit. */
#define DEFAULT_SIZE_SHARE 2

static uint64_t
parameter_number (const struct conf *c, const char *key)
{
  const char *value = conf_parameter (c, key);

  return value ? strtoull (value, NULL, 10) : 0;
}

/* The message names the file where the user can set the size. */
static int
refuse_without_size (const struct conf *c, char *error, size_t size)
{
  if (c->file_missing)
    return conf_error (error, size, "the size is missing, and there is no %s; "
                       "create it with two lines, for example 'size = ram / "
                       "2' and 'algorithm = lz4'", c->file);
  return conf_error (error, size, "the size is missing%s%s: size = 4G, or "
                     "size = ram / 2", c->file ? " in " : "",
                     c->file ? c->file : "");
}

static int
check_remote (const struct conf *c, char *error, size_t size)
{
  const struct {
    const char *key, *value;
  } local[] = {
    { "pool", c->pool }, { "listen", c->listen },
    { "tls-certificates", c->tls_certificates }, { "tls-psk", c->tls_psk },
  };

  if (c->size > 0)
    return conf_error (error, size, "size and remote: a remote disk has the "
                       "size that its server gives it");
  if (c->parameter_count > 0)
    return conf_error (error, size, "%.*s and remote: one is of a server "
                       "here, the other of one elsewhere",
                       (int) strcspn (c->parameters[0], "="),
                       c->parameters[0]);
  for (size_t i = 0; i < ARRAY_SIZE (local); ++i)
    if (local[i].value)
      return conf_error (error, size, "%s and remote: one is of a server "
                         "here, the other of one elsewhere", local[i].key);
  if (c->busy_poll != CONF_CHOOSE)
    return conf_error (error, size, "busy-poll and remote: one is of a server "
                       "here, the other of one elsewhere");
  return 0;
}

static int
check_array (const struct conf *c, char *error, size_t size)
{
  if (c->mirror && c->stripe)
    return conf_error (error, size, "mirror and stripe: several servers are "
                       "one of them");
  if ((c->mirror || c->stripe) && c->remote_count < 2)
    return conf_error (error, size, "%s: of two servers at least, each a "
                       "remote", c->mirror ? "mirror" : "stripe");
  return 0;
}

static int
check_tls (const struct conf *c, bool swap, char *error, size_t size)
{
  if (c->tls_certificates && c->tls_psk)
    return conf_error (error, size, "tls-certificates and tls-psk: a server "
                       "knows its clients by one of them");
  if (swap && conf_has_tls (c))
    return conf_error (error, size, "%s: the kernel, which swaps, knows no "
                       "TLS", c->tls_psk ? "tls-psk" : "tls-certificates");
  return 0;
}

static int
check_swap (const struct conf *c, char *error, size_t size)
{
  uint64_t most = SWAP_RATIO_MAX * (c->ram
                                    + parameter_number (c, "backing-size"));

  if (c->ram > 0 && c->remote_count == 0
      && c->size > MIN (most, SWAP_RAM_MAX * c->ram))
    return most < SWAP_RAM_MAX * c->ram
      ? conf_error (error, size, "size: %" PRIu64 "M of swap is more than %d "
                    "times what there is to keep it in: at most %" PRIu64 "M",
                    c->size / MIB, SWAP_RATIO_MAX, most / MIB)
      : conf_error (error, size, "size: %" PRIu64 "M of swap is more than %d "
                    "times the memory: at most %" PRIu64 "M", c->size / MIB,
                    SWAP_RAM_MAX, SWAP_RAM_MAX * c->ram / MIB);
  if (c->ram > 0 && c->min_free > (int64_t) (c->ram / 4))
    return conf_error (error, size, "min-free: %" PRIu64 "M is more than a "
                       "quarter of the memory (%" PRIu64 "M)",
                       (uint64_t) c->min_free / MIB, c->ram / MIB);
  if (!is_power_of_2 (conf_block_size (c)))
    return conf_error (error, size, "block-size: %" PRIu64 " is not 512, "
                       "1024, 2048 or 4096", conf_block_size (c));
  if (!c->attach_only && conf_block_size (c) != DISK_SIZE_UNIT)
    return conf_error (error, size, "block-size: swap has blocks of 4096 "
                       "bytes; others are for attach-only");
  if (c->dead_timeout <= c->timeout)
    return conf_error (error, size, "dead-timeout: must be more than timeout");
  return 0;
}

/* The digits of mode are octal. */
static int
check_mode (const struct conf *c, char *error, size_t size)
{
  for (int n = c->mode; n > 0; n /= 10)
    if (n % 10 > 7)
      return conf_error (error, size, "mode: %d has a digit above 7", c->mode);
  return 0;
}

/* Is each parameter there without which another one is an error? */
static int
check_needs (const struct conf *c, char *error, size_t size)
{
  for (const struct setting *s = settings; s->name; ++s)
    if (s->needs && parameter_number (c, s->name) > 0
        && !conf_parameter (c, s->needs))
      return conf_error (error, size, "%s requires %s", s->name, s->needs);
  return 0;
}

/* ---- the size of a swap ---- */

/* Areas are for a local disk that is swap and nothing else: only then may the
 * size be more than what fits.  A name without any setting is probably
 * misspelt, unless it is the name by default.
 */
static bool
has_default_size (const struct conf *c, const char *name)
{
  if (c->file_missing && c->parameter_count == 0
      && strcmp (name, CONF_SWAP_NAME) != 0)
    return false;
  return c->size == 0 && c->remote_count == 0 && !conf_has_exports (c)
    && !c->attach_only && !c->mount_point && !c->listen && c->areas > 1
    && c->ram > 0;
}

int
conf_choose_size (struct conf *c, const char *name, char *error, size_t size)
{
  char text[SIZE_TEXT_SIZE];
  uint64_t limit = align_down (c->ram / DEFAULT_LIMIT_SHARE, MIB), bytes;

  if (!has_default_size (c, name))
    return 0;
  if (conf_parameter (c, "mem-limit"))
    limit = parameter_number (c, "mem-limit");
  else if (conf_set (c, "mem-limit", size_text (text, limit), error, size)
           == -1)
    return -1;
  bytes = limit == 0 ? c->ram / DEFAULT_SIZE_SHARE : DEFAULT_SIZE_RATIO * limit
    + DEFAULT_BACKING_RATIO * parameter_number (c, "backing-size");
  c->size = align_down (MIN (bytes, SWAP_RAM_MAX * c->ram), DISK_SIZE_UNIT);
  return 0;
}

/* ---- all ---- */

int
conf_check (const struct conf *c, bool swap, char *error, size_t size)
{
  if (c->remote_count > 0 && check_remote (c, error, size) == -1)
    return -1;
  if (c->remote_count == 0 && c->size == 0 && !conf_has_exports (c))
    return refuse_without_size (c, error, size);
  if (check_needs (c, error, size) == -1
      || check_mode (c, error, size) == -1)
    return -1;
  if (check_array (c, error, size) == -1
      || check_tls (c, swap, error, size) == -1)
    return -1;
  return swap ? check_swap (c, error, size) : 0;
}
