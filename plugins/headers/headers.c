/*
 * headers - adds, inserts, replaces and deletes header fields by the rules of
 * milter.conf, in their order, at the end of the message.
 *
 * A rule is one line of text. on_load reads all of them into an array that
 * lives as long as the worker; a value is kept as the pieces around each
 * ${value}, so that the old value of a field is put in as it is and nothing
 * that a message says is ever expanded. Where fields stand on the wire is the
 * host's business: this file only knows handles.
 */
#include <milterd/plugin.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { POSITION_MAX = 65535, NAME_MAX_LENGTH = 900 };

struct rule {
    const struct word *word;
    unsigned position; /* insert */
    char *name;
    bool prefix;    /* delete NAME* */
    char **pieces;  /* the value, cut at each ${value} */
    size_t npieces; /* at least one where the rule has a value */
};

struct rules {
    struct rule *list;
    size_t count;
};

/* ---- a rule at work. 0 or a negative enum milter_error. ------------------------ */

static bool
is_blank(const char *text)
{
    return text[strspn(text, " \t\n")] == '\0';
}

/* The old value goes into a new one as text: folds and tabs stay, what else is no
   text would make the host refuse the whole value. */
static void
append_old(char *into, const char *old)
{
    for (size_t i = 0; old[i] != '\0'; i++) {
        bool fold = old[i] == '\n' && (old[i + 1] == ' ' || old[i + 1] == '\t');
        bool control = iscntrl((unsigned char)old[i]) && old[i] != '\t';
        into[i] = control && !fold ? '?' : old[i];
    }
}

/* The value of a rule for this message, with `old` for each ${value}. NULL: no memory. */
static const char *
rule_value(milter_ctx *ctx, const struct rule *rule, const char *old)
{
    size_t length = 0, old_length = strlen(old);
    char **parts = milter_alloc(ctx, rule->npieces * sizeof(*parts));
    char *value, *at;

    if (parts == NULL)
        return NULL;
    for (size_t i = 0; i < rule->npieces; i++) {
        parts[i] = milter_expand(ctx, rule->pieces[i]);
        if (parts[i] == NULL)
            return NULL;
        length += strlen(parts[i]) + old_length;
    }

    at = value = milter_alloc(ctx, length + 1);
    if (value == NULL)
        return NULL;
    for (size_t i = 0; i < rule->npieces; i++) {
        if (i > 0) {
            append_old(at, old);
            at += old_length;
        }
        length = strlen(parts[i]);
        memcpy(at, parts[i], length);
        at += length;
    }
    return value;
}

static int
apply_add(milter_ctx *ctx, const struct rule *rule)
{
    const char *value = rule_value(ctx, rule, "");

    if (value == NULL)
        return MILTER_ERR_MEMORY;
    return is_blank(value) ? MILTER_OK : milter_add_header(ctx, rule->name, value);
}

static int
apply_insert(milter_ctx *ctx, const struct rule *rule)
{
    const char *value = rule_value(ctx, rule, "");

    if (value == NULL)
        return MILTER_ERR_MEMORY;
    if (is_blank(value))
        return MILTER_OK;
    return milter_insert_header(ctx, rule->position, rule->name, value);
}

static bool
is_named(const struct rule *rule, const milter_header *field)
{
    const char *name = milter_header_name(field);

    if (rule->prefix)
        return strncasecmp(name, rule->name, strlen(rule->name)) == 0;
    return strcasecmp(name, rule->name) == 0;
}

/* Deletes every field that the rule names, from `field` on. */
static int
delete_from(milter_ctx *ctx, const struct rule *rule, milter_header *field)
{
    while (field != NULL) {
        /* The handle of a deleted field leads nowhere. */
        milter_header *next = milter_header_next(ctx, field);

        if (is_named(rule, field)) {
            int result = milter_header_delete(ctx, field);

            if (result != MILTER_OK)
                return result;
        }
        field = next;
    }
    return MILTER_OK;
}

static int
apply_delete(milter_ctx *ctx, const struct rule *rule)
{
    return delete_from(ctx, rule, milter_header_next(ctx, NULL));
}

static int
apply_replace(milter_ctx *ctx, const struct rule *rule)
{
    milter_header *first = milter_header_find(ctx, rule->name, NULL);
    const char *old, *value;
    int result;

    if (first == NULL)
        return MILTER_OK;
    old = milter_header_value(ctx, first);
    value = rule_value(ctx, rule, old != NULL ? old : "");
    if (value == NULL)
        return MILTER_ERR_MEMORY;
    if (is_blank(value))
        return delete_from(ctx, rule, first);
    result = delete_from(ctx, rule, milter_header_next(ctx, first));
    return result != MILTER_OK ? result : milter_header_replace(ctx, first, value);
}

