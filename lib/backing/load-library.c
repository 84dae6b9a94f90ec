/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

#include "load-library.h"

/* Keeps the first problem, which explains the others. */
static void
note_problem (struct library *l)
{
  if (!l->problem[0])
    snprintf (l->problem, sizeof l->problem, "%s", dlerror ());
}

void
library_open (struct library *l, const char *name)
{
  l->handle = dlopen (name, RTLD_NOW | RTLD_LOCAL);
  if (!l->handle)
    note_problem (l);
}

void *
library_find (struct library *l, const char *symbol)
{
  void *function = l->handle ? dlsym (l->handle, symbol) : NULL;

  if (l->handle && !function)
    note_problem (l);
  return function;
}

const char *
library_problem (const struct library *l)
{
  return l->problem[0] ? l->problem : NULL;
}
