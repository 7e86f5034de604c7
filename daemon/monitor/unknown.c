/* unknown.c - see unknown.h */
#include "monitor/unknown.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>

#include "base/macro.h"

static const struct {
	const char *name, *plural;
	const char *what;
} kinds[] = {
	[UNKNOWN_PORT] = {"port", "ports", "nothing is there; reads give all ones, writes are lost"},
	[UNKNOWN_PAGE] = {"page", "pages", "neither memory nor a device; reads give all ones, writes are lost"},
	[UNKNOWN_MSR] = {"MSR", "MSRs", "KVM does not know it"},
};
static_assert(ARRAY_SIZE(kinds) == N_UNKNOWN_KINDS, "a kind has no words");

void unknown_init(struct unknown *unknown, const char *vm, const char *partition)
{
	*unknown = (struct unknown){
		.limit = {.interval_usec = 1000000, .burst = 20}, .vm = vm, .partition = partition};
	pthread_mutex_init(&unknown->lock, NULL);
}

void unknown_fini(struct unknown *unknown)
{
	pthread_mutex_destroy(&unknown->lock);
}

static bool is_logged(const struct unknown *unknown, enum unknown_kind kind, uint64_t place)
{
	for (size_t i = 0; i < unknown->logged[kind].n; i++)
		if (unknown->logged[kind].places[i] == place)
			return true;
	return false;
}

static enum unknown_news note(struct unknown *unknown, enum unknown_kind kind, uint64_t place)
{
	size_t *n = &unknown->logged[kind].n;

	if (*n == UNKNOWN_PLACES_MAX || is_logged(unknown, kind, place) || !log_ratelimit(&unknown->limit))
		return UNKNOWN_OLD;
	unknown->logged[kind].places[(*n)++] = place;
	return *n == UNKNOWN_PLACES_MAX ? UNKNOWN_LAST : UNKNOWN_NEW;
}

enum unknown_news unknown_note(struct unknown *unknown, enum unknown_kind kind, uint64_t place)
{
	enum unknown_news news;

	assert(kind < N_UNKNOWN_KINDS);
	pthread_mutex_lock(&unknown->lock);
	news = note(unknown, kind, place);
	pthread_mutex_unlock(&unknown->lock);
	return news;
}

void unknown_met(struct unknown *unknown, enum unknown_kind kind, uint64_t place, uint32_t core)
{
	enum unknown_news news = unknown_note(unknown, kind, place);

	if (news == UNKNOWN_OLD)
		return;
	log_info("vm %s: %s core %u: %s 0x%" PRIx64 ": %s%s%s%s", unknown->vm, unknown->partition, core,
		kinds[kind].name, place, kinds[kind].what, news == UNKNOWN_LAST ? " (no more " : "",
		news == UNKNOWN_LAST ? kinds[kind].plural : "", news == UNKNOWN_LAST ? " are logged)" : "");
}
