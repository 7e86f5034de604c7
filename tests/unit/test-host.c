/* test-host.c - what a person reads when there is no KVM */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vm/host.h"

static const char *explain(int error)
{
	static struct error e;

	host_kvm_explain("/dev/kvm", 0, 0660, error, &e);
	return e.text;
}

static void expect_words(int error, const char *words)
{
	cr_expect(strstr(explain(error), words), "\"%s\" lacks \"%s\"", explain(error), words);
}

Test(host, permission_denied_names_the_group)
{
	expect_words(-EACCES, "/dev/kvm may not be opened by user ");
	expect_words(-EACCES, "it belongs to group \"root\"; make the user a member of it");
	cr_expect_str_eq(explain(-EPERM), explain(-EACCES));
}

Test(host, a_device_closed_to_its_group_must_be_opened_to_it)
{
	struct error e;

	host_kvm_explain("/dev/kvm", 0, 0600, -EACCES, &e);
	cr_expect(strstr(e.text, "it belongs to group \"root\"; give the group read and write access"), "%s", e.text);
}

Test(host, group_without_a_name_is_given_as_a_number)
{
	struct error e;

	host_kvm_explain("/dev/kvm", 4000123, 0660, -EACCES, &e);
	cr_expect(strstr(e.text, "group 4000123"), "%s", e.text);
}

Test(host, missing_device_names_the_modules)
{
	expect_words(
		-ENOENT, "/dev/kvm does not exist: the kernel module kvm_intel or kvm_amd is not loaded");
}

Test(host, missing_driver_names_processor_and_firmware)
{
	expect_words(-ENODEV, "the processor has no VMX or SVM, or the firmware disables it");
	cr_expect_str_eq(explain(-ENXIO), explain(-ENODEV));
}

Test(host, busy_device_names_another_hypervisor)
{
	expect_words(-EBUSY, "another hypervisor uses the processor's virtualization");
}

Test(host, other_errors_come_with_the_systems_words)
{
	cr_expect_str_eq(explain(-EMFILE), "/dev/kvm does not open: Too many open files");
}

Test(host, what_is_no_kvm_device_is_not_available)
{
	struct host host;

	host_probe("/dev/null", &host);
	cr_expect_not(host.available);
	cr_expect_str_eq(host.why.text, "/dev/null is no KVM device of API version 12");
	host_probe("/nonexistent", &host);
	cr_expect_not(host.available);
	cr_expect(strstr(host.why.text, "/nonexistent does not exist"));
}

Test(host, open_kvm_has_its_numbers)
{
	struct host host;

	if (access("/dev/kvm", R_OK | W_OK) < 0)
		cr_skip("/dev/kvm cannot be opened here");
	host_probe("/dev/kvm", &host);
	cr_expect(host.available);
	cr_expect_str_empty(host.why.text);
	cr_expect_eq(host.api_version, 12);
	cr_expect_geq(host.max_vcpus, 1);
}
