/* message.c - see message.h; the types are those of the D-Bus Specification, "Type System" */
#include "client/message.h"

#include <errno.h>
#include <stdio.h>

#include "base/hex.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/text.h"

static int read_basic(sd_bus_message *m, char type, struct json **ret)
{
	union {
		uint8_t y;
		int16_t n;
		uint16_t q;
		int b;
		int32_t i;
		uint32_t u;
		int64_t x;
		uint64_t t;
		const char *s;
	} v = {};
	int r = sd_bus_message_read_basic(m, type, &v);

	if (r < 0)
		return r;
	switch (type) {
	case SD_BUS_TYPE_BYTE:
		*ret = json_uint(v.y);
		return 0;
	case SD_BUS_TYPE_BOOLEAN:
		*ret = json_bool(v.b);
		return 0;
	case SD_BUS_TYPE_INT16:
		*ret = json_int(v.n);
		return 0;
	case SD_BUS_TYPE_UINT16:
		*ret = json_uint(v.q);
		return 0;
	case SD_BUS_TYPE_INT32:
		*ret = json_int(v.i);
		return 0;
	case SD_BUS_TYPE_UINT32:
		*ret = json_uint(v.u);
		return 0;
	case SD_BUS_TYPE_INT64:
		*ret = json_int(v.x);
		return 0;
	case SD_BUS_TYPE_UINT64:
		*ret = json_uint(v.t);
		return 0;
	case SD_BUS_TYPE_STRING:
	case SD_BUS_TYPE_OBJECT_PATH:
	case SD_BUS_TYPE_SIGNATURE:
		*ret = json_string(v.s);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int read_bytes(sd_bus_message *m, struct json **ret)
{
	_cleanup_free_ char *digits = NULL;
	const uint8_t *bytes;
	size_t n;
	int r = sd_bus_message_read_array(m, SD_BUS_TYPE_BYTE, (const void **)&bytes, &n);

	if (r < 0)
		return r;
	digits = memory_zeroed(n + 1, 2);
	hex_format(bytes, n, digits);
	*ret = json_string(digits);
	return 0;
}

/* One entry of a dictionary; its key has any basic type that reads as a string. */
static int read_entry(sd_bus_message *m, const char *contents, struct json *object)
{
	_cleanup_json_ struct json *key = NULL;
	_cleanup_free_ char *name = NULL;
	struct json *value;
	int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, contents);

	if (r < 0)
		return r;
	r = message_read_json(m, &key);
	if (r < 0)
		return r;
	r = message_read_json(m, &value);
	if (r < 0)
		return r;
	name = key->type == JSON_STRING ? memory_string(key->text) : json_to_text(key);
	json_set(object, name, value);
	return sd_bus_message_exit_container(m);
}

static int read_item(sd_bus_message *m, char type, const char *contents, struct json *container)
{
	struct json *item;
	int r;

	if (type == SD_BUS_TYPE_DICT_ENTRY)
		return read_entry(m, contents, container);
	r = message_read_json(m, &item);
	if (r < 0)
		return r;
	json_append(container, item);
	return 0;
}

/* The items of an array, structure or variant that has been entered. */
static int read_items(sd_bus_message *m, struct json *container)
{
	const char *contents;
	char type;
	int r;

	while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0) {
		r = read_item(m, type, contents, container);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_container(sd_bus_message *m, char type, const char *contents, struct json **ret)
{
	_cleanup_json_ struct json *container = json_new(
		type == SD_BUS_TYPE_ARRAY && contents[0] == SD_BUS_TYPE_DICT_ENTRY_BEGIN ? JSON_OBJECT
											 : JSON_ARRAY);
	int r = sd_bus_message_enter_container(m, type, contents);

	if (r < 0)
		return r;
	r = read_items(m, container);
	if (r < 0)
		return r;
	*ret = take_ptr(container);
	return sd_bus_message_exit_container(m);
}

static int read_variant(sd_bus_message *m, const char *contents, struct json **ret)
{
	int r = sd_bus_message_enter_container(m, SD_BUS_TYPE_VARIANT, contents);

	if (r < 0)
		return r;
	r = message_read_json(m, ret);
	if (r < 0)
		return r;
	r = sd_bus_message_exit_container(m);
	if (r < 0)
		*ret = json_free(*ret);
	return r;
}

int message_read_json(sd_bus_message *m, struct json **ret)
{
	const char *contents;
	char type;
	int r = sd_bus_message_peek_type(m, &type, &contents);

	if (r <= 0)
		return r < 0 ? r : -ENODATA;
	switch (type) {
	case SD_BUS_TYPE_VARIANT:
		return read_variant(m, contents, ret);
	case SD_BUS_TYPE_ARRAY:
		if (contents[0] == SD_BUS_TYPE_BYTE)
			return read_bytes(m, ret);
		return read_container(m, type, contents, ret);
	case SD_BUS_TYPE_STRUCT:
		return read_container(m, type, contents, ret);
	default:
		return read_basic(m, type, ret);
	}
}

void properties_move(struct json *to, struct json *from)
{
	for (size_t i = 0; i < json_length(from); i++) {
		_cleanup_free_ char *key = snake_case(from->keys[i]);

		json_set(to, key, take_ptr(from->items[i]));
		from->items[i] = json_new(JSON_NULL);
	}
}
