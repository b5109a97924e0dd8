/*
 * test_chain - what plugins of one chain may rely on whatever the others do: handles of
 * what a failed plugin had added, a body replaced by parts of itself, events that are not
 * there for a plugin, nothing left behind by one that only observes. And work that grows
 * with the message, not with its square.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "bare_chain.h"
#include "chain/edits.h"
#include "chain/envelope.h"
#include "chain/headers.h"
#include "wire/frame.h"

struct fixture {
    struct arena arena;
    struct message_limits limits;
    struct message *message;
};

static int
set_up(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.limits = {.body_memory = 1 << 20, .directory = "/tmp"}};
    fixture.message = message_new(&fixture.arena, &fixture.limits);
    assert_non_null(fixture.message);
    fixture.message->keeps_headers = fixture.message->keeps_body = true;
    *state = &fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    message_free(f->message);
    arena_reset(&f->arena);
    return 0;
}

static void
receive(struct message *message, const char *address)
{
    static const char *const no_args[] = {NULL};

    assert_int_equal(envelope_rcpt(message, address, no_args), 0);
}

static milter_header *
arrives(struct message *message, const char *name)
{
    milter_header *h = headers_received(message, name, "v", false);

    assert_non_null(h);
    return h;
}

/* The names of the fields that a layer sees: "A B". */
static const char *
names(const struct message *message, int layer)
{
    static char text[512];
    size_t n = 0;

    text[0] = '\0';
    for (milter_header *h = headers_next(message, layer, NULL); h != NULL;
         h = headers_next(message, layer, h))
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? " " : "", h->name);
    assert_true(n < sizeof(text));
    return text;
}

static const char *
rcpts(const struct message *message, int layer)
{
    static char text[512];
    size_t n = 0;

    text[0] = '\0';
    for (milter_rcpt *rcpt = envelope_next_rcpt(message, layer, NULL); rcpt != NULL;
         rcpt = envelope_next_rcpt(message, layer, rcpt))
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? " " : "", rcpt->address);
    assert_true(n < sizeof(text));
    return text;
}

static milter_header *
field(const struct message *message, int layer, const char *name)
{
    milter_header *h = headers_find(message, layer, name, NULL);

    assert_non_null(h);
    return h;
}

static const struct mta *
postfix(void)
{
    return mta_of(&(struct macros){0});
}

/* ---- what is dropped ------------------------------------------------------------------- */

/* Layer 2 holds handles of what layer 1 has added when that is dropped. */
static void
handles_of_what_is_dropped(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    receive(m, "<a@b>");
    assert_int_equal(envelope_add_rcpt(m, 1, "c@d", NULL), MILTER_OK);
    assert_int_equal(envelope_add_rcpt(m, 2, "e@f", NULL), MILTER_OK);
    milter_rcpt *rcpt = envelope_next_rcpt(m, 2, envelope_next_rcpt(m, 2, NULL));
    assert_string_equal(rcpt->address, "<c@d>");
    arrives(m, "A");
    assert_int_equal(headers_append(m, 1, "X", " x"), MILTER_OK);
    assert_int_equal(headers_append(m, 1, "Y", " y"), MILTER_OK);
    assert_int_equal(headers_insert(m, 1, 0, "T", " t"), MILTER_OK);
    milter_header *x = field(m, 2, "X"), *y = field(m, 2, "Y"), *top = field(m, 2, "T");
    assert_int_equal(headers_replace(m, 2, y, " two"), MILTER_OK);
    assert_int_equal(headers_append(m, 2, "Z", " z"), MILTER_OK);

    message_drop_layer(m, 1);
    assert_string_equal(names(m, LAYER_ALL), "A Z");
    assert_null(headers_raw(x, LAYER_ALL));
    assert_null(headers_raw(y, 2));
    assert_int_equal(headers_before(m, 2, x, "N", " n"), MILTER_ERR_VALUE);
    assert_int_equal(headers_after(m, 2, y, "N", " n"), MILTER_ERR_VALUE);
    assert_int_equal(headers_after(m, 2, top, "N", " n"), MILTER_ERR_VALUE);
    assert_int_equal(headers_replace(m, 2, y, " n"), MILTER_ERR_VALUE);
    assert_int_equal(headers_delete(m, 2, x), MILTER_ERR_VALUE);
    assert_string_equal(names(m, LAYER_ALL), "A Z");
    assert_string_equal(rcpts(m, LAYER_ALL), "<a@b> <e@f>");

    /* The way on from them is as it was. */
    assert_ptr_equal(headers_next(m, 2, top), field(m, 2, "A"));
    assert_ptr_equal(headers_next(m, 2, x), field(m, 2, "Z"));
    assert_string_equal(envelope_next_rcpt(m, 2, rcpt)->address, "<e@f>");

    /* And new fields find their places. */
    arrives(m, "B");
    assert_int_equal(headers_append(m, 0, "E", " e"), MILTER_OK);
    assert_int_equal(headers_insert(m, 0, 0, "V", " v"), MILTER_OK);
    assert_int_equal(headers_insert(m, LAYER_ALL, 0, "W", " w"), MILTER_OK);
    assert_int_equal(headers_complete(m), 0);
    assert_string_equal(names(m, LAYER_ALL), "W V A B E Z");
    message_drop_layer(m, LAYER_ALL);
    message_drop_layer(m, 0);
    message_drop_layer(m, 2);
    assert_false(message_edited(m));
    assert_string_equal(names(m, LAYER_ALL), "A B");
    assert_string_equal(rcpts(m, LAYER_ALL), "<a@b>");
}

