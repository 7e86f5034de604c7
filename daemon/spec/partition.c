/* partition.c - reads what a VM's partitions are and boot; reader.h has the contract */
#include <stdlib.h>

#include "base/macro.h"
#include "spec/reader.h"

/* A <module> of one of the partitions. */
struct module_rows {
	enum grammar_id module, file_id, cmdline;
	enum spec_field field;
};

static void read_module(struct reader *r, const xmlNode *node, const struct module_rows *rows, struct spec_module *ret)
{
	struct element element;

	element_survey(&element, node, rows->module, r->d);
	reader_file(r, &element, rows->file_id, &ret->file);
	reader_text(r, &element, rows->cmdline, rows->field, &ret->cmdline);
}

static void read_modules(struct reader *r, const struct element *partition, const struct module_rows *rows,
	struct spec_modules *ret)
{
	unsigned n = partition->places[rows->module].n;
	const xmlNode *node = element_next(partition, rows->module, NULL);

	if (n == 0)
		return;
	if (n > SPEC_MODULES_MAX) {
		element_fault(partition, rows->module, r->d, SEVERITY_ERROR,
			"%u modules are more than the %d that a partition may have", n, SPEC_MODULES_MAX);
		return;
	}
	ret->items = calloc(n, sizeof(*ret->items));
	if (!ret->items) {
		r->d->out_of_memory = true;
		return;
	}
	for (; node; node = element_next(partition, rows->module, node))
		read_module(r, node, rows, &ret->items[ret->n++]);
	reader_know(r, rows->field, partition, rows->module);
}

/* The two places of <ros> have the same values of what is booted. */
struct boot_rows {
	enum grammar_id file_id, initrd_id, cmdline, append, protocol, on_poweroff, on_reset, on_crash;
	struct module_rows modules;
};

static const struct boot_rows rows_in_hvm = {
	GRAMMAR_ROS_FILE_ID, GRAMMAR_ROS_INITRD_ID, GRAMMAR_ROS_CMDLINE, GRAMMAR_ROS_APPEND, GRAMMAR_ROS_PROTOCOL,
	GRAMMAR_ROS_ON_POWEROFF, GRAMMAR_ROS_ON_RESET, GRAMMAR_ROS_ON_CRASH,
	{GRAMMAR_ROS_MODULE, GRAMMAR_ROS_MODULE_FILE_ID, GRAMMAR_ROS_MODULE_CMDLINE, SPEC_FIELD_ROS_MODULES},
};
static const struct boot_rows rows_in_vm = {
	GRAMMAR_VM_ROS_FILE_ID, GRAMMAR_VM_ROS_INITRD_ID, GRAMMAR_VM_ROS_CMDLINE, GRAMMAR_VM_ROS_APPEND,
	GRAMMAR_VM_ROS_PROTOCOL, GRAMMAR_VM_ROS_ON_POWEROFF, GRAMMAR_VM_ROS_ON_RESET, GRAMMAR_VM_ROS_ON_CRASH,
	{GRAMMAR_VM_ROS_MODULE, GRAMMAR_VM_ROS_MODULE_FILE_ID, GRAMMAR_VM_ROS_MODULE_CMDLINE,
		SPEC_FIELD_ROS_MODULES},
};
static const struct module_rows rows_in_hrt = {
	GRAMMAR_HRT_MODULE, GRAMMAR_HRT_MODULE_FILE_ID, GRAMMAR_HRT_MODULE_CMDLINE, SPEC_FIELD_HRT_MODULES};

static void read_ends(struct reader *r, const struct element *ros, const struct boot_rows *rows)
{
	struct vm_spec *spec = r->spec;
	unsigned word;

	if (field_word(ros, rows->on_poweroff, r->d, &word))
		spec->ros_on_poweroff = word;
	if (field_word(ros, rows->on_reset, r->d, &word))
		spec->ros_on_reset = word;
	if (field_word(ros, rows->on_crash, r->d, &word))
		spec->ros_on_crash = word;
	reader_know(r, SPEC_FIELD_ROS_ENDS, ros, rows->on_poweroff);
}

static void read_boot(struct reader *r, const struct element *ros, const struct boot_rows *rows)
{
	struct vm_spec *spec = r->spec;
	unsigned protocol;

	spec->ros_boots = ros->places[rows->file_id].n > 0; /* also where there is no such file: rules then rest */
	if (reader_file(r, ros, rows->file_id, &spec->ros_file))
		reader_know(r, SPEC_FIELD_ROS_FILE, ros, rows->file_id);
	spec->ros_has_initrd = reader_file(r, ros, rows->initrd_id, &spec->ros_initrd);
	if (spec->ros_has_initrd)
		reader_know(r, SPEC_FIELD_ROS_INITRD, ros, rows->initrd_id);
	reader_text(r, ros, rows->cmdline, SPEC_FIELD_ROS_CMDLINE, &spec->ros_cmdline);
	if (field_switch(ros, rows->append, r->d, &spec->ros_append))
		reader_know(r, SPEC_FIELD_ROS_APPEND, ros, rows->append);
	if (field_word(ros, rows->protocol, r->d, &protocol)) {
		spec->ros_protocol = protocol;
		reader_know(r, SPEC_FIELD_ROS_PROTOCOL, ros, rows->protocol);
	}
	read_ends(r, ros, rows);
	read_modules(r, ros, &rows->modules, &spec->ros_modules);
}

