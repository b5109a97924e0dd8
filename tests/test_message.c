/*
 * test_message - the message as each layer sees it: header fields, envelope, body,
 * quarantine; edits by several layers in any order of time; a layer that is taken out
 * again; limits; what a plugin may hand over.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "chain/envelope.h"
#include "chain/headers.h"
#include "chain/message.h"

enum { OK = MILTER_OK };

static const char *const no_args[] = {NULL};

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

/* "A: one" are name and value of a field that arrives. */
static milter_header *
arrives(struct message *message, const char *line)
{
    char name[64];
    size_t length = strcspn(line, ":");

    assert_true(length < sizeof(name) && line[length] == ':');
    memcpy(name, line, length);
    name[length] = '\0';
    return headers_received(message, name, line + length + 1, true);
}

/* All fields that a layer sees: "A: one|B: two". */
static const char *
view(const struct message *message, int layer)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (milter_header *h = headers_next(message, layer, NULL); h != NULL;
         h = headers_next(message, layer, h))
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:%s", n > 0 ? "|" : "", h->name,
                              headers_raw(h, layer));
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

/* ---- header fields ------------------------------------------------------------------- */

static void
headers_as_received(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    char name[] = "Subject", value[] = "text";

    assert_string_equal(view(m, 0), "");
    assert_null(headers_next(m, LAYER_ALL, NULL));
    milter_header *h = headers_received(m, name, value, false);
    name[0] = value[0] = '?'; /* borrowed from a packet that is gone */
    assert_string_equal(h->name, "Subject");
    assert_string_equal(headers_raw(h, LAYER_RECEIVED), " text");
    headers_received(m, "X", "", false);
    headers_received(m, "Y", "", true);
    headers_received(m, "Z", "\tz\n w", true);
    assert_string_equal(view(m, 3), "Subject: text|X: |Y:|Z:\tz\n w");
    assert_false(message_edited(m));
}

static void
headers_find_names(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    arrives(m, "A: 1");
    arrives(m, "b: 2");
    arrives(m, "a: 3");
    arrives(m, "AB: 4");
    milter_header *h = headers_find(m, 0, "a", NULL);
    assert_string_equal(headers_raw(h, 0), " 1");
    h = headers_find(m, 0, "A", h);
    assert_string_equal(headers_raw(h, 0), " 3");
    assert_null(headers_find(m, 0, "a", h));
    assert_null(headers_find(m, 0, "", NULL));
    assert_string_equal(headers_raw(headers_find(m, 0, "B", NULL), 0), " 2");
}

/* Who edits first in time does not matter: a layer sees those below it, and itself. */
static void
headers_replaced(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    milter_header *h = arrives(m, "A: received");

    assert_int_equal(headers_replace(m, 2, h, " two"), OK);
    assert_string_equal(view(m, LAYER_RECEIVED), "A: received");
    assert_string_equal(view(m, 0), "A: received");
    assert_string_equal(view(m, 1), "A: received");
    assert_string_equal(view(m, 2), "A: two");
    assert_string_equal(view(m, 3), "A: two");
    assert_int_equal(headers_replace(m, 0, h, " zero"), OK);
    assert_int_equal(headers_replace(m, 1, h, " one"), OK);
    assert_int_equal(headers_replace(m, 1, h, " one again"), OK);
    assert_string_equal(view(m, LAYER_RECEIVED), "A: received");
    assert_string_equal(view(m, 0), "A: zero");
    assert_string_equal(view(m, 1), "A: one again");
    assert_string_equal(view(m, 2), "A: two");
    assert_string_equal(view(m, LAYER_ALL), "A: two");
    assert_true(message_edited(m));
}

static void
headers_deleted(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    milter_header *a = arrives(m, "A: 1"), *b = arrives(m, "A: 2");

    assert_int_equal(headers_delete(m, 1, a), OK);
    assert_string_equal(view(m, 0), "A: 1|A: 2");
    assert_string_equal(view(m, 1), "A: 2");
    assert_ptr_equal(field(m, 0, "A"), a);
    assert_ptr_equal(field(m, 1, "A"), b);

    /* Gone for its layer and later ones. */
    assert_int_equal(headers_delete(m, 1, a), MILTER_ERR_VALUE);
    assert_int_equal(headers_replace(m, 1, a, " x"), MILTER_ERR_VALUE);
    assert_int_equal(headers_delete(m, 2, a), MILTER_ERR_VALUE);
    assert_int_equal(headers_replace(m, 2, a, " x"), MILTER_ERR_VALUE);

    /* An earlier plugin still sees it; what a later one has decided stays. */
    assert_int_equal(headers_replace(m, 0, a, " zero"), OK);
    assert_string_equal(view(m, 0), "A: zero|A: 2");
    assert_string_equal(view(m, 1), "A: 2");
    assert_int_equal(headers_replace(m, 1, b, " two"), OK);
    assert_int_equal(headers_delete(m, 1, b), OK);
    assert_string_equal(view(m, 1), "");
}

