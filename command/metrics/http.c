/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "command/base/ascii.h"
#include "command/base/cleanup.h"
#include "command/base/clock.h"
#include "lib/base/util.h"

#include "http.h"

#define REQUEST_MAX 8192        /* bytes; that of Prometheus has 300 */
#define REQUEST_MS 5000         /* for the whole request */
#define CONNECTION_S 20         /* for everything */

/* After the reply, bytes that the client still sends are read: closing a
 * socket that has unread bytes would reset it, and the client could lose the
 * reply.
 */
#define LINGER_MS 1000
#define LINGER_MAX (1024 * 1024)

static const struct {
  int status;
  const char *reason;
  const char *text;
} replies[] = {
  { 200, "OK", "" },
  { 400, "Bad Request", "this is no request of HTTP/1\n" },
  { 404, "Not Found", "the only page is " HTTP_PAGE "\n" },
  { 405, "Method Not Allowed", "the page can only be read\n" },
  { 408, "Request Timeout", "the request has taken too long\n" },
  { 431, "Request Header Fields Too Large", "the request is too long\n" },
  { 500, "Internal Server Error", "the page can't be made\n" },
  { 505, "HTTP Version Not Supported", "this server speaks HTTP/1\n" },
};

/* ---- parsing ---- */

/* Moves *S behind the next C, and returns the length of what was before it;
 * -1: there is none before END.
 */
static ssize_t
cut_at (const char **s, const char *end, char c)
{
  const char *begin = *s, *found = memchr (begin, c, (size_t) (end - begin));

  if (!found)
    return -1;
  *s = found + 1;
  return found - begin;
}

static bool
is_text (const char *s, size_t length, const char *text)
{
  return length == strlen (text) && memcmp (s, text, length) == 0;
}

/* The target is a path, perhaps with a query, or all of the URI. */
static bool
is_page (const char *target, size_t length)
{
  static const char scheme[] = "http://";
  const char *end = target + length, *query;

  if (length >= strlen (scheme)
      && ascii_same (target, scheme, strlen (scheme))) {
    target += strlen (scheme);
    target = memchr (target, '/', (size_t) (end - target));
    if (!target)
      return false;
  }
  query = memchr (target, '?', (size_t) (end - target));
  return is_text (target, (size_t) ((query ? query : end) - target),
                  HTTP_PAGE);
}

static bool
has_host (const char *header, const char *end)
{
  static const char host[] = "Host:";

  for (const char *line = header; line; ) {
    if ((size_t) (end - line) >= strlen (host)
        && ascii_same (line, host, strlen (host)))
      return true;
    line = memchr (line, '\n', (size_t) (end - line));
    line = line ? line + 1 : NULL;
  }
  return false;
}

static bool
is_method (const char *s, size_t length)
{
  for (size_t i = 0; i < length; ++i)
    if (s[i] < 'A' || s[i] > 'Z')
      return false;
  return length > 0;
}

int
http_parse (const char *request, size_t length, bool *head)
{
  const char *end = request + length, *rest, *method, *target, *version;
  ssize_t line, method_length, target_length;

  *head = false;
  /* A client may send an empty line before its request. */
  while (request < end && (*request == '\r' || *request == '\n'))
    ++request;
  rest = method = request;
  line = cut_at (&rest, end, '\n');
  if (line > 0 && request[line - 1] == '\r')
    --line;
  if (line <= 0 || memchr (request, '\0', (size_t) (end - request)))
    return 400;
  version = request + line;
  method_length = cut_at (&request, version, ' ');
  target = request;
  target_length = cut_at (&request, version, ' ');
  line = version - request;
  version = request;
  if (target_length <= 0 || !is_method (method, (size_t) method_length)
      || line != 8 || strncmp (version, "HTTP/", 5) != 0
      || version[6] != '.')
    return 400;
  if (version[5] != '1')
    return 505;
  if (version[7] != '0' && !has_host (rest, end))
    return 400;
  if (!is_page (target, (size_t) target_length))
    return 404;
  *head = is_text (method, (size_t) method_length, "HEAD");
  return *head || is_text (method, (size_t) method_length, "GET") ? 200 : 405;
}

/* ---- receiving ---- */

