/*
 * main.c - hvmd: options, folders, the loop, and the end
 *
 * One thread, one event loop. Before each wait the bus does all its work
 * (bus_dispatch()); the wait ends by the bus, a monitor, a timer or a signal.
 *
 * SIGTERM and SIGINT end hvmd, not the VMs: the next hvmd takes over what runs. Only what is just being started
 * or stopped is seen to its end.
 * SIGHUP reads the definitions again.
 *
 * Tour 200: This is hvmd's whole life: options, folders, one event loop, and
 * an orderly end. Notice what is missing: no guest memory, no KVM. Whatever a
 * guest can touch happens in another process.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/macro.h"
#include "bus/bus.h"
#include "vm/registry.h"

#define MONITOR_PATH PKGLIBEXECDIR "/hvm-monitor"

struct options {
	const char *bus, *monitor, *kvm;
	char *state_dir, *run_dir; /* owned */
};

static void options_fini(struct options *o)
{
	free(o->state_dir);
	free(o->run_dir);
}

static void help(void)
{
	printf("hvmd [OPTIONS...]\n\n"
	       "The hybrid virtual machine daemon.\n\n"
	       "  --bus=system|user|ADDRESS  the D-Bus to serve (default: system for root, else user)\n"
	       "  --state-dir=DIR            definitions, images and console logs\n"
	       "  --run-dir=DIR              what need not outlive a reboot\n"
	       "  --monitor=PATH             the program that runs one VM (default: " MONITOR_PATH ")\n"
	       "  --kvm=PATH                 the KVM device (default: " HOST_KVM_PATH ")\n"
	       "  --log-level=LEVEL          error, warning, notice, info (default) or debug\n"
	       "  -h, --help                 this text\n"
	       "  --version                  the version\n");
}

enum {
	OPTION_BUS = 256,
	OPTION_STATE_DIR,
	OPTION_RUN_DIR,
	OPTION_MONITOR,
	OPTION_KVM,
	OPTION_LOG_LEVEL,
	OPTION_VERSION,
};

static const struct option known_options[] = {
	{"bus", required_argument, NULL, OPTION_BUS},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"run-dir", required_argument, NULL, OPTION_RUN_DIR},
	{"monitor", required_argument, NULL, OPTION_MONITOR},
	{"kvm", required_argument, NULL, OPTION_KVM},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{},
};

static int set_folder(char **folder, const char *path)
{
	free(*folder);
	*folder = strdup(path);
	return *folder ? 0 : -ENOMEM;
}

static int set_level(const char *word)
{
	enum log_level level;

	if (!log_level_from_string(word, &level)) {
		log_error("--log-level=%s: not a level; error, warning, notice, info and debug are", word);
		return -EINVAL;
	}
	log_set_level(level);
	return 0;
}

/* 1: done, exit with success. */
static int take_option(struct options *o, int option)
{
	switch (option) {
	case OPTION_BUS:
		o->bus = optarg;
		return 0;
	case OPTION_STATE_DIR:
		return set_folder(&o->state_dir, optarg);
	case OPTION_RUN_DIR:
		return set_folder(&o->run_dir, optarg);
	case OPTION_MONITOR:
		o->monitor = optarg;
		return 0;
	case OPTION_KVM:
		o->kvm = optarg;
		return 0;
	case OPTION_LOG_LEVEL:
		return set_level(optarg);
	case 'h':
		help();
		return 1;
	case OPTION_VERSION:
		puts("hvmd " PACKAGE_VERSION);
		return 1;
	default: /* getopt_long() has said what is wrong */
		return -EINVAL;
	}
}

/*
 * The first of several colon-separated folders that systemd gave (systemd.exec(5)),
 * else a folder for this user (the XDG base directory specification), else
 * the one for root.
 */
