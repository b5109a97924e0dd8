/*
 * scene - a message, a few plugins and what each of them does to it and when; made up at
 * random or by a test. It is played through a session.
 */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "bare_chain.h"
#include "mail.h"

enum { SCENE_PLUGINS = 4, SCENE_HEADERS = 8, SCENE_OPS = 24 };

enum scene_kind {
    APPEND,
    INSERT,
    INSERT_TOP,
    CHANGE,
    REMOVE, /* CHANGE without a value */
    REPLACE_HANDLE,
    DELETE_HANDLE,
    BEFORE_HANDLE,
    AFTER_HANDLE,
    ADD_RCPT,
    ADD_RCPT_ARGS,
    DELETE_RCPT,
    SENDER,
    BODY,
    QUARANTINE,
    KINDS,
};

/*
 * When: 0 at MAIL, n at the n'th header, then for what waits for the end of the header
 * (which is asked for earlier, at `asked`), at the end of the header, at the end of
 * message.
 */
enum { SCENE_WAITS = 1, SCENE_EOH = 2, SCENE_EOM = 3 }; /* behind the last header */

struct scene_op {
    int plugin, when, asked;
    enum scene_kind kind;
    unsigned number; /* position, index, or which of the fields */
    char name[16], value[16];
};

struct scene {
    unsigned seed;
    int plugins, headers, rcpts, op_count;
    bool kept;  /* header fields are kept */
    bool exact; /* values travel with their leading space */
    bool told;  /* on Sendmail, which says so; plugins add nothing that it writes itself */
    struct scene_op ops[SCENE_OPS];
    struct mail received;
    struct mail copies[SCENE_PLUGINS]; /* the naive model's */
    struct mail seen[SCENE_PLUGINS];   /* by each plugin in the end */
    /* A plugin is not called for a field that one before it has deleted. */
    bool called[SCENE_PLUGINS][SCENE_HEADERS + SCENE_EOM + 1];
};

/* A message of random fields and recipients, and edits. early: at any time from MAIL on, not
   at the end of message alone. ordered: no plugin does anything before the plugins in front
   of it have finished. */
void scene_random(struct scene *scene, unsigned seed, bool kept, bool early, bool ordered);

/* The naive model: a full copy of the message for each plugin, made of the copy of the plugin
   before it. For a scene that has been played. */
void scene_copies(struct scene *scene);

/* A dialogue up to the end of message, which is yet to be said. */
void scene_open(struct scene *scene, enum mail_server server, struct bare_chain *bare,
                struct bare_dialogue *dialogue);

/* Plays it with a mail server that shows itself as one of the two; what comes out where the
   packets are given to either. */
void scene_play(struct scene *scene, enum mail_server server, struct mail *postfix,
                struct mail *sendmail);

void scene_print(const struct scene *scene);

/* Fails with the scene and both messages where they are not the same. */
void scene_expect(const struct scene *scene, bool same, const char *what, const struct mail *is,
                  const struct mail *expected);

#endif
