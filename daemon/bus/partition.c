/* partition.c - org.hvmd1.Partition and org.hvmd1.HRT at /org/hvmd1/vm/NAME/partition/ROLE */
#include <errno.h>

#include "bus/objects.h"

static int method_reset(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm_partition *p = userdata;

	return reset_scope(m, p->vm, p->role == PARTITION_ROS ? LINK_SCOPE_ROS : LINK_SCOPE_HRT, error);
}

static int method_load_image(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return call_load_image(m, userdata, error);
}

static int method_telemetry(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm_partition *p = userdata;

	return call_telemetry(m, p->vm, p, error);
}

GETTER(get_vm)
{
	_cleanup_free_ char *object = vm_path(((struct vm_partition *)userdata)->vm);

	GETTER_UNUSED;
	return object ? sd_bus_message_append(reply, "o", object) : -ENOMEM;
}

GETTER(get_role)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", partition_role_to_string(p->role));
}

GETTER(get_state)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", partition_state_to_string(p->state));
}

GETTER(get_reason)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm_reason_to_string(p->reason));
}

GETTER(get_details)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", p->details.text);
}

GETTER(get_first_vcpu)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", vm_partition_extent(userdata).first_vcpu);
}

GETTER(get_n_vcpus)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", vm_partition_extent(userdata).n_vcpus);
}

GETTER(get_memory_start)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", vm_partition_extent(userdata).memory_start);
}

GETTER(get_memory)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", vm_partition_extent(userdata).memory_bytes);
}

GETTER(get_visible)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", vm_partition_extent(userdata).visible_bytes);
}

GETTER(get_boot_protocol)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm_partition_protocol(userdata));
}

/* Guest physical; 0 before the first start. */
GETTER(get_entry)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", vm_partition_entry(userdata));
}

/* The id of the file in the definition. */
GETTER(get_image)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm_partition_image(userdata));
}

GETTER(get_n_resets)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", p->n_resets);
}

const sd_bus_vtable partition_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Reset", NULL, NULL, method_reset, 0),
	SD_BUS_METHOD_WITH_NAMES("LoadImage", "ht", SD_BUS_PARAM(image) SD_BUS_PARAM(flags), NULL, , method_load_image, 0),
	SD_BUS_METHOD_WITH_NAMES("GetTelemetry", "ast", SD_BUS_PARAM(groups) SD_BUS_PARAM(flags), "a{sv}",
		SD_BUS_PARAM(telemetry), method_telemetry, READ),
	SD_BUS_PROPERTY("VM", "o", get_vm, 0, CONST),
	SD_BUS_PROPERTY("Role", "s", get_role, 0, CONST),
	SD_BUS_PROPERTY("State", "s", get_state, 0, EMITS),
	SD_BUS_PROPERTY("StateReason", "s", get_reason, 0, EMITS),
	SD_BUS_PROPERTY("StateDetails", "s", get_details, 0, EMITS),
	SD_BUS_PROPERTY("FirstVCPU", "u", get_first_vcpu, 0, EMITS),
	SD_BUS_PROPERTY("NVCPUs", "u", get_n_vcpus, 0, EMITS),
	SD_BUS_PROPERTY("MemoryStart", "t", get_memory_start, 0, EMITS),
	SD_BUS_PROPERTY("MemoryBytes", "t", get_memory, 0, EMITS),
	SD_BUS_PROPERTY("VisibleMemoryBytes", "t", get_visible, 0, EMITS),
	SD_BUS_PROPERTY("BootProtocol", "s", get_boot_protocol, 0, EMITS),
	SD_BUS_PROPERTY("EntryAddress", "t", get_entry, 0, EMITS),
	SD_BUS_PROPERTY("Image", "s", get_image, 0, EMITS),
	SD_BUS_PROPERTY("NResets", "u", get_n_resets, 0, EMITS),
	SD_BUS_VTABLE_END,
};

GETTER(get_flags)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", p->vm->hrt.flags);
}

GETTER(get_gva_offset)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", p->vm->hrt.gva_offset);
}

GETTER(get_gva_entry)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", p->vm->hrt.gva_entry);
}

GETTER(get_comm_page)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", p->vm->hrt.comm_page);
}

GETTER(get_vector)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", p->vm->hrt.vector);
}

/* How hypercalls come: "port", "patch", "xen" or "mmio". */
GETTER(get_hypercall)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", p->vm->hrt.hypercall);
}

GETTER(get_n_patched)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", p->vm->hrt.n_patched);
}

GETTER(get_upcall)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", p->vm->hrt.upcall);
}

/* "idle", "call", ... and how many have begun in this run; see fresh.h. */
GETTER(get_transaction_state)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", p->vm->talk.state);
}

GETTER(get_n_transactions)
{
	struct vm_partition *p = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", p->vm->talk.n_transactions);
}

const sd_bus_vtable hrt_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Flags", "t", get_flags, 0, EMITS),
	SD_BUS_PROPERTY("GVAOffset", "t", get_gva_offset, 0, EMITS),
	SD_BUS_PROPERTY("GVAEntry", "t", get_gva_entry, 0, EMITS),
	SD_BUS_PROPERTY("CommPage", "t", get_comm_page, 0, EMITS),
	SD_BUS_PROPERTY("InterruptVector", "u", get_vector, 0, EMITS),
	SD_BUS_PROPERTY("HypercallTransport", "s", get_hypercall, 0, EMITS),
	SD_BUS_PROPERTY("NPatchedHypercalls", "u", get_n_patched, 0, EMITS),
	SD_BUS_PROPERTY("UpcallKind", "s", get_upcall, 0, EMITS),
	SD_BUS_PROPERTY("TransactionState", "s", get_transaction_state, 0, 0),
	SD_BUS_PROPERTY("NTransactions", "t", get_n_transactions, 0, 0),
	SD_BUS_VTABLE_END,
};
