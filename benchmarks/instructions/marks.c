/* What a counted program tells valgrind. Elsewhere these calls do nothing. */
#include <valgrind/callgrind.h>

void begin(void) { CALLGRIND_START_INSTRUMENTATION; }

void reset(void) { CALLGRIND_ZERO_STATS; }

void write_counts(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
