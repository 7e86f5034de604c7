/* fake-polkit.c - see fake-polkit.h */
#include "fake-polkit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "harness.h"

struct fake_polkit *fake_polkit;

static int read_subject(sd_bus_message *m)
{
	const char *kind, *name;
	int r = sd_bus_message_enter_container(m, 'r', "sa{sv}");

	if (r >= 0)
		r = sd_bus_message_read(m, "s", &kind);
	if (r >= 0)
		r = sd_bus_message_read(m, "a{sv}", 1, NULL, "s", &name);
	if (r < 0 || strcmp(kind, "system-bus-name") != 0)
		return -EINVAL;
	snprintf(fake_polkit->subject, sizeof(fake_polkit->subject), "%s", name);
	return sd_bus_message_exit_container(m);
}

static int read_details(sd_bus_message *m)
{
	const char *key, *value;
	int r = sd_bus_message_enter_container(m, 'a', "{ss}");

	while (r >= 0 && sd_bus_message_read(m, "{ss}", &key, &value) > 0) {
		if (strcmp(key, "vm") == 0)
			snprintf(fake_polkit->vm, sizeof(fake_polkit->vm), "%s", value);
		if (strcmp(key, "verb") == 0)
			snprintf(fake_polkit->verb, sizeof(fake_polkit->verb), "%s", value);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int check_authorization(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *action, *cancellation;
	int r = read_subject(m);

	(void)userdata, (void)error;
	if (r >= 0)
		r = sd_bus_message_read(m, "s", &action);
	if (r < 0)
		return r;
	snprintf(fake_polkit->action, sizeof(fake_polkit->action), "%s", action);
	r = read_details(m);
	if (r >= 0)
		r = sd_bus_message_read(m, "us", &fake_polkit->flags, &cancellation);
	if (r < 0)
		return r;
	__atomic_add_fetch(&fake_polkit->n_questions, 1, __ATOMIC_SEQ_CST);
	if (fake_polkit->silent)
		return 1;
	return sd_bus_reply_method_return(
		m, "(bba{ss})", fake_polkit->authorized, fake_polkit->challenge, 0);
}

static const sd_bus_vtable authority[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", check_authorization,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void serve(int ready)
{
	sd_bus *bus = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, harness.address) < 0 ||
		sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0 ||
		sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
			"org.freedesktop.PolicyKit1.Authority", authority, NULL) < 0 ||
		sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0) < 0 || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		if (sd_bus_process(bus, NULL) == 0)
			sd_bus_wait(bus, UINT64_MAX);
}

void fake_polkit_start(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	fake_polkit = mmap(NULL, sizeof(*fake_polkit), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(fake_polkit, MAP_FAILED);
	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		serve(ends[1]);
	close(ends[1]);
	cr_assert_eq(read(ends[0], &byte, 1), 1, "the authority did not start");
	close(ends[0]);
}
