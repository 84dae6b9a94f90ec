/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/util.h"
#include "service/parse-number.h"
#include "service/settings.h"

#include "options.h"

#define DEFAULT_CONNECTIONS 1000
#define DEFAULT_HANDSHAKE_SECONDS 30

static const struct busy_poll busy_poll_auto = {
  .max = BUSY_POLL_AUTO_NSEC, .adapts = true,
};

static void print_help (struct options *o, const char *text);
static void print_version (struct options *o, const char *text);
static void add_address (struct options *o, const char *text);
static void parse_tls (struct options *o, const char *text);
static void parse_busy_poll (struct options *o, const char *text);

#define FIELD(f) .offset = offsetof (struct options, f)

/* For getopt and for --help.  The value goes to the field, a number if it has
 * a maximum, or else a string, or is parsed; an option without a value sets a
 * bool.
 */
static const struct option_entry {
  const char *name;
  const char *other_name;       /* or NULL; not in --help */
  char letter;                  /* 0: none */
  const char *value, *help;
  size_t offset;
  unsigned min, max;
  void (*parse) (struct options *o, const char *text);
} entries[] = {
  { "exportname", "export-name", 'e', "NAME",
    "the export that the empty name means",
    FIELD (connection.default_export) },
  { "foreground", NULL, 'f', NULL, "stay in the foreground",
    FIELD (foreground) },
  { "help", NULL, 'h', NULL, "print this, and end", .parse = print_help },
  { "ipaddr", "ip-addr", 'i', "ADDRESS",
    "listen at this address; may be repeated", .parse = add_address },
  { "pidfile", "pid-file", 'P', "FILE",
    "write the number of the process to FILE once it serves",
    FIELD (pid_file) },
  { "port", NULL, 'p', "PORT",
    "listen at this port instead of " NBD_DEFAULT_PORT, FIELD (listen.port) },
  { "readonly", "read-only", 'r', NULL, "refuse to write",
    FIELD (connection.read_only) },
  { "swap", NULL, 0, NULL, "harden the server for swap, as mlock=on",
    FIELD (swap) },
  { "unix", NULL, 'U', "PATH",
    "listen at a Unix socket; - for one of its own, with --run",
    FIELD (listen.socket) },
  { "verbose", NULL, 'v', NULL, "print messages for debugging",
    FIELD (verbose) },
  { "version", NULL, 'V', NULL, "print the version", .parse = print_version },
  { "vsock", NULL, 0, NULL, "listen at the port for virtual machines",
    FIELD (listen.vsock) },
  { "run", NULL, 0, "COMMAND",
    "serve only while COMMAND runs, which finds $uri", FIELD (run) },
  { "tls", NULL, 0, "off|on|require", "may, or must, clients use TLS?",
    .parse = parse_tls },
  { "tls-certificates", NULL, 0, "DIRECTORY",
    "with ca-cert.pem, server-cert.pem, server-key.pem",
    FIELD (tls_files.certificates) },
  { "tls-psk", NULL, 0, "FILE", "with a line USER:KEY for each user",
    FIELD (tls_files.psk) },
  { "tls-verify-peer", NULL, 0, NULL, "clients need a certificate",
    FIELD (tls_files.verify_peer) },
  { "max-connections", NULL, 0, "N", "refuse more connections than N",
    FIELD (connections.max), 1, 100000 },
  { "max-connections-of-address", NULL, 0, "N",
    "the same for each IP address", FIELD (connections.max_of_address),
    1, 100000 },
  { "handshake-limit", NULL, 0, "SECONDS",
    "for a client to choose an export; 0: no limit",
    FIELD (connection.handshake_seconds), 0, 86400 },
  { "busy-poll", NULL, 0, "auto|off|MICROSECONDS",
    "poll for so long before waiting for a request",
    .parse = parse_busy_poll },
};

/* What getopt returns for a long option: this and the place of its entry, so
 * that it is beyond all letters.
 */
#define FIRST_LONG (UCHAR_MAX + 1)

/* ---- printing ---- */

static _Noreturn void __attribute__ ((format (printf, 1, 2)))
usage_error (const char *format, ...)
{
  va_list ap;

  fprintf (stderr, "nbdzramd: error: ");
  va_start (ap, format);
  vfprintf (stderr, format, ap);
  va_end (ap);
  fprintf (stderr, "\n");
  exit (EXIT_FAILURE);
}

static void
print_option (const struct option_entry *e)
{
  char text[64];
  int length = 0;

  if (e->letter)
    length = snprintf (text, sizeof text, "-%c, ", e->letter);
  snprintf (text + length, sizeof text - (size_t) length, "--%s%s%s", e->name,
            e->value ? "=" : "", e->value ? e->value : "");
  printf ("  %s\n        %s\n", text, e->help);
}

static void
print_help (struct options *o, const char *text)
{
  char parameters[SETTINGS_HELP_SIZE];

  (void) o;
  (void) text;
  printf ("Usage: nbdzramd [OPTION]... SIZE [PARAMETER=VALUE]...\n"
          "Serve a compressed RAM disk over NBD.\n\nOptions:\n");
  for (size_t i = 0; i < ARRAY_SIZE (entries); ++i)
    print_option (&entries[i]);
  settings_help (parameters);
  printf ("\nParameters:\n%s\nSee nbdzramd(8).\n", parameters);
  exit (EXIT_SUCCESS);
}

static void
print_version (struct options *o, const char *text)
{
  (void) o;
  (void) text;
  printf ("nbdzramd %s\n", PACKAGE_VERSION);
  exit (EXIT_SUCCESS);
}

