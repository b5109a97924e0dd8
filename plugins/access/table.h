/*
 * table - a file of access rules, one a line.
 */
#ifndef PLUGINS_ACCESS_TABLE_H
#define PLUGINS_ACCESS_TABLE_H

#include <stdio.h>

#include "match.h"

/* Called for each line that is wrong; line 0: the file as a whole. */
typedef void table_report(void *arg, unsigned line, const char *reason);

/* Appends the rules of the file to the index. 0, or -1 after at least one report. */
int table_read(const char *path, struct match *match, table_report *report, void *arg);

/* The same from what is open already. */
int table_parse(FILE *file, struct match *match, table_report *report, void *arg);

#endif
