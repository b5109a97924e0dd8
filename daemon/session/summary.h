/*
 * summary - the log lines about messages: one for each message when it ends, and
 * one for each verdict that does not end one (at connect, helo, rcpt, unknown).
 */
#ifndef DAEMON_SESSION_SUMMARY_H
#define DAEMON_SESSION_SUMMARY_H

#include "chain/chain.h"

/* The one line of the open message. what: "accept", "reject", "abort"...; edits: how many
   are sent with it. */
void summary_message(struct chain_run *run, const char *what, const struct chain_outcome *outcome,
                     size_t edits);

/* A verdict at connect, helo, rcpt or an unknown command; text: what it was about. */
void summary_verdict(struct chain_run *run, const struct chain_outcome *outcome, const char *text);

#endif
