/*
 * ros-boot.h - how the ROS comes to life: its kernel, what is handed to it, its registers
 *
 * In four steps that know no KVM: read the kernel, take what it needs out of the
 * plan, write the bytes, and say what the first core's registers are. The last
 * two are repeated at each reset, over memory that is zero. The other cores wait
 * for the kernel to start them, as on a PC.
 *
 * What all protocols have in common is here; what one of them has for itself is
 * in ros-PROTOCOL.c and in the table at its end of this header.
 *
 * Tour 425: The other half has an ordinary kernel. Each boot protocol is three
 * functions: what it needs in memory, which bytes, which registers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "guest/file.h"
#include "guest/firmware.h"
#include "guest/info.h"
#include "image/kernel.h"
#include "spec/spec.h"

struct boot_registers;
struct buffer;
struct error;
struct memory;
struct plan;

struct ros_boot {
	struct kernel_image kernel;
	bool moved;          /* it is relocatable, and stands where it is now; the addresses above are those */
	uint64_t distance;   /* by which it was moved, up or (modulo 2^64) down */
	uint64_t sections;   /* GPA of the ELF sections that no segment loads, where the kernel is told of them */
	uint64_t modules[SPEC_MODULES_MAX]; /* GPA of each; an empty one has any */
	uint64_t initrd; /* GPA; 0: none */
	uint64_t info; /* GPA of what the protocol tells the kernel; 0: nothing */
	struct firmware firmware;

	/* borrowed */
	const struct vm_spec *spec;     /* ros_boots */
	const struct guest_file *files; /* as many as the definition has */
	const struct plan *plan;
};

/* The boot protocols that a definition allows, as bits for kernel_image_parse(). */
unsigned ros_protocols(const struct vm_spec *spec);

/* Reads the kernel. Returns 0, or a negative errno with a sentence. */
int ros_boot_init(struct ros_boot *boot, const struct vm_spec *spec, const struct guest_file *files, struct error *e);

/*
 * Takes everything out of the free memory of the ROS that stands in it when the
 * kernel is entered. Borrows the plan from then on. Returns 0, or a sentence with
 * -ENOEXEC (it cannot be) or -EADDRINUSE (two things want the same memory).
 */
int ros_boot_plan(struct ros_boot *boot, struct plan *plan, struct error *e);

/* Writes it, what comes from files as far as the memory has it; it is zero before. 0, or -ENOMEM with a sentence. */
int ros_boot_write(const struct ros_boot *boot, struct memory *memory, struct error *e);

/* The registers of the first core at the kernel's first instruction. */
void ros_boot_registers(const struct ros_boot *boot, struct boot_registers *ret);

/* The GPA of that instruction. */
uint64_t ros_boot_entry(const struct ros_boot *boot);

/* --- For the protocols --------------------------------------------------------------------------------------- */

struct ros_protocol {
	/* Once kernel and modules have their places. */
	int (*plan)(struct ros_boot *boot, struct plan *plan, struct error *e);
	/* Once the bytes of files are there. */
	int (*write)(const struct ros_boot *boot, struct memory *memory, struct error *e);
	void (*registers)(const struct ros_boot *boot, struct boot_registers *ret);
};

extern const struct ros_protocol ros_multiboot2;
extern const struct ros_protocol ros_multiboot1;
extern const struct ros_protocol ros_pvh;
extern const struct ros_protocol ros_linux;

/*
 * Puts the initrd, where the definition has one, as high as it can be: above the
 * kernel, below the device hole, its last byte at `max` at most. Returns 0, or
 * -ENOEXEC with a sentence that says what would be enough.
 */
int ros_plan_initrd(struct ros_boot *boot, struct plan *plan, uint64_t max, struct error *e);

/*
 * Takes room for what a kernel is told, as `append` makes it for boot->info, which
 * is set; its size does not depend on that. In low memory where there is room, as
 * boot loaders put it, and otherwise above 1 MiB.
 */
typedef void (*ros_append_fn)(const struct ros_boot *boot, struct buffer *b);
int ros_plan_info(struct ros_boot *boot, struct plan *plan, ros_append_fn append, struct error *e);

/* Writes it. Returns 0, or -ENOMEM with a sentence. */
int ros_write_info(const struct ros_boot *boot, struct memory *memory, ros_append_fn append, struct error *e);

/*
 * Takes room for those ELF sections of the kernel that no segment loads. Who has not required
 * them, and has no room for them, is not told. 0, or a sentence with -ENOEXEC.
 */
int ros_plan_sections(struct ros_boot *boot, struct plan *plan, struct error *e);
void ros_write_sections(const struct ros_boot *boot, struct memory *memory);

/* All their headers, owned by *ret_headers. None, too, where memory is short. */
struct info_sections ros_told_sections(const struct ros_boot *boot, uint8_t **ret_headers);

/*
 * What a kernel is told of its memory: RAM, with the firmware's part of a PC's
 * first MiB and the device hole reserved. Memory of an HRT does not exist for
 * it. Returns the number of entries.
 */
#define ROS_MAP_MAX 8
unsigned ros_memory_map(const struct vm_spec *spec, struct memory_map_entry ret[ROS_MAP_MAX]);

/* GPA just above the memory that goes on from 1 MiB without a hole. */
uint64_t ros_upper_end(const struct vm_spec *spec);

/* Flat 32-bit segments, no paging, interrupts off, at the kernel's entry; all else zero. */
void ros_registers_32(const struct ros_boot *boot, struct boot_registers *ret);
