/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a backing file was refused.
 *
 * An errno can't tell these reasons apart: the user must do something else
 * for each of them.  So the functions that open a backing file fill in a
 * struct backing_error when they fail, and the program that wants to tell
 * its user asks backing_error_text for the message.
 */

#ifndef NBDZRAM_BACKING_BACKING_ERROR_H
#define NBDZRAM_BACKING_BACKING_ERROR_H

#include <stddef.h>
#include <stdint.h>

enum backing_error_reason {
  BACKING_ERROR_NONE,
  BACKING_ERROR_SYSTEM,         /* a call failed: SYSTEM is its errno */
  BACKING_ERROR_UNUSABLE,       /* as DETAIL says */
  BACKING_ERROR_OCCUPIED,       /* it has content that is not nbdzram's */
  BACKING_ERROR_OTHER_POOL,     /* another pool may need its pages */
  BACKING_ERROR_BUSY,           /* another process uses it */
  BACKING_ERROR_UNEXPECTED,     /* the record names another file */
  BACKING_ERROR_IS_POOL,        /* it is the pool file */
  BACKING_ERROR_FILE_TYPE,      /* not a regular file or a block device */
  BACKING_ERROR_TOO_SMALL,      /* no size was given, or no page fits */
  BACKING_ERROR_TOO_LARGE,      /* more than BACKING_SIZE_MAX was asked for */
  BACKING_ERROR_MEM_LIMIT,      /* the pool's limit is below NEEDED */
};

struct backing_error {
  enum backing_error_reason reason;
  int system;                   /* errno */
  uint64_t needed;              /* bytes of memory */
  const char *path;             /* the path or URI that it is about, of the
                                 * options that were passed to open */
  char detail[256];             /* one line */
};

/* Set the reason, and keep errno if that is BACKING_ERROR_SYSTEM.  Returns
 * -1, for the caller to return.
 */
int backing_error_set (struct backing_error *e,
                       enum backing_error_reason reason);

/* Set BACKING_ERROR_UNUSABLE with DETAIL.  Returns -1. */
int backing_error_set_detail (struct backing_error *e, const char *detail);

/* Write the message for the user, one line, to TEXT of SIZE bytes. */
void backing_error_text (const struct backing_error *e, char *text,
                         size_t size);

#endif /* NBDZRAM_BACKING_BACKING_ERROR_H */