/* ---- a rule read. 0, or -1 after having said what is wrong. ----------------------- */

/* One row for each word that a rule can begin with. */
static const struct word {
    const char *word;
    bool takes_position, takes_value;
    int (*apply)(milter_ctx *ctx, const struct rule *rule);
    const char *example;
} words[] = {
    {"add", false, true, apply_add, "add X-Checked: by ${j}"},
    {"insert", true, true, apply_insert, "insert 1 X-Client: ${client_addr}"},
    {"replace", false, true, apply_replace, "replace Subject: [external] ${value}"},
    {"delete", false, false, apply_delete, "delete X-Spam-*"},
};

/* What one rule's messages need. */
struct reading {
    milter_ctx *ctx;
    size_t index;
    const struct word *word; /* the first while it is not known */
};

static int
complain(const struct reading *reading, const char *reason)
{
    return milter_option_error(reading->ctx, "rules", reading->index, "%s; an example: %s", reason,
                               reading->word->example);
}

static int
read_word(struct reading *reading, const char *text, size_t length)
{
    char reason[120];

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) == length && strncasecmp(words[i].word, text, length) == 0) {
            reading->word = &words[i];
            return 0;
        }
    }
    snprintf(reason, sizeof(reason),
             "a rule begins with add, insert, replace or delete, not \"%.*s\"",
             length < 40 ? (int)length : 40, text);
    return complain(reading, reason);
}

/* Moves *at behind the number. */
static int
read_position(const struct reading *reading, const char **at, unsigned *position)
{
    size_t digits = strspn(*at, "0123456789");
    unsigned long number = strtoul(*at, NULL, 10);

    if (digits == 0 || strchr(" \t", (*at)[digits]) == NULL)
        return complain(reading, "insert is followed by a position: 0 is above everything, 1 below "
                                 "the mail server's own Received");
    if (digits > 9 || number > POSITION_MAX)
        return complain(reading, "the position is over 65535");
    *position = (unsigned)number;
    *at += digits;
    *at += strspn(*at, " \t");
    return 0;
}

/* Moves *at behind the name and the colon after it. */
static int
read_name(const struct reading *reading, const char **at, struct rule *rule)
{
    size_t length = 0, end;

    while ((*at)[length] > ' ' && (*at)[length] < 127 && (*at)[length] != ':')
        length++;
    if (length == 0)
        return complain(reading, "the name of a header field is missing; it is printable ASCII "
                                 "without spaces");
    if (length > NAME_MAX_LENGTH)
        return complain(reading, "the name is longer than 900 bytes");
    end = length + strspn(*at + length, " \t");
    if ((*at)[end] == ':')
        end++;
    else if (reading->word->takes_value)
        return complain(reading, "the name is followed by a colon and the value");
    else if ((*at)[end] != '\0')
        return complain(reading, "delete takes one name and nothing after it");

    rule->prefix = !reading->word->takes_value && (*at)[length - 1] == '*';
    if (rule->prefix && --length == 0)
        return complain(reading, "this would delete the whole header; say how the names begin");
    if (memchr(*at, '*', length) != NULL)
        return complain(reading, "* stands only at the end of the name in delete");

    rule->name = strndup(*at, length);
    if (rule->name == NULL)
        return complain(reading, "no memory");
    *at += end;
    *at += strspn(*at, " \t");
    return 0;
}

/* Takes text[from..to) into the pieces. */
static int
add_piece(struct rule *rule, const char *text, size_t from, size_t to)
{
    char **pieces = realloc(rule->pieces, (rule->npieces + 1) * sizeof(*pieces));

    if (pieces == NULL)
        return -1;
    rule->pieces = pieces;
    pieces[rule->npieces] = strndup(text + from, to - from);
    if (pieces[rule->npieces] == NULL)
        return -1;
    rule->npieces++;
    return 0;
}

