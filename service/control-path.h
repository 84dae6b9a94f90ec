/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where control sockets are: DIRECTORY/NAME.ctl.  The server makes its
 * own there, and the command nbdzram looks for it.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_PATH_H
#define NBDZRAM_SERVICE_CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define CONTROL_SUFFIX ".ctl"
#define CONTROL_NAME_MAX 64

/* Room for the path of a socket and the zero after it. */
#define CONTROL_PATH_SIZE (sizeof ((struct sockaddr_un *) 0)->sun_path)

/* Letters, digits, and . _ - but for the first; so a name is never
 * taken for an option, a path, or KEY=VALUE.
 */
bool control_name_valid (const char *name);

/* The directory of this user's sockets, by environment: that of the
 * session, or else, and for root, the system's.
 */
const char *control_directory (char *buf, size_t size);

/* DIRECTORY/NAME.ctl.  -1 with errno ENAMETOOLONG when no socket can be
 * called that.
 */
int control_path (char path[CONTROL_PATH_SIZE], const char *directory,
                  const char *name);

#endif /* NBDZRAM_SERVICE_CONTROL_PATH_H */