static void
headers_added(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    milter_header *a = arrives(m, "A: 1"), *b = arrives(m, "B: 2");

    assert_int_equal(headers_complete(m), 0);
    assert_int_equal(headers_before(m, 0, b, "P", " p"), OK);
    assert_int_equal(headers_after(m, 0, a, "Q", " q"), OK);
    assert_int_equal(headers_before(m, 1, a, "R", " r"), OK);
    assert_int_equal(headers_after(m, 1, b, "S", " s"), OK);
    assert_string_equal(view(m, LAYER_RECEIVED), "A: 1|B: 2");
    assert_string_equal(view(m, 0), "A: 1|Q: q|P: p|B: 2");
    assert_string_equal(view(m, 1), "R: r|A: 1|Q: q|P: p|B: 2|S: s");

    /* Another's field can be changed and taken out by those who see it. */
    assert_int_equal(headers_replace(m, 1, field(m, 1, "P"), " changed"), OK);
    assert_int_equal(headers_delete(m, 1, field(m, 1, "Q")), OK);
    assert_string_equal(view(m, 0), "A: 1|Q: q|P: p|B: 2");
    assert_string_equal(view(m, 1), "R: r|A: 1|P: changed|B: 2|S: s");
    assert_int_equal(headers_replace(m, 0, field(m, 1, "S"), " x"), MILTER_ERR_VALUE);
    assert_null(headers_find(m, 0, "S", NULL));
}

/* At the end each layer's are behind those of the layers before it, whoever came first. */
static void
headers_appended(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    assert_int_equal(headers_append(m, 1, "L1", " a"), OK);
    arrives(m, "A: 1");
    assert_int_equal(headers_append(m, 2, "L2", " a"), OK);
    assert_int_equal(headers_append(m, 0, "L0", " a"), OK);
    arrives(m, "B: 2");
    assert_int_equal(headers_append(m, 1, "L1", " b"), OK);
    assert_int_equal(headers_complete(m), 0);
    assert_int_equal(headers_append(m, 0, "L0", " b"), OK);
    assert_string_equal(view(m, LAYER_ALL), "A: 1|B: 2|L0: a|L0: b|L1: a|L1: b|L2: a");
    assert_string_equal(view(m, 0), "A: 1|B: 2|L0: a|L0: b");
}

