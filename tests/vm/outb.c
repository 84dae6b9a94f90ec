/* SPDX-License-Identifier: GPL-2.0-or-later */
/* outb PORT BYTE: how the virtual machine tells its verdict. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

int
main (int argc, char *argv[])
{
  unsigned long port;

  if (argc != 3)
    return 2;
  port = strtoul (argv[1], NULL, 0);
  if (ioperm (port, 1, 1) == -1) {
    perror ("ioperm");
    return 1;
  }
  outb ((unsigned char) atoi (argv[2]), (unsigned short) port);
  return 0;
}
