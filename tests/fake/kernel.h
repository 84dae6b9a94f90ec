/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between a watcher whose netlink is played and the process that plays the
 * kernel: one message each way, sockets as SCM_RIGHTS.
 */

#ifndef NBDZRAM_TESTS_FAKE_KERNEL_H
#define NBDZRAM_TESTS_FAKE_KERNEL_H

#include <stdint.h>

#define PLAYED_FDS 16

enum played_command {
  PLAYED_CONNECT, PLAYED_RECONFIGURE, PLAYED_DISCONNECT, PLAYED_STATUS,
};

struct played_request {
  enum played_command command;
  uint64_t size, timeout;
  char identifier[80];
};

struct played_reply {
  int error, connected;
};

#endif /* NBDZRAM_TESTS_FAKE_KERNEL_H */
