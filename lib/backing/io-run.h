/* SPDX-License-Identifier: GPL-2.0-or-later */

#ifndef NBDZRAM_BACKING_IO_RUN_H
#define NBDZRAM_BACKING_IO_RUN_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of memory that are written to one place of a disk. */
struct io_run {
  const void *data;
  size_t length;                /* a multiple of a block, as is OFFSET */
  uint64_t offset;
};

#endif /* NBDZRAM_BACKING_IO_RUN_H */