/* Positions count what the layer sees below the mail server's own Received. */
static void
headers_inserted(void **state)
{
    static const struct {
        const char *name;
        unsigned position;
        const char *expected;
    } cases[] = {
        {"above everything", 0, "N: n|T: top|A: 1|C: 3|E: end"},
        {"below the mail server's Received", 1, "T: top|N: n|A: 1|C: 3|E: end"},
        {"above the second field", 2, "T: top|A: 1|N: n|C: 3|E: end"},
        {"above a field at the end", 3, "T: top|A: 1|C: 3|N: n|E: end"},
        {"at the end", 4, "T: top|A: 1|C: 3|E: end|N: n"},
        {"beyond the end", 5, "T: top|A: 1|C: 3|E: end|N: n"},
        {"far beyond the end", 0x7fffffff, "T: top|A: 1|C: 3|E: end|N: n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message *m = ((struct fixture *)*state)->message;

        arrives(m, "A: 1");
        arrives(m, "B: 2");
        arrives(m, "C: 3");
        assert_int_equal(headers_complete(m), 0);
        assert_int_equal(headers_delete(m, 0, field(m, 0, "B")), OK);
        assert_int_equal(headers_insert(m, 0, 0, "T", " top"), OK);
        assert_int_equal(headers_append(m, 0, "E", " end"), OK);
        assert_int_equal(headers_insert(m, 1, cases[i].position, "N", " n"), OK);
        if (strcmp(view(m, 1), cases[i].expected) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, view(m, 1));
        tear_down(state);
        set_up(state);
    }
}

/* Those of later plugins on top of those of earlier ones, whoever came first. */
static void
headers_on_top(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    assert_int_equal(headers_insert(m, 1, 0, "T", " one"), OK);
    assert_int_equal(headers_insert(m, 0, 0, "T", " zero"), OK);
    arrives(m, "A: 1");
    assert_int_equal(headers_insert(m, 0, 0, "T", " zero again"), OK);
    assert_int_equal(headers_insert(m, 1, 0, "T", " one again"), OK);
    assert_string_equal(view(m, 1), "T: one again|T: one|T: zero again|T: zero|A: 1");
    assert_int_equal(headers_insert(m, 2, 1, "B", " below"), OK);
    assert_int_equal(headers_complete(m), 0);
    assert_string_equal(view(m, 2), "T: one again|T: one|T: zero again|T: zero|B: below|A: 1");
    for (milter_header *h = m->headers; h != NULL; h = h->next)
        assert_int_equal(h->above, strcmp(h->name, "T") == 0);
}

/* By position or by index before the header is there: what waits is done then, layer by
   layer, in each in the order of time. */
static void
headers_asked_early(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    char name[] = "W";

    assert_int_equal(headers_insert(m, 1, 2, name, " one"), OK);
    name[0] = '?';
    assert_int_equal(headers_change(m, 0, "B", 2, " changed"), OK);
    assert_int_equal(headers_change(m, 0, "A", 1, NULL), OK);
    assert_true(message_edited(m));
    arrives(m, "A: 1");
    arrives(m, "B: 2");
    assert_int_equal(headers_insert(m, 0, 2, "W", " zero"), OK);
    assert_int_equal(headers_change(m, 1, "N", 1, " new"), OK);
    assert_string_equal(view(m, 1), "A: 1|B: 2");
    arrives(m, "B: 3");
    arrives(m, "C: 4");
    assert_int_equal(headers_complete(m), 0);
    assert_string_equal(view(m, 0), "B: 2|W: zero|B: changed|C: 4");
    assert_string_equal(view(m, 1), "B: 2|W: one|W: zero|B: changed|C: 4|N: new");
    assert_string_equal(view(m, LAYER_RECEIVED), "A: 1|B: 2|B: 3|C: 4");
    assert_null(m->waiting);
}

/* By handle nothing waits: the next plugin sees it at once. */
static void
headers_by_handle_while_they_arrive(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    milter_header *a = arrives(m, "A: 1");

    assert_int_equal(headers_replace(m, 0, a, " changed"), OK);
    assert_int_equal(headers_after(m, 0, a, "N", " n"), OK);
    assert_int_equal(headers_append(m, 0, "E", " e"), OK);
    assert_int_equal(headers_before(m, 0, field(m, 0, "E"), "D", " d"), OK);
    assert_string_equal(view(m, 1), "A: changed|N: n|D: d|E: e");
    arrives(m, "B: 2");
    assert_string_equal(view(m, 1), "A: changed|N: n|B: 2|D: d|E: e");
    assert_int_equal(headers_delete(m, 0, field(m, 0, "N")), OK);
    arrives(m, "C: 3");
    assert_string_equal(view(m, 1), "A: changed|B: 2|C: 3|D: d|E: e");
}

static void
headers_limit_of_count(void **state)
{
    struct fixture *f = *state;

    f->limits.header_count = 3;
    assert_non_null(arrives(f->message, "A: 1"));
    assert_non_null(arrives(f->message, "A: 2"));
    assert_int_equal(headers_append(f->message, 0, "N", " n"), OK); /* is not counted */
    assert_non_null(arrives(f->message, "A: 3"));
    assert_false(f->message->headers_cut);
    errno = ENOMEM;
    assert_null(arrives(f->message, "A: 4"));
    assert_int_equal(errno, 0);
    assert_true(f->message->headers_cut);
    assert_null(arrives(f->message, "A: 5"));
    assert_string_equal(view(f->message, 0), "A: 1|A: 2|A: 3|N: n");
}

/* Of what comes behind the first field that is too long nothing is kept, though it would fit. */
static void
headers_behind_the_limit(void **state)
{
    struct fixture *f = *state;

    f->limits.header_bytes = 20;
    assert_non_null(arrives(f->message, "A:12345678")); /* 12 */
    assert_null(arrives(f->message, "B:12345"));        /* 9: one too many */
    assert_true(f->message->headers_cut);
    assert_null(arrives(f->message, "C:1234"));
    assert_string_equal(view(f->message, 0), "A:12345678");
}

/* A field is its name, the colon, its value and the end of line. */
static void
headers_limit_of_bytes(void **state)
{
    struct fixture *f = *state;

    f->limits.header_bytes = 20;
    assert_non_null(arrives(f->message, "A:12345678")); /* 12 */
    assert_non_null(arrives(f->message, "C:1234"));     /* 8 */
    assert_int_equal(f->message->header_bytes, 20);
    assert_false(f->message->headers_cut);
    assert_null(arrives(f->message, "D:"));
    assert_true(f->message->headers_cut);
    assert_string_equal(view(f->message, 0), "A:12345678|C:1234");
}

static void
headers_names(void **unused)
{
    char longest[902];

    (void)unused;
    assert_true(headers_good_name("X"));
    assert_true(headers_good_name("X-Spam_Status.1!#$~"));
    assert_false(headers_good_name(NULL));
    assert_false(headers_good_name(""));
    for (int c = 1; c < 256; c++) {
        char name[] = {'X', (char)c, 'y', '\0'};
        bool good = c > ' ' && c < 0x7f && c != ':';

        if (headers_good_name(name) != good)
            fail_msg("byte 0x%02x in a name is %s", c, good ? "refused" : "let through");
    }
    memset(longest, 'x', sizeof(longest));
    longest[901] = '\0';
    assert_false(headers_good_name(longest));
    longest[900] = '\0';
    assert_true(headers_good_name(longest));
}

static void
headers_values(void **state)
{
    static const struct {
        const char *name, *value, *raw; /* raw NULL: refused */
    } cases[] = {
        {"plain", "text", "text"},
        {"empty", "", ""},
        {"space in front", " text", " text"},
        {"8-bit bytes", "\303\244\001", "\303\244\001"},
        {"a fold", "one\n two", "one\n two"},
        {"a fold with a tab", "one\n\ttwo", "one\n\ttwo"},
        {"CRLF", "one\r\n two", "one\n two"},
        {"a line end without white space", "one\ntwo", "one\n\ttwo"},
        {"a field smuggled in", "one\r\nBcc: two", "one\n\tBcc: two"},
        {"a body smuggled in", "one\r\n\r\ntwo", "one\n\t\n\ttwo"},
        {"a line end at the end", "one\n", "one"},
        {"CRLF at the end", "one\r\n", "one"},
        {"two line ends at the end", "one\n\n", "one\n\t"},
        {"CR alone", "one\rtwo", NULL},
        {"CR at the end", "one\r", NULL},
        {"two CR and LF", "one\r\r\n two", NULL},
        {"nothing but line ends", "\n\n\n", "\n\t\n\t"},
    };
    struct arena *arena = &((struct fixture *)*state)->arena;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *raw = NULL;
        int expected = cases[i].raw != NULL ? OK : MILTER_ERR_VALUE;

        if (headers_clean_value(arena, cases[i].value, true, &raw) != expected)
            fail_msg("%s: is %s", cases[i].name, expected == OK ? "refused" : "let through");
        if (expected == OK && strcmp(raw, cases[i].raw) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, raw);
        assert_int_equal(headers_clean_value(arena, cases[i].value, false, &raw), expected);
        if (expected == OK && (raw[0] != ' ' || strcmp(raw + 1, cases[i].raw) != 0))
            fail_msg("%s: \"%s\" with its space", cases[i].name, raw);
    }
}

