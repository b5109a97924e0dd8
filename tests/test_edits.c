/*
 * test_edits - what is asked of the mail server at the end of a message. Random edits
 * by up to four plugins go through a session; the packets that come out are applied to
 * the received message by a plain model of Postfix and by one of Sendmail. Beside it a
 * naive model keeps a full copy of the message for each plugin, made of the copy of the
 * plugin before it. All must agree, and so must what each plugin sees.
 *
 * Sendmail counts hidden fields in insert positions where Postfix counts visible ones.
 * Where milterd can tell that it talks to Sendmail the order of fields is compared too;
 * where it cannot, which fields there are, and with which values. Left out is a field that
 * Sendmail would write by itself (Received, Date, From): added, it stands where Sendmail
 * has its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "scene.h"

static void
compare_scene(struct scene *scene, bool ordered)
{
    struct mail postfix, sendmail, other;

    scene_play(scene, MAIL_POSTFIX, &postfix, &sendmail);
    if (scene->kept) {
        const struct mail *seen = &scene->seen[scene->plugins - 1];

        scene_expect(scene,
                     mail_same_fields(&postfix, seen, false) &&
                         mail_same_rest(&postfix, seen, !ordered),
                     "Postfix and what the last plugin sees", &postfix, seen);
    }
    if (ordered || !scene->kept) {
        scene_copies(scene);
        const struct mail *copy = &scene->copies[scene->plugins - 1];

        for (int i = 0; i < scene->plugins && scene->kept; i++)
            scene_expect(scene,
                         mail_same_fields(&scene->seen[i], &scene->copies[i], false) &&
                             mail_same_rest(&scene->seen[i], &scene->copies[i], false),
                         "what a plugin sees and its copy", &scene->seen[i], &scene->copies[i]);
        scene_expect(scene,
                     mail_same_fields(&postfix, copy, true) &&
                         mail_same_rest(&postfix, copy, false) &&
                         strcmp(postfix.quarantine, copy->quarantine) == 0,
                     "Postfix and the copy", &postfix, copy);
    }
    scene_expect(scene,
                 mail_same_set_of_fields(&sendmail, &postfix) &&
                     mail_same_rest(&sendmail, &postfix, false),
                 "Sendmail taken for Postfix, and Postfix", &sendmail, &postfix);
    if (!scene->told)
        return;
    scene_play(scene, MAIL_SENDMAIL, &other, &sendmail);
    scene_expect(scene,
                 mail_same_fields(&sendmail, &postfix, true) &&
                     mail_same_rest(&sendmail, &postfix, false),
                 "Sendmail and Postfix", &sendmail, &postfix);
}

static void
random_scenes(unsigned first, unsigned count, bool kept, bool early, bool ordered)
{
    static struct scene scene;

    for (unsigned seed = first; seed < first + count; seed++) {
        scene_random(&scene, seed, kept, early, ordered);
        compare_scene(&scene, ordered);
    }
}

/* All at the end of message, plugin by plugin. */
static void
at_end_of_message(void **unused)
{
    (void)unused;
    random_scenes(1, 3000, true, false, true);
}

/* At any time from MAIL on, but each plugin after those before it. */
static void
while_it_arrives(void **unused)
{
    (void)unused;
    random_scenes(100001, 3000, true, true, true);
}

/* At any time and in any order: then the plugins' own view counts. */
static void
in_any_order(void **unused)
{
    (void)unused;
    random_scenes(200001, 3000, true, true, false);
}

/* No plugin looks at the fields, so they are not kept, and new ones need none of them. */
static void
not_kept(void **unused)
{
    (void)unused;
    random_scenes(300001, 2000, false, true, false);
}

/* ---- cases by name ----------------------------------------------------------------------------------- */

