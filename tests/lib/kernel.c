/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

#include <cmocka.h>

#include "command/base/kernel-file.h"
#include "kernel.h"

char kernel_root[KERNEL_ROOT_SIZE] = "/tmp/unit-kernel.XXXXXX";

int
kernel_setup (void **state)
{
  (void) state;
  if (!mkdtemp (kernel_root))
    return -1;
  setenv ("XDG_RUNTIME_DIR", kernel_root, 1);
  return setenv ("NBDZRAM_ROOT", kernel_root, 1);
}

int
kernel_teardown (void **state)
{
  char command[16 + KERNEL_ROOT_SIZE];

  (void) state;
  snprintf (command, sizeof command, "rm -r %s", kernel_root);
  return system (command);
}

void
kernel_put (const char *path, const char *text)
{
  char real[256], command[300];
  FILE *fp;

  snprintf (real, sizeof real, "%s%s", kernel_root, path);
  snprintf (command, sizeof command, "mkdir -p $(dirname %s)", real);
  assert_int_equal (system (command), 0);
  fp = fopen (real, "w");
  assert_non_null (fp);
  fputs (text, fp);
  assert_int_equal (fclose (fp), 0);
}

void
kernel_assert (const char *path, const char *text)
{
  char buf[256];

  assert_int_not_equal (kernel_file_read (path, buf, sizeof buf), -1);
  assert_string_equal (buf, text);
}

void
kernel_put_none (const char *path)
{
  char real[256];

  snprintf (real, sizeof real, "%s%s", kernel_root, path);
  unlink (real);
}
