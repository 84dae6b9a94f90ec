/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result of attaching a pool, or what one of its slots names. */

#ifndef NBDZRAM_STORE_ATTACH_RESULT_H
#define NBDZRAM_STORE_ATTACH_RESULT_H

enum attach_result {
  ATTACH_OK,
  ATTACH_NO_BACKING,            /* a page is in a backing file, and none was
                                 * given */
  ATTACH_BACKING_UNKNOWN,       /* a page is beyond the known end of a backing
                                 * device that is not connected */
  ATTACH_SLOT_DAMAGED,          /* of claim_slot alone: there can't be such an
                                 * object */
  ATTACH_FAILED,                /* errno is set */
};

#endif /* NBDZRAM_STORE_ATTACH_RESULT_H */