static void read_ros_in_hvm(struct reader *r, const struct element *hvm)
{
	struct element ros;
	uint64_t value;

	if (!element_group(hvm, GRAMMAR_ROS, &ros, r->d)) {
		field_missing(hvm, GRAMMAR_ROS, r->d);
		return;
	}
	if (reader_number(r, &ros, GRAMMAR_ROS_CORES, SPEC_FIELD_ROS_CORES, &value))
		r->spec->ros_cores = (uint32_t)value;
	if (reader_number(r, &ros, GRAMMAR_ROS_MEM, SPEC_FIELD_ROS_MEMORY, &value))
		r->spec->ros_memory = value * MiB;
	read_boot(r, &ros, &rows_in_hvm);
}

static void read_hrt_words(struct reader *r, const struct element *hrt)
{
	struct vm_spec *spec = r->spec;
	unsigned word;

	if (field_word(hrt, GRAMMAR_HRT_LAYOUT, r->d, &word))
		spec->hrt_layout = word;
	if (field_word(hrt, GRAMMAR_HRT_HYPERCALL, r->d, &word))
		spec->hrt_hypercall = word;
	if (field_word(hrt, GRAMMAR_HRT_UPCALL, r->d, &word))
		spec->hrt_upcall = word;
	if (field_word(hrt, GRAMMAR_HRT_ON_CRASH, r->d, &word))
		spec->hrt_on_crash = word;
	if (field_word(hrt, GRAMMAR_HRT_ROS_MEMORY, r->d, &word))
		spec->hrt_ros_memory = word;
}

/* What an image that is no ELF file cannot say itself; others say it. */
static void read_hrt_seed(struct reader *r, const struct element *hrt)
{
	static const enum grammar_id rows[] = {GRAMMAR_HRT_LOAD, GRAMMAR_HRT_ENTRY, GRAMMAR_HRT_GRANULE};
	struct vm_spec *spec = r->spec;
	uint64_t value;
	unsigned word;

	for (size_t i = 0; i < ARRAY_SIZE(rows) && spec->hrt_layout != SPEC_LAYOUT_SEED; i++)
		if (hrt->places[rows[i]].n > 0)
			element_fault(hrt, rows[i], r->d, SEVERITY_ERROR,
				"%s: the image itself says that, unless it is booted with layout=\"seed\"; take it out", grammar[rows[i]].name);
	if (spec->hrt_layout != SPEC_LAYOUT_SEED)
		return;
	if (field_address(hrt, GRAMMAR_HRT_LOAD, r->d, &value)) {
		reader_know(r, SPEC_FIELD_HRT_LOAD, hrt, GRAMMAR_HRT_LOAD);
		spec->hrt_load = value;
	}
	if (field_address(hrt, GRAMMAR_HRT_ENTRY, r->d, &value))
		spec->hrt_entry = (uint32_t)value;
	if (field_word(hrt, GRAMMAR_HRT_GRANULE, r->d, &word))
		spec->hrt_granule = word;
}

static void read_hrt(struct reader *r, const struct element *hvm)
{
	struct vm_spec *spec = r->spec;
	struct element hrt;
	uint64_t value;

	if (!element_group(hvm, GRAMMAR_HRT, &hrt, r->d)) {
		field_missing(hvm, GRAMMAR_HRT, r->d);
		return;
	}
	if (reader_file(r, &hrt, GRAMMAR_HRT_FILE_ID, &spec->hrt_file))
		reader_know(r, SPEC_FIELD_HRT_FILE, &hrt, GRAMMAR_HRT_FILE_ID);
	reader_text(r, &hrt, GRAMMAR_HRT_CMDLINE, SPEC_FIELD_HRT_CMDLINE, &spec->hrt_cmdline);
	field_switch(&hrt, GRAMMAR_HRT_APPEND, r->d, &spec->hrt_append);
	if (reader_number(r, &hrt, GRAMMAR_HRT_STACK, SPEC_FIELD_HRT_STACK, &value))
		spec->hrt_stack = (uint32_t)value;
	if (reader_number(r, &hrt, GRAMMAR_HRT_DEADLINE, SPEC_FIELD_HRT_DEADLINE, &value))
		spec->hrt_deadline = (uint32_t)value;
	field_switch(&hrt, GRAMMAR_HRT_IDENTITY, r->d, &spec->hrt_identity);
	read_hrt_words(r, &hrt);
	read_hrt_seed(r, &hrt);
	read_modules(r, &hrt, &rows_in_hrt, &spec->hrt_modules);
}

