/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the store asks of the operating system, and nothing else does:
 * address space, and memory behind it.  Sizes are bytes; offsets,
 * addresses and lengths are multiples of the OS page.  Functions
 * returning int give 0, or -1 with errno set.
 */

#ifndef NBDZRAM_BASE_OS_H
#define NBDZRAM_BASE_OS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* The unit in which the kernel gives and takes ordinary memory. */
#define OS_PAGE_SIZE 4096

/* Reserve zeroed private memory; no OS page is resident until touched.
 * NULL with errno ENOMEM when there is no address space.
 */
void *os_map_anon (size_t len);

/* Map part of FD shared; nothing is resident until touched. */
void *os_map_file (int fd, uint64_t offset, size_t len);

/* ADDR may be NULL: then nothing happens. */
void os_unmap (void *addr, size_t len);

/* Make sure that memory stands behind LEN bytes at ADDR, a mapping of
 * FD at OFFSET, so that touching them can't raise SIGBUS.  What is
 * already there stays as it is.  ENOSPC when the file system or the
 * machine has no more.
 */
int os_populate (int fd, void *addr, uint64_t offset, size_t len);

/* The same for private memory, from os_map_anon. */
int os_populate_anon (void *addr, size_t len);

/* Map what the file has of LEN bytes at ADDR, a mapping of FD at OFFSET:
 * no access to it will fault, and a lock on the mapping holds it.  Holes
 * stay, if nobody else writes to the file meanwhile.
 */
int os_populate_data (int fd, void *addr, uint64_t offset, size_t len);

/* Give the memory behind a range of FD back to the system: the range
 * reads as zeroes afterwards.  Works under mlock, where MADV_DONTNEED
 * fails with EINVAL.
 */
int os_punch (int fd, uint64_t offset, size_t len);

/* The same for private memory, from os_map_anon. */
int os_give_back (void *addr, size_t len);

/* What this process has locked of its address space (VmLck), in bytes; 0
 * when it can't be told.
 */
uint64_t os_locked_bytes (void);

/* If the process has locked its memory, make that lock take pages as
 * they are touched: a plain mlockall (MCL_FUTURE) would fill a mapping of
 * many gigabytes at once.  Call it before anything large is mapped.
 */
int os_lock_on_fault (void);

/* Milliseconds of a clock that never goes back. */
uint64_t os_milliseconds (void);

/* Start a thread that gets no signals: those are for the program that this
 * runs in.  0, or -1 with errno EAGAIN.
 */
int os_start_thread (pthread_t *thread, void *(*run) (void *), void *opaque);

/* What tells this run of the machine from all others: memory does not
 * outlive it.  Zeroes where the system does not say.
 */
#define OS_BOOT_ID_SIZE 16
void os_boot_id (uint8_t id[OS_BOOT_ID_SIZE]);

/* Memory of this machine in bytes, swap included: no pool in RAM can
 * become larger.
 */
uint64_t os_total_memory (void);

#endif /* NBDZRAM_BASE_OS_H */