static void
named_scene(struct scene *scene, int headers, const char *const *names)
{
    memset(scene, 0, sizeof(*scene));
    scene->kept = true;
    scene->plugins = 2;
    scene->headers = headers;
    scene->rcpts = 1;
    mail_put_field(&scene->received, 0, "Received", " own");
    scene->received.fields[0].own = true;
    for (int i = 1; i <= headers; i++) {
        char raw[16];

        snprintf(raw, sizeof(raw), " h%d", i);
        mail_put_field(&scene->received, i, names[i - 1], raw);
        scene->received.fields[i].arrives = i;
    }
    mail_put_rcpt(&scene->received, "a@b.c", NULL);
    strcpy(scene->received.sender, "s@t.u");
    strcpy(scene->received.body, "received\r\n");
}

static void
add_op(struct scene *scene, int plugin, int when, enum scene_kind kind, unsigned number,
       const char *name, const char *value)
{
    struct scene_op *op = &scene->ops[scene->op_count++];

    op->plugin = plugin;
    op->when = op->asked = when;
    op->kind = kind;
    op->number = number;
    snprintf(op->name, sizeof(op->name), "%s", name);
    snprintf(op->value, sizeof(op->value), "%s", value);
}

static const char *const auth[] = {"X-Auth", "X-Auth", "X-Auth", "X-Auth", "X-Auth"};

/* CVE-2022-48521: a filter that took out forged fields of one name by ascending index took
   out others on Postfix. Values of what is left, on both mail servers. */
static void
cve_2022_48521(void **unused)
{
    static const struct {
        const char *name;
        enum scene_kind kind;
        unsigned numbers[5];
        int count;
        const char *left;
    } cases[] = {
        {"handles from the first on", DELETE_HANDLE, {0, 0, 0}, 3, " h4 h5"},
        {"every other handle", DELETE_HANDLE, {0, 1, 2}, 3, " h2 h4"},
        {"handles from the last on", DELETE_HANDLE, {4, 3, 2}, 3, " h1 h2"},
        {"all handles", DELETE_HANDLE, {0, 0, 0, 0, 0}, 5, ""},
        {"index 1 each time", REMOVE, {1, 1, 1}, 3, " h4 h5"},
        {"indexes from the highest down", REMOVE, {3, 2, 1}, 3, " h4 h5"},
        /* An index counts what the plugin sees, which has one field less each time. */
        {"ascending indexes count what is left", REMOVE, {1, 2, 3}, 3, " h2 h4"},
        {"beyond the last", REMOVE, {5, 5, 6}, 3, " h1 h2 h3 h4"},
        {"all, by the highest index", REMOVE, {5, 4, 3, 2, 1}, 5, ""},
    };
    static struct scene scene;
    struct mail both[2];

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        named_scene(&scene, 5, auth);
        for (int k = 0; k < cases[i].count; k++)
            add_op(&scene, 0, 5 + SCENE_EOM, cases[i].kind, cases[i].numbers[k], "X-Auth", "");
        scene_play(&scene, MAIL_POSTFIX, &both[0], &both[1]);
        for (int server = 0; server < 2; server++) {
            char left[64] = "";

            for (int k = 0; k < both[server].field_count; k++)
                if (!both[server].fields[k].own)
                    strcat(left, both[server].fields[k].raw);
            if (strcmp(left, cases[i].left) != 0)
                fail_msg("%s: %s is left with \"%s\", not \"%s\"", cases[i].name,
                         server == 0 ? "Postfix" : "Sendmail", left, cases[i].left);
        }
    }
}

/* Two plugins take out what claims to be theirs, one of them forged fields of the other. */
static void
cve_2022_48521_two_plugins(void **unused)
{
    static struct scene scene;
    struct mail postfix, sendmail;

    (void)unused;
    named_scene(&scene, 5, auth);
    for (int i = 0; i < 2; i++)
        add_op(&scene, 0, 5 + SCENE_EOM, DELETE_HANDLE, 1, "", ""); /* h2, h3 */
    add_op(&scene, 0, 5 + SCENE_EOM, INSERT_TOP, 0, "X-Auth", "mine");
    add_op(&scene, 1, 5 + SCENE_EOM, DELETE_HANDLE, 1, "", "");         /* h1, behind "mine" */
    add_op(&scene, 1, 5 + SCENE_EOM, REMOVE, 3, "X-Auth", "");          /* h5 */
    add_op(&scene, 1, 5 + SCENE_EOM, CHANGE, 2, "X-Auth", "rewritten"); /* h4 */
    compare_scene(&scene, true);
    scene_play(&scene, MAIL_POSTFIX, &postfix, &sendmail);
    assert_int_equal(postfix.field_count, 3);
    assert_string_equal(postfix.fields[0].raw, " mine");
    assert_true(postfix.fields[1].own);
    assert_string_equal(postfix.fields[2].raw, " rewritten");
}