/* ---- envelope --------------------------------------------------------------------------- */

/* All recipients that a layer sees, with their arguments: "<a@b>|<c@d> X=1 Y=2". */
static const char *
rcpts(const struct message *message, int layer)
{
    static char text[4096];
    size_t n = 0;

    text[0] = '\0';
    for (milter_rcpt *rcpt = envelope_next_rcpt(message, layer, NULL); rcpt != NULL;
         rcpt = envelope_next_rcpt(message, layer, rcpt)) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? "|" : "", rcpt->address);
        for (const char *const *arg = rcpt->list; *arg != NULL; arg++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", *arg);
    }
    return text;
}

static void
receive(struct message *message, const char *address)
{
    assert_int_equal(envelope_rcpt(message, address, no_args), 0);
}

static void
sender(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    char size[] = "SIZE=1", address[] = "<a@b>";
    const char *args[] = {size, "BODY=8BITMIME", NULL};

    assert_null(envelope_sender(m, 0));
    assert_null(envelope_sender_args(m, 0));
    assert_int_equal(envelope_mail(m, address, args), 0);
    size[0] = address[1] = '?';
    assert_string_equal(envelope_sender(m, 0), "<a@b>");
    assert_string_equal(envelope_sender_args(m, 0)[0], "SIZE=1");
    assert_string_equal(envelope_sender_args(m, 0)[1], "BODY=8BITMIME");
    assert_null(envelope_sender_args(m, 0)[2]);

    assert_int_equal(envelope_change_sender(m, 2, "two@b", "RET=HDRS  ENVID=x "), OK);
    assert_int_equal(envelope_change_sender(m, 1, "", NULL), OK);
    assert_string_equal(envelope_sender(m, 0), "<a@b>");
    assert_string_equal(envelope_sender(m, 1), "<>");
    assert_null(envelope_sender_args(m, 1)[0]);
    assert_string_equal(envelope_sender(m, 2), "<two@b>");
    assert_string_equal(envelope_sender(m, LAYER_ALL), "<two@b>");
    assert_string_equal(envelope_sender_args(m, 2)[0], "RET=HDRS");
    assert_string_equal(envelope_sender_args(m, 2)[1], "ENVID=x");
    assert_null(envelope_sender_args(m, 2)[2]);
    assert_int_equal(envelope_change_sender(m, 2, "<>", NULL), OK);
    assert_string_equal(envelope_sender(m, 3), "<>");
    message_drop_layer(m, 2);
    message_drop_layer(m, 1);
    assert_string_equal(envelope_sender(m, 3), "<a@b>");
    assert_false(message_edited(m));
}

