/*
 * describe - what milterd's tables say, for tests/docs.py to hold the manual pages
 * against: the keys of milter.conf, each as options_describe() prints it, and which
 * verdict is possible at which event. Decides nothing itself.
 */
#include <stdio.h>

#include "chain/verdict.h"
#include "config/keys.h"
#include "config/options.h"

static void
describe_keys(void)
{
    for (const struct keys_table *keys = keys_tables; keys->name != NULL; keys++) {
        printf("keys %s\n", keys->name);
        options_describe(keys->table, sizeof(keys->table[0]), stdout);
    }
}

static void
describe_verdicts(void)
{
    for (int verdict = MILTER_CONTINUE; verdict <= MILTER_FAILURE; verdict++) {
        printf("verdict %s:", verdict_name((enum milter_verdict)verdict));
        for (int event = 0; event < MILTER_EVENTS; event++) {
            enum verdict_effect effect =
                verdict_effect((enum milter_event)event, (enum milter_verdict)verdict, false);

            printf(" %s=%s", verdict_event_name((enum milter_event)event),
                   effect != VERDICT_FAILS ? "yes" : "no");
        }
        putchar('\n');
    }
}

int
main(void)
{
    describe_keys();
    describe_verdicts();
    return 0;
}
