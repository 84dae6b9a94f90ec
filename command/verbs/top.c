/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram top: what a server holds and does, live, on a terminal or as plain
 * lines.
 */

#include <config.h>

#include <inttypes.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curses.h>

#include "command/base/control-client.h"
#include "command/base/options.h"
#include "command/base/output.h"
#include "command/swap/area-status.h"
#include "lib/base/util.h"

#include "top-exports.h"
#include "top-sample.h"

#define REPLY_TIMEOUT 2         /* seconds */

struct top {
  struct server server;
  struct history history;
  double delay;                 /* seconds between samples */
  uint64_t iterations;          /* 0: no end */
  bool blocks;                  /* can block characters be shown? */
  bool batch;
  bool exports;                 /* show exports instead of the server */
  int line;                     /* of the screen, to write next */
};

static volatile sig_atomic_t caught_signal; /* ends the program */

static void
on_signal (int sig)
{
  caught_signal = sig;
}

static const int end_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void
catch_signals (void)
{
  /* Without SA_RESTART, so that a signal interrupts waiting. */
  struct sigaction action = { .sa_handler = on_signal };

  for (size_t i = 0; i < ARRAY_SIZE (end_signals); ++i)
    sigaction (end_signals[i], &action, NULL);
}

/* Block the signals, so that none comes between the test of caught_signal and
 * waiting.
 */
static void
hold_signals (sigset_t *old)
{
  sigset_t set;

  sigemptyset (&set);
  for (size_t i = 0; i < ARRAY_SIZE (end_signals); ++i)
    sigaddset (&set, end_signals[i]);
  sigprocmask (SIG_BLOCK, &set, old);
}