static int
read_value(const struct reading *reading, const char *text, struct rule *rule)
{
    static const char old[] = "${value}";
    size_t length = strlen(text), from = 0, i = 0;

    while (length > 0 && strchr(" \t\n", text[length - 1]) != NULL)
        length--;
    if (length == 0)
        return complain(reading, "the value is missing (delete takes a field away)");

    while (i < length) {
        if (text[i] == '\n' && text[i + 1] != ' ' && text[i + 1] != '\t')
            return complain(reading, "a line break in a value is followed by a space or a tab");
        if (iscntrl((unsigned char)text[i]) && text[i] != '\n' && text[i] != '\t')
            return complain(reading, "a control character in the value");
        if (strncmp(text + i, "$$", 2) == 0) {
            i += 2;
        } else if (strncmp(text + i, old, strlen(old)) == 0) {
            if (reading->word->apply != apply_replace)
                return complain(reading, "${value}, the old value, exists only in replace");
            if (add_piece(rule, text, from, i) != 0)
                return complain(reading, "no memory");
            i += strlen(old);
            from = i;
        } else if (strncmp(text + i, "${", 2) == 0 && strchr(text + i, '}') == NULL) {
            return complain(reading, "${ without its } (a plain $ is written $$)");
        } else {
            i++;
        }
    }
    if (add_piece(rule, text, from, length) != 0)
        return complain(reading, "no memory");
    return 0;
}

static int
read_rule(milter_ctx *ctx, size_t index, struct rule *rule)
{
    struct reading reading = {.ctx = ctx, .index = index, .word = &words[0]};
    const char *at = milter_option_item(ctx, "rules", index);
    size_t length;

    at += strspn(at, " \t");
    length = strcspn(at, " \t");
    if (read_word(&reading, at, length) != 0)
        return -1;
    rule->word = reading.word;
    at += length;
    at += strspn(at, " \t");

    if (rule->word->takes_position && read_position(&reading, &at, &rule->position) != 0)
        return -1;
    if (read_name(&reading, &at, rule) != 0)
        return -1;
    if (rule->word->takes_value)
        return read_value(&reading, at, rule);
    return *at == '\0' ? 0 : complain(&reading, "delete takes one name and nothing after it");
}

static void
rules_free(void *data)
{
    struct rules *rules = data;

    for (size_t i = 0; i < rules->count; i++) {
        for (size_t k = 0; k < rules->list[i].npieces; k++)
            free(rules->list[i].pieces[k]);
        free(rules->list[i].pieces);
        free(rules->list[i].name);
    }
    free(rules->list);
    free(rules);
}

/* ---- what the host calls -------------------------------------------------------------- */

static int
on_load(milter_ctx *ctx)
{
    size_t count = milter_option_count(ctx, "rules");
    struct rules *rules = calloc(1, sizeof(*rules));
    int result = 0;

    if (rules == NULL)
        goto no_memory;
    rules->list = calloc(count + 1, sizeof(*rules->list));
    if (rules->list == NULL)
        goto no_memory;
    rules->count = count;

    for (size_t i = 0; i < count; i++) {
        if (read_rule(ctx, i, &rules->list[i]) != 0)
            result = -1;
    }
    if (result != 0) {
        rules_free(rules);
        return -1;
    }
    if (milter_set_data(ctx, MILTER_WORKER, rules, rules_free) != MILTER_OK)
        goto no_memory;
    return 0;

no_memory:
    if (rules != NULL)
        rules_free(rules);
    milter_log(ctx, MILTER_LOG_ERROR, "no memory for the rules");
    return -1;
}

static enum milter_verdict
on_eom(milter_ctx *ctx)
{
    const struct rules *rules = milter_data(ctx, MILTER_WORKER);

    for (size_t i = 0; i < rules->count; i++) {
        /* A message must not go on with half of its rules applied: on_failure answers.
           The host has logged what it refused. */
        if (rules->list[i].word->apply(ctx, &rules->list[i]) != MILTER_OK)
            return MILTER_FAILURE;
    }
    return MILTER_CONTINUE;
}

static const struct milter_option options[] = {
    {.name = "rules",
     .type = MILTER_LIST,
     .flags = MILTER_REQUIRED,
     .help = "add NAME: value, insert POSITION NAME: value, replace NAME: value, delete NAME"},
    {.name = NULL},
};

MILTER_PLUGIN = {
    MILTER_PLUGIN_HEAD,
    .name = "headers",
    .version = "1.0",
    .description = "adds, inserts, replaces and deletes header fields by rules",
    .actions = MILTER_ADDS_HEADERS | MILTER_CHANGES_HEADERS,
    .needs = MILTER_NEEDS_CLIENT | MILTER_NEEDS_ENVELOPE, /* for ${client_addr} and ${sender} */
    .options = options,
    .on_load = on_load,
    .on_eom = on_eom,
};
