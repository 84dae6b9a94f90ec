/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handshake: fixed newstyle negotiation.
 *
 * Each option has a function in a table.  It reads the option's data, sends
 * replies, and says how the handshake goes on.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/latency.h"
#include "lib/base/util.h"
#include "service/exports.h"
#include "service/server.h"

#include "connections.h"

/* Room for the longest option that is legal: an export's name and queries of
 * contexts.  The data of longer ones is skipped, up to SKIP_MAX.
 */
#define OPTION_DATA_MAX (64 * 1024)
#define SKIP_MAX (1024 * 1024)

#define BASE_ALLOCATION "base:allocation"
#define BASE_ALLOCATION_ID 1

/* How the handshake goes on. */
enum progress {
  NEXT_OPTION,
  EXPORT_CHOSEN,
  CLOSE,
};

struct negotiation {
  struct connection *c;
  struct nbd_option option;     /* the present one */
  struct nbd_reader data;       /* what is left of its data */
  const char *why;              /* of CLOSE; or NULL */
};

/* ---- replies ---- */

/* Sends a reply whose data are HEAD_SIZE bytes at HEAD, then SIZE bytes at
 * TAIL.
 */
static enum progress
reply_with (struct negotiation *n, uint32_t type, const void *head,
            size_t head_size, const void *tail, size_t size)
{
  uint8_t message[NBD_OPTION_REPLY_SIZE + 2 * NBD_STRING_MAX + 16];
  uint8_t *p = message + NBD_OPTION_REPLY_SIZE;

  nbd_option_reply_encode (message, n->option.type, type,
                           (uint32_t) (head_size + size));
  p = mempcpy (p, head, head_size);
  p = mempcpy (p, tail, size);
  if (channel_send (&n->c->channel, message, (size_t) (p - message)) == 0)
    return NEXT_OPTION;
  n->why = strerror (errno);
  return CLOSE;
}

static enum progress
reply (struct negotiation *n, uint32_t type)
{
  return reply_with (n, type, "", 0, "", 0);
}

/* An error that WHY explains to the user. */
static enum progress
reply_error (struct negotiation *n, uint32_t type, const char *why)
{
  return reply_with (n, type, "", 0, why, strlen (why));
}

static enum progress
close_because (struct negotiation *n, const char *why)
{
  n->why = why;
  return CLOSE;
}

/* ---- exports ---- */

/* Copies a name of LENGTH bytes, or the one that the empty name means, to
 * NAME.  Returns false if no export can have it.
 */
static bool
copy_name (const struct connection *c, const char *text, uint32_t length,
           char name[NBD_STRING_MAX + 1])
{
  if (memchr (text, '\0', length))
    return false;
  memcpy (name, text, length);
  name[length] = '\0';
  if (length == 0 && c->settings->default_export)
    snprintf (name, NBD_STRING_MAX + 1, "%s", c->settings->default_export);
  else if (length == 0)
    exports_get_default (name);
  return true;
}

static uint16_t
transmission_flags (const struct connection *c)
{
  uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH
    | NBD_FLAG_SEND_FUA | NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE;

  if (c->settings->read_only)
    flags |= NBD_FLAG_READ_ONLY;
  else
    flags |= NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES
      | NBD_FLAG_SEND_FAST_ZERO;
  if (c->style != NBD_SIMPLE)
    flags |= NBD_FLAG_SEND_DF;
  return flags;
}

/* The client has chosen the export called NAME: a context counts for the
 * export for which it was set.
 */
static void
forget_other_context (struct connection *c, const char *name, uint32_t length)
{
  c->block_status &= strlen (c->block_status_of) == length
    && memcmp (c->block_status_of, name, length) == 0;
}

static enum progress
on_export_name (struct negotiation *n)
{
  struct connection *c = n->c;
  char name[NBD_STRING_MAX + 1];
  uint8_t message[10 + NBD_EXPORT_NAME_ZEROES] = { 0 };
  struct device *d;

  /* This option has no reply for errors. */
  if (c->style == NBD_EXTENDED)
    return close_because (n, "extended headers exclude EXPORT_NAME");
  if (n->option.length > NBD_STRING_MAX
      || !copy_name (c, (const char *) n->data.p, n->option.length, name))
    return close_because (n, "the name of the export is not valid");
  d = server_attach_client (name);
  if (!d)
    return CLOSE;
  connections_set_device (c, d);
  nbd_put16 (nbd_put64 (message, d->size), transmission_flags (c));
  forget_other_context (c, (const char *) n->data.p, n->option.length);
  if (channel_send (&c->channel, message, c->no_zeroes ? 10 : sizeof message)
      == -1)
    return close_because (n, strerror (errno));
  return EXPORT_CHOSEN;
}