static double
monotonic_time (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static struct timespec
timespec_of (double seconds)
{
  const time_t whole = (time_t) seconds;

  return (struct timespec) {
    .tv_sec = whole,
    .tv_nsec = (long) ((seconds - (double) whole) * 1e9),
  };
}

/* Add a sample to the history.  EXIT_OK, or another code with a line in
 * ERROR.
 */
static int
take_sample (struct top *t, char *error, size_t size)
{
  json_t *reply;
  int code = server_try (&t->server, json_pack ("{s:s}", "verb", "metrics"),
                         REPLY_TIMEOUT, &reply, error, size);

  if (code == EXIT_OK) {
    area_status (reply);
    history_add (&t->history, reply, monotonic_time ());
  }
  return code;
}

/* ---- text for screen and lines ---- */

static const char *
text_of_time (char text[TEXT_SIZE], double seconds)
{
  if (seconds < 1e-3)
    snprintf (text, TEXT_SIZE, "%.0fus", seconds * 1e6);
  else if (seconds < 1)
    snprintf (text, TEXT_SIZE, "%.0fms", seconds * 1e3);
  else
    snprintf (text, TEXT_SIZE, "%.0fs", seconds);
  return text;
}

static double
memory_ratio (const struct history *h)
{
  uint64_t memory = history_statistic (h, "mem_used_total");

  return memory == 0 ? 0
    : (double) history_statistic (h, "orig_data_size") / (double) memory;
}

/* ---- the screen ---- */

/* Write a line of the screen.  It must have COLS columns at most, or curses
 * would continue it in the next line.
 */
static void
put_text (struct top *t, const char *text, size_t bytes)
{
  if (t->line < LINES)
    mvaddnstr (t->line, 0, text, (int) bytes);
  ++t->line;
}

static void
put_line (struct top *t, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* Write a line in ASCII, cut at the end of the screen. */
static void
put_line (struct top *t, const char *format, ...)
{
  char text[LINE_SIZE];
  va_list ap;

  va_start (ap, format);
  vsnprintf (text, sizeof text, format, ap);
  va_end (ap);
  put_text (t, text, MIN (strlen (text), (size_t) COLS));
}

static void
put_heading (struct top *t)
{
  const json_t *reply = t->history.now.reply;
  uint64_t up = json_number (reply, "uptime");

  attron (A_BOLD);
  put_line (t, "%s  %s  page %" PRIu64 "K  clients %" PRIu64 "  up %" PRIu64
            ":%02" PRIu64 ":%02" PRIu64,
            json_text (reply, "name"), json_text (reply, "algorithm"),
            json_number (reply, "page_size") / KIB,
            json_number (reply, "clients"),
            up / 3600, up / 60 % 60, up % 60);
  attroff (A_BOLD);
  put_line (t, "%s", "");
}

static void
put_sizes (struct top *t)
{
  const struct history *h = &t->history;
  char a[TEXT_SIZE], b[TEXT_SIZE], c[TEXT_SIZE], d[TEXT_SIZE];

  put_line (t, "data %s  compressed %s  memory %s (most %s)  ratio %.2f",
            text_of_size (a, history_statistic (h, "orig_data_size")),
            text_of_size (b, history_statistic (h, "compr_data_size")),
            text_of_size (c, history_statistic (h, "mem_used_total")),
            text_of_size (d, history_statistic (h, "mem_used_max")),
            memory_ratio (h));
  if (history_statistic (h, "mem_limit") > 0)
    put_line (t, "limit %s", text_of_size (a, history_statistic (h,
                                                        "mem_limit")));
  put_line (t, "pages: same %" PRIu64 "  huge %" PRIu64 "  grouped %" PRIu64
            "  duplicate %" PRIu64 "  written back %" PRIu64,
            history_statistic (h, "same_pages"),
            history_statistic (h, "huge_pages"),
            history_statistic (h, "group_pages"),
            history_statistic (h, "dup_pages"),
            history_statistic (h, "bd_count"));
  put_line (t, "errors %" PRIu64 "  damaged %" PRIu64,
            history_statistic (h, "failed_reads")
            + history_statistic (h, "failed_writes"),
            history_statistic (h, "checksum_errors"));
  put_line (t, "%s", "");
}

/* Swap that is cut into areas: what the kernel sees of it, and what the server
 * knows.
 */
static void
put_areas (struct top *t)
{
  const json_t *reply = t->history.now.reply;
  const json_t *areas = json_object_get (reply, "areas");
  char size[TEXT_SIZE], used[TEXT_SIZE], dead[TEXT_SIZE], room[TEXT_SIZE];
  uint64_t left = json_number (reply, "area_room");

  if (!areas)
    return;
  put_line (t, "swap: areas %zu  size %s  used %s  dead %s  room %s",
            json_array_size (areas),
            text_of_size (size, json_sum (areas, NULL, "size")),
            text_of_size (used, json_sum (areas, NULL, "used")),
            text_of_size (dead, json_sum (areas, NULL, "dead")),
            left == INT64_MAX ? "no limit" : text_of_size (room, left));
  put_line (t, "%s", "");
}

static void
put_requests (struct top *t, bool read)
{
  const struct history *h = &t->history;
  char bytes[TEXT_SIZE], half[TEXT_SIZE], most[TEXT_SIZE];

  put_line (t, "%-8s %10.0f/s %8s/s   half below %6s   99 %% below %6s",
            read ? "reads" : "writes", history_rate (h, read),
            text_of_size (bytes, (uint64_t) history_bytes_rate (h, read)),
            text_of_time (half, history_latency (h, read, 0.5)),
            text_of_time (most, history_latency (h, read, 0.99)));
}

static void
put_maintenance (struct top *t)
{
  const struct history *h = &t->history;

  put_line (t, "%-8s %10.0f/s", "trims",
            history_statistic_rate (h, "notify_free"));
  put_line (t, "%-8s %10.0f/s OS pages freed", "compact",
            history_statistic_rate (h, "pages_compacted"));
  put_line (t, "%-8s %10.0f/s pages written back, %.0f/s read",
            "backing", history_statistic_rate (h, "bd_writes"),
            history_statistic_rate (h, "bd_reads"));
  put_line (t, "%s", "");
}

static void
put_history (struct top *t, const char *name, const double *values)
{
  char line[LINE_SIZE], text[LINE_SIZE + 16];

  if (COLS < 20) {
    put_line (t, "%s", name);
    return;
  }
  spark_line (line, values, t->history.length, (unsigned) COLS - 10,
              t->blocks);
  snprintf (text, sizeof text, "%-9s %s", name, line);
  put_text (t, text, strlen (text));
}

static void
put_server (struct top *t)
{
  put_requests (t, true);
  put_requests (t, false);
  put_maintenance (t);
  put_history (t, "memory", t->history.memory);
  put_history (t, "requests", t->history.requests);
}

/* Write as many exports as fit above the last two lines. */
static void
put_exports (struct top *t)
{
  char line[EXPORT_LINE_SIZE];
  size_t count, shown = 0;
  struct export_rates *all = exports_rates (&t->history, &count);

  exports_heading (line, (unsigned) COLS);
  put_text (t, line, strlen (line));
  while (shown < count
         && t->line + 2 + (shown + 1 < count ? 1 : 0) < LINES) {
    exports_line (line, &all[shown++], (unsigned) COLS);
    put_text (t, line, strlen (line));
  }
  if (shown < count)
    put_line (t, "and %zu more", count - shown);
  free (all);
}

static void
draw_screen (struct top *t)
{
  erase ();
  t->line = 0;
  put_heading (t);
  put_sizes (t);
  put_areas (t);
  if (t->exports)
    put_exports (t);
  else
    put_server (t);
  put_line (t, "%s", "");
  put_line (t, "q: quit  e: %s", t->exports ? "the server" : "exports");
  refresh ();
}

/* Wait SECONDS for a key.  ERR: none was pressed. */
static int
get_key (double seconds, const sigset_t *unblocked)
{
  struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
  const struct timespec ts = timespec_of (seconds);

  ppoll (&input, 1, &ts, unblocked);
  if ((input.revents & (POLLHUP | POLLERR)) != 0)
    return 'q';                 /* the terminal is gone */
  return getch ();              /* does not wait, see timeout */
}

/* Handle keys until the next sample is due.  False: the user or a signal ends
 * the program.
 */
static bool
wait_for_key (struct top *t)
{
  double until = monotonic_time () + t->delay, left;
  bool quit = false;
  sigset_t old;

  hold_signals (&old);
  while (!caught_signal && !quit && (left = until - monotonic_time ()) > 0) {
    int key = get_key (left, &old);

    quit = key == 'q' || key == 'Q';
    if (key == 'e' || key == 'E')
      t->exports = !t->exports;
    if (key == 'e' || key == 'E' || key == KEY_RESIZE)
      draw_screen (t);
  }
  sigprocmask (SIG_SETMASK, &old, NULL);
  return !caught_signal && !quit;
}

static int
run_screen (struct top *t, char *error, size_t size)
{
  int code = EXIT_OK;

  for (uint64_t n = 0; t->iterations == 0 || n < t->iterations; ++n) {
    code = take_sample (t, error, size);
    if (code != EXIT_OK || caught_signal)
      break;
    draw_screen (t);
    if (!wait_for_key (t))
      break;
  }
  return code;
}

static int
top_screen (struct top *t)
{
  char error[1024];
  int code;
  SCREEN *screen = newterm (NULL, stdout, stdin);

  if (!screen) {
    fprintf (stderr, "nbdzram top: this terminal is of an unknown type: set "
             "TERM, or use --batch\n");
    return EXIT_FAILED;
  }
  catch_signals ();             /* after curses, which sets its own */
  cbreak ();
  noecho ();
  keypad (stdscr, TRUE);
  timeout (0);
  curs_set (0);
  code = run_screen (t, error, sizeof error);
  endwin ();
  delscreen (screen);
  if (code != EXIT_OK && !caught_signal)
    fprintf (stderr, "nbdzram: %s\n", error);
  return code;
}

/* ---- plain lines ---- */

#define HEADING_EVERY 20

static void
print_sample (const struct history *h, uint64_t n)
{
  char data[TEXT_SIZE], memory[TEXT_SIZE], in[TEXT_SIZE], out[TEXT_SIZE];

  if (n % HEADING_EVERY == 0)
    printf ("%8s %8s %6s %8s %8s %8s %8s %8s\n", "DATA", "MEMORY", "RATIO",
            "READS/s", "READ/s", "WRITES/s", "WRITE/s", "TRIMS/s");
  printf ("%8s %8s %6.2f %8.0f %8s %8.0f %8s %8.0f\n",
          text_of_size (data, history_statistic (h, "orig_data_size")),
          text_of_size (memory, history_statistic (h, "mem_used_total")),
          memory_ratio (h), history_rate (h, true),
          text_of_size (out, (uint64_t) history_bytes_rate (h, true)),
          history_rate (h, false),
          text_of_size (in, (uint64_t) history_bytes_rate (h, false)),
          history_statistic_rate (h, "notify_free"));
  output_flush ();
}

/* Print a block of lines, one for each export. */
static void
print_exports (const struct history *h, uint64_t n)
{
  char line[EXPORT_LINE_SIZE];
  size_t count;
  struct export_rates *all = exports_rates (h, &count);

  exports_heading (line, EXPORT_LINE_SIZE - 1);
  printf ("%s%s\n", n > 0 ? "\n" : "", line);
  for (size_t i = 0; i < count; ++i) {
    exports_line (line, &all[i], EXPORT_LINE_SIZE - 1);
    puts (line);
  }
  output_flush ();
  free (all);
}

static int
top_lines (struct top *t)
{
  const struct timespec delay = timespec_of (t->delay);
  char error[1024];
  int code;

  catch_signals ();
  for (uint64_t n = 0; !caught_signal; ++n) {
    code = take_sample (t, error, sizeof error);
    if (code != EXIT_OK) {
      if (!caught_signal)
        fprintf (stderr, "nbdzram: %s\n", error);
      return code;
    }
    if (t->exports)
      print_exports (&t->history, n);
    else
      print_sample (&t->history, n);
    if (ferror (stdout))
      return EXIT_FAILED;
    if (n + 1 == t->iterations)
      break;
    nanosleep (&delay, NULL);
  }
  return EXIT_OK;
}

/* ---- all of it ---- */

/* End by the signal that was caught, if any, now that the terminal is
 * restored.  SIGINT is the usual way to end this program, so it is no failure.
 */
static int
end_with_signal (struct top *t, int code)
{
  history_free (&t->history);
  if (!caught_signal)
    return code;
  if (caught_signal == SIGINT)
    return EXIT_OK;
  signal (caught_signal, SIG_DFL);
  raise (caught_signal);
  return EXIT_FAILED;
}

static double
parse_delay (const struct command *command, const char *s)
{
  char *end;
  double delay = strtod (s, &end);

  if (end == s || *end != '\0' || !(delay >= 0.1 && delay <= 3600))
    usage_error (command, "--delay=%s: must be from 0.1 to 3600 seconds", s);
  return delay;
}

int
command_top (const struct command *command, int argc, char *argv[])
{
  struct top t = { .delay = 1 };
  const char *control = NULL, *delay = "1";
  const struct option_entry entries[] = {
    { .name = "delay", .letter = 'd', .argument = "SECONDS",
      .string = &delay, .help = "between two samples (default: 1)" },
    { .name = "iterations", .letter = 'n', .argument = "N",
      .number = &t.iterations, .min = 1, .help = "end after so many samples" },
    { .name = "batch", .letter = 'b', .flag = &t.batch,
      .help = "plain lines, in a terminal too" },
    { .name = "exports", .letter = 'e', .flag = &t.exports,
      .help = "what each export holds and does" },
    OPTION_CONTROL (&control),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);
  int code;

  t.delay = parse_delay (command, delay);
  t.blocks = strcmp (nl_langinfo (CODESET), "UTF-8") == 0;
  code = server_find (&t.server, name, control);
  if (code != EXIT_OK)
    return code;
  code = !t.batch && isatty (STDOUT_FILENO) == 1 && isatty (STDIN_FILENO) == 1
    ? top_screen (&t) : top_lines (&t);
  return end_with_signal (&t, code);
}
