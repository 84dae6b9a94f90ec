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

enum option_number {
  OPTION_TLS = UCHAR_MAX + 1,
  OPTION_TLS_CERTIFICATES,
  OPTION_TLS_PSK,
  OPTION_TLS_VERIFY_PEER,
  OPTION_VSOCK,
  OPTION_RUN,
  OPTION_MAX_CONNECTIONS,
  OPTION_MAX_OF_ADDRESS,
  OPTION_HANDSHAKE_LIMIT,
  OPTION_BUSY_POLL,
  OPTION_SWAP,
};

/* For getopt and for --help. */
static const struct {
  struct option option;
  const char *value, *help;
} options[] = {
  { { "exportname", required_argument, NULL, 'e' }, "NAME",
    "the export that the empty name means" },
  { { "export-name", required_argument, NULL, 'e' }, NULL, NULL },
  { { "foreground", no_argument, NULL, 'f' }, NULL,
    "stay in the foreground" },
  { { "help", no_argument, NULL, 'h' }, NULL, "print this, and end" },
  { { "ipaddr", required_argument, NULL, 'i' }, "ADDRESS",
    "listen at this address; may be repeated" },
  { { "ip-addr", required_argument, NULL, 'i' }, NULL, NULL },
  { { "pidfile", required_argument, NULL, 'P' }, "FILE",
    "write the number of the process to FILE once it serves" },
  { { "pid-file", required_argument, NULL, 'P' }, NULL, NULL },
  { { "port", required_argument, NULL, 'p' }, "PORT",
    "listen at this port instead of " NBD_DEFAULT_PORT },
  { { "readonly", no_argument, NULL, 'r' }, NULL, "refuse to write" },
  { { "read-only", no_argument, NULL, 'r' }, NULL, NULL },
  { { "swap", no_argument, NULL, OPTION_SWAP }, NULL,
    "harden the server for swap, as mlock=on" },
  { { "unix", required_argument, NULL, 'U' }, "PATH",
    "listen at a Unix socket; - for one of its own, with --run" },
  { { "verbose", no_argument, NULL, 'v' }, NULL,
    "print messages for debugging" },
  { { "version", no_argument, NULL, 'V' }, NULL, "print the version" },
  { { "vsock", no_argument, NULL, OPTION_VSOCK }, NULL,
    "listen at the port for virtual machines" },
  { { "run", required_argument, NULL, OPTION_RUN }, "COMMAND",
    "serve only while COMMAND runs, which finds $uri" },
  { { "tls", required_argument, NULL, OPTION_TLS }, "off|on|require",
    "may, or must, clients use TLS?" },
  { { "tls-certificates", required_argument, NULL, OPTION_TLS_CERTIFICATES },
    "DIRECTORY", "with ca-cert.pem, server-cert.pem, server-key.pem" },
  { { "tls-psk", required_argument, NULL, OPTION_TLS_PSK }, "FILE",
    "with a line USER:KEY for each user" },
  { { "tls-verify-peer", no_argument, NULL, OPTION_TLS_VERIFY_PEER }, NULL,
    "clients need a certificate" },
  { { "max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS },
    "N", "refuse more connections than N" },
  { { "max-connections-of-address", required_argument, NULL,
      OPTION_MAX_OF_ADDRESS }, "N", "the same for each IP address" },
  { { "handshake-limit", required_argument, NULL, OPTION_HANDSHAKE_LIMIT },
    "SECONDS", "for a client to choose an export; 0: no limit" },
  { { "busy-poll", required_argument, NULL, OPTION_BUSY_POLL },
    "auto|off|MICROSECONDS", "poll for so long before waiting for a request" },
};

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
print_option (const struct option *o, const char *value, const char *help)
{
  char text[64];
  int length = 0;

  if (o->val <= UCHAR_MAX)
    length = snprintf (text, sizeof text, "-%c, ", o->val);
  snprintf (text + length, sizeof text - (size_t) length, "--%s%s%s", o->name,
            value ? "=" : "", value ? value : "");
  printf ("  %s\n        %s\n", text, help);
}

static _Noreturn void
print_help (void)
{
  char parameters[SETTINGS_HELP_SIZE];

  printf ("Usage: nbdzramd [OPTION]... SIZE [PARAMETER=VALUE]...\n"
          "Serve a compressed RAM disk over NBD.\n\nOptions:\n");
  for (size_t i = 0; i < ARRAY_SIZE (options); ++i)
    if (options[i].help)
      print_option (&options[i].option, options[i].value, options[i].help);
  settings_help (parameters);
  printf ("\nParameters:\n%s\nSee nbdzramd(8).\n", parameters);
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

/* Options with a number. */
static bool
parse_number_option (struct options *o, int option, const char *text)
{
  switch (option) {
  case OPTION_MAX_CONNECTIONS:
    o->connections.max = parse_limit ("max-connections", text, 1, 100000);
    return true;
  case OPTION_MAX_OF_ADDRESS:
    o->connections.max_of_address
      = parse_limit ("max-connections-of-address", text, 1, 100000);
    return true;
  case OPTION_HANDSHAKE_LIMIT:
    o->connection.handshake_seconds
      = parse_limit ("handshake-limit", text, 0, 86400);
    return true;
  case OPTION_BUSY_POLL:
    parse_busy_poll (o, text);
    return true;
  default:
    return false;
  }
}

/* Options whose value is used as it is. */
static bool
parse_text_option (struct options *o, int option, char *text)
{
  switch (option) {
  case 'e':
    o->connection.default_export = text;
    return true;
  case 'P':
    o->pid_file = text;
    return true;
  case 'p':
    o->listen.port = text;
    return true;
  case 'U':
    o->listen.socket = text;
    return true;
  case OPTION_RUN:
    o->run = text;
    return true;
  case OPTION_TLS_CERTIFICATES:
    o->tls_files.certificates = text;
    return true;
  case OPTION_TLS_PSK:
    o->tls_files.psk = text;
    return true;
  default:
    return false;
  }
}

static void
parse_option (struct options *o, int option, char *text)
{
  if (parse_text_option (o, option, text)
      || parse_number_option (o, option, text))
    return;
  switch (option) {
  case 'f':
    o->foreground = true;
    break;
  case 'h':
    print_help ();
  case 'i':
    add_address (o, text);
    break;
  case 'r':
    o->connection.read_only = true;
    break;
  case 'v':
    o->verbose = true;
    break;
  case 'V':
    printf ("nbdzramd %s\n", PACKAGE_VERSION);
    exit (EXIT_SUCCESS);
  case OPTION_SWAP:
    o->swap = true;
    break;
  case OPTION_TLS:
    parse_tls (o, text);
    break;
  case OPTION_TLS_VERIFY_PEER:
    o->tls_files.verify_peer = true;
    break;
  case OPTION_VSOCK:
    o->listen.vsock = true;
    break;
  default:
    exit (EXIT_FAILURE);        /* getopt has said why */
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
  struct option list[ARRAY_SIZE (options) + 1] = { 0 };
  char error[SERVER_SETTINGS_ERROR];
  int option, first;

  *o = (struct options) {
    .connection = {
      .handshake_seconds = DEFAULT_HANDSHAKE_SECONDS,
      .busy_poll = busy_poll_auto,
    },
    .connections = { .max = DEFAULT_CONNECTIONS },
  };
  for (size_t i = 0; i < ARRAY_SIZE (options); ++i)
    list[i] = options[i].option;
  while ((option = getopt_long (argc, argv, "e:fhi:P:p:rU:vV", list, NULL))
         != -1)
    parse_option (o, option, optarg);
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
