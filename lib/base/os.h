/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operating system's memory, clocks and threads, as the store uses them.
 *
 * Sizes are in bytes.  Offsets, addresses and lengths are multiples of the
 * OS page.  Functions that return int return 0, or -1 with errno set.  All
 * functions may be called from any thread.
 */

#ifndef NBDZRAM_BASE_OS_H
#define NBDZRAM_BASE_OS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* The unit in which the kernel allocates and frees ordinary memory. */
#define OS_PAGE_SIZE 4096

/* Reserve LEN bytes of zeroed private memory.  An OS page becomes resident
 * when it is first touched.  Returns NULL with errno ENOMEM if there is not
 * enough address space.  Free it with os_unmap.
 */
void *os_map_anon (size_t len);

/* Map LEN bytes of FD at OFFSET, shared.  An OS page becomes resident when
 * it is first touched.  Returns NULL with errno set on failure.
 */
void *os_map_file (int fd, uint64_t offset, size_t len);

/* Does nothing if ADDR is NULL. */
void os_unmap (void *addr, size_t len);

/* Allocate memory for LEN bytes at ADDR, which map FD at OFFSET, so that
 * touching them can't raise SIGBUS.  Existing content stays.  ENOSPC if the
 * file system or the machine has no memory left.
 */
int os_populate (int fd, void *addr, uint64_t offset, size_t len);

/* The same for private memory, which os_map_anon returned. */
int os_populate_anon (void *addr, size_t len);

/* Enter the allocated parts of a file into the page table: LEN bytes at
 * ADDR, which map FD at OFFSET.  Accesses to them will not fault, and a lock
 * on the mapping keeps them in memory.  Holes stay holes, unless another
 * thread or process writes to the file meanwhile.
 */
int os_populate_data (int fd, void *addr, uint64_t offset, size_t len);

/* Keep the OS pages that have the LEN bytes at ADDR out of core dumps.  For
 * memory of huge pages, ADDR and LEN must be aligned to them.
 */
void os_exclude_from_dumps (const void *addr, size_t len);

/* Free the memory of a range of FD.  The range reads as zeroes afterwards.
 * Works under mlock, where MADV_DONTNEED fails with EINVAL.
 */
int os_punch (int fd, uint64_t offset, size_t len);

/* The same for private memory, which os_map_anon returned. */
int os_give_back (void *addr, size_t len);

/* Return how many bytes of its address space this process has locked
 * (VmLck), or 0 if that is unknown.
 */
uint64_t os_locked_bytes (void);

/* If the process has locked its memory, change the lock so that an OS page
 * is locked when it is first touched: a plain mlockall (MCL_FUTURE) would
 * fill a mapping of many gigabytes at once.  Call it before anything large
 * is mapped.
 */
int os_lock_on_fault (void);

/* Return the time of the monotonic clock in milliseconds. */
uint64_t os_milliseconds (void);

/* Start a thread that blocks all signals, since those are for the program
 * around the store.  Returns 0, or -1 with errno EAGAIN.
 */
int os_start_thread (pthread_t *thread, void *(*run) (void *), void *opaque);

/* Put the kernel's boot id in ID, or zeroes if it is unknown.  The id
 * changes with each boot; memory of an earlier boot is gone.
 */
#define OS_BOOT_ID_SIZE 16
void os_boot_id (uint8_t id[OS_BOOT_ID_SIZE]);

/* Return the size of RAM and swap of this machine in bytes, or 0 if it is
 * unknown.  No pool in memory can become larger.
 */
uint64_t os_total_memory (void);

#endif /* NBDZRAM_BASE_OS_H */
