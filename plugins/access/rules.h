/*
 * rules - one line of the access list: VERDICT WHAT PATTERN [TEXT].
 */
#ifndef PLUGINS_ACCESS_RULES_H
#define PLUGINS_ACCESS_RULES_H

#include <stddef.h>

enum { RULES_LINE_MAX = 1000 };

/* CONTINUE ends the search in this plugin only; ACCEPT ends the chain. */
enum rules_verdict {
    RULES_CONTINUE,
    RULES_ACCEPT,
    RULES_REJECT,
    RULES_TEMPFAIL,
    RULES_DISCARD,
};

enum rules_what {
    RULES_CLIENT,
    RULES_NAME,
    RULES_HELO,
    RULES_SENDER,
    RULES_RCPT,
    RULES_WHATS,
};

/* What the key of a rule is compared with. */
enum rules_form {
    RULES_ANY,    /* everything; the key is empty */
    RULES_NET,    /* family, bits and 16 bytes of an address */
    RULES_EXACT,  /* the whole host name or address (without <>) */
    RULES_DOMAIN, /* the domain of an address */
    RULES_BELOW,  /* a host name or the domain of an address: this one and all below it */
    RULES_LOCAL,  /* the local part of an address */
    RULES_FORMS,
};

enum { RULES_NET_KEY = 18 };

struct rule {
    enum rules_verdict verdict;
    enum rules_what what;
    enum rules_form form;
    unsigned line; /* of the table; 0: from milter.conf. Not set by rules_parse() */
    char *key;     /* lower case; may hold NULs where form is RULES_NET */
    size_t key_length;
    int code;       /* reject and tempfail; else 0 */
    char xcode[12]; /* "5.7.1" */
    char *text;     /* as written, for milter_expand(); NULL: none was given */
};

/* 0, or -1 with the reason in err; then the rule owns nothing. A blank line is no rule. */
int rules_parse(const char *line, struct rule *rule, char *err, size_t errsize);

/* Frees what the rule owns. */
void rules_fini(struct rule *rule);

const char *rules_verdict_name(enum rules_verdict verdict);
const char *rules_what_name(enum rules_what what);

#endif