/* Appends a reply to OUTPUT: sending it could take long, and the export is
 * pinned meanwhile.
 */
static int
list_export (void *opaque, const char *name, const char *description)
{
  const struct negotiation *n = opaque;
  struct buffer *out = &n->c->output;
  size_t length = strlen (name), size = 4 + length + strlen (description);
  uint8_t *p;

  if (buffer_reserve (out, out->end + NBD_OPTION_REPLY_SIZE + size) == -1)
    return -1;
  p = out->bytes + out->end;
  nbd_option_reply_encode (p, n->option.type, NBD_REP_SERVER,
                           (uint32_t) size);
  p = nbd_put32 (p + NBD_OPTION_REPLY_SIZE, (uint32_t) length);
  p = mempcpy (p, name, length);
  memcpy (p, description, strlen (description));
  out->end += NBD_OPTION_REPLY_SIZE + size;
  return 0;
}

static enum progress
on_list (struct negotiation *n)
{
  struct buffer *out = &n->c->output;
  int r;

  if (exports_list (list_export, n) == -1) {
    buffer_clear (out);
    return reply_error (n, NBD_REP_ERR_TOO_BIG, strerror (ENOMEM));
  }
  r = channel_send (&n->c->channel, out->bytes, out->end);
  buffer_clear (out);
  return r == 0 ? reply (n, NBD_REP_ACK)
                : close_because (n, strerror (errno));
}

/* ---- INFO and GO ---- */

static enum progress
send_info_text (struct negotiation *n, enum nbd_info info, const char *text)
{
  uint8_t head[2];

  nbd_put16 (head, (uint16_t) info);
  return reply_with (n, NBD_REP_INFO, head, sizeof head, text,
                     strlen (text));
}

static enum progress
send_block_size (struct negotiation *n)
{
  uint8_t head[14], *p = nbd_put16 (head, NBD_INFO_BLOCK_SIZE);

  p = nbd_put32 (p, 1);
  p = nbd_put32 (p, n->c->settings->page_size);
  nbd_put32 (p, PAYLOAD_MAX);
  return reply_with (n, NBD_REP_INFO, head, sizeof head, "", 0);
}

static enum progress
send_export_info (struct negotiation *n, const struct device *d)
{
  uint8_t head[12], *p = nbd_put16 (head, NBD_INFO_EXPORT);

  p = nbd_put64 (p, d->size);
  nbd_put16 (p, transmission_flags (n->c));
  return reply_with (n, NBD_REP_INFO, head, sizeof head, "", 0);
}

/* Which NBD_INFO_... the client asks for, a bit each.  Requests that are not
 * known are ignored, as the specification wants.
 */
static unsigned
read_info_requests (struct negotiation *n, unsigned count)
{
  unsigned wanted = 0;

  for (; count > 0; --count) {
    uint16_t info = nbd_read16 (&n->data);

    if (info <= NBD_INFO_BLOCK_SIZE)
      wanted |= 1u << info;
  }
  return wanted;
}

/* Sends what the client WANTED, and what every client gets. */
static enum progress
send_infos (struct negotiation *n, const struct device *d, unsigned wanted)
{
  char text[EXPORT_DESCRIPTION_SIZE];
  enum progress r = send_export_info (n, d);

  if (r == NEXT_OPTION && (wanted & 1u << NBD_INFO_NAME) != 0)
    r = send_info_text (n, NBD_INFO_NAME, d->name);
  if (r == NEXT_OPTION && (wanted & 1u << NBD_INFO_DESCRIPTION) != 0) {
    exports_describe (d, text);
    r = send_info_text (n, NBD_INFO_DESCRIPTION, text);
  }
  if (r == NEXT_OPTION && (wanted & 1u << NBD_INFO_BLOCK_SIZE) != 0)
    r = send_block_size (n);
  return r;
}

static enum progress
on_info_or_go (struct negotiation *n)
{
  struct connection *c = n->c;
  char name[NBD_STRING_MAX + 1];
  uint32_t length;
  const char *text = nbd_read_string (&n->data, &length);
  unsigned requests = nbd_read16 (&n->data);
  struct device *d;
  enum progress r;

  if (n->data.failed || n->data.left != 2 * requests)
    return reply_error (n, NBD_REP_ERR_INVALID,
                        "a length or a string in the option is not valid");
  d = copy_name (c, text, length, name) ? server_attach_client (name) : NULL;
  if (!d)
    return reply_error (n, NBD_REP_ERR_UNKNOWN,
                        "there is no such export for this client");
  /* From now on the export's removal ends the connection. */
  if (n->option.type == NBD_OPT_GO)
    connections_set_device (c, d);
  r = send_infos (n, d, read_info_requests (n, requests));
  if (r == NEXT_OPTION)
    r = reply (n, NBD_REP_ACK);
  if (n->option.type != NBD_OPT_GO)
    server_detach_client (d);
  else if (r == NEXT_OPTION) {
    forget_other_context (c, text, length);
    r = EXPORT_CHOSEN;
  }
  return r;
}

