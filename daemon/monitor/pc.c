/* pc.c - see pc.h */
#include "monitor/pc.h"

#include <errno.h>
#include <stdlib.h>

#include "abi/acpi.h"
#include "base/error.h"
#include "base/macro.h"
#include "kvm/kvm.h"
#include "monitor/console.h"
#include "monitor/machine.h"
#include "spec/spec.h"

#define OUTPUT_CORE (UINT32_MAX - 1) /* whose text what COM1 sends is, among that of debug ports */

enum { LINE_COM2, LINE_COM1, LINE_ACPI };

static void set_line(void *data, bool level)
{
	struct pc_line *line = data;

	kvm_machine_set_irq(line->partition->kvm, line->irq, level);
}

static struct irq_line line_of(struct pc *pc, size_t i)
{
	return (struct irq_line){.set = set_line, .data = &pc->lines[i]};
}

/* --- News from the devices, on the threads of cores ------------------------------------------------------------ */

/* An echo is worth a write each; other output waits for the end of its line. */
static void on_sent(void *data, uint8_t byte)
{
	struct pc *pc = data;
	bool at_once = console_has_writer(pc->partition->console);

	machine_note_sign(pc->partition);
	debug_port_write(&pc->output, &byte, 1);
	if (at_once)
		debug_port_flush(&pc->output, UINT64_MAX);
}

static void on_room(void *data)
{
	struct pc *pc = data;

	machine_want_input(pc->partition->machine);
}

static void on_power(void *data, enum power_event event)
{
	struct pc *pc = data;

	machine_report_power(pc->partition, event);
}

/* --- Life -------------------------------------------------------------------------------------------------------- */

static const uint16_t com_bases[COM_PORTS] = COM_BASES;
static const uint8_t com_irqs[COM_PORTS] = COM_IRQS;
static const char *const com_names[COM_PORTS] = {
	"serial port COM1", "serial port COM2", "serial port COM3", "serial port COM4"};

static void init_com(struct pc *pc, size_t i)
{
	struct irq_shared *shared = &pc->shared[com_irqs[i] == com_irqs[0] ? LINE_COM1 : LINE_COM2];
	struct serial_listener listener = {};

	if (i == 0)
		listener = (struct serial_listener){.sent = on_sent, .room = on_room, .data = pc};
	serial_init(&pc->com[i], irq_shared_line(shared), listener);
}

static void init(struct pc *pc, struct partition *partition)
{
	const struct vm_spec *spec = partition->machine->spec;
	struct power_listener listener = {.event = on_power, .data = pc};

	pc->partition = partition;
	pc->lines[LINE_COM1] = (struct pc_line){partition, com_irqs[0]};
	pc->lines[LINE_COM2] = (struct pc_line){partition, com_irqs[1]};
	pc->lines[LINE_ACPI] = (struct pc_line){partition, ACPI_SCI_IRQ};
	for (size_t i = 0; i < ARRAY_SIZE(pc->shared); i++)
		irq_shared_init(&pc->shared[i], line_of(pc, i));
	debug_port_init(&pc->output, OUTPUT_CORE, &partition->port_listener);
	for (size_t i = 0; i < COM_PORTS; i++)
		init_com(pc, i);
	rtc_init(&pc->rtc, spec->ros_memory, spec->ros_cores);
	i8042_init(&pc->i8042, listener);
	pci_init(&pc->pci, listener);
	power_init(&pc->power, line_of(pc, LINE_ACPI), listener);
}

static int attach(struct pc *pc, struct bus *ports, struct error *e)
{
	int r = rtc_attach(&pc->rtc, ports, e);

	for (size_t i = 0; i < COM_PORTS && r == 0; i++)
		r = serial_attach(&pc->com[i], com_bases[i], com_names[i], ports, e);
	if (r == 0)
		r = i8042_attach(&pc->i8042, ports, e);
	if (r == 0)
		r = pci_attach(&pc->pci, ports, e);
	return r < 0 ? r : power_attach(&pc->power, ports, e);
}

struct pc *pc_new(struct partition *partition, struct error *e)
{
	struct pc *pc = calloc(1, sizeof(*pc));

	if (!pc) {
		error_set_errno(e, -ENOMEM, "making the devices of the ROS");
		return NULL;
	}
	init(pc, partition);
	return attach(pc, &partition->ports, e) < 0 ? pc_free(pc) : pc;
}

struct pc *pc_free(struct pc *pc)
{
	if (!pc)
		return NULL;
	power_fini(&pc->power);
	pci_fini(&pc->pci);
	i8042_fini(&pc->i8042);
	rtc_fini(&pc->rtc);
	for (size_t i = 0; i < COM_PORTS; i++)
		serial_fini(&pc->com[i]);
	debug_port_fini(&pc->output);
	for (size_t i = 0; i < ARRAY_SIZE(pc->shared); i++)
		irq_shared_fini(&pc->shared[i]);
	free(pc);
	return NULL;
}

int pc_reset(struct pc *pc, struct error *e)
{
	for (size_t i = 0; i < COM_PORTS; i++)
		serial_reset(&pc->com[i]);
	i8042_reset(&pc->i8042);
	pci_reset(&pc->pci);
	power_reset(&pc->power);
	return kvm_machine_reset_pc(pc->partition->kvm, e);
}

bool pc_flush(struct pc *pc, uint64_t until_usec)
{
	return debug_port_flush(&pc->output, until_usec);
}

size_t pc_type(void *data, const void *bytes, size_t size)
{
	struct pc *pc = data;

	return serial_receive(&pc->com[0], bytes, size);
}
