/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool: memory in which one or more devices keep their pages.
 *
 * pool_open prepares it, pool_start maps it and finds its devices
 * (devices.h), and pool_close ends both.
 */

#ifndef NBDZRAM_STORE_POOL_H
#define NBDZRAM_STORE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attach-result.h"
#include "pool-types.h"

/* Open or create the pool file and check that it can be used.  Maps and
 * starts nothing, so it may come before a fork or an mlockall.  An existing
 * pool keeps its geometry: compare pool->file.geometry.  Returns NULL with
 * errno set as by pool_file_open, or
 *   ERANGE  mem_limit is below pool_mem_limit_min
 *   ENOMEM
 */
struct pool *pool_open (const struct pool_options *options);

/* The smallest mem_limit with which OPTIONS can work at all.  It is found by
 * making a stream.  Returns UINT64_MAX with errno ENOMEM when that failed.
 */
uint64_t pool_mem_limit_min (const struct pool_options *options);

/* The same for POOL, with what its backing file needs, if it has one. */
uint64_t pool_least_limit (const struct pool *pool);

/* Change mem_limit to LIMIT bytes; 0: none.  Memory already in use stays,
 * even beyond the limit.  Writes that wait for memory try again if there is
 * room now.  0, or -1 with errno ERANGE (below pool_least_limit) or ENOMEM.
 */
int pool_set_mem_limit (struct pool *pool, uint64_t limit);

/* Try whether there is address space for the pool and a device of SIZE
 * bytes: after a fork it would be too late to report an error.  Nothing
 * stays mapped.  0, or -1 with errno ENOMEM.
 */
int pool_try_map (struct pool *pool, uint64_t size);

/* Map the pool and find all that it holds.  From here on devices can be
 * opened.  ATTACH_FAILED has errno
 *   ENOMEM, ENOSPC
 *   EINVAL   a record is damaged
 *   ENOTSUP  a page has a codec that is not built in
 *   EMLINK   there is no room for another dictionary
 */
enum attach_result pool_start (struct pool *pool);

/* Allocate and map what requests would otherwise have to ask the system for:
 * the memory that the pool holds already, the tables of its devices, and
 * streams for STREAMS requests at a time.  Memory for new objects is not
 * included (reserve.h).  A table that would take more than a 32nd of the
 * machine's memory is left out: a disk so much larger can't be filled.  To be
 * called before there are other threads.  0, or -1 with errno ENOMEM or
 * ENOSPC; what has been done stays.
 */
int pool_make_resident (struct pool *pool, unsigned streams);

/* Does any algorithm have dict=auto?  Then pool_use_dictionary gives it a
 * dictionary.
 */
bool pool_wants_dictionary (const struct pool *pool);

/* The same for the pages of D.  Those of a device with its own algorithm use
 * such a dictionary only when they are recompressed.
 */
bool pool_wants_dictionary_for (const struct pool *pool,
                                const struct device *d);

/* Compress with LENGTH bytes of CONTENT as dictionary wherever the algorithm
 * has dict=auto, while requests go on, and drop dictionaries that no page and
 * no algorithm uses.  A job (walk.h).  0, or -1 with errno as by
 * dictionaries_add; then some algorithms may have it, and the others keep
 * what they had.
 */
int pool_use_dictionary (struct pool *pool, const void *content,
                         size_t length);

/* Compress new pages by ALGORITHM, whose dictionary the caller frees.  The
 * caller holds maintenance.  Errors as in lib/maintenance/reconfigure.h.
 */
int pool_change_algorithm (struct pool *pool,
                           const struct algorithm *algorithm);

/* Close the pool and all its devices.  Its memory is freed when the last
 * process that has the pool file open closes it.  POOL may be NULL.
 */
void pool_close (struct pool *pool);

/* Find the device called NAME among the records of the pool file, also
 * before pool_start.  Returns its number and its SIZE in bytes, or -1 with
 * errno ENOENT (there is no such device) or EINVAL (a record is damaged).
 */
int pool_find_device (struct pool *pool, const char *name, uint64_t *size);

#endif /* NBDZRAM_STORE_POOL_H */
