/* telemetry.c - see telemetry.h */
#include "vm/telemetry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/link.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/macro.h"
#include "link/link.h"

static const struct {
	const char *name;
	bool by_default;
} groups_known[] = {
	{"vm", true},
	{"partition", true},
	{"vcpu", true},
	{"kvm", false}, /* some hundred numbers a core */
};

void telemetry_fini(struct telemetry *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->records[i].key);
		free(t->records[i].text);
	}
	free(t->records);
	*t = (struct telemetry){};
}

int telemetry_add(struct telemetry *t, const char *key, uint64_t number, const char *text)
{
	struct telemetry_record record = {.number = number}, *records;

	if (t->n >= TELEMETRY_RECORDS_MAX)
		return -ENOBUFS;
	records = reallocarray(t->records, t->n + 1, sizeof(*records));
	if (!records)
		return -ENOMEM;
	t->records = records;
	record.key = strdup(key);
	record.text = text ? strdup(text) : NULL;
	if (!record.key || (text && !record.text)) {
		free(record.key);
		free(record.text);
		return -ENOMEM;
	}
	t->records[t->n++] = record;
	return 0;
}

static int read_record(struct telemetry *t, struct cursor *c)
{
	_cleanup_free_ char *key = link_read_string(c);
	_cleanup_free_ char *text = NULL;
	uint8_t kind = cursor_u8(c);
	uint64_t number = 0;

	if (kind == LINK_VALUE_STRING)
		text = link_read_string(c);
	else
		number = cursor_u64(c);
	if (!cursor_ok(c) || kind > LINK_VALUE_STRING || !key[0] || strlen(key) > TELEMETRY_KEY_MAX)
		return -EPROTO;
	return telemetry_add(t, key, number, text);
}

int telemetry_read(struct telemetry *t, struct cursor *c)
{
	while (c->left > 0) {
		int r = read_record(t, c);

		if (r < 0)
			return r;
	}
	return cursor_ok(c) ? 0 : -EPROTO;
}

static bool in_group(const char *key, const char *group)
{
	size_t n = strlen(group);

	return strncmp(key, group, n) == 0 && key[n] == '.';
}

bool telemetry_key_wanted(const char *key, char *const *groups)
{
	if (!groups || !groups[0]) {
		for (size_t i = 0; i < ARRAY_SIZE(groups_known); i++)
			if (groups_known[i].by_default && in_group(key, groups_known[i].name))
				return true;
		return false;
	}
	for (; *groups; groups++)
		if (in_group(key, *groups))
			return true;
	return false;
}

bool telemetry_group_known(const char *group)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups_known); i++)
		if (strcmp(group, groups_known[i].name) == 0)
			return true;
	return false;
}
