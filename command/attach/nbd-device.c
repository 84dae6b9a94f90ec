/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/base/kernel-file.h"

#include "nbd-device.h"

#define DEVICES 1024            /* more than are made in practice */
#define VALUE_SIZE 256          /* of an attribute */

static void
attribute_path (char *path, size_t size, int index, const char *name)
{
  snprintf (path, size, "/sys/block/nbd%d/%s", index, name);
}

const char *
nbd_device_path (char path[NBD_DEVICE_PATH_SIZE], int index)
{
  snprintf (path, NBD_DEVICE_PATH_SIZE, "/dev/nbd%d", index);
  return path;
}

static ssize_t
read_attribute (int index, const char *name, char value[VALUE_SIZE])
{
  char path[64];

  attribute_path (path, sizeof path, index, name);
  return kernel_file_read (path, value, VALUE_SIZE);
}

bool
nbd_device_connected (int index)
{
  char value[VALUE_SIZE];

  return read_attribute (index, "pid", value) > 0;
}

bool
nbd_device_belongs (int index, const char *identifier)
{
  char value[VALUE_SIZE];

  if (!nbd_device_connected (index))
    return false;
  if (read_attribute (index, "backend", value) == -1)
    return errno == ENOENT;
  return strcmp (value, identifier) == 0;
}

bool
nbd_device_foreign (int index, const char *identifier)
{
  char value[VALUE_SIZE];

  return read_attribute (index, "backend", value) > 0
    && strcmp (value, identifier) != 0;
}

int
nbd_device_find (const char *identifier)
{
  char value[VALUE_SIZE];

  for (int i = 0; i < DEVICES; ++i)
    if (read_attribute (i, "backend", value) > 0
        && strcmp (value, identifier) == 0 && nbd_device_connected (i))
      return i;
  return -1;
}

static bool
exists (int index)
{
  char path[64];

  attribute_path (path, sizeof path, index, "queue");
  return kernel_file_exists (path);
}

int
nbd_device_free (int index)
{
  for (; index < DEVICES; ++index)
    if (exists (index) && !nbd_device_connected (index))
      return index;
  return -1;
}

uint64_t
nbd_device_size (int index)
{
  char path[64];
  uint64_t sectors;

  attribute_path (path, sizeof path, index, "size");
  return kernel_file_number (path, &sectors) == 0 ? sectors * 512 : 0;
}

/* Mounts and swap hold it open exclusively. */
bool
nbd_device_busy (int index)
{
  char device[NBD_DEVICE_PATH_SIZE], path[64];
  int fd;

  nbd_device_path (device, index);
  if (kernel_file_path (path, sizeof path, device) == -1)
    return false;
  fd = open (path, O_RDONLY | O_EXCL | O_CLOEXEC);
  if (fd == -1)
    return errno == EBUSY;
  close (fd);
  return false;
}

bool
nbd_is_loaded (void)
{
  return kernel_file_exists ("/sys/module/nbd");
}
