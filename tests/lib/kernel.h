/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of the kernel, and of /run, from a directory of the test's own. */

#ifndef NBDZRAM_TESTS_LIB_KERNEL_H
#define NBDZRAM_TESTS_LIB_KERNEL_H

#define KERNEL_ROOT_SIZE 32

/* Stands for the root of the file system, from kernel_setup on. */
extern char kernel_root[KERNEL_ROOT_SIZE];

/* For cmocka_run_group_tests: make it, and remove it with all that is in
 * it.
 */
int kernel_setup (void **state);
int kernel_teardown (void **state);

/* Write TEXT to the file PATH of the fake kernel; PATH begins with a slash.
 * Makes its directory.
 */
void kernel_put (const char *path, const char *text);

/* The file PATH of the fake kernel holds TEXT, but for the newline. */
void kernel_assert (const char *path, const char *text);

/* There is no such file. */
void kernel_put_none (const char *path);

#endif /* NBDZRAM_TESTS_LIB_KERNEL_H */
