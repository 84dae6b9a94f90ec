/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Swap that stays on until the machine is off.
 *
 * What is swapped may not fit back into memory.  Then the swap must stay on
 * when the machine goes down, and its server must live until the end:
 *
 * - systemd does not kill processes whose argv[0] begins with '@', nor those
 *   of a unit with SurviveFinalKillSignal= (systemd 255);
 * - systemd turns off all swap twice: by its own .swap units, one for each
 *   name of the device, and by systemd-shutdown, when all processes have
 *   been killed.  Without room, the first ones take until their timeout;
 *   and then the kernel finds nothing that it may kill for memory, and
 *   panics.  So the device is covered: /dev/null is mounted over it, and
 *   swapoff fails at once.
 * - systemd-shutdown stops all processes, also the server, while it reads
 *   the command lines of those that are left.  A command line that is
 *   swapped out would never come: so all are read before.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SHUTDOWN_H
#define NBDZRAM_COMMAND_SWAP_SHUTDOWN_H

#include <stdbool.h>

/* Whether systemd is shutting the machine down. */
bool shutdown_has_begun (void);

/* Keep everybody from turning off swap on DEVICE.  0, or -1 with errno. */
int shutdown_cover (const char *device);

/* Undo this, if it was done: a machine may go on (soft-reboot). */
void shutdown_uncover (const char *device);

/* Read the command lines of all processes. */
void shutdown_read_command_lines (void);

#endif /* NBDZRAM_COMMAND_SWAP_SHUTDOWN_H */