/* Postfix's local submission gives addresses without their <>. */
static void
without_brackets(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    assert_int_equal(envelope_mail(m, "a@b", no_args), 0);
    assert_string_equal(envelope_sender(m, 0), "<a@b>");
    receive(m, "c@d");
    assert_string_equal(rcpts(m, 0), "<c@d>");
    assert_int_equal(envelope_delete_rcpt(m, 0, "<c@d>"), OK);
    assert_string_equal(rcpts(m, 0), "");
}

static void
rcpts_added_and_deleted(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    const char *const args[] = {"NOTIFY=NEVER", NULL};

    assert_int_equal(envelope_rcpt(m, "<a@b>", args), 0);
    receive(m, "<c@d>");
    assert_int_equal(envelope_add_rcpt(m, 1, "e@f", NULL), OK);
    assert_int_equal(envelope_add_rcpt(m, 1, "<g@h>", "NOTIFY=SUCCESS ORCPT=x"), OK);
    assert_int_equal(envelope_delete_rcpt(m, 1, "a@b"), OK);
    assert_string_equal(rcpts(m, 0), "<a@b> NOTIFY=NEVER|<c@d>");
    assert_string_equal(rcpts(m, 1), "<c@d>|<e@f>|<g@h> NOTIFY=SUCCESS ORCPT=x");

    /* Deleted, then added again: another recipient. */
    assert_int_equal(envelope_add_rcpt(m, 1, "a@b", NULL), OK);
    assert_string_equal(rcpts(m, 1), "<c@d>|<e@f>|<g@h> NOTIFY=SUCCESS ORCPT=x|<a@b>");
    /* Added, then deleted. */
    assert_int_equal(envelope_delete_rcpt(m, 2, "<e@f>"), OK);
    assert_string_equal(rcpts(m, 2), "<c@d>|<g@h> NOTIFY=SUCCESS ORCPT=x|<a@b>");
    /* A layer does not see what a later one has added. */
    assert_int_equal(envelope_delete_rcpt(m, 0, "e@f"), MILTER_ERR_VALUE);
    assert_int_equal(envelope_delete_rcpt(m, 2, "e@f"), MILTER_ERR_VALUE);
    assert_int_equal(envelope_delete_rcpt(m, 2, "nobody@b"), MILTER_ERR_VALUE);
}

static void
rcpts_twice(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    receive(m, "<a@b>");
    receive(m, "<a@b>");
    receive(m, "<A@B>");
    assert_int_equal(envelope_add_rcpt(m, 0, "a@b", NULL), OK);
    assert_int_equal(envelope_add_rcpt(m, 0, "c@d", NULL), OK);
    assert_int_equal(envelope_add_rcpt(m, 0, "<c@d>", NULL), OK);
    assert_string_equal(rcpts(m, 0), "<a@b>|<a@b>|<A@B>|<c@d>");
    /* With arguments it is another request. */
    assert_int_equal(envelope_add_rcpt(m, 0, "c@d", "NOTIFY=NEVER"), OK);
    assert_string_equal(rcpts(m, 0), "<a@b>|<a@b>|<A@B>|<c@d>|<c@d> NOTIFY=NEVER");
    /* As written where there is one so, else in any case; all of them. */
    assert_int_equal(envelope_delete_rcpt(m, 0, "a@b"), OK);
    assert_string_equal(rcpts(m, 0), "<A@B>|<c@d>|<c@d> NOTIFY=NEVER");
    assert_int_equal(envelope_delete_rcpt(m, 0, "a@b"), OK);
    assert_string_equal(rcpts(m, 0), "<c@d>|<c@d> NOTIFY=NEVER");
    assert_int_equal(envelope_delete_rcpt(m, 0, "C@D"), OK);
    assert_string_equal(rcpts(m, 0), "");
}