/* Between fields at the end, and not at the end itself. */
static void
end_behind_what_is_dropped(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    arrives(m, "A");
    assert_int_equal(headers_append(m, 2, "E2", " e"), MILTER_OK);
    assert_int_equal(headers_append(m, 3, "E3", " e"), MILTER_OK);
    assert_int_equal(headers_complete(m), 0);
    assert_int_equal(headers_insert(m, 3, 3, "I", " i"), MILTER_OK);
    assert_string_equal(names(m, LAYER_ALL), "A E2 I E3");
    message_drop_layer(m, 3);
    assert_int_equal(headers_append(m, 1, "E1", " e"), MILTER_OK);
    assert_string_equal(names(m, LAYER_ALL), "A E1 E2");
}

/* What is dropped is not sent, whether headers are kept or not. */
static void
dropped_is_not_sent(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    struct edit_list list;

    for (int kept = 0; kept < 2; kept++) {
        m->keeps_headers = kept;
        assert_int_equal(headers_append(m, 1, "X", " x"), MILTER_OK);
        assert_int_equal(headers_insert(m, 1, 0, "T", " t"), MILTER_OK);
        assert_int_equal(headers_insert(m, 1, 3, "I", " i"), MILTER_OK);
        assert_int_equal(envelope_add_rcpt(m, 1, "c@d", "NOTIFY=NEVER"), MILTER_OK);
        message_drop_layer(m, 1);
        assert_int_equal(edits_make(m, postfix(), &list), 0);
        assert_int_equal(list.count, 0);
    }
    /* What another adds as well is. */
    assert_int_equal(envelope_add_rcpt(m, 2, "c@d", NULL), MILTER_OK);
    assert_int_equal(edits_make(m, postfix(), &list), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].kind, EDIT_ADD_RCPT);
}

/* ---- many ---------------------------------------------------------------------------------- */

/* It refuses what came last, and nothing before it. */
static void
refused_once(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    receive(m, "<a@b>");
    receive(m, "<c@d>");
    envelope_refuse_last(m);
    envelope_refuse_last(m);
    assert_string_equal(rcpts(m, 0), "<a@b>");
}

/* Each is counted among the received ones of its name, in whatever case. */
static void
ordinals(void **state)
{
    static const struct {
        const char *name;
        uint32_t index;
    } expected[] = {{"a", 3}, {"B", 2}, {"A", 2}, {"b", 1}, {"A", 1}};
    struct message *m = ((struct fixture *)*state)->message;
    struct edit_list list;

    assert_int_equal(headers_delete(m, 0, arrives(m, "A")), MILTER_OK);
    assert_int_equal(headers_delete(m, 0, arrives(m, "b")), MILTER_OK);
    milter_header *third = arrives(m, "A");
    assert_int_equal(headers_delete(m, 0, arrives(m, "B")), MILTER_OK);
    assert_int_equal(headers_before(m, 0, third, "A", " added, and not counted"), MILTER_OK);
    assert_int_equal(headers_delete(m, 0, third), MILTER_OK);
    arrives(m, "AB");
    assert_int_equal(headers_delete(m, 0, arrives(m, "a")), MILTER_OK);

    assert_int_equal(edits_make(m, postfix(), &list), 0);
    assert_int_equal(list.count, 6);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(list.items[i].kind, EDIT_CHANGE_HEADER);
        assert_string_equal(list.items[i].name, expected[i].name);
        assert_int_equal(list.items[i].index, expected[i].index);
    }
}