/* ---- what is agreed on ---- */

static enum progress
on_structured_reply (struct negotiation *n)
{
  if (n->c->style == NBD_EXTENDED)
    return reply_error (n, NBD_REP_ERR_EXT_HEADER_REQD,
                        "extended headers were negotiated");
  if (n->c->style == NBD_STRUCTURED)
    return reply_error (n, NBD_REP_ERR_INVALID,
                        "structured replies were negotiated before");
  n->c->style = NBD_STRUCTURED;
  return reply (n, NBD_REP_ACK);
}

static enum progress
on_extended_headers (struct negotiation *n)
{
  if (n->c->style == NBD_EXTENDED)
    return reply_error (n, NBD_REP_ERR_INVALID,
                        "extended headers were negotiated before");
  n->c->style = NBD_EXTENDED;
  return reply (n, NBD_REP_ACK);
}

/* Does QUERY mean base:allocation?  For a list, "base:" means all contexts of
 * that namespace.
 */
static bool
means_allocation (const char *query, uint32_t length, bool list)
{
  return (length == strlen (BASE_ALLOCATION)
          && memcmp (query, BASE_ALLOCATION, length) == 0)
    || (list && length == strlen ("base:")
        && memcmp (query, "base:", length) == 0);
}

/* Reads the queries of a LIST or SET.  Returns whether one of them means
 * base:allocation.
 */
static bool
read_queries (struct negotiation *n, bool list)
{
  uint32_t queries = nbd_read32 (&n->data), length;
  bool found = list && queries == 0;

  for (; queries > 0 && !n->data.failed; --queries) {
    const char *query = nbd_read_string (&n->data, &length);

    found |= query && means_allocation (query, length, list);
  }
  return found;
}

static enum progress
on_meta_context (struct negotiation *n)
{
  struct connection *c = n->c;
  bool list = n->option.type == NBD_OPT_LIST_META_CONTEXT, found;
  uint8_t id[4];
  uint32_t length;
  const char *name = nbd_read_string (&n->data, &length);
  enum progress r = NEXT_OPTION;

  if (!list)
    c->block_status = false;
  found = read_queries (n, list);
  if (n->data.failed || n->data.left > 0)
    return reply_error (n, NBD_REP_ERR_INVALID,
                        "a length or a string in the option is not valid");
  if (c->style == NBD_SIMPLE)
    return reply_error (n, NBD_REP_ERR_INVALID,
                        "structured replies were not negotiated");
  if (found) {
    nbd_put32 (id, list ? 0 : BASE_ALLOCATION_ID);
    r = reply_with (n, NBD_REP_META_CONTEXT, id, sizeof id, BASE_ALLOCATION,
                    strlen (BASE_ALLOCATION));
  }
  if (found && !list) {
    c->block_status = true;
    memcpy (c->block_status_of, name, length);
    c->block_status_of[length] = '\0';
  }
  return r == NEXT_OPTION ? reply (n, NBD_REP_ACK) : r;
}

static enum progress
on_start_tls (struct negotiation *n)
{
  struct connection *c = n->c;
  const char *why;

  if (!c->settings->tls)
    return reply_error (n, NBD_REP_ERR_POLICY, "this server has no TLS");
  if (c->channel.tls)
    return reply_error (n, NBD_REP_ERR_INVALID, "TLS was started before");
  /* Plain bytes must not be taken for what came by TLS. */
  if (buffer_used (&c->input) > NBD_OPTION_SIZE)
    return close_because (n, "the client sent plain data after STARTTLS");
  if (reply (n, NBD_REP_ACK) == CLOSE)
    return CLOSE;
  if (channel_start_tls (&c->channel, c->settings->tls, &why) == -1)
    return close_because (n, why);
  c->style = NBD_SIMPLE;
  c->block_status = false;
  return NEXT_OPTION;
}

static enum progress
on_abort (struct negotiation *n)
{
  reply (n, NBD_REP_ACK);
  return close_because (n, NULL);
}

/* ---- any option ---- */

static const struct option_handler {
  enum nbd_option_type type;
  bool before_tls;              /* also where TLS is required */
  bool has_data;
  enum progress (*run) (struct negotiation *n);
} handlers[] = {
  { NBD_OPT_EXPORT_NAME, false, true, on_export_name },
  { NBD_OPT_ABORT, true, true, on_abort }, /* data does no harm */
  { NBD_OPT_LIST, false, false, on_list },
  { NBD_OPT_STARTTLS, true, false, on_start_tls },
  { NBD_OPT_INFO, false, true, on_info_or_go },
  { NBD_OPT_GO, false, true, on_info_or_go },
  { NBD_OPT_STRUCTURED_REPLY, false, false, on_structured_reply },
  { NBD_OPT_LIST_META_CONTEXT, false, true, on_meta_context },
  { NBD_OPT_SET_META_CONTEXT, false, true, on_meta_context },
  { NBD_OPT_EXTENDED_HEADERS, false, false, on_extended_headers },
};

