/* json.c - see json.h; the grammar is RFC 8259 */
#include "client/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/text.h"

struct json *json_new(enum json_type type)
{
	struct json *j = memory_zeroed(1, sizeof(*j));

	j->type = type;
	if (type == JSON_STRING)
		j->text = memory_string("");
	return j;
}

struct json *json_bool(bool value)
{
	struct json *j = json_new(JSON_BOOL);

	j->boolean = value;
	return j;
}

struct json *json_uint(uint64_t value)
{
	struct json *j = json_new(JSON_UINT);

	j->u = value;
	return j;
}

struct json *json_int(int64_t value)
{
	struct json *j = json_new(JSON_INT);

	j->i = value;
	return j;
}

struct json *json_bytes(const void *data, size_t size)
{
	struct json *j = memory_zeroed(1, sizeof(*j));

	j->type = JSON_STRING;
	j->text = memory_bytes(data, size);
	j->size = size;
	return j;
}

struct json *json_string(const char *text)
{
	return json_bytes(text, strlen(text));
}

struct json *json_free(struct json *j)
{
	if (!j)
		return NULL;
	if (j->type == JSON_STRING)
		free(j->text);
	if (j->type == JSON_ARRAY || j->type == JSON_OBJECT) {
		for (size_t i = 0; i < j->n; i++) {
			json_free(j->items[i]);
			if (j->keys)
				free(j->keys[i]);
		}
		free(j->items);
		free(j->keys);
	}
	free(j);
	return NULL;
}

void json_append(struct json *array, struct json *item)
{
	assert(array->type == JSON_ARRAY);
	array->items = memory_room(array->items, array->n, sizeof(*array->items));
	array->items[array->n++] = item;
}

static struct json **json_find(const struct json *object, const char *key)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < object->n; i++)
		if (strcmp(object->keys[i], key) == 0)
			return &object->items[i];
	return NULL;
}

void json_set(struct json *object, const char *key, struct json *value)
{
	struct json **there = json_find(object, key);

	assert(object->type == JSON_OBJECT);
	if (there) {
		json_free(*there);
		*there = value;
		return;
	}
	object->items = memory_room(object->items, object->n, sizeof(*object->items));
	object->keys = memory_room(object->keys, object->n, sizeof(*object->keys));
	object->keys[object->n] = memory_string(key);
	object->items[object->n++] = value;
}

struct json *json_get(const struct json *object, const char *key)
{
	struct json **there = json_find(object, key);

	return there ? *there : NULL;
}

const char *json_get_string(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && j->type == JSON_STRING ? j->text : "";
}

uint64_t json_get_uint(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && j->type == JSON_UINT ? j->u : 0;
}

size_t json_length(const struct json *j)
{
	return j && (j->type == JSON_ARRAY || j->type == JSON_OBJECT) ? j->n : 0;
}

struct sorted {
	const char *by; /* borrowed */
	char *key;
	struct json *item;
};

static int compare_sorted(const void *a, const void *b)
{
	return strverscmp(((const struct sorted *)a)->by, ((const struct sorted *)b)->by);
}

void json_sort(struct json *j, const char *key)
{
	_cleanup_free_ struct sorted *order = memory_zeroed(j->n, sizeof(*order));

	for (size_t i = 0; i < j->n; i++) {
		order[i].item = j->items[i];
		order[i].key = j->keys ? j->keys[i] : NULL;
		order[i].by = j->keys ? j->keys[i] : json_get_string(j->items[i], key);
	}
	qsort(order, j->n, sizeof(*order), compare_sorted);
	for (size_t i = 0; i < j->n; i++) {
		j->items[i] = order[i].item;
		if (j->keys)
			j->keys[i] = order[i].key;
	}
}

/* One character of a string, or U+FFFD for a byte that is none; returns how many bytes were read. */
static size_t print_character(const char *p, size_t n, FILE *out)
{
	uint32_t c = 0;
	int length = utf8_decode(p, n, &c);

	if (length <= 0)
		fputs("\xEF\xBF\xBD", out);
	else if (c == '"' || c == '\\')
		fprintf(out, "\\%c", (int)c);
	else if (c == '\n')
		fputs("\\n", out);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c < 0x20 || (c >= 0x7F && c <= 0x9F))
		fprintf(out, "\\u%04x", c);
	else
		fwrite(p, 1, (size_t)length, out);
	return length > 0 ? (size_t)length : 1;
}

static void print_string(const char *text, size_t size, FILE *out)
{
	fputc('"', out);
	while (size > 0) {
		size_t n = print_character(text, size, out);

		text += n;
		size -= n;
	}
	fputc('"', out);
}

static void print_break(enum json_mode mode, unsigned depth, FILE *out)
{
	if (mode == JSON_PRETTY)
		fprintf(out, "\n%*s", (int)depth * 2, "");
}

static void print_value(const struct json *j, enum json_mode mode, unsigned depth, FILE *out);

static void print_items(const struct json *j, enum json_mode mode, unsigned depth, FILE *out)
{
	for (size_t i = 0; i < j->n; i++) {
		if (i > 0)
			fputc(',', out);
		print_break(mode, depth + 1, out);
		if (j->type == JSON_OBJECT) {
			print_string(j->keys[i], strlen(j->keys[i]), out);
			fputs(mode == JSON_PRETTY ? ": " : ":", out);
		}
		print_value(j->items[i], mode, depth + 1, out);
	}
	if (j->n > 0)
		print_break(mode, depth, out);
}

static void print_value(const struct json *j, enum json_mode mode, unsigned depth, FILE *out)
{
	switch (j->type) {
	case JSON_NULL:
		fputs("null", out);
		return;
	case JSON_BOOL:
		fputs(j->boolean ? "true" : "false", out);
		return;
	case JSON_UINT:
		fprintf(out, "%llu", (unsigned long long)j->u);
		return;
	case JSON_INT:
		fprintf(out, "%lld", (long long)j->i);
		return;
	case JSON_STRING:
		print_string(j->text, j->size, out);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		fputc(j->type == JSON_ARRAY ? '[' : '{', out);
		print_items(j, mode, depth, out);
		fputc(j->type == JSON_ARRAY ? ']' : '}', out);
		return;
	}
}

void json_print(const struct json *j, enum json_mode mode, FILE *out)
{
	assert(mode != JSON_OFF);
	print_value(j, mode, 0, out);
	fputc('\n', out);
}

static void print_text(const struct json *j, FILE *out)
{
	if (j->type == JSON_STRING) {
		_cleanup_free_ char *safe = text_one_line(j->text);

		fputs(safe, out);
	} else if (j->type == JSON_ARRAY) {
		for (size_t i = 0; i < j->n; i++) {
			fputs(i > 0 ? ", " : "", out);
			print_text(j->items[i], out);
		}
	} else {
		print_value(j, JSON_SHORT, 0, out);
	}
}

char *json_to_text(const struct json *j)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		print_text(j, out);
		fclose(out);
	}
	return text ? text : memory_string("");
}
