/* large-image.c - see large-image.h */
#include "large-image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/hrt.h"
#include "abi/multiboot2.h"
#include "base/macro.h"

#define LOAD_GPA (16 * MiB)

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	memcpy(at, &value, bytes);
}

/* ELF64, one segment from offset 0x1000 on; there the Multiboot2 header, and behind it cli, hlt. */
static void fill_image(uint8_t *image, uint64_t size)
{
	static const uint8_t ident[] = {0x7F, 'E', 'L', 'F', 2, 1, 1};
	const struct hvm_header_tag tag = {.type = HVM_HEADER_TAG, .size = sizeof(tag), .hrt_flags = HVM_FLAG_MAP_2MB,
		.max_mem_to_map = 16 * GiB, .gva_entry = LOAD_GPA + 0x100, .comm_page_gpa = 12 * GiB, .hrt_int_vector = 255};
	const uint32_t length = 16 + sizeof(tag) + 8;
	uint8_t *header = image + 0x1000;

	memcpy(image, ident, sizeof(ident));
	put(image + 16, 2 | 62u << 16, 4); /* executable, x86-64 */
	put(image + 20, 1, 4);
	put(image + 24, LOAD_GPA + 0x100, 8);
	put(image + 32, 64, 8);
	put(image + 52, 64 | 56u << 16, 4);
	put(image + 56, 1, 2);
	put(image + 64, 1 | 5ull << 32, 8); /* PT_LOAD, readable, executable */
	put(image + 72, 0x1000, 8);
	put(image + 80, LOAD_GPA, 8);
	put(image + 88, LOAD_GPA, 8);
	put(image + 96, size - 0x1000, 8);
	put(image + 104, size - 0x1000, 8);
	put(header, MULTIBOOT2_HEADER_MAGIC, 4);
	put(header + 8, length, 4);
	put(header + 12, 0u - MULTIBOOT2_HEADER_MAGIC - length, 4);
	memcpy(header + 16, &tag, sizeof(tag));
	put(header + 16 + sizeof(tag), 8ull << 32, 8);
	memcpy(header + 0x100, "\xFA\xF4\xEB\xFC", 4);
}

int large_image(uint64_t size, bool sealed, bool calls)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *image;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (image == MAP_FAILED)
		return -errno;
	memset(image, 0xCC, size);
	memset(image, 0, 0x2000);
	fill_image(image, size);
	if (calls)
		memcpy(image + 0x1200, "\x48\xBB" "dddddddd" "\x0F\x01\xC1", 13); /* vmcall, with the marker in rbx */
	munmap(image, size);
	if (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	return fd;
}