/* Palacios ignores such a block silently; here its author hears of it. */
static void warn_of_unused_hvm(struct reader *r, const struct element *hvm)
{
	if (hvm->places[GRAMMAR_HVM_ENABLE].n == 0)
		element_fault(hvm, GRAMMAR_HVM_ENABLE, r->d, SEVERITY_WARNING,
			"enable is missing, so the VM has no HRT; write enable=\"y\" for a hybrid, "
			"enable=\"n\" for none");
	else if (hvm->places[GRAMMAR_ROS].n > 0 || hvm->places[GRAMMAR_HRT].n > 0)
		element_fault(hvm, GRAMMAR_HVM_ENABLE, r->d, SEVERITY_NOTICE,
			"enable: it is n, so ros and hrt are not used and not kept");
}

static void read_hvm(struct reader *r, const struct element *vm)
{
	struct element hvm;

	if (!element_group(vm, GRAMMAR_HVM, &hvm, r->d))
		return;
	if (!field_switch(&hvm, GRAMMAR_HVM_ENABLE, r->d, &r->spec->hybrid))
		r->spec->hybrid =
			hvm.places[GRAMMAR_ROS].n > 0 || hvm.places[GRAMMAR_HRT].n > 0; /* probably meant */
	else if (!r->spec->hybrid)
		warn_of_unused_hvm(r, &hvm);
	if (!r->spec->hybrid)
		return;
	read_ros_in_hvm(r, &hvm);
	read_hrt(r, &hvm);
}

static void read_ros_in_vm(struct reader *r, const struct element *vm)
{
	struct element ros;

	if (r->spec->hybrid && vm->places[GRAMMAR_VM_ROS].n > 0)
		element_fault(vm, GRAMMAR_VM_ROS, r->d, SEVERITY_ERROR,
			"ros: the VM is a hybrid, whose ROS is described within hvm; move this there");
	else if (element_group(vm, GRAMMAR_VM_ROS, &ros, r->d))
		read_boot(r, &ros, &rows_in_vm);
}

static void take_multiboot(struct reader *r, const struct element *multiboot)
{
	struct vm_spec *spec = r->spec;
	bool has_kernel = spec->ros_boots;

	spec->ros_boots = true; /* also where it cannot be: rules about a kernel that is not there then rest */
	if (has_kernel) {
		element_fault(multiboot, GRAMMAR_MULTIBOOT_FILE_ID, r->d, SEVERITY_ERROR,
			"multiboot: ros has a file_id already, and it has one kernel only; take one of them out");
		return;
	}
	if (spec->ros_protocol != SPEC_PROTOCOL_AUTO && spec->ros_protocol != SPEC_PROTOCOL_MULTIBOOT2) {
		element_fault(multiboot, GRAMMAR_MULTIBOOT_FILE_ID, r->d, SEVERITY_ERROR,
			"multiboot: it means the protocol multiboot2, and ros says %s; take one of them out",
			grammar_word_text(GRAMMAR_ROS_PROTOCOL, spec->ros_protocol));
		return;
	}
	spec->ros_protocol = SPEC_PROTOCOL_MULTIBOOT2;
	if (!reader_file(r, multiboot, GRAMMAR_MULTIBOOT_FILE_ID, &spec->ros_file))
		return;
	reader_know(r, SPEC_FIELD_ROS_FILE, multiboot, GRAMMAR_MULTIBOOT_FILE_ID);
	element_fault(multiboot, GRAMMAR_MULTIBOOT_FILE_ID, r->d, SEVERITY_NOTICE,
		"multiboot: it is kept as the file_id of ros, with protocol=\"multiboot2\"");
}

static void read_multiboot(struct reader *r, const struct element *vm)
{
	struct element multiboot;
	bool enabled;

	if (!element_group(vm, GRAMMAR_MULTIBOOT, &multiboot, r->d) ||
		!field_switch(&multiboot, GRAMMAR_MULTIBOOT_ENABLE, r->d, &enabled))
		return;
	if (enabled)
		take_multiboot(r, &multiboot);
	else if (multiboot.places[GRAMMAR_MULTIBOOT_ENABLE].n == 0)
		element_fault(&multiboot, GRAMMAR_MULTIBOOT_ENABLE, r->d, SEVERITY_WARNING,
			"enable is missing, so the kernel is not booted; write enable=\"y\", or take multiboot out");
	else
		element_fault(&multiboot, GRAMMAR_MULTIBOOT_ENABLE, r->d, SEVERITY_NOTICE,
			"enable: it is n, so multiboot is not used and not kept");
}

void reader_read_partitions(struct reader *r, const struct element *vm)
{
	struct vm_spec *spec = r->spec;

	read_hvm(r, vm);
	read_ros_in_vm(r, vm);
	read_multiboot(r, vm);
	if (!spec->hybrid) { /* without an HRT everything is the ROS's */
		spec->ros_cores = spec->cores;
		spec->ros_memory = spec->memory;
	}
}
