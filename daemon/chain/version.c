/*
 * Versions of one thing stand in a list, the highest layer first: the view of a
 * layer is the first that is not above it, and taking a layer out is unlinking it.
 * They live in the message's arena.
 */
#include "chain/version.h"

#include <stddef.h>

/* Where the version of a layer is in the list, or would be. */
static struct version **
place(struct version **versions, int layer)
{
    while (*versions != NULL && (*versions)->layer > layer)
        versions = &(*versions)->below;
    return versions;
}

const struct version *
version_at(const struct version *versions, int layer)
{
    while (versions != NULL && versions->layer > layer)
        versions = versions->below;
    return versions;
}

struct version *
version_make(struct arena *arena, struct version **versions, int layer)
{
    struct version **at = place(versions, layer), *version = *at;

    if (version != NULL && version->layer == layer) {
        *version = (struct version){.below = version->below, .layer = layer};
        return version;
    }
    version = arena_alloc(arena, sizeof(*version));
    if (version == NULL)
        return NULL;
    version->below = *at;
    version->layer = layer;
    *at = version;
    return version;
}

void
version_drop(struct version **versions, int layer)
{
    struct version **at = place(versions, layer);

    if (*at != NULL && (*at)->layer == layer)
        *at = (*at)->below;
}