/* Does the request have the empty line that ends it? */
static bool
is_complete (const char *s, size_t length)
{
  size_t i = strspn (s, "\r\n"); /* lines before the request */

  for (; i < length; ++i)
    if (s[i] == '\n' && (s[i + 1] == '\n'
                         || (s[i + 1] == '\r' && s[i + 2] == '\n')))
      return true;
  return false;
}

/* Waits until IN has something, at most until END. */
static bool
wait_for_input (int in, int64_t end)
{
  int64_t left;

  while ((left = end - now_ms ()) > 0) {
    struct pollfd p = { .fd = in, .events = POLLIN };
    int n = poll (&p, 1, (int) left);

    if (n == 1)
      return true;
    if (n == 0 || errno != EINTR)
      break;
  }
  return false;
}

/* Returns the status of the request; 0: the client has closed the connection
 * without one.
 */
static int
receive_request (int in, bool *head)
{
  int64_t end = now_ms () + REQUEST_MS;
  char request[REQUEST_MAX + 1];
  size_t length = 0;
  ssize_t n;

  *head = false;
  while (wait_for_input (in, end)) {
    n = read (in, request + length, REQUEST_MAX - length);
    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return n == 0 && length > 0 ? 400 : 0;
    length += (size_t) n;
    request[length] = '\0';
    if (is_complete (request, length))
      return http_parse (request, length, head);
    if (length == REQUEST_MAX)
      return 431;
  }
  return 408;
}

/* ---- sending ---- */

static bool
send_all (int out, const char *text, size_t length)
{
  while (length > 0) {
    ssize_t n = write (out, text, length);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    text += n;
    length -= (size_t) n;
  }
  return true;
}

static void
send_reply (int out, unsigned i, const char *type, const char *body,
            size_t length, bool head)
{
  char header[512], date[64] = "";
  time_t now = time (NULL);
  struct tm tm;
  int n;

  if (gmtime_r (&now, &tm))
    strftime (date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  n = snprintf (header, sizeof header,
                "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n"
                "Content-Type: text/plain; %scharset=utf-8\r\n"
                "%s", replies[i].status, replies[i].reason, date, type,
                replies[i].status == 405 ? "Allow: GET, HEAD\r\n" : "");
  /* The length of the page is known only when it is made. */
  if (body)
    n += snprintf (header + n, sizeof header - (size_t) n,
                   "Content-Length: %zu\r\n", length);
  n += snprintf (header + n, sizeof header - (size_t) n, "\r\n");
  if (send_all (out, header, (size_t) n) && body && !head)
    send_all (out, body, length);
}

static void
send_error (int out, int status, bool head)
{
  unsigned i = 0;

  while (replies[i].status != status)
    ++i;
  send_reply (out, i, "", replies[i].text, strlen (replies[i].text), head);
}

static void
read_rest (int in, int out)
{
  int64_t end = now_ms () + LINGER_MS;
  size_t left = LINGER_MAX;
  char rest[4096];
  ssize_t n;

  if (shutdown (out, SHUT_WR) == -1)
    return;
  while (left > 0 && wait_for_input (in, end)
         && (n = read (in, rest, MIN (sizeof rest, left))) > 0)
    left -= (size_t) n;
}

/* ---- all of it ---- */

static void
on_time_out (int signal)
{
  (void) signal;
  _exit (0);
}

/* A client that reads slowly, or not at all, is no failure of ours. */
static void
limit_time (void)
{
  struct sigaction action = { .sa_handler = on_time_out };

  sigaction (SIGALRM, &action, NULL);
  signal (SIGPIPE, SIG_IGN);
  alarm (CONNECTION_S);
}

void
http_serve (int in, int out, char *(*make) (void *opaque, size_t *length),
            void *opaque)
{
  CLEANUP_FREE char *page = NULL;
  size_t length = 0;
  bool head;
  int status;

  limit_time ();
  status = receive_request (in, &head);
  if (status == 0)
    return;
  if (status == 200 && !head) {
    page = make (opaque, &length);
    status = page ? 200 : 500;
  }
  if (status == 200)
    send_reply (out, 0, "version=0.0.4; ", page, length, head);
  else
    send_error (out, status, head);
  read_rest (in, out);
}
