/*
 * bare_chain - builds struct chain by hand. It repeats what loader_load() derives
 * from plugin tables, as small as can be, so that a test of the chain depends on no
 * file. Everything is the caller's storage; a dialogue owns its session and buffer.
 */
#include "bare_chain.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/frame.h"

void
bare_chain_init(struct bare_chain *bare)
{
    memset(bare, 0, sizeof(*bare));
    bare->chain.name = "bare";
    bare->chain.links = bare->links;
    bare->chain.limits.body_memory = 1 << 20;
    bare->chain.limits.directory = "/tmp";
    for (int event = 0; event < MILTER_EVENTS; event++)
        bare->chain.callers[event] = bare->callers[event];
}

static void
add_caller(struct bare_chain *bare, enum milter_event event, bool has_callback, uint32_t observes)
{
    struct chain *chain = &bare->chain;

    if (!has_callback)
        return;
    chain->callers[event][chain->caller_count[event]++] = (uint16_t)(chain->count - 1);
    chain->wanted |= 1U << event;
    if ((observes & 1U << event) == 0)
        chain->decides |= 1U << event;
}

struct chain_link *
bare_chain_add(struct bare_chain *bare, const struct milter_plugin *plugin)
{
    struct chain *chain = &bare->chain;
    struct chain_link *link = &bare->links[chain->count];

    ALWAYS(chain->count < BARE_CHAIN_LINKS);
    link->chain = chain;
    link->name = plugin->name;
    link->layer = (int)chain->count++;
    link->plugin = *plugin;
    chain->actions |= plugin->actions;
    chain->needs |= plugin->needs;
    add_caller(bare, MILTER_EVENT_CONNECT, plugin->on_connect != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_HELO, plugin->on_helo != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_MAIL, plugin->on_mail != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_RCPT, plugin->on_rcpt != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_DATA, plugin->on_data != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_HEADER, plugin->on_header != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_EOH, plugin->on_eoh != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_BODY, plugin->on_body != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_EOM, plugin->on_eom != NULL, plugin->observes);
    add_caller(bare, MILTER_EVENT_UNKNOWN, plugin->on_unknown != NULL, plugin->observes);
    return link;
}

void
bare_chain_fini(struct bare_chain *bare)
{
    for (size_t i = 0; i < bare->chain.count; i++) {
        if (bare->links[i].data.destroy != NULL)
            bare->links[i].data.destroy(bare->links[i].data.data);
        arena_reset(&bare->links[i].arena);
    }
}

/* ---- the mail server's side ------------------------------------------------------ */

static int
send_nothing(void *arg, char command)
{
    (void)arg;
    (void)command;
    return MILTER_OK;
}

void
bare_dialogue_open(struct bare_dialogue *dialogue, struct chain *chain)
{
    memset(dialogue, 0, sizeof(*dialogue));
    dialogue->peer.send_now = send_nothing;
    dialogue->session = session_new(chain, "test", &dialogue->peer);
    ALWAYS(dialogue->session != NULL);
}

void
bare_dialogue_close(struct bare_dialogue *dialogue)
{
    session_free(dialogue->session, NULL);
    encode_free(&dialogue->out);
}

static void
take_letters(struct bare_dialogue *dialogue)
{
    struct frame frame;
    size_t n = 0;

    for (size_t at = 0; at < dialogue->out.length; at += frame.size) {
        ALWAYS(frame_next(dialogue->out.data + at, dialogue->out.length - at, FRAME_DATA_1M,
                          &frame) == FRAME_READY);
        ALWAYS(n + 1 < sizeof(dialogue->letters));
        dialogue->letters[n++] = frame.command;
    }
    dialogue->letters[n] = '\0';
}

const char *
bare_dialogue_say(struct bare_dialogue *dialogue, char command, const void *data, size_t length)
{
    const struct frame frame = {
        .command = command, .data = data, .length = length, .size = length + FRAME_HEADER};

    encode_reset(&dialogue->out);
    enum session_status status = session_packet(dialogue->session, &frame, &dialogue->out);
    while (status == SESSION_FLUSH)
        status = session_continue(dialogue->session, &dialogue->out);
    ALWAYS(!dialogue->out.failed);
    if (status == SESSION_CLOSE)
        return "close";
    take_letters(dialogue);
    return dialogue->letters;
}

const char *
bare_dialogue_say_words(struct bare_dialogue *dialogue, int command, ...)
{
    char data[4096];
    size_t length = 0;
    va_list words;

    va_start(words, command);
    for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
        size_t n = strlen(word) + 1;

        ALWAYS(n <= sizeof(data) - length);
        memcpy(data + length, word, n);
        length += n;
    }
    va_end(words);
    return bare_dialogue_say(dialogue, (char)command, data, length);
}

const char *
bare_dialogue_negotiate(struct bare_dialogue *dialogue, uint32_t version, uint32_t protocol)
{
    struct encode offer = {0};

    encode_negotiate(&offer, version, 0x1ff, protocol);
    const char *letters =
        bare_dialogue_say(dialogue, 'O', offer.data + FRAME_HEADER, offer.length - FRAME_HEADER);
    encode_free(&offer);
    return letters;
}
