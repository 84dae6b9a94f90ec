/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "command/base/cleanup.h"

#include "server.h"
#include "shutdown.h"

/* Every kind of shutdown goes through this target.  Its job waits until
 * services have ended, and it is active afterwards.  "systemctl
 * is-system-running" is no alternative: while the machine still starts, it
 * prints "starting".
 */
#define SYSTEMCTL_COMMAND \
  "systemctl show --property=Job,ActiveState shutdown.target 2>/dev/null"

bool
shutdown_has_begun (void)
{
  bool begun = false;
  char line[128];
  FILE *f;

  if (!swap_server_has_systemd ())
    return false;
  f = popen (SYSTEMCTL_COMMAND, "re");
  if (!f)
    return false;
  while (fgets (line, sizeof line, f))
    begun = begun || strcmp (line, "ActiveState=active\n") == 0
      || (strncmp (line, "Job=", 4) == 0
          && line[4] >= '1' && line[4] <= '9');
  pclose (f);
  return begun;
}

/* ---- the device ---- */

#define COVER "/dev/null"

static bool
is_covered (const char *device)
{
  struct stat st;

  return stat (device, &st) == 0 && S_ISCHR (st.st_mode)
    && st.st_rdev == makedev (1, 3);
}

int
shutdown_cover (const char *device)
{
  return is_covered (device) ? 0 : mount (COVER, device, NULL, MS_BIND, NULL);
}

void
shutdown_uncover (const char *device)
{
  if (is_covered (device))
    umount2 (device, MNT_DETACH);
}

/* ---- other processes ---- */

static void
read_to_end (const char *path)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  char text[4096];

  while (read (fd, text, sizeof text) > 0)
    ;
}

void
shutdown_read_command_lines (void)
{
  CLEANUP_CLOSEDIR DIR *dir = opendir ("/proc");
  struct dirent *entry;
  char path[300];

  while (dir && (entry = readdir (dir)) != NULL)
    if (isdigit ((unsigned char) entry->d_name[0])) {
      snprintf (path, sizeof path, "/proc/%s/cmdline", entry->d_name);
      read_to_end (path);
    }
}
