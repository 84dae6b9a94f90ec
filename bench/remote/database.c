/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A workload: a database in memory, by SQLite.
 *
 *   database MIB [zipf=0.99] [queries=N] [seed=N] [hold=1]
 *
 * Rows of a kilobyte are read by their number, as popular by Zipf, and
 * compared, and each third is updated; as many queries as rows, if not told.
 *
 * SQLite asks its page cache for each page that it needs, and here that is
 * asked through us: so page-ins are seen inside of queries.
 */

#include <config.h>

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "tests/lib/content.h"
#include "tests/lib/prng.h"

#include "workload.h"
#include "zipf.h"

#define PAGE 4096
#define BODY 122                /* words of a row */
#define ROWS_OF_PAGE 4

struct database {
  struct workload *w;
  sqlite3 *db;
  sqlite3_stmt *insert, *select, *update;
  uint64_t rows;
  uint8_t *versions;            /* by row */
};

/* ---- SQLite's page cache ---- */

static sqlite3_pcache_methods2 stock;
static struct page_ins *page_ins;

/* The cache's own search may come across other pages' heads, which are
 * swapped, too.
 */
static sqlite3_pcache_page *
fetch (sqlite3_pcache *cache, unsigned key, int create)
{
  sqlite3_pcache_page *page;

  page_in_begin (page_ins);
  page = stock.xFetch (cache, key, create);
  if (page) {
    const volatile char *bytes = page->pBuf;

    (void) bytes[0];
    (void) bytes[PAGE - 1];
  }
  page_in_end (page_ins);
  return page;
}

static void
watch_page_cache (struct page_ins *p)
{
  sqlite3_pcache_methods2 watched;

  page_ins = p;
  if (sqlite3_config (SQLITE_CONFIG_GETPCACHE2, &stock) != SQLITE_OK)
    errx (EXIT_FAILURE, "SQLite has no page cache");
  watched = stock;
  watched.xFetch = fetch;
  if (sqlite3_config (SQLITE_CONFIG_PCACHE2, &watched) != SQLITE_OK)
    errx (EXIT_FAILURE, "SQLite takes no page cache");
}

/* ---- rows ---- */

static void
check (const struct database *d, int result, const char *what)
{
  if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW)
    errx (EXIT_FAILURE, "%s: %s", what, sqlite3_errmsg (d->db));
}

static sqlite3_stmt *
prepare (const struct database *d, const char *sql)
{
  sqlite3_stmt *statement;

  check (d, sqlite3_prepare_v2 (d->db, sql, -1, &statement, NULL), sql);
  return statement;
}

static struct content
content_of (const struct database *d, uint64_t row)
{
  return content (d->w->seed ^ row << 8 ^ d->versions[row]);
}

/* As INSERT and UPDATE do: both have the body first, then the number. */
static void
write_row (const struct database *d, sqlite3_stmt *statement, uint64_t row)
{
  uint64_t body[BODY];

  content_write (content_of (d, row), body, BODY);
  sqlite3_bind_blob (statement, 1, body, sizeof body, SQLITE_STATIC);
  sqlite3_bind_int64 (statement, 2, (sqlite3_int64) row);
  check (d, sqlite3_step (statement), "writing a row");
  check (d, sqlite3_reset (statement), "writing a row");
}

static bool
row_is_right (const struct database *d)
{
  uint64_t row = (uint64_t) sqlite3_column_int64 (d->select, 1);
  uint64_t body[BODY];

  if (sqlite3_column_bytes (d->select, 0) != sizeof body || row >= d->rows)
    return false;
  memcpy (body, sqlite3_column_blob (d->select, 0), sizeof body);
  return content_differs (content_of (d, row), body, BODY) == BODY;
}

static void
verify_row (const struct database *d, uint64_t row)
{
  int result;

  sqlite3_bind_int64 (d->select, 1, (sqlite3_int64) row);
  result = sqlite3_step (d->select);
  check (d, result, "reading a row");
  if (result != SQLITE_ROW || !row_is_right (d)
      || (uint64_t) sqlite3_column_int64 (d->select, 1) != row) {
    warnx ("row %" PRIu64 " is wrong", row);
    d->w->wrong++;
  }
  sqlite3_reset (d->select);
}

/* ---- all of it ---- */

static void
execute (const struct database *d, const char *sql)
{
  check (d, sqlite3_exec (d->db, sql, NULL, NULL, NULL), sql);
}

static void
open_database (struct database *d)
{
  if (sqlite3_open (":memory:", &d->db) != SQLITE_OK)
    errx (EXIT_FAILURE, "SQLite: %s", sqlite3_errmsg (d->db));
  execute (d, "pragma page_size = 4096");
  execute (d, "pragma journal_mode = off");
  execute (d, "create table t (id integer primary key, body blob)");
  d->insert = prepare (d, "insert into t (body, id) values (?, ?)");
  d->select = prepare (d, "select body, id from t where id = ?");
  d->update = prepare (d, "update t set body = ? where id = ?");
}

static void
close_database (struct database *d)
{
  sqlite3_finalize (d->insert);
  sqlite3_finalize (d->select);
  sqlite3_finalize (d->update);
  sqlite3_close (d->db);
}

static void
work (struct database *d, uint64_t queries, double exponent)
{
  struct zipf z = zipf_new (d->rows, exponent, d->w->seed);
  uint64_t prng = d->w->seed;

  execute (d, "begin");
  for (uint64_t row = 0; row < d->rows; ++row)
    write_row (d, d->insert, row);
  execute (d, "commit");

  workload_begin (d->w);
  for (uint64_t n = 0; n < queries; ++n) {
    uint64_t row = zipf_next (&z, &prng);

    verify_row (d, row);
    if (below (&prng, 3) == 0) {
      d->versions[row]++;
      write_row (d, d->update, row);
    }
  }
  workload_end (d->w);

  for (uint64_t row = 0; row < d->rows; ++row)
    verify_row (d, row);
  zipf_free (&z);
}

int
main (int argc, char *argv[])
{
  uint64_t queries = 0;
  double exponent = .99;
  const struct parameter own[] = {
    { "queries", &queries, NULL },
    { "zipf", NULL, &exponent },
  };
  struct workload w;
  struct database d = { .w = &w };

  workload_start (&w, argc, argv, own, 2);
  d.rows = w.mib * (1048576 / PAGE) * ROWS_OF_PAGE;
  d.versions = workload_memory (d.rows);
  watch_page_cache (&w.page_ins);
  open_database (&d);
  work (&d, queries > 0 ? queries : d.rows, exponent);
  close_database (&d);
  return workload_finish (&w);
}