static char *default_folder(
	const char *systemd, const char *xdg, const char *below_home, const char *for_root)
{
	const char *given = getenv(systemd), *base = getenv(xdg), *home = getenv("HOME");
	char *path = NULL;

	if (given && given[0] == '/')
		return strndup(given, strcspn(given, ":"));
	if (geteuid() == 0)
		return strdup(for_root);
	if (base && base[0] == '/')
		return asprintf(&path, "%s/hvmd", base) < 0 ? NULL : path;
	if (home && home[0] == '/')
		return asprintf(&path, "%s/%s/hvmd", home, below_home) < 0 ? NULL : path;
	log_error("there is no folder for hvmd: neither %s nor %s nor HOME is set; see --help", systemd, xdg);
	return NULL;
}

static int set_defaults(struct options *o)
{
	if (!o->bus)
		o->bus = geteuid() == 0 ? "system" : "user";
	if (!o->monitor)
		o->monitor = MONITOR_PATH;
	if (!o->kvm)
		o->kvm = HOST_KVM_PATH;
	if (!o->state_dir)
		o->state_dir =
			default_folder("STATE_DIRECTORY", "XDG_STATE_HOME", ".local/state", "/var/lib/hvmd");
	if (!o->run_dir)
		o->run_dir = default_folder(
			"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", ".local/state/run", "/run/hvmd");
	return o->state_dir && o->run_dir ? 0 : -ENOENT;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	int option, r;

	while ((option = getopt_long(argc, argv, "h", known_options, NULL)) >= 0) {
		r = take_option(o, option);
		if (r != 0)
			return r;
	}
	if (optind < argc) {
		log_error("hvmd takes no argument, but \"%s\" was given; see --help", argv[optind]);
		return -EINVAL;
	}
	return set_defaults(o);
}

struct daemon {
	struct event_base *base;      /* owned */
	struct registry *registry;    /* owned */
	struct bus *bus;              /* owned */
	struct event *on_signal[3];   /* owned: SIGTERM, SIGINT, SIGHUP */
	struct event *on_watchdog;    /* owned; NULL: systemd does not watch */
	bool stopping;
};

static void daemon_fini(struct daemon *d)
{
	bus_free(d->bus);
	registry_free(d->registry);
	for (size_t i = 0; i < ARRAY_SIZE(d->on_signal); i++)
		if (d->on_signal[i])
			event_free(d->on_signal[i]);
	if (d->on_watchdog)
		event_free(d->on_watchdog);
	if (d->base)
		event_base_free(d->base);
	libevent_global_shutdown();
}

struct fields {
	char text[6][1100]; /* longer than a line of the log */
	struct iovec iov[6];
	int n;
};

static void add_field(struct fields *f, const char *name, const char *value)
{
	int n;

	if (!value)
		return;
	n = snprintf(f->text[f->n], sizeof(f->text[0]), "%s=%s", name, value);
	f->iov[f->n] = (struct iovec){.iov_base = f->text[f->n], .iov_len = (size_t)n};
	f->n++;
}

/* What a line is about becomes fields of the journal: `journalctl HVM_NAME=nautilus` finds it. */
static bool log_to_fields(const struct log_about *about, enum log_level level, const char *line)
{
	char priority[2] = {(char)('0' + level)};
	struct fields f = {};

	add_field(&f, "MESSAGE", line);
	add_field(&f, "PRIORITY", priority);
	add_field(&f, "SYSLOG_IDENTIFIER", "hvmd");
	add_field(&f, "MESSAGE_ID", about->message_id);
	add_field(&f, "HVM_NAME", about->vm);
	add_field(&f, "HVM_PARTITION", about->partition);
	return sd_journal_sendv(f.iov, f.n) == 0;
}

static void on_signal(evutil_socket_t number, short what, void *userdata)
{
	struct daemon *d = userdata;

	(void)what;
	if (d->stopping)
		return;
	d->stopping = true;
	sd_notify(0, "STOPPING=1");
	registry_settle(d->registry, REASON_HOST_SHUTDOWN);
	log_notice("%s: ending; %zu VMs run on", strsignal((int)number),
		registry_n_active(d->registry) - registry_n_unsettled(d->registry));
}

static void on_hangup(evutil_socket_t number, short what, void *userdata)
{
	struct daemon *d = userdata;
	struct error e = {};
	int r;

	(void)number, (void)what;
	if (d->stopping)
		return;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_usec());
	r = registry_reload(d->registry, NULL, NULL, &e);
	if (r < 0)
		log_error("reading the definitions again: %s", error_text(&e, r));
	sd_notify(0, "READY=1");
}