static double
seconds_since(clock_t begun)
{
    return (double)(clock() - begun) / CLOCKS_PER_SEC;
}

/* The edits where so many fields of one name are deleted and as many are new, on a mail server
   where it matters whether the message has such a field. */
static double
time_of_edits(unsigned count)
{
    static const char *const own[] = {"Date", NULL};
    static const struct mta mta = {.name = "with fields of its own", .own = own};
    const struct message_limits limits = {.body_memory = 1 << 20, .directory = "/tmp"};
    struct arena arena = {0};
    struct message *m = message_new(&arena, &limits);
    struct edit_list list;

    assert_non_null(m);
    m->keeps_headers = true;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(headers_delete(m, 0, arrives(m, "X-Often")), MILTER_OK);
    for (unsigned i = 0; i < count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "X-%u", i);
        assert_int_equal(headers_append(m, 0, name, " x"), MILTER_OK);
    }
    clock_t begun = clock();
    assert_int_equal(edits_make(m, &mta, &list), 0);
    double seconds = seconds_since(begun);
    assert_int_equal(list.count, 2 * count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(list.items[i].index, count - i);
    message_free(m);
    arena_reset(&arena);
    return seconds;
}

static double
time_of_refusals(unsigned count)
{
    const struct message_limits limits = {.body_memory = 1 << 20, .directory = "/tmp"};
    struct arena arena = {0};
    struct message *m = message_new(&arena, &limits);

    assert_non_null(m);
    clock_t begun = clock();
    for (unsigned i = 0; i < count; i++) {
        receive(m, "<a@b>");
        envelope_refuse_last(m);
    }
    double seconds = seconds_since(begun);
    assert_string_equal(rcpts(m, LAYER_ALL), "");
    message_free(m);
    arena_reset(&arena);
    return seconds;
}

static void
begin(struct bare_dialogue *d, struct bare_chain *bare)
{
    bare_dialogue_open(d, &bare->chain);
    assert_string_equal(bare_dialogue_negotiate(d, 6, 0x1fffff), "O");
}

static enum milter_verdict
adds_at_mail(milter_ctx *ctx, const char *sender, const char *const *args)
{
    (void)sender;
    (void)args;
    assert_int_equal(milter_add_header(ctx, "X", "x"), MILTER_OK);
    return MILTER_CONTINUE;
}

static enum milter_verdict
sees_header(milter_ctx *ctx, const char *name, const char *value)
{
    (void)ctx;
    (void)name;
    (void)value;
    return MILTER_CONTINUE;
}

/* One that edits and, behind it, one that only observes and edits nothing. */
static double
time_of_observing(unsigned count)
{
    static const struct milter_plugin edits = {
        .name = "edits", .actions = MILTER_ADDS_HEADERS, .on_mail = adds_at_mail};
    static const struct milter_plugin observes = {
        .name = "observes", .needs = MILTER_NEEDS_HEADERS, .on_header = sees_header};
    struct bare_chain bare;
    struct bare_dialogue d;

    bare_chain_init(&bare);
    bare_chain_add(&bare, &edits);
    bare_chain_add(&bare, &observes)->observes = true;
    begin(&d, &bare);
    bare_dialogue_say_words(&d, 'M', "<a@b>", NULL);
    clock_t begun = clock();
    for (unsigned i = 0; i < count; i++)
        bare_dialogue_say_words(&d, 'L', "A", "b", NULL);
    double seconds = seconds_since(begun);
    bare_dialogue_close(&d);
    bare_chain_fini(&bare);
    return seconds;
}

/* For four times as many the square would be sixteen times as long. */
static void
times(void **unused)
{
    static const struct {
        const char *name;
        double (*time)(unsigned);
        unsigned few;
    } cases[] = {
        {"edits of fields", time_of_edits, 5000},
        {"refused recipients", time_of_refusals, 10000},
        {"fields seen by a plugin that observes", time_of_observing, 10000},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double few = cases[i].time(cases[i].few), many = cases[i].time(4 * cases[i].few);

        if (many > 8 * few + 0.1)
            fail_msg("%s: %.3f s for %u, %.3f s for %u", cases[i].name, few, cases[i].few, many,
                     4 * cases[i].few);
    }
}

/* ---- a body made of itself ------------------------------------------------------------------- */

enum { BODY = 4096 };

static bool earlier; /* the first replacement is of an earlier callback */