/* The letters that go out, in their order: all changes before all additions, bodies in a
   row, recipients deleted before others are added. */
static void
burst_order(void **unused)
{
    static const char *const names[] = {"A", "B", "C"};
    static struct scene scene;
    struct bare_chain bare;
    struct bare_dialogue dialogue;

    (void)unused;
    named_scene(&scene, 3, names);
    add_op(&scene, 0, 3 + SCENE_EOM, QUARANTINE, 0, "", "why");
    add_op(&scene, 0, 3 + SCENE_EOM, BODY, 0, "", "new");
    add_op(&scene, 0, 3 + SCENE_EOM, ADD_RCPT, 0, "x@y.z", "");
    add_op(&scene, 0, 3 + SCENE_EOM, ADD_RCPT_ARGS, 0, "x@y.z", "NOTIFY=NEVER");
    add_op(&scene, 0, 3 + SCENE_EOM, DELETE_RCPT, 0, "a@b.c", "");
    add_op(&scene, 0, 3 + SCENE_EOM, SENDER, 0, "n@m.o", "RET=HDRS");
    add_op(&scene, 0, 3 + SCENE_EOM, APPEND, 0, "D", "d");
    add_op(&scene, 0, 3 + SCENE_EOM, INSERT_TOP, 0, "E", "e");
    add_op(&scene, 0, 3 + SCENE_EOM, INSERT, 2, "F", "f");
    add_op(&scene, 0, 3 + SCENE_EOM, REMOVE, 1, "A", "");
    add_op(&scene, 0, 3 + SCENE_EOM, CHANGE, 1, "C", "c");
    scene_open(&scene, MAIL_POSTFIX, &bare, &dialogue);
    assert_string_equal(bare_dialogue_say(&dialogue, 'E', "", 0), "mmihie-+2bqc");
    bare_dialogue_close(&dialogue);
    bare_chain_fini(&bare);
}

/* What comes to nothing is not sent. */
static void
nothing_to_send(void **unused)
{
    static const char *const names[] = {"A", "B"};
    static const struct scene_op cases[][2] = {
        {{.kind = APPEND, .name = "D", .value = "d"}, {.plugin = 1, .kind = REMOVE, .name = "D"}},
        {{.kind = CHANGE, .name = "A", .value = "x"},
         {.plugin = 1, .kind = CHANGE, .name = "A", .value = "h1"}},
        {{.kind = ADD_RCPT, .name = "x@y.z"}, {.plugin = 1, .kind = DELETE_RCPT, .name = "x@y.z"}},
        {{.kind = ADD_RCPT, .name = "a@b.c"}, {.plugin = 1, .kind = ADD_RCPT, .name = "<a@b.c>"}},
        {{.kind = REMOVE, .name = "D"}, {.kind = REMOVE, .number = 2, .name = "A"}},
    };
    static struct scene scene;
    struct bare_chain bare;
    struct bare_dialogue dialogue;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        named_scene(&scene, 2, names);
        for (int k = 0; k < 2; k++) {
            scene.ops[k] = cases[i][k];
            scene.ops[k].when = scene.ops[k].asked = 2 + SCENE_EOM;
        }
        scene.op_count = 2;
        scene_open(&scene, MAIL_POSTFIX, &bare, &dialogue);
        const char *letters = bare_dialogue_say(&dialogue, 'E', "", 0);
        if (strcmp(letters, "c") != 0) {
            scene_print(&scene);
            fail_msg("it is sent \"%s\"", letters);
        }
        bare_dialogue_close(&dialogue);
        bare_chain_fini(&bare);
    }
}

