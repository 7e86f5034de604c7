/*
 * test-intercept.c - hypercalls by instruction, as a KVM with CONFIG_KVM_XEN hands them over
 *
 * Few kernels have it, so here is no KVM at all: ioctl(2) is ours. What such a kernel does stands in its
 * Documentation/virt/kvm/api.rst, 4.101 and 5 (KVM_EXIT_XEN).
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "abi/hrt.h"
#include "kvm/internal.h"

static int xen_flags;
static struct kvm_xen_hvm_config config;
static unsigned n_configs;
static struct kvm_run run;
static struct kvm_vcpu vcpu;

int ioctl(int fd, unsigned long request, ...)
{
	unsigned long argument;
	va_list ap;

	(void)fd;
	va_start(ap, request);
	argument = va_arg(ap, unsigned long);
	va_end(ap);
	switch (request) {
	case KVM_CHECK_EXTENSION:
		return argument == KVM_CAP_XEN_HVM ? xen_flags : 0;
	case KVM_XEN_HVM_CONFIG:
		memcpy(&config, (const void *)argument, sizeof(config));
		n_configs++;
		return 0;
	case KVM_RUN:
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

static void setup(void)
{
	memset(&run, 0, sizeof(run));
	vcpu = (struct kvm_vcpu){.run = &run};
}

TestSuite(intercept, .init = setup);

Test(intercept, is_had_where_the_kernel_says_so)
{
	struct kvm_host host = {.fd = 1};

	xen_flags = 0;
	cr_expect(not(kvm_host_intercepts_hypercalls(&host)));
	xen_flags = KVM_XEN_HVM_CONFIG_HYPERCALL_MSR; /* a page for the guest to call, and no exit */
	cr_expect(not(kvm_host_intercepts_hypercalls(&host)));
	xen_flags = KVM_XEN_HVM_CONFIG_HYPERCALL_MSR | KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL;
	cr_expect(kvm_host_intercepts_hypercalls(&host));
	xen_flags = -1;
	cr_expect(not(kvm_host_intercepts_hypercalls(&host)));
}

Test(intercept, asks_for_exits_and_for_no_page)
{
	struct kvm_machine machine = {.fd = 1};

	cr_assert(eq(int, kvm_machine_intercept_hypercalls(&machine, NULL), 0));
	cr_expect(eq(uint, n_configs, 1));
	cr_expect(eq(u32, config.flags, KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL));
	cr_expect(eq(u32, config.msr, 0x40000000)); /* 0 would be an MSR that exists */
	cr_expect(eq(u64, config.blob_addr_32, 0));
	cr_expect(eq(u64, config.blob_addr_64, 0));
	cr_expect(eq(u8, config.blob_size_32, 0));
	cr_expect(eq(u8, config.blob_size_64, 0));
}

Test(intercept, hands_over_all_registers_and_takes_the_answer)
{
	struct vcpu_exit exit;

	run.exit_reason = KVM_EXIT_XEN;
	run.xen.type = KVM_EXIT_XEN_HCALL;
	run.xen.u.hcall.input = HVM_HYPERCALL;
	run.s.regs.regs = (struct kvm_regs){.rax = HVM_HYPERCALL, .rbx = HVM_MARKER, .rcx = HVM_REQ_STATE, .rip = 0x1000};
	cr_assert(eq(int, kvm_vcpu_run(&vcpu, &exit), 0));
	cr_expect(eq(uint, exit.kind, VCPU_EXIT_HYPERCALL));
	cr_expect(eq(u64, kvm_vcpu_registers(&vcpu)->rbx, HVM_MARKER));
	cr_expect(eq(u64, kvm_vcpu_registers(&vcpu)->rcx, HVM_REQ_STATE));
	kvm_vcpu_set_rax(&vcpu, 3);
	cr_expect(eq(u64, run.xen.u.hcall.result, 3));
	cr_expect(eq(u64, run.s.regs.regs.rax, 3));
	cr_expect(eq(u64, run.s.regs.regs.rip, 0x1000)); /* KVM moves it */
}

Test(intercept, leaves_alone_what_else_a_xen_guest_does)
{
	struct vcpu_exit exit;

	run.exit_reason = KVM_EXIT_XEN;
	run.xen.type = KVM_EXIT_XEN_HCALL + 1;
	cr_assert(eq(int, kvm_vcpu_run(&vcpu, &exit), 0));
	cr_expect(eq(uint, exit.kind, VCPU_EXIT_OTHER));
	cr_expect(eq(u32, exit.code, KVM_EXIT_XEN));
}
