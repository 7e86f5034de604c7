/* demands.c - what a Multiboot2 header demands of its loader: firmware, information, bytes; see header.h */
#include <errno.h>

#include "abi/hrt.h"
#include "abi/multiboot2.h"
#include "base/error.h"
#include "base/macro.h"
#include "image/header.h"
#include "image/segment.h"

#define ULL(x)          ((unsigned long long)(x))

#define LOAD_FROM_START 0xFFFFFFFFu /* load_addr: load the file from its beginning; Multiboot2 3.1.5 */

/* --- Firmware and information ---------------------------------------------- */

/* Tags that mean something under EFI only, from MULTIBOOT2_TAG_EFI_BOOT_SERVICES on. */
static int check_efi(const struct image_header *header, struct error *e)
{
	static const char *const names[] = {"EFI boot services", "EFI i386 entry", "EFI amd64 entry"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (header->required >> (MULTIBOOT2_TAG_EFI_BOOT_SERVICES + i) & 1)
			return error_set(e, -ENOEXEC,
				"the Multiboot2 header at 0x%llx has an %s tag (type %u) that is not optional, and there is no EFI "
				"here; set bit 0 of its flags if the image can do without",
				ULL(header->offset), names[i], MULTIBOOT2_TAG_EFI_BOOT_SERVICES + i);
	return 0;
}

static int check_info(const struct image_header *header, uint64_t offered, const char *whom, struct error *e)
{
	static const char *const names[N_MULTIBOOT2_INFO] = {"end", "command line", "loader name", "modules", "basic memory",
		"BIOS boot device", "memory map", "VBE", "framebuffer", "ELF sections", "APM", "EFI32 system table",
		"EFI64 system table", "SMBIOS", "ACPI 1.0 RSDP", "ACPI 2.0 RSDP", "network", "EFI memory map",
		"EFI boot services", "EFI32 image handle", "EFI64 image handle", "load base"};
	uint64_t missing = header->info_required & ~offered & ~IMAGE_INFO(MULTIBOOT2_INFO_END);
	int type = __builtin_ffsll((long long)missing) - 1;

	if (header->info_unknown)
		return error_set(e, -ENOEXEC,
			"the Multiboot2 header at 0x%llx requires information %u (0x%x), which nobody has: the standard has 1 to %d, "
			"an HRT is given 0x%x too",
			ULL(header->offset), header->info_unknown, header->info_unknown, N_MULTIBOOT2_INFO - 1, HVM_INFO_TAG);
	if (!missing)
		return 0;
	return error_set(e, -ENOEXEC,
		"the Multiboot2 header at 0x%llx requires information %u (%s), which %s is not given; set bit 0 of the "
		"information request tag's flags if the image can do without",
		ULL(header->offset), type < N_MULTIBOOT2_INFO ? (unsigned)type : HVM_INFO_TAG,
		type < N_MULTIBOOT2_INFO ? names[type] : "HRT", whom);
}

int image_header_check(const struct image_header *header, uint64_t offered, const char *whom, struct error *e)
{
	int r = check_efi(header, e);

	return r < 0 ? r : check_info(header, offered, whom, e);
}

/* --- Bytes ----------------------------------------------------------------- */

/* Where the address tag's first byte goes and is. All is 64-bit: the 32-bit fields cannot overflow it. */
static int find_start(const struct image_header *h, uint64_t size, struct image_segment *ret, struct error *e)
{
	bool from_start = h->load_addr == LOAD_FROM_START;
	int64_t header = h->header_addr, load = from_start ? header - (int64_t)h->offset : h->load_addr;
	int64_t offset = (int64_t)h->offset - (header - load);

	if (load < 0)
		return error_set(e, -ENOEXEC,
			"address tag: load_addr 0xffffffff loads the file from its beginning, but header_addr 0x%x is less than "
			"the header's offset 0x%llx in the file",
			h->header_addr, ULL(h->offset));
	if (offset < 0 || (uint64_t)offset > size)
		return error_set(e, -ENOEXEC,
			"address tag: header_addr 0x%x and load_addr 0x%llx put the first byte at offset %lld of the file, "
			"which has %llu bytes",
			h->header_addr, ULL(load), (long long)offset, ULL(size));
	ret->gpa = (uint64_t)load;
	ret->offset = (uint64_t)offset;
	return 0;
}

/* Where it ends; an end of 0 stands for the end of the file, and of what is loaded. */
static int find_ends(const struct image_header *h, uint64_t size, struct image_segment *ret, struct error *e)
{
	uint64_t left = size - ret->offset;
	uint64_t load_end = h->load_end_addr ? h->load_end_addr : ret->gpa + left;
	uint64_t bss_end = h->bss_end_addr ? h->bss_end_addr : load_end;

	if (load_end < ret->gpa)
		return error_set(e, -ENOEXEC, "address tag: load_end_addr 0x%llx is below load_addr 0x%llx",
			ULL(load_end), ULL(ret->gpa));
	if (bss_end < load_end)
		return error_set(e, -ENOEXEC,
			"address tag: bss_end_addr 0x%llx is below the end of the loaded bytes, 0x%llx",
			ULL(bss_end), ULL(load_end));
	if (load_end - ret->gpa > left)
		return error_set(e, -ENOEXEC,
			"address tag: load_addr 0x%llx to load_end_addr 0x%llx are 0x%llx bytes; "
			"from offset 0x%llx on the file has only 0x%llx",
			ULL(ret->gpa), ULL(load_end), ULL(load_end - ret->gpa), ULL(ret->offset), ULL(left));
	if (bss_end == ret->gpa)
		return error_set(e, -ENOEXEC,
			"address tag: load_addr 0x%llx to bss_end_addr are 0 bytes; there is nothing to load",
			ULL(ret->gpa));
	ret->file_size = load_end - ret->gpa;
	ret->memory_size = bss_end - ret->gpa;
	return 0;
}

int image_header_segment(const struct image_header *header, uint64_t size, struct image_segment *ret, struct error *e)
{
	int r;

	*ret = (struct image_segment){.writable = true, .executable = true};
	r = find_start(header, size, ret, e);
	return r < 0 ? r : find_ends(header, size, ret, e);
}