/* A field that gets an empty value by its handle is kept, with and without LEADSPC. */
static void
empty_values(void **unused)
{
    static const char *const names[] = {"A", "B"};
    static struct scene scene;
    struct mail postfix, sendmail;

    (void)unused;
    for (int exact = 0; exact < 2; exact++) {
        named_scene(&scene, 2, names);
        scene.exact = exact;
        add_op(&scene, 0, 2 + SCENE_EOM, REPLACE_HANDLE, 0, "", "");
        scene_play(&scene, MAIL_POSTFIX, &postfix, &sendmail);
        assert_int_equal(postfix.field_count, 3);
        assert_string_equal(postfix.fields[1].name, "A");
        assert_int_equal(strspn(postfix.fields[1].raw, " "), strlen(postfix.fields[1].raw));
        compare_scene(&scene, true);
    }
}

/* Recipients wanted and not wanted by plugins that do so in another order than theirs. */
static void
rcpts_in_any_order(void **unused)
{
    static const char *const names[] = {"A"};
    static const struct {
        const char *name;
        struct scene_op first, second; /* in time */
        const char *left;
    } cases[] = {
        {"wanted by a later plugin, deleted by an earlier one",
         {.plugin = 1, .kind = ADD_RCPT, .name = "a@b.c"},
         {.plugin = 0, .kind = DELETE_RCPT, .name = "a@b.c"},
         "a@b.c"},
        {"added by a later plugin, then by an earlier one",
         {.plugin = 1, .kind = ADD_RCPT, .name = "x@y.z"},
         {.plugin = 0, .kind = ADD_RCPT, .name = "x@y.z"},
         "a@b.c x@y.z"},
        {"added by a later plugin, then with arguments by an earlier one",
         {.plugin = 1, .kind = ADD_RCPT, .name = "x@y.z"},
         {.plugin = 0, .kind = ADD_RCPT_ARGS, .name = "x@y.z", .value = "NOTIFY=NEVER"},
         "a@b.c x@y.z"},
        {"deleted by an earlier plugin, added by a later one",
         {.plugin = 0, .kind = DELETE_RCPT, .name = "a@b.c"},
         {.plugin = 1, .kind = ADD_RCPT, .name = "a@b.c"},
         "a@b.c"},
        {"deleted by both",
         {.plugin = 1, .kind = DELETE_RCPT, .name = "a@b.c"},
         {.plugin = 0, .kind = DELETE_RCPT, .name = "a@b.c"},
         ""},
    };
    static struct scene scene;
    struct mail postfix, sendmail;

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char left[64] = "";

        named_scene(&scene, 1, names);
        scene.ops[0] = cases[i].first;
        scene.ops[0].when = scene.ops[0].asked = 1;
        scene.ops[1] = cases[i].second;
        scene.ops[1].when = scene.ops[1].asked = 1 + SCENE_EOH;
        scene.op_count = 2;
        scene_play(&scene, MAIL_POSTFIX, &postfix, &sendmail);
        for (int k = 0; k < postfix.rcpt_count; k++)
            if (!postfix.rcpts[k].gone)
                sprintf(left + strlen(left), "%s%s", left[0] != '\0' ? " " : "",
                        postfix.rcpts[k].address);
        if (strcmp(left, cases[i].left) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].name, left, cases[i].left);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cve_2022_48521),    cmocka_unit_test(cve_2022_48521_two_plugins),
        cmocka_unit_test(burst_order),       cmocka_unit_test(nothing_to_send),
        cmocka_unit_test(empty_values),      cmocka_unit_test(rcpts_in_any_order),
        cmocka_unit_test(at_end_of_message), cmocka_unit_test(while_it_arrives),
        cmocka_unit_test(in_any_order),      cmocka_unit_test(not_kept),
    };
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_ERROR};

    /* Requests that find nothing to delete, and a line for each message. */
    log_open(&quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
