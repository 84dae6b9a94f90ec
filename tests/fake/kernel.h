/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The protocol between a watcher with a fake netlink and the fake kernel: one
 * message each way, sockets as SCM_RIGHTS.
 */

#ifndef NBDZRAM_TESTS_FAKE_KERNEL_H
#define NBDZRAM_TESTS_FAKE_KERNEL_H

#include <stdint.h>

#define FAKE_FDS 16

enum fake_command {
  FAKE_CONNECT, FAKE_RECONFIGURE, FAKE_DISCONNECT, FAKE_STATUS,
};

struct fake_request {
  enum fake_command command;
  uint64_t size, timeout;
  char identifier[80];
};

struct fake_reply {
  int error, connected;
};

#endif /* NBDZRAM_TESTS_FAKE_KERNEL_H */
