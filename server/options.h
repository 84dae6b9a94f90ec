/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of nbdzramd.  Options are nbdkit's where it has them;
 * parameters are those of the plugin (service/settings.h).
 */

#ifndef NBDZRAM_SERVER_OPTIONS_H
#define NBDZRAM_SERVER_OPTIONS_H

#include <stdbool.h>

#include "service/server-settings.h"

#include "connections.h"
#include "listeners.h"
#include "tls.h"

struct options {
  struct listen_options listen;
  struct tls_options tls_files;
  bool tls;                     /* clients may use it */
  struct connection_settings connection; /* as far as options tell */
  struct connections_options connections;
  const char *pid_file;         /* or NULL */
  char *run;                    /* or NULL */
  bool foreground, verbose;
  bool swap;                    /* mlock=on, unless the parameter is given */
};

/* Parse the command line.  Prints and ends the program after a mistake,
 * --help and --version.
 */
void options_parse (struct options *o, struct server_settings *s, int argc,
                    char *argv[]);

#endif /* NBDZRAM_SERVER_OPTIONS_H */
