/*
 * samples - how long each reply took, and what share took how long.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* All zero is empty. */
struct samples {
    uint32_t *values; /* nanoseconds */
    size_t count, capacity;
};

void samples_add(struct samples *samples, uint64_t nanoseconds);

/* What so many percent did not exceed; 0 without samples. Reorders them. */
uint32_t samples_percentile(struct samples *samples, double percent);

void samples_free(struct samples *samples);

#endif