static const struct option_handler *
find_handler (uint32_t type)
{
  for (size_t i = 0; i < ARRAY_SIZE (handlers); ++i)
    if (handlers[i].type == type)
      return &handlers[i];
  return NULL;
}

static enum progress
run_option (struct negotiation *n)
{
  const struct option_handler *h = find_handler (n->option.type);
  const struct connection *c = n->c;

  if (!c->fixed_newstyle && n->option.type != NBD_OPT_EXPORT_NAME)
    return close_because (n, "the client is too old for this option");
  if (c->settings->tls_required && !c->channel.tls && !(h && h->before_tls)) {
    if (n->option.type == NBD_OPT_EXPORT_NAME)
      return close_because (n, "the client does not use TLS");
    return reply_error (n, NBD_REP_ERR_TLS_REQD, "this server requires TLS");
  }
  if (!h)
    return reply (n, NBD_REP_ERR_UNSUP);
  if (!h->has_data && n->option.length != 0)
    return reply_error (n, NBD_REP_ERR_INVALID, "the option has no data");
  return h->run (n);
}

/* An option with too much data: skip the data. */
static enum progress
skip_option (struct negotiation *n)
{
  struct buffer *in = &n->c->input;
  size_t left = n->option.length;

  if (left > SKIP_MAX || n->option.type == NBD_OPT_EXPORT_NAME)
    return close_because (n, "an option is too long");
  in->start += NBD_OPTION_SIZE;
  while (left > 0) {
    size_t now = MIN (left, OPTION_DATA_MAX);

    if (connection_need (n->c, now) == -1)
      return close_because (n, "the client closed within an option");
    in->start += now;
    left -= now;
  }
  if (!find_handler (n->option.type))
    return reply (n, NBD_REP_ERR_UNSUP);
  return reply_error (n, NBD_REP_ERR_TOO_BIG, "the option is too long");
}

/* Reads and executes an option. */
static enum progress
next_option (struct negotiation *n)
{
  struct buffer *in = &n->c->input;
  enum progress r;

  if (connection_need (n->c, NBD_OPTION_SIZE) == -1)
    return close_because (n, errno == EPIPE ? NULL : strerror (errno));
  if (!nbd_option_decode (in->bytes + in->start, &n->option))
    return close_because (n, "what the client sent is not an option");
  if (n->option.length > OPTION_DATA_MAX)
    return skip_option (n);
  if (connection_need (n->c, NBD_OPTION_SIZE + n->option.length) == -1)
    return close_because (n, errno == EPIPE
                          ? "the client closed within an option"
                          : strerror (errno));
  n->data = (struct nbd_reader) {
    .p = in->bytes + in->start + NBD_OPTION_SIZE, .left = n->option.length,
  };
  r = run_option (n);
  in->start += NBD_OPTION_SIZE + n->option.length;
  return r;
}

/* The server's greeting, and the client's flags. */
static bool
exchange_flags (struct connection *c, const char **why)
{
  uint8_t greeting[NBD_GREETING_SIZE];
  uint32_t flags;

  nbd_greeting_encode (greeting);
  if (channel_send (&c->channel, greeting, sizeof greeting) == -1
      || connection_need (c, NBD_CLIENT_FLAGS_SIZE) == -1) {
    *why = errno == EPIPE ? NULL : strerror (errno);
    return false;
  }
  flags = nbd_get32 (c->input.bytes + c->input.start);
  c->input.start += NBD_CLIENT_FLAGS_SIZE;
  c->fixed_newstyle = (flags & NBD_FIXED_NEWSTYLE) != 0;
  c->no_zeroes = (flags & NBD_NO_ZEROES) != 0;
  *why = "the client has flags that this server does not know";
  return (flags & ~(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES)) == 0;
}

bool
handshake (struct connection *c, const char **why)
{
  struct negotiation n = { .c = c };
  enum progress r;

  if (c->settings->handshake_seconds != 0)
    c->channel.deadline = latency_clock ()
      + UINT64_C (1000000000) * c->settings->handshake_seconds;
  if (!exchange_flags (c, why))
    return false;
  do
    r = next_option (&n);
  while (r == NEXT_OPTION);
  c->channel.deadline = 0;
  *why = n.why;
  return r == EXPORT_CHOSEN;
}