/* ---- parsing ---- */

static unsigned
parse_limit (const char *name, const char *text, uint64_t min, uint64_t max)
{
  uint64_t n;

  if (!parse_number (text, &n) || n < min || n > max)
    usage_error ("--%s=%s: must be a number from %llu to %llu", name, text,
                 (unsigned long long) min, (unsigned long long) max);
  return (unsigned) n;
}

static void
parse_tls (struct options *o, const char *text)
{
  o->tls = strcmp (text, "off") != 0;
  o->connection.tls_required = strcmp (text, "require") == 0;
  if (o->tls && !o->connection.tls_required && strcmp (text, "on") != 0)
    usage_error ("--tls=%s: must be off, on or require", text);
}

static void
add_address (struct options *o, const char *text)
{
  if (o->listen.address_count == LISTENERS_MAX)
    usage_error ("--ipaddr: at most %d addresses", LISTENERS_MAX);
  o->listen.addresses[o->listen.address_count++] = text;
}

static void
parse_busy_poll (struct options *o, const char *text)
{
  struct busy_poll *b = &o->connection.busy_poll;

  *b = (struct busy_poll) { .max = 0 };
  if (strcmp (text, "auto") == 0)
    *b = busy_poll_auto;
  else if (strcmp (text, "off") != 0)
    b->max = b->now = 1000 * parse_limit ("busy-poll", text, 0,
                                          BUSY_POLL_MAX);
}

static void
parse_option (struct options *o, const struct option_entry *e, char *text)
{
  char *field = (char *) o + e->offset;
  const bool on = true;
  unsigned n;

  if (e->parse)
    e->parse (o, text);
  else if (e->max > 0) {
    n = parse_limit (e->name, text, e->min, e->max);
    memcpy (field, &n, sizeof n);
  }
  else if (e->value)
    memcpy (field, &text, sizeof text);
  else
    memcpy (field, &on, sizeof on);
}

static const struct option_entry *
find_entry (int option)
{
  const struct option_entry *e = entries;

  if (option >= FIRST_LONG)
    return &entries[option - FIRST_LONG];
  while (e->letter != option)
    ++e;
  return e;
}

static void
parse_options (struct options *o, int argc, char *argv[])
{
  struct option list[2 * ARRAY_SIZE (entries) + 1] = { 0 };
  unsigned count = 0;
  int option;

  for (int i = 0; i < (int) ARRAY_SIZE (entries); ++i) {
    const struct option_entry *e = &entries[i];

    list[count++] = (struct option) {
      .name = e->name, .has_arg = e->value != NULL, .val = FIRST_LONG + i,
    };
    if (e->other_name) {
      list[count] = list[count - 1];
      list[count++].name = e->other_name;
    }
  }
  while ((option = getopt_long (argc, argv, "e:fhi:P:p:rU:vV", list, NULL))
         != -1) {
    if (option == '?')
      exit (EXIT_FAILURE);      /* getopt has said why */
    parse_option (o, find_entry (option), optarg);
  }
}

/* "8G" is short for "size=8G". */
static void
set_parameter (struct server_settings *s, const char *word, bool first)
{
  const char *value = strchr (word, '=');
  char key[SETTING_KEY_SIZE] = "size", error[SERVER_SETTINGS_ERROR];

  if (!value && !first)
    usage_error ("%s: is neither an option nor PARAMETER=VALUE", word);
  if (value && (size_t) (value - word) >= sizeof key)
    usage_error ("unknown parameter '%.*s'", (int) (value - word), word);
  if (value)
    snprintf (key, sizeof key, "%.*s", (int) (value - word), word);
  if (server_settings_set (s, key, value ? value + 1 : word, error,
                           sizeof error) == -1)
    usage_error ("%s", error);
}

static void
check_tls (const struct options *o)
{
  bool files = o->tls_files.certificates || o->tls_files.psk;

  if (o->tls && !files)
    usage_error ("--tls requires --tls-certificates or --tls-psk");
  if (!o->tls && files)
    usage_error ("--tls-certificates and --tls-psk require --tls=on or "
                 "--tls=require");
  if (o->tls_files.verify_peer && !o->tls_files.certificates)
    usage_error ("--tls-verify-peer requires --tls-certificates");
}

static void
check_listening (const struct options *o)
{
  uint64_t port;

  if (o->listen.vsock && o->listen.address_count > 0)
    usage_error ("--vsock has no --ipaddr");
  if (o->listen.port && !o->listen.vsock
      && !parse_port (o->listen.port, &port))
    usage_error ("--port=%s: must be a number from 0 to 65535",
                 o->listen.port);
  if (o->listen.socket && o->listen.socket[0] == '\0')
    usage_error ("--unix: the path is missing");
}

void
options_parse (struct options *o, struct server_settings *s, int argc,
               char *argv[])
{
  char error[SERVER_SETTINGS_ERROR];
  int first;

  *o = (struct options) {
    .connection = {
      .handshake_seconds = DEFAULT_HANDSHAKE_SECONDS,
      .busy_poll = busy_poll_auto,
    },
    .connections = { .max = DEFAULT_CONNECTIONS },
  };
  parse_options (o, argc, argv);
  first = optind;
  for (int i = first; i < argc; ++i)
    set_parameter (s, argv[i], i == first);
  check_tls (o);
  check_listening (o);
  if (o->swap && s->mlock == -1)
    s->mlock = 1;
  if (server_settings_check (s, error, sizeof error) == -1)
    usage_error ("%s", error);
  o->foreground |= o->run != NULL;
}
