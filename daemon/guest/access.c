/* access.c - see access.h; page walks of SDM volume 3A, 4.5 and 4.6 */
#include "guest/access.h"

#include <errno.h>
#include <string.h>

#include "abi/x86.h"
#include "base/macro.h"
#include "guest/memory.h"

#define ENTRIES 512u
#define LEVELS  4u
#define USER_END 0x0000800000000000ull
#define RETRIES 8 /* of an entry that the guest changes under our hands */

/* Bytes that one entry maps, from the PML4 (0) down to the PT (3). */
static const uint64_t reach[LEVELS] = {512 * GiB, 1 * GiB, 2 * MiB, 4 * KiB};

struct wish {
	bool user, write;
	bool mark; /* as accessed and dirty */
};

bool access_is_user_address(uint64_t gva)
{
	return gva < USER_END;
}

static bool canonical(uint64_t gva)
{
	return (uint64_t)((int64_t)(gva << 16) >> 16) == gva;
}

static void tell(const struct access *a, uint64_t gpa)
{
	if (a->wrote)
		a->wrote(a->data, gpa & ~(PAGE_SIZE - 1));
}

/* What the processor would add to an entry that it uses. */
static uint64_t marks(struct wish wish, bool leaf)
{
	return wish.mark ? PTE_ACCESSED | (leaf && wish.write ? PTE_DIRTY : 0) : 0;
}

static bool allows(uint64_t entry, struct wish wish)
{
	return entry & PTE_PRESENT && (!wish.user || entry & PTE_USER) && (!wish.write || entry & PTE_WRITABLE);
}

/* One entry, marked; the guest may be changing it. False where it does not allow what is wished. */
static bool use_entry(const struct access *a, uint64_t gpa, unsigned level, struct wish wish, uint64_t *ret)
{
	uint64_t *entry = memory_at(a->memory, gpa, sizeof(uint64_t)), value;

	if (!entry)
		return false;
	value = __atomic_load_n(entry, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < RETRIES; i++) {
		bool leaf = level == LEVELS - 1 || value & PTE_LARGE;
		uint64_t wanted = value | marks(wish, leaf);

		*ret = value;
		if (!allows(value, wish) || (leaf && level == 0)) /* no such page: the bit is reserved in a PML4 */
			return false;
		if (wanted == value || !memory_writable(a->memory, gpa, sizeof(uint64_t)))
			return true;
		if (__atomic_compare_exchange_n(entry, &value, wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			tell(a, gpa);
			return true;
		}
	}
	return false;
}

static int walk(const struct access *a, uint64_t gva, struct wish wish, uint64_t *ret_gpa)
{
	uint64_t table = a->cr3 & PTE_ADDRESS, entry;

	if (!canonical(gva))
		return -EFAULT;
	for (unsigned level = 0;; level++) {
		if (!use_entry(a, table + gva / reach[level] % ENTRIES * sizeof(uint64_t), level, wish, &entry))
			return -EFAULT;
		if (level == LEVELS - 1 || entry & PTE_LARGE) {
			*ret_gpa = (entry & PTE_ADDRESS & ~(reach[level] - 1)) | (gva & (reach[level] - 1));
			return 0;
		}
		table = entry & PTE_ADDRESS;
	}
}

int access_translate(const struct access *access, uint64_t gva, uint64_t *ret_gpa)
{
	return walk(access, gva, (struct wish){.user = access->user}, ret_gpa);
}

/* Calls fn for each part of [gva, gva + size) that lies in one page, `data` being what goes in or out there. */
typedef int (*part_fn)(const struct access *a, uint64_t gpa, uint8_t *data, uint64_t size);

static int each_page(const struct access *a, uint64_t gva, uint64_t size, struct wish wish, uint8_t *data, part_fn fn)
{
	uint64_t gpa, n;
	int r;

	if (size && size - 1 > UINT64_MAX - gva)
		return -EFAULT;
	for (; size; gva += n, data += n, size -= n) {
		n = PAGE_SIZE - gva % PAGE_SIZE;
		n = size < n ? size : n;
		r = walk(a, gva, wish, &gpa);
		if (r == 0)
			r = fn(a, gpa, data, n);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_part(const struct access *a, uint64_t gpa, uint8_t *data, uint64_t size)
{
	const void *from = memory_at(a->memory, gpa, size);

	if (!from)
		return -EFAULT;
	memcpy(data, from, size);
	return 0;
}

static int check_part(const struct access *a, uint64_t gpa, uint8_t *data, uint64_t size)
{
	(void)data;
	return memory_at(a->memory, gpa, size) ? 0 : -EFAULT;
}

static int check_writable_part(const struct access *a, uint64_t gpa, uint8_t *data, uint64_t size)
{
	(void)data;
	return memory_writable(a->memory, gpa, size) ? 0 : -EFAULT;
}

static int write_part(const struct access *a, uint64_t gpa, uint8_t *data, uint64_t size)
{
	if (!memory_writable(a->memory, gpa, size))
		return -EFAULT;
	memcpy(memory_at(a->memory, gpa, size), data, size);
	tell(a, gpa);
	return 0;
}

int access_read(const struct access *access, uint64_t gva, void *to, uint64_t size)
{
	return each_page(access, gva, size, (struct wish){.user = access->user}, to, read_part);
}

int access_check_read(const struct access *access, uint64_t gva, uint64_t size)
{
	return each_page(access, gva, size, (struct wish){.user = access->user}, NULL, check_part);
}

int access_check_write(const struct access *access, uint64_t gva, uint64_t size)
{
	return each_page(access, gva, size, (struct wish){.user = access->user, .write = true}, NULL,
		check_writable_part);
}

int access_write(const struct access *access, uint64_t gva, const void *from, uint64_t size)
{
	int r = access_check_write(access, gva, size);

	return r < 0 ? r : each_page(access, gva, size, (struct wish){.user = access->user, .write = true, .mark = true},
				   (uint8_t *)from, write_part);
}