static int watch_signals(struct daemon *d, struct error *e)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	static_assert(ARRAY_SIZE(numbers) == ARRAY_SIZE(d->on_signal), "a signal has no event");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		d->on_signal[i] =
			evsignal_new(d->base, numbers[i], numbers[i] == SIGHUP ? on_hangup : on_signal, d);
		if (!d->on_signal[i] || event_add(d->on_signal[i], NULL) < 0)
			return error_set(e, -EIO, "watching for signals");
	}
	signal(SIGPIPE, SIG_IGN); /* who closes a pipe or a socket is told by an errno */
	return 0;
}

static void on_watchdog(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what, (void)userdata;
	sd_notify(0, "WATCHDOG=1");
}

/* The loop goes round: that is what systemd wants to hear, twice in the time it allows (sd_watchdog_enabled(3)). */
static int feed_watchdog(struct daemon *d, struct error *e)
{
	struct timeval tv;
	uint64_t usec;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	usec /= 2;
	tv = (struct timeval){.tv_sec = (time_t)(usec / 1000000), .tv_usec = (suseconds_t)(usec % 1000000)};
	d->on_watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, NULL);
	if (!d->on_watchdog || event_add(d->on_watchdog, &tv) < 0)
		return error_set(e, -EIO, "making a timer for systemd's watchdog");
	return 0;
}

static int make_run_dir(const char *path, struct error *e)
{
	_cleanup_close_ int fd = -1;

	return dir_open_make(path, 0755, &fd, e);
}

static int daemon_init(struct daemon *d, const struct options *o, struct error *e)
{
	int r;

	d->base = event_base_new();
	if (!d->base)
		return error_set(e, -EIO, "making an event loop");
	r = watch_signals(d, e);
	if (r == 0)
		r = feed_watchdog(d, e);
	if (r == 0)
		r = make_run_dir(o->run_dir, e);
	if (r == 0)
		r = registry_new(d->base, o->state_dir, o->monitor, o->kvm, &d->registry, e);
	if (r == 0)
		r = registry_adopt(d->registry, o->run_dir, e);
	if (r == 0)
		r = bus_new(d->base, o->bus, d->registry, &d->bus, e);
	return r;
}

static void say_ready(struct daemon *d)
{
	const struct host *host = &d->registry->context.host;

	if (!host->available)
		log_warning("VMs can be defined but not started: %s", host->why.text);
	log_info("serving %zu definitions", d->registry->n_vms);
	sd_notify(0, "READY=1");
}

static int run(struct daemon *d, struct error *e)
{
	say_ready(d);
	registry_autostart(d->registry);
	while (!d->stopping || registry_n_unsettled(d->registry) > 0) {
		int r = bus_dispatch(d->bus, e);

		if (r < 0)
			return r;
		if (event_base_loop(d->base, EVLOOP_ONCE) < 0)
			return error_set(e, -EIO, "waiting for events");
	}
	registry_end_jobs(d->registry);
	return bus_dispatch(d->bus, e); /* the last answers and signals */
}

/* What we open must not become descriptor 0, 1 or 2, which children inherit. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR); /* these three are for children too: no O_CLOEXEC */
	while (fd >= 0 && fd <= STDERR_FILENO);
	close_fd(fd);
}

int main(int argc, char **argv)
{
	struct options o _cleanup_(options_fini) = {};
	struct daemon d _cleanup_(daemon_fini) = {};
	struct error e = {};
	int r;

	fill_standard_descriptors();
	if (log_to_journal())
		log_set_sink(log_to_fields);
	umask(0027);
	r = parse_options(&o, argc, argv);
	if (r != 0)
		return r < 0 ? 2 : 0;
	r = daemon_init(&d, &o, &e);
	if (r == 0)
		r = run(&d, &e);
	if (r < 0)
		log_error("hvmd: %s", error_text(&e, r));
	return r < 0 ? 1 : 0;
}
