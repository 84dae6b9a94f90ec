/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Swap that stays on until the machine is off.
 *
 * What is swapped out may not fit into memory.  Then the swap must stay on
 * when the machine shuts down, and its server must live until the end:
 *
 * - systemd does not kill processes whose argv[0] begins with '@', nor those
 *   of a unit with SurviveFinalKillSignal= (systemd 255).
 * - systemd turns off all swap twice: by its own .swap units, one for each
 *   name of the device, and by systemd-shutdown, when all processes have been
 *   killed.  Without room, the units run into their timeout; and then the
 *   kernel finds nothing that it may kill for memory, and panics.  So the
 *   device is covered: /dev/null is mounted over it, and swapoff fails at
 *   once.
 * - systemd-shutdown stops all processes, including the server, while it reads
 *   the command lines of the remaining processes.  Reading a command line that
 *   is swapped out would never end, so all are read before.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SHUTDOWN_H
#define NBDZRAM_COMMAND_SWAP_SHUTDOWN_H

#include <stdbool.h>

/* Is systemd shutting the machine down? */
bool shutdown_has_begun (void);

/* Make every swapoff of DEVICE fail.  0, or -1 with errno. */
int shutdown_cover (const char *device);

/* Undo shutdown_cover if it was called, as the machine may go on
 * (soft-reboot).
 */
void shutdown_uncover (const char *device);

/* Read the command lines of all processes, so that they are in memory. */
void shutdown_read_command_lines (void);

#endif /* NBDZRAM_COMMAND_SWAP_SHUTDOWN_H */
