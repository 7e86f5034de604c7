/*
 * irqchip.c - interrupt controllers of a machine; see kvm.h
 *
 * An HRT has nothing but its LAPICs. A ROS has all that a PC has, in the kernel:
 * two PICs, an IOAPIC and a timer, wired as guest/platform.h says. The price is
 * paid at the end: closing such a machine takes the kernel some 20 ms more (an
 * SRCU grace period for each device on its buses), starting it 0.1 ms.
 */
#include "kvm/internal.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "guest/platform.h"

#define PIC_PINS 8

int kvm_machine_add_irqchip(struct kvm_machine *machine, struct error *e)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {PLATFORM_PINS}};
	int r = kvm_ioctl(machine->fd, KVM_ENABLE_CAP, (unsigned long)&cap); /* cage(build): KVM_ENABLE_CAP */

	return r < 0 ? error_set_errno(e, r, "KVM_ENABLE_CAP of KVM_CAP_SPLIT_IRQCHIP") : 0;
}

static struct kvm_irq_routing_entry route(uint32_t line, uint32_t chip, uint32_t pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = line, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {.irqchip = chip, .pin = pin}};
}

/* Each line to a pin of a PIC and to one of the IOAPIC; the timer's to another there, and 2 to none. */
static int route_lines(struct kvm_machine *machine, struct error *e)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[PLATFORM_IRQS + PLATFORM_PINS];
	} routing;
	int r;

	memset(&routing, 0, sizeof(routing));
	for (uint32_t i = 0; i < PLATFORM_IRQS; i++)
		routing.entries[routing.head.nr++] =
			route(i, i < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, i % PIC_PINS);
	for (uint32_t i = 0; i < PLATFORM_PINS; i++)
		if (i != PLATFORM_TIMER_PIN)
			routing.entries[routing.head.nr++] =
				route(i, KVM_IRQCHIP_IOAPIC, i == PLATFORM_TIMER_IRQ ? PLATFORM_TIMER_PIN : i);
	r = kvm_ioctl(machine->fd, KVM_SET_GSI_ROUTING, (unsigned long)&routing); /* cage(build): KVM_SET_GSI_ROUTING */
	return r < 0 ? error_set_errno(e, r, "KVM_SET_GSI_ROUTING") : 0;
}

static int keep_reset_state(struct kvm_machine *machine, struct error *e)
{
	int r;

	for (uint32_t i = 0; i < KVM_NR_IRQCHIPS; i++) {
		machine->reset_irqchips[i].chip_id = i;
		r = kvm_ioctl(machine->fd, KVM_GET_IRQCHIP, (unsigned long)&machine->reset_irqchips[i]); /* cage(build): KVM_GET_IRQCHIP */
		if (r < 0)
			return error_set_errno(e, r, "KVM_GET_IRQCHIP");
	}
	r = kvm_ioctl(machine->fd, KVM_GET_PIT2, (unsigned long)&machine->reset_pit); /* cage(build): KVM_GET_PIT2 */
	return r < 0 ? error_set_errno(e, r, "KVM_GET_PIT2") : 0;
}

int kvm_machine_add_pc(struct kvm_machine *machine, struct error *e)
{
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY}; /* answers at port 0x61, too */
	int r;

	r = kvm_ioctl(machine->fd, KVM_CREATE_IRQCHIP, 0); /* cage(build): KVM_CREATE_IRQCHIP */
	if (r < 0)
		return error_set_errno(e, r, "KVM_CREATE_IRQCHIP");
	r = kvm_ioctl(machine->fd, KVM_CREATE_PIT2, (unsigned long)&pit); /* cage(build): KVM_CREATE_PIT2 */
	if (r < 0)
		return error_set_errno(e, r, "KVM_CREATE_PIT2");
	r = route_lines(machine, e);
	return r < 0 ? r : keep_reset_state(machine, e);
}

void kvm_machine_set_irq(struct kvm_machine *machine, uint32_t irq, bool level)
{
	struct kvm_irq_level line = {.irq = irq, .level = level};

	kvm_ioctl(machine->fd, KVM_IRQ_LINE, (unsigned long)&line); /* cage(run): KVM_IRQ_LINE */
}

int kvm_machine_reset_pc(struct kvm_machine *machine, struct error *e)
{
	int r;

	for (uint32_t i = 0; i < KVM_NR_IRQCHIPS; i++) {
		r = kvm_ioctl(machine->fd, KVM_SET_IRQCHIP, (unsigned long)&machine->reset_irqchips[i]); /* cage(run): KVM_SET_IRQCHIP */
		if (r < 0)
			return error_set_errno(e, r, "KVM_SET_IRQCHIP");
	}
	r = kvm_ioctl(machine->fd, KVM_SET_PIT2, (unsigned long)&machine->reset_pit); /* cage(run): KVM_SET_PIT2 */
	return r < 0 ? error_set_errno(e, r, "KVM_SET_PIT2") : 0;
}