static int
replace_first(milter_ctx *ctx)
{
    char first[BODY];

    for (size_t i = 0; i < sizeof(first); i++)
        first[i] = (char)('a' + i % 23);
    return milter_replace_body(ctx, first, sizeof(first));
}

static enum milter_verdict
replaces_at_eoh(milter_ctx *ctx)
{
    if (earlier)
        assert_int_equal(replace_first(ctx), MILTER_OK);
    return MILTER_CONTINUE;
}

static enum milter_verdict
replaces_at_eom(milter_ctx *ctx)
{
    size_t length;

    if (!earlier)
        assert_int_equal(replace_first(ctx), MILTER_OK);
    const char *body = milter_body(ctx, &length);
    assert_non_null(body);
    assert_int_equal(length, BODY);
    assert_int_equal(milter_replace_body(ctx, body + 1, length - 1), MILTER_OK);
    return MILTER_CONTINUE;
}

static void
body_of_itself(void **unused)
{
    static const struct milter_plugin plugin = {
        .name = "itself",
        .actions = MILTER_REPLACES_BODY,
        .needs = MILTER_NEEDS_BODY,
        .on_eoh = replaces_at_eoh,
        .on_eom = replaces_at_eom,
    };
    static const size_t memory[] = {1 << 20, BODY}; /* the second: to a file as it grows */
    struct bare_chain bare;
    struct bare_dialogue d;

    (void)unused;
    for (size_t i = 0; i < 4; i++) {
        earlier = i & 1;
        bare_chain_init(&bare);
        bare_chain_add(&bare, &plugin);
        bare.chain.limits.body_memory = memory[i / 2];
        begin(&d, &bare);
        bare_dialogue_say_words(&d, 'M', "<a@b>", NULL);
        bare_dialogue_say(&d, 'N', "", 0);
        assert_string_equal(bare_dialogue_say(&d, 'E', "", 0), "bc");
        struct frame frame;
        assert_int_equal(frame_next(d.out.data, d.out.length, FRAME_DATA_1M, &frame), FRAME_READY);
        const char *data = (const char *)frame.data;
        size_t offset = earlier ? 0 : BODY; /* where the second begins */
        assert_int_equal(frame.length, offset + BODY - 1);
        for (size_t k = 0; k < BODY - 1; k++)
            assert_int_equal(data[offset + k], 'a' + (k + 1) % 23);
        for (size_t k = 0; k < offset; k++)
            assert_int_equal(data[k], 'a' + k % 23);
        bare_dialogue_close(&d);
        bare_chain_fini(&bare);
    }
}

/* ---- events that are not there for a plugin --------------------------------------------------- */

static int seen, ended;

static enum milter_verdict
sees_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    (void)ctx;
    (void)rcpt;
    (void)args;
    return MILTER_CONTINUE;
}

static enum milter_verdict
counts_rcpt(milter_ctx *ctx, const char *rcpt, const char *const *args)
{
    seen++;
    return sees_rcpt(ctx, rcpt, args);
}

static enum milter_verdict
counts_header(milter_ctx *ctx, const char *name, const char *value)
{
    seen++;
    return sees_header(ctx, name, value);
}

static void
counts_end(milter_ctx *ctx, const struct milter_outcome *outcome)
{
    (void)ctx;
    (void)outcome;
    ended++;
}

static void
counts_close(milter_ctx *ctx)
{
    (void)ctx;
    ended++;
}

static enum milter_verdict
deletes_header(milter_ctx *ctx, const char *name, const char *value)
{
    (void)value;
    milter_header *h = milter_header_find(ctx, name, NULL);
    assert_non_null(h);
    assert_int_equal(milter_header_delete(ctx, h), MILTER_OK);
    return MILTER_CONTINUE;
}

/* One that has seen nothing is told of no end. */
static void
not_there(void **unused)
{
    static const struct milter_plugin firsts[] = {
        {.name = "rejected", .needs = MILTER_NEEDS_REJECTED_RCPTS, .on_rcpt = sees_rcpt},
        {.name = "deletes",
         .needs = MILTER_NEEDS_HEADERS,
         .actions = MILTER_CHANGES_HEADERS,
         .on_header = deletes_header},
    };
    static const struct milter_plugin second = {.name = "second",
                                                .on_rcpt = counts_rcpt,
                                                .on_header = counts_header,
                                                .on_end = counts_end,
                                                .on_close = counts_close};
    static const char rejected[] = "R{rcpt_mailer}\0error";
    struct bare_chain bare;
    struct bare_dialogue d;

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        seen = ended = 0;
        bare_chain_init(&bare);
        bare_chain_add(&bare, &firsts[i]);
        bare_chain_add(&bare, &second);
        begin(&d, &bare);
        bare_dialogue_say_words(&d, 'M', "<a@b>", NULL);
        if (i == 0) {
            bare_dialogue_say(&d, 'D', rejected, sizeof(rejected));
            bare_dialogue_say_words(&d, 'R', "<r@b>", NULL);
        } else {
            bare_dialogue_say_words(&d, 'L', "A", "1", NULL);
        }
        bare_dialogue_say(&d, 'A', "", 0);
        bare_dialogue_close(&d);
        bare_chain_fini(&bare);
        assert_int_equal(seen, 0);
        assert_int_equal(ended, 0);
    }
}