static void
rcpts_refused(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    envelope_refuse_last(m);
    receive(m, "<a@b>");
    receive(m, "<c@d>");
    envelope_refuse_last(m);
    assert_string_equal(rcpts(m, LAYER_RECEIVED), "<a@b>");
    assert_string_equal(rcpts(m, LAYER_ALL), "<a@b>");
    assert_int_equal(envelope_delete_rcpt(m, 0, "c@d"), MILTER_ERR_VALUE);
    assert_false(message_edited(m));

    /* The client may come with it again. */
    receive(m, "<c@d>");
    assert_string_equal(rcpts(m, 0), "<a@b>|<c@d>");
    envelope_refuse_last(m);
    /* What a plugin adds is not the one refused. */
    assert_int_equal(envelope_add_rcpt(m, 0, "e@f", NULL), OK);
    receive(m, "<g@h>");
    assert_int_equal(envelope_add_rcpt(m, 0, "i@j", NULL), OK);
    envelope_refuse_last(m);
    assert_string_equal(rcpts(m, 0), "<a@b>|<e@f>|<i@j>");
    /* Nor what a plugin wants all the same. */
    receive(m, "<k@l>");
    assert_int_equal(envelope_add_rcpt(m, 1, "k@l", NULL), OK);
    envelope_refuse_last(m);
    assert_string_equal(rcpts(m, 0), "<a@b>|<e@f>|<i@j>");
    assert_string_equal(rcpts(m, 1), "<a@b>|<e@f>|<i@j>|<k@l>");
}

/* Wanted by one layer and deleted or taken back by another. */
static void
rcpts_wanted(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    receive(m, "<a@b>");
    assert_int_equal(envelope_add_rcpt(m, 2, "a@b", NULL), OK);
    assert_int_equal(envelope_delete_rcpt(m, 0, "a@b"), OK);
    assert_string_equal(rcpts(m, 0), "");
    assert_string_equal(rcpts(m, 1), "");
    assert_string_equal(rcpts(m, 2), "<a@b>");
    assert_int_equal(envelope_delete_rcpt(m, 3, "a@b"), OK);
    assert_string_equal(rcpts(m, 3), "");
    message_drop_layer(m, 3);
    message_drop_layer(m, 2);
    assert_string_equal(rcpts(m, 2), "");
    message_drop_layer(m, 0);
    assert_string_equal(rcpts(m, 2), "<a@b>");
    assert_false(message_edited(m));

    assert_int_equal(envelope_add_rcpt(m, 0, "c@d", "NOTIFY=NEVER"), OK);
    assert_int_equal(envelope_add_rcpt(m, 2, "c@d", NULL), OK);
    message_drop_layer(m, 0);
    assert_string_equal(rcpts(m, 1), "<a@b>");
    assert_string_equal(rcpts(m, 2), "<a@b>|<c@d>");
    message_drop_layer(m, 2);
    assert_string_equal(rcpts(m, LAYER_ALL), "<a@b>");
    assert_false(message_edited(m));
}

static void
addresses(void **unused)
{
    static const struct {
        const char *address;
        bool good, good_or_null;
    } cases[] = {
        {"a@b.c", true, true},
        {"<a@b.c>", true, true},
        {"postmaster", true, true},
        {"\"a b\"@c", true, true},
        {"<\"a>b\"@c>", true, true},
        {"\"a\\\"b\"@c", true, true},
        {"@x,@y:a@b", true, true},
        {"\303\244@b", true, true},
        {"", false, true},
        {"<>", false, true},
        {NULL, false, false},
        {"<", false, false},
        {">", false, false},
        {"<a@b", false, false},
        {"a@b>", false, false},
        {"<a@b> X=1", false, false},
        {"<<a@b>>", false, false},
        {"<a@b><c@d>", false, false},
        {"a b@c", false, false},
        {" a@b", false, false},
        {"a@b ", false, false},
        {"a@b\r\nRCPT TO:<c@d>", false, false},
        {"a@b\n", false, false},
        {"a\t@b", false, false},
        {"a\x7f@b", false, false},
        {"\"a\n\"@b", false, false},
        {"\"a\\\n\"@b", false, false},
        {"\"a@b", false, false},
        {"\"a\\\"@b", false, false},
        {"<\"a>", false, false},
    };
    char longest[1002];

    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int null = 0; null < 2; null++)
            if (envelope_good_address(cases[i].address, null) !=
                (null ? cases[i].good_or_null : cases[i].good))
                fail_msg("\"%s\" is %s", cases[i].address != NULL ? cases[i].address : "(NULL)",
                         cases[i].good ? "refused" : "let through");
    memset(longest, 'a', sizeof(longest));
    longest[1001] = '\0';
    assert_false(envelope_good_address(longest, false));
    longest[1000] = '\0';
    assert_true(envelope_good_address(longest, false));
}

