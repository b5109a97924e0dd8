/*
 * Every sample is kept, so percentiles are exact; four bytes for each of some
 * millions of replies are no matter. More than four seconds count as four.
 */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

void
samples_add(struct samples *samples, uint64_t nanoseconds)
{
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity != 0 ? 2 * samples->capacity : 1 << 16;
        samples->values = realloc(samples->values, samples->capacity * sizeof(samples->values[0]));
        if (samples->values == NULL) {
            fputs("load: no memory\n", stderr);
            exit(1);
        }
    }
    samples->values[samples->count++] =
        nanoseconds < UINT32_MAX ? (uint32_t)nanoseconds : UINT32_MAX;
}

static int
compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t
samples_percentile(struct samples *samples, double percent)
{
    if (samples->count == 0)
        return 0;
    qsort(samples->values, samples->count, sizeof(samples->values[0]), compare);
    return samples->values[(size_t)((double)(samples->count - 1) * percent / 100)];
}

void
samples_free(struct samples *samples)
{
    free(samples->values);
    *samples = (struct samples){0};
}