/* ---- values with their space ---------------------------------------------------------------- */

static const char *values[2];
static size_t value_count, memory_used;

static enum milter_verdict
notes_value(milter_ctx *ctx, const char *name, const char *value)
{
    (void)name;
    assert_string_equal(value, " v");
    values[value_count++ % 2] = value;
    memory_used = ctx->run->message_arena.total;
    return MILTER_CONTINUE;
}

/* The mail server sends it without: it is put there once for all, and not kept. */
static void
exact_values(void **unused)
{
    static const struct milter_plugin plugin = {
        .name = "exact", .needs = MILTER_NEEDS_EXACT_VALUES, .on_header = notes_value};
    struct bare_chain bare;
    struct bare_dialogue d;
    size_t at_first = 0;

    (void)unused;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &plugin);
    bare_chain_add(&bare, &plugin);
    bare_dialogue_open(&d, &bare.chain);
    assert_string_equal(bare_dialogue_negotiate(&d, 6, 0), "O");
    bare_dialogue_say_words(&d, 'M', "<a@b>", NULL);
    for (int i = 0; i < 100; i++) {
        assert_string_equal(bare_dialogue_say_words(&d, 'L', "A", "v", NULL), "c");
        assert_ptr_equal(values[0], values[1]);
        if (i == 0)
            at_first = memory_used;
    }
    assert_int_equal(value_count, 200);
    assert_int_equal(memory_used, at_first);
    bare_dialogue_close(&d);
    bare_chain_fini(&bare);
}

/* ---- one that observes ------------------------------------------------------------------------ */

static enum milter_verdict
no_verdict(milter_ctx *ctx)
{
    (void)ctx;
    return (enum milter_verdict)77;
}

static void
adds_in_error(milter_ctx *ctx, const char *reason)
{
    (void)reason;
    assert_int_equal(milter_add_header(ctx, "X-Error", "x"), MILTER_OK);
}

static enum milter_verdict
adds_at_eoh(milter_ctx *ctx)
{
    assert_int_equal(milter_add_header(ctx, "X", "x"), MILTER_OK);
    return MILTER_CONTINUE;
}

/* Neither what it does itself nor what it does when told of its error is sent. */
static void
observing_leaves_nothing(void **unused)
{
    static const struct milter_plugin plugin = {.name = "observes",
                                                .actions = MILTER_ADDS_HEADERS,
                                                .on_eoh = adds_at_eoh,
                                                .on_eom = no_verdict,
                                                .on_error = adds_in_error};
    struct bare_chain bare;
    struct bare_dialogue d;

    (void)unused;
    bare_chain_init(&bare);
    bare_chain_add(&bare, &plugin)->observes = true;
    begin(&d, &bare);
    bare_dialogue_say_words(&d, 'M', "<a@b>", NULL);
    assert_string_equal(bare_dialogue_say(&d, 'N', "", 0), "c");
    const char *letters = bare_dialogue_say(&d, 'E', "", 0);
    if (strcmp(letters, "c") != 0 && strcmp(letters, "a") != 0)
        fail_msg("it is sent \"%s\"", letters);
    bare_dialogue_close(&d);
    bare_chain_fini(&bare);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(handles_of_what_is_dropped),
        TEST(end_behind_what_is_dropped),
        TEST(dropped_is_not_sent),
        TEST(refused_once),
        TEST(ordinals),
        cmocka_unit_test(times),
        cmocka_unit_test(body_of_itself),
        cmocka_unit_test(not_there),
        cmocka_unit_test(exact_values),
        cmocka_unit_test(observing_leaves_nothing),
    };
    const struct log_settings quiet = {.target = LOG_TO_STDERR, .level = MILTER_LOG_ERROR};

    log_open(&quiet);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