/* ---- body and quarantine ------------------------------------------------------------------ */

static const char *
body(const struct message *message, int layer)
{
    static char text[256];
    ptrdiff_t n = spool_read(message_body(message, layer), 0, text, sizeof(text) - 1);

    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static void
bodies(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    assert_string_equal(body(m, 0), "");
    assert_int_equal(spool_append(&m->body, "received", 8), 0);
    assert_int_equal(spool_append(message_body_edit(m, 2), "two", 3), 0);
    assert_string_equal(body(m, LAYER_RECEIVED), "received");
    assert_string_equal(body(m, 1), "received");
    assert_string_equal(body(m, 2), "two");
    assert_int_equal(spool_append(message_body_edit(m, 0), "zero", 4), 0);
    assert_int_equal(spool_append(message_body_edit(m, 2), "!", 1), 0);
    assert_string_equal(body(m, 0), "zero");
    assert_string_equal(body(m, 1), "zero");
    assert_string_equal(body(m, 2), "two!");
    assert_string_equal(body(m, LAYER_ALL), "two!");
    assert_string_equal(body(m, LAYER_RECEIVED), "received");
    /* An empty body is one. */
    assert_non_null(message_body_edit(m, 3));
    assert_string_equal(body(m, 3), "");
    message_drop_layer(m, 3);
    assert_string_equal(body(m, 3), "two!");
    message_drop_layer(m, 2);
    assert_string_equal(body(m, 3), "zero");
    message_drop_layer(m, 0);
    assert_string_equal(body(m, 3), "received");
    assert_false(message_edited(m));
}

static void
quarantines(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;
    char reason[] = "one";

    assert_int_equal(message_quarantine(m, 1, reason), OK);
    reason[0] = '?';
    assert_string_equal(m->quarantines->text, "one");
    assert_int_equal(message_quarantine(m, 0, "zero"), OK);
    assert_string_equal(version_at(m->quarantines, LAYER_ALL)->text, "one");
    message_drop_layer(m, 1);
    assert_string_equal(version_at(m->quarantines, LAYER_ALL)->text, "zero");
    assert_true(message_edited(m));
    message_drop_layer(m, 0);
    assert_null(m->quarantines);
}

/* ---- a layer that failed ------------------------------------------------------------------- */

/* Everything that layer 1 does is undone, and nothing else. */
static void
dropped(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    assert_int_equal(envelope_mail(m, "<a@b>", no_args), 0);
    receive(m, "<c@d>");
    receive(m, "<e@f>");
    assert_int_equal(headers_append(m, 1, "E1", " e"), OK);
    arrives(m, "A: 1");
    arrives(m, "B: 2");
    assert_int_equal(headers_insert(m, 1, 1, "W1", " waits"), OK);
    assert_int_equal(headers_insert(m, 0, 2, "W0", " waits"), OK);
    assert_int_equal(headers_replace(m, 0, field(m, 0, "A"), " zero"), OK);
    assert_int_equal(headers_replace(m, 1, field(m, 1, "A"), " one"), OK);
    assert_int_equal(headers_delete(m, 1, field(m, 1, "B")), OK);
    assert_int_equal(headers_insert(m, 1, 0, "T1", " top"), OK);
    assert_int_equal(headers_append(m, 2, "E2", " e"), OK);
    assert_int_equal(envelope_delete_rcpt(m, 1, "c@d"), OK);
    assert_int_equal(envelope_add_rcpt(m, 1, "g@h", NULL), OK);
    assert_int_equal(envelope_add_rcpt(m, 2, "i@j", NULL), OK);
    assert_int_equal(envelope_change_sender(m, 1, "x@y", NULL), OK);
    assert_int_equal(message_quarantine(m, 1, "why"), OK);
    assert_int_equal(spool_append(message_body_edit(m, 1), "one", 3), 0);

    message_drop_layer(m, 1);
    assert_string_equal(view(m, LAYER_ALL), "A: zero|B: 2|E2: e");
    assert_string_equal(rcpts(m, LAYER_ALL), "<c@d>|<e@f>|<i@j>");
    assert_string_equal(envelope_sender(m, LAYER_ALL), "<a@b>");
    assert_null(m->quarantines);
    assert_null(m->bodies);
    arrives(m, "C: 3");
    receive(m, "<k@l>");
    assert_int_equal(headers_complete(m), 0);
    assert_string_equal(view(m, LAYER_ALL), "A: zero|W0: waits|B: 2|C: 3|E2: e");
    assert_string_equal(rcpts(m, LAYER_ALL), "<c@d>|<e@f>|<i@j>|<k@l>");

    /* And once more, of nothing. */
    message_drop_layer(m, 1);
    assert_true(message_edited(m));
    message_drop_layer(m, 0);
    message_drop_layer(m, 2);
    assert_false(message_edited(m));
    assert_string_equal(view(m, LAYER_ALL), "A: 1|B: 2|C: 3");
    assert_int_equal(headers_append(m, 0, "E", " e"), OK);
    assert_string_equal(view(m, LAYER_ALL), "A: 1|B: 2|C: 3|E: e");
}

/* A plugin may go on with a handle of what another had added and lost again. */
static void
handles_of_dropped_things(void **state)
{
    struct message *m = ((struct fixture *)*state)->message;

    receive(m, "<a@b>");
    arrives(m, "A: 1");
    arrives(m, "B: 2");
    assert_int_equal(headers_complete(m), 0);
    assert_int_equal(headers_after(m, 0, field(m, 0, "A"), "N", " n"), OK);
    assert_int_equal(headers_append(m, 0, "E", " e"), OK);
    assert_int_equal(envelope_add_rcpt(m, 0, "c@d", NULL), OK);
    assert_int_equal(envelope_add_rcpt(m, 1, "e@f", NULL), OK);
    milter_header *n = field(m, 1, "N"), *e = field(m, 1, "E");
    milter_rcpt *rcpt = envelope_next_rcpt(m, 1, envelope_next_rcpt(m, 1, NULL));
    assert_string_equal(rcpt->address, "<c@d>");

    message_drop_layer(m, 0);
    assert_null(headers_raw(n, LAYER_ALL));
    assert_string_equal(n->name, "N");
    assert_ptr_equal(headers_next(m, 1, n), field(m, 1, "B"));
    assert_null(headers_next(m, 1, e));
    assert_int_equal(headers_replace(m, 1, n, " x"), MILTER_ERR_VALUE);
    assert_int_equal(headers_delete(m, 1, n), MILTER_ERR_VALUE);
    assert_int_equal(headers_before(m, 1, n, "X", " x"), MILTER_ERR_VALUE);
    assert_int_equal(headers_after(m, 1, e, "X", " x"), MILTER_ERR_VALUE);
    assert_string_equal(envelope_next_rcpt(m, 1, rcpt)->address, "<e@f>");

    /* What comes afterwards stands where it would without them. */
    assert_int_equal(headers_append(m, 2, "Z", " z"), OK);
    assert_int_equal(headers_append(m, 1, "Y", " y"), OK);
    assert_int_equal(headers_insert(m, 1, 2, "X", " x"), OK);
    assert_string_equal(view(m, 2), "A: 1|X: x|B: 2|Y: y|Z: z");
    assert_string_equal(rcpts(m, 2), "<a@b>|<e@f>");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(headers_as_received),
        TEST(headers_find_names),
        TEST(headers_replaced),
        TEST(headers_deleted),
        TEST(headers_added),
        TEST(headers_appended),
        TEST(headers_inserted),
        TEST(headers_on_top),
        TEST(headers_asked_early),
        TEST(headers_by_handle_while_they_arrive),
        TEST(headers_limit_of_count),
        TEST(headers_limit_of_bytes),
        TEST(headers_behind_the_limit),
        cmocka_unit_test(headers_names),
        TEST(headers_values),
        TEST(sender),
        TEST(without_brackets),
        TEST(rcpts_added_and_deleted),
        TEST(rcpts_twice),
        TEST(rcpts_refused),
        TEST(rcpts_wanted),
        cmocka_unit_test(addresses),
        TEST(bodies),
        TEST(quarantines),
        TEST(dropped),
        TEST(handles_of_dropped_things),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
