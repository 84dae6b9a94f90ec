/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which numbers of a reply are metrics, under which names. */

#ifndef NBDZRAM_COMMAND_METRICS_FAMILIES_H
#define NBDZRAM_COMMAND_METRICS_FAMILIES_H

/* A family of samples: one number of each server, export or device. */
struct family {
  const char *key;              /* of the object that has the number */
  const char *name;             /* after "nbdzram_" */
  const char *type;
  const char *help;
};

/* Where the objects are that have the numbers of some families: in the list
 * at a key of the reply, or the reply itself; from there, the object at PART,
 * and in that the one at SUBPART.
 */
struct group {
  const struct family *families; /* ended by a NULL key */
  const char *list, *part, *subpart;
  const char *label, *label_key; /* tells the objects of a list apart */
};

extern const struct group server_groups[]; /* ended by NULL families */
extern const struct group statistics_group;
extern const struct group supervisor_group;

#endif /* NBDZRAM_COMMAND_METRICS_FAMILIES_H */
