/* test-telemetry.c - records from a monitor, and groups of them */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "abi/link.h"
#include "base/cursor.h"
#include "link/link.h"
#include "vm/telemetry.h"

static struct buffer record(const char *key, uint8_t kind, uint64_t value)
{
	struct buffer b = BUFFER_INIT(4096);

	link_append_string(&b, key);
	buffer_append_uint(&b, kind, 1);
	buffer_append_uint(&b, value, 8);
	return b;
}

/* What telemetry_read() makes of `size` bytes of a record. */
static int read_record(struct buffer b, size_t size)
{
	struct telemetry t = {};
	struct cursor c = cursor_init(b.data, size);
	int r = telemetry_read(&t, &c);

	telemetry_fini(&t);
	buffer_fini(&b);
	return r;
}

Test(telemetry, reads_numbers_and_words)
{
	struct buffer b = record("vcpu.0.exits", LINK_VALUE_UINT, 42);
	struct telemetry t = {};
	struct cursor c;

	link_append_string(&b, "partition.hrt.state");
	buffer_append_uint(&b, LINK_VALUE_STRING, 1);
	link_append_string(&b, "running");
	c = cursor_init(b.data, b.size);
	cr_assert_eq(telemetry_read(&t, &c), 0);
	cr_assert_eq(t.n, 2);
	cr_expect_str_eq(t.records[0].key, "vcpu.0.exits");
	cr_expect_eq(t.records[0].number, 42);
	cr_expect_null(t.records[0].text);
	cr_expect_str_eq(t.records[1].text, "running");
	telemetry_fini(&t);
	buffer_fini(&b);
}

Test(telemetry, refuses_every_record_that_is_cut_off)
{
	size_t whole = record("vm.x", LINK_VALUE_UINT, 1).size;

	for (size_t size = 1; size < whole; size++)
		cr_expect_eq(read_record(record("vm.x", LINK_VALUE_UINT, 1), size), -EPROTO);
	cr_expect_eq(read_record(record("vm.x", LINK_VALUE_UINT, 1), whole), 0);
}

Test(telemetry, refuses_kinds_and_keys_that_do_not_exist)
{
	char key[TELEMETRY_KEY_MAX + 2];
	struct buffer b = record("vm.x", 2, 1);

	cr_expect_eq(read_record(b, b.size), -EPROTO);
	b = record("", LINK_VALUE_UINT, 1);
	cr_expect_eq(read_record(b, b.size), -EPROTO);
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	b = record(key, LINK_VALUE_UINT, 1);
	cr_expect_eq(read_record(b, b.size), -EPROTO);
}

Test(telemetry, has_a_bound)
{
	struct telemetry t = {};

	for (unsigned i = 0; i < TELEMETRY_RECORDS_MAX; i++)
		cr_assert_eq(telemetry_add(&t, "vm.x", i, NULL), 0);
	cr_expect_eq(telemetry_add(&t, "vm.x", 0, NULL), -ENOBUFS);
	telemetry_fini(&t);
}

Test(telemetry, groups_are_the_first_word)
{
	char kvm[] = "kvm", vm[] = "vm";
	char *const only_kvm[] = {kvm, NULL}, *const both[] = {vm, kvm, NULL}, *const none[] = {NULL};

	cr_expect(telemetry_key_wanted("kvm.hrt.exits", only_kvm));
	cr_expect_not(telemetry_key_wanted("vm.state", only_kvm));
	cr_expect(telemetry_key_wanted("vm.state", both));
	cr_expect_not(telemetry_key_wanted("vmm.state", both));
	cr_expect(telemetry_key_wanted("vcpu.0.exits", none));
	cr_expect(telemetry_key_wanted("partition.hrt.state", NULL));
	cr_expect_not(telemetry_key_wanted("kvm.hrt.exits", NULL), "KVM's own are many: on request only");
	cr_expect(telemetry_group_known("kvm"));
	cr_expect_not(telemetry_group_known("gpu"));
}
