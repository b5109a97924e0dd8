/*
 * The mail server's macros, kept as it sent them: a look-up compares names in
 * place, nothing is parsed until a plugin asks. A list that fits takes the
 * place of the last one of its event, so that a macro packet before every
 * header and body chunk (as Postfix sends) costs no memory.
 */
#include "chain/macros.h"

#include <string.h>

/* From the latest to the first. An unknown command comes between any of them. */
static const enum milter_event order[MILTER_EVENTS] = {
    MILTER_EVENT_UNKNOWN, MILTER_EVENT_EOM,     MILTER_EVENT_BODY, MILTER_EVENT_EOH,
    MILTER_EVENT_HEADER,  MILTER_EVENT_DATA,    MILTER_EVENT_RCPT, MILTER_EVENT_MAIL,
    MILTER_EVENT_HELO,    MILTER_EVENT_CONNECT,
};

const struct macros_slot *
macros_slot(const struct macros *macros, enum milter_event event)
{
    if (event == MILTER_EVENT_CONNECT)
        return &macros->connect;
    if (event == MILTER_EVENT_HELO)
        return &macros->helo;
    return macros->message != NULL ? &macros->message[event] : NULL;
}

/* The same to be written to. NULL: no memory. */
static struct macros_slot *
make_slot(struct macros *macros, struct arena *arena, enum milter_event event)
{
    if (event >= MILTER_EVENT_MAIL && macros->message == NULL)
        macros->message = arena_alloc(arena, MILTER_EVENTS * sizeof(*macros->message));
    return (struct macros_slot *)macros_slot(macros, event);
}

int
macros_set(struct macros *macros, struct arena *arena, enum milter_event event, const void *pairs,
           size_t length)
{
    struct macros_slot *slot = make_slot(macros, arena, event);

    if (slot == NULL)
        return -1;
    if (length > slot->capacity) {
        /* Half as much again: names of one event hardly change, values a little. */
        size_t capacity = length + length / 2;
        char *room = arena_alloc(arena, capacity);
        if (room == NULL)
            return -1;
        slot->pairs = room;
        slot->capacity = (uint32_t)capacity;
    }
    if (length > 0)
        memcpy(slot->pairs, pairs, length);
    slot->length = (uint32_t)length;
    return 0;
}

bool
macros_are(const struct macros *macros, enum milter_event event, const void *pairs, size_t length)
{
    const struct macros_slot *slot = macros_slot(macros, event);

    return slot != NULL && slot->length > 0 && slot->length == length &&
           memcmp(slot->pairs, pairs, length) == 0;
}

/* The mail server writes "i" or "{mail_addr}"; people write the braces or not. */
static bool
same_name(const char *known, const char *asked, size_t asked_length)
{
    size_t length = strlen(known);

    if (length >= 2 && known[0] == '{' && known[length - 1] == '}') {
        known++;
        length -= 2;
    }
    return length == asked_length && memcmp(known, asked, length) == 0;
}

/* The next pair of a slot at *offset, which moves on. */
static bool
next_pair(const struct macros_slot *slot, size_t *offset, const char **name, const char **value)
{
    if (slot == NULL || *offset >= slot->length)
        return false;
    *name = slot->pairs + *offset;
    *value = *name + strlen(*name) + 1;
    *offset = (size_t)(*value + strlen(*value) + 1 - slot->pairs);
    return true;
}

const char *
macros_find_at(const struct macros *macros, enum milter_event event, const char *name)
{
    const struct macros_slot *slot = macros_slot(macros, event);
    const char *known, *value;
    size_t offset = 0, length = strlen(name);

    if (length >= 2 && name[0] == '{' && name[length - 1] == '}') {
        name++;
        length -= 2;
    }
    while (next_pair(slot, &offset, &known, &value)) {
        /* Most differ in the first letter. */
        bool alike = known[0] == name[0] || (known[0] == '{' && known[1] == name[0]);
        if ((alike || length == 0) && same_name(known, name, length))
            return value;
    }
    return NULL;
}

const char *
macros_find(const struct macros *macros, const char *name)
{
    for (size_t i = 0; i < MILTER_EVENTS; i++) {
        const char *value = macros_find_at(macros, order[i], name);
        if (value != NULL)
            return value;
    }
    return NULL;
}

int
macros_next(const struct macros *macros, size_t *at, const char **name, const char **value)
{
    /* *at is the place in the order and the offset in that slot, which is below 2^20. */
    size_t place = *at >> 20, offset = *at & 0xfffff;

    for (; place < MILTER_EVENTS; place++, offset = 0) {
        if (next_pair(macros_slot(macros, order[place]), &offset, name, value)) {
            *at = place << 20 | offset;
            return 1;
        }
    }
    *at = place << 20;
    return 0;
}

void
macros_end_message(struct macros *macros)
{
    macros->message = NULL;
}
