/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verbs that work on the pages, at once and as long as it takes. */

#include <config.h>

#include "compact.h"
#include "control-verbs.h"

json_t *
verb_compact (struct control_context *context, json_t *args,
              const _Atomic bool *cancelled)
{
  (void) args;
  (void) cancelled;
  return json_pack ("{s:b, s:I}", "ok", 1, "freed_bytes",
                    (json_int_t) pool_compact (context->pool));
}
