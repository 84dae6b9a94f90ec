/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "lib/base/util.h"

#include "policy.h"

uint64_t
policy_writeback_age (const struct policy_settings *s,
                      const struct policy_view *v)
{
  uint64_t mark, above, room;

  if (!v->can_write_back)
    return UINT64_MAX;
  if (v->mem_limit == 0)
    return s->writeback_age;
  mark = v->mem_limit / 100 * s->watermark;
  if (v->mem_used < mark)
    return UINT64_MAX;
  above = MIN (v->mem_used, v->mem_limit) - mark;
  room = v->mem_limit - mark;
  /* In 1024ths, so that no product overflows. */
  above = above / (room / 1024 + 1);
  return MAX (MIN (WRITEBACK_AGE_MIN, s->writeback_age),
              s->writeback_age * (1024 - MIN (above, 1024)) / 1024);
}

static bool
is_wasteful (const struct policy_view *v)
{
  uint64_t waste = v->in_zspages - MIN (v->in_objects, v->in_zspages);

  return waste > WASTE_BYTES && waste > v->in_zspages / WASTE_PART;
}

/* Seconds to wait before looking for pages of this age again. */
static uint64_t
interval_for_age (uint64_t age)
{
  return MAX (1, MIN (60, age / 8));
}

/* Return true if ACTION is due at NOW, and schedule the next one after WAIT
 * seconds.
 */
static bool
claim_turn (struct policy *p, enum policy_action action, uint64_t now,
            uint64_t wait)
{
  if (now < p->next[action])
    return false;
  p->next[action] = now + wait;
  return true;
}

struct policy_decision
policy_decide (struct policy *p, const struct policy_settings *s,
               const struct policy_view *v, uint64_t now)
{
  uint64_t writeback_age = policy_writeback_age (s, v);
  uint64_t group_age = s->recompress_age * GROUP_AGES;

  if (!s->on)
    return (struct policy_decision) { POLICY_REST, 0 };
  /* The actions that free memory soonest come first. */
  if (v->needs_cleaning && claim_turn (p, POLICY_CLEAN, now, 1))
    return (struct policy_decision) { POLICY_CLEAN, 0 };
  if (writeback_age != UINT64_MAX
      && claim_turn (p, POLICY_WRITE_BACK, now,
                     interval_for_age (writeback_age)))
    return (struct policy_decision) { POLICY_WRITE_BACK, writeback_age };
  if (v->needs_training && claim_turn (p, POLICY_TRAIN, now, TRAIN_INTERVAL))
    return (struct policy_decision) { POLICY_TRAIN, 0 };
  if (v->can_recompress && s->group
      && claim_turn (p, POLICY_GROUP, now, interval_for_age (group_age)))
    return (struct policy_decision) { POLICY_GROUP, group_age };
  if (v->can_recompress
      && claim_turn (p, POLICY_RECOMPRESS, now,
                     interval_for_age (s->recompress_age)))
    return (struct policy_decision) { POLICY_RECOMPRESS, s->recompress_age };
  if (v->has_stale && claim_turn (p, POLICY_REFRESH, now, 1))
    return (struct policy_decision) { POLICY_REFRESH, 0 };
  if (is_wasteful (v)
      && claim_turn (p, POLICY_COMPACT, now, COMPACT_INTERVAL))
    return (struct policy_decision) { POLICY_COMPACT, 0 };
  return (struct policy_decision) { POLICY_REST, 0 };
}
