/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the machine, which do not depend on a server. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/base/kernel-file.h"
#include "lib/base/util.h"

#include "check.h"
#include "state.h"

/* KiB.  With less, which is the default of small machines, swapping to a
 * server in user space hangs: the kernel needs memory to send a page and to
 * receive the reply.
 */
#define MIN_FREE_HANGS_BELOW 4096

static void
check_nbd (json_t *list)
{
  if (kernel_file_exists ("/sys/module/nbd")
      || kernel_file_exists ("/sys/block/nbd0"))
    check_add (list, CHECK_OK, "nbd", NULL, "the kernel has the driver");
  else
    check_add (list, CHECK_MISSING, "nbd",
               "modprobe nbd; at boot: echo nbd >/etc/modules-load.d/"
               "nbdzram.conf", "the kernel has not loaded the driver");
}

static void
check_min_free (json_t *list)
{
  uint64_t now, total = 0, want;
  char remedy[128];

  if (kernel_file_number ("/proc/sys/vm/min_free_kbytes", &now) == -1) {
    check_add (list, CHECK_WARN, "min-free", "check that /proc is mounted",
               "/proc/sys/vm/min_free_kbytes can't be read");
    return;
  }
  kernel_file_field ("/proc/meminfo", "MemTotal", 10, &total);
  want = swap_min_free (total * KIB, 0);
  snprintf (remedy, sizeof remedy, "sysctl -w vm.min_free_kbytes=%" PRIu64,
            want);
  check_add (list, now >= want ? CHECK_OK
             : now >= MIN_FREE_HANGS_BELOW ? CHECK_WARN : CHECK_MISSING,
             "min-free", remedy, "vm.min_free_kbytes is %" PRIu64, now);
}

static void
check_page_cluster (json_t *list)
{
  uint64_t now;

  if (kernel_file_number ("/proc/sys/vm/page-cluster", &now) == 0)
    check_add (list, now == 0 ? CHECK_OK : CHECK_WARN, "page-cluster",
               "sysctl -w vm.page-cluster=0",
               "each read of swap reads %" PRIu64 " %s",
               (uint64_t) 1 << MIN (now, 31), now == 0 ? "page" : "pages");
}

/* The kernel lets processes of real-time priority run for so long in each
 * second; with 0 they wait forever.
 */
void
check_real_time (json_t *list)
{
  char text[32];

  if (kernel_file_read ("/proc/sys/kernel/sched_rt_runtime_us", text,
                        sizeof text) == -1)
    return;
  check_that (list, strcmp (text, "0") != 0, "real-time",
              "sysctl -w kernel.sched_rt_runtime_us=950000",
              "kernel.sched_rt_runtime_us is %s", text);
}

void
check_machine (json_t *list)
{
  check_nbd (list);
  check_min_free (list);
  check_page_cluster (list);
  check_real_time (list);
}
