/*
 * bench-store.c - definitions: what defining, loading and listing them costs (P12, P13, P14)
 *
 * A hvmd is filled with 1000 definitions, then with 10 000, by D-Bus as anybody would do it, and asked what
 * people ask. The floors: for defining, a file that is written, flushed and renamed, and its folder flushed; for loading,
 * the files opened, read and closed; for listing, a service that answers with as many (sou) on the same bus.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "bench.h"
#include "daemon.h"

#define FLOOR_NAME "org.hvmd1.bench"
#define IMAGE_SIZE 65536

/* How large all this is; less with --quick, which is for seeing that it works. */
static struct {
	unsigned few, many, running, rounds;
} scale = {.few = 1000, .many = 10000, .running = 200, .rounds = 51};

static unsigned n_defined;
static int image_fd = -1;

/* Defining */

static const char *definition(const char *name, const char *image)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		"<vm name=\"%s\" class=\"PC\">\n  <memory>16</memory>\n  <cores count=\"2\"/>\n"
		"  <files><file id=\"hrt\" filename=\"hrt.elf\"%s/></files>\n"
		"  <hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/><hrt file_id=\"hrt\"/></hvm>\n</vm>\n",
		name, image);
	return text;
}

static int new_image(unsigned seed)
{
	uint32_t words[IMAGE_SIZE / 4];
	int fd = memfd_create("image", MFD_CLOEXEC);

	for (size_t i = 0; i < IMAGE_SIZE / 4; i++)
		words[i] = seed = seed * 1664525 + 1013904223; /* Numerical Recipes */
	if (fd < 0 || write(fd, words, sizeof(words)) != sizeof(words))
		bench_fail("making an image: %s", strerror(errno));
	return fd;
}

static void define(const char *name, int fd)
{
	bench_call(NULL, "DefineVM", "sa{sh}t", definition(name, ""), 1, "hrt", fd, (uint64_t)0);
}

static double floor_write(void *userdata)
{
	static unsigned count;
	const char *text = definition("vm-floor", " sha256=\"0000000000000000000000000000000000000000000000000000000000000000\"");
	double begin = bench_now();
	int dir, fd;
	char name[32];

	(void)userdata;
	snprintf(name, sizeof(name), "file-%u", count++);
	dir = open(bench_path("floor"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir, "temporary", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || fsync(fd) < 0 || close(fd) < 0 ||
		renameat(dir, "temporary", dir, name) < 0 || fsync(dir) < 0 || close(dir) < 0)
		bench_fail("writing %s: %s", bench_path("floor"), strerror(errno));
	return bench_now() - begin;
}

/* Until there are n; returns how much longer one took than a floor, which is taken now and then. */
static double define_until(unsigned n)
{
	double defining = 0, floor = 0;
	unsigned n_floors = 0, before = n_defined;
	char name[32];

	for (; n_defined < n; n_defined++) {
		double begin;

		if (n_defined % 20 == 0) {
			floor += floor_write(NULL);
			n_floors++;
		}
		snprintf(name, sizeof(name), "vm-%05u", n_defined);
		begin = bench_now();
		define(name, image_fd);
		defining += bench_now() - begin;
	}
	return defining / (n - before) / (floor / n_floors);
}

/* The rows below define a new VM each time, and forget it outside of the time that is taken. */
static double timed_define(int fd)
{
	static unsigned count;
	double usec;
	char name[32];

	snprintf(name, sizeof(name), "fresh-%u", count++);
	usec = bench_now();
	define(name, fd);
	usec = bench_now() - usec;
	bench_call(NULL, "UndefineVM", "st", name, (uint64_t)0);
	return usec;
}

/* The sha256 attribute of the first definition, as hvmd prints it. */
static const char *known_digest(void)
{
	static char attribute[128];
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *text, *at;

	if (attribute[0])
		return attribute;
	if (sd_bus_call_method(bench_daemon.bus, "org.hvmd1", "/org/hvmd1/vm/vm_2d00000", "org.hvmd1.VM",
		    "GetDefinition", &error, &reply, "t", (uint64_t)0) < 0 ||
		sd_bus_message_read(reply, "s", &text) < 0 || !(at = strstr(text, " sha256=")))
		bench_fail("GetDefinition: %s", error.message ? error.message : "no digest");
	snprintf(attribute, sizeof(attribute), "%.74s", at);
	sd_bus_message_unref(reply);
	return attribute;
}

static double define_text(void *userdata)
{
	static unsigned count;
	double usec;
	char name[32];

	(void)userdata;
	snprintf(name, sizeof(name), "text-%u", count++);
	known_digest();
	usec = bench_now();
	bench_call(NULL, "DefineVM", "sa{sh}t", definition(name, known_digest()), 0, (uint64_t)0);
	usec = bench_now() - usec;
	bench_call(NULL, "UndefineVM", "st", name, (uint64_t)0);
	return usec;
}

static double define_known(void *userdata)
{
	(void)userdata;
	return timed_define(image_fd);
}

static double define_unknown(void *userdata)
{
	static unsigned seed = 1000;
	int fd = new_image(seed++);
	double usec = timed_define(fd);

	(void)userdata;
	close(fd);
	return usec;
}

/* Once more with another size of memory, and back. */
static double redefine(void *userdata)
{
	static bool other;
	char *text = strdup(definition("vm-00000", "")), *memory = text ? strstr(text, "16") : NULL;
	double begin;

	(void)userdata;
	if (!memory)
		bench_fail("memory is short");
	other = !other;
	memory[1] = other ? '8' : '6';
	begin = bench_now();
	bench_call(NULL, "DefineVM", "sa{sh}t", text, 1, "hrt", image_fd, (uint64_t)0);
	free(text);
	return bench_now() - begin;
}

static void bench_define(void)
{
	static struct bench_row rows[] = {
		{.name = "floor: write, fsync, rename, fsync", .run = floor_write},
		{.name = "DefineVM, its image named by its digest", .run = define_text},
		{.name = "DefineVM, its image (64 KiB) known", .run = define_known},
		{.name = "DefineVM again, changed", .run = redefine},
		{.name = "DefineVM, its image (64 KiB) new", .run = define_unknown},
	};
	bool steady;

	printf("\nDefining, with %u definitions\n", n_defined);
	bench_run(rows, 5, scale.rounds);
	bench_print(rows, 5, scale.rounds);
	steady = bench_is_steady(&rows[0], scale.rounds);
	bench_judge("P13", "define, validate and store for good / floor", bench_ratio(&rows[1], &rows[0], scale.rounds),
		"x", 1.5, steady);
}

/* Loading */

static double read_one(int dir, const char *name)
{
	char text[4096];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text)) < 0)
		bench_fail("%s: %s", name, strerror(errno));
	close(fd);
	return 0;
}

static double floor_read(void *userdata)
{
	DIR *dir = opendir(bench_path("state/definitions"));
	double begin = bench_now();
	struct dirent *entry;

	(void)userdata;
	if (!dir)
		bench_fail("%s: %s", bench_path("state/definitions"), strerror(errno));
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			read_one(dirfd(dir), entry->d_name);
	closedir(dir);
	return (bench_now() - begin) / n_defined;
}

static double reload(void *userdata)
{
	double begin = bench_now();

	(void)userdata;
	bench_call(NULL, "Reload", "");
	return (bench_now() - begin) / n_defined;
}

static double restart(void *userdata)
{
	(void)userdata;
	return bench_daemon_restart() / n_defined;
}

/* Returns how much longer loading takes at a start than the floor. */
static double bench_load(void)
{
	static struct bench_row rows[] = {
		{.name = "floor: open, read, close", .run = floor_read},
		{.name = "Reload", .run = reload},
		{.name = "hvmd starts", .run = restart},
	};
	unsigned rounds = scale.rounds / 10 + 1;

	printf("\nLoading %u definitions; for each of them\n", n_defined);
	bench_run(rows, 3, rounds);
	bench_print(rows, 3, rounds);
	bench_judge("P13", "loading one of them at a start", bench_quantile(rows[2].usec, rounds, 0.5), " us", 100,
		bench_is_steady(&rows[0], rounds));
	return bench_ratio(&rows[2], &rows[0], rounds);
}

/* Listing */

static int method_floor(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	char name[32], path[64];
	unsigned n;
	int r;

	(void)userdata, (void)error;
	r = sd_bus_message_read(m, "u", &n);
	if (r >= 0)
		r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(sou)");
	for (unsigned i = 0; r >= 0 && i < n; i++) {
		snprintf(name, sizeof(name), "vm-%05u", i);
		snprintf(path, sizeof(path), "/org/hvmd1/vm/vm_2d%05u", i);
		r = sd_bus_message_append(reply, "(sou)", name, path, i);
	}
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static const sd_bus_vtable floor_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("List", "u", "a(sou)", method_floor, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* A service that can do nothing but this; never returns. */
static void serve_floor(void)
{
	sd_bus *bus = NULL;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	r = sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_address(bus, bench_daemon.address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, 1);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/floor", FLOOR_NAME, floor_vtable, NULL);
	if (r >= 0)
		r = sd_bus_request_name(bus, FLOOR_NAME, 0);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	_exit(1);
}

static pid_t start_floor(void)
{
	pid_t pid = fork();
	int tries = 500;

	if (pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (pid == 0)
		serve_floor();
	while (sd_bus_get_name_creds(bench_daemon.bus, FLOOR_NAME, 0, NULL) < 0 && tries-- > 0)
		usleep(10000);
	return pid;
}

static double timed_call(const char *service, const char *path, const char *interface, const char *method,
	const char *types, unsigned argument)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	double begin = bench_now();
	int r;

	r = sd_bus_message_new_method_call(bench_daemon.bus, &m, service, path, interface, method);
	if (r >= 0 && types)
		r = sd_bus_message_append(m, types, argument);
	if (r >= 0)
		r = sd_bus_call(bench_daemon.bus, m, UINT64_MAX, &error, &reply);
	if (r < 0)
		bench_fail("%s: %s", method, error.message ? error.message : strerror(-r));
	begin = bench_now() - begin;
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return begin;
}

static double list_floor(void *userdata)
{
	(void)userdata;
	return timed_call(FLOOR_NAME, "/floor", FLOOR_NAME, "List", "u", n_defined);
}

static double list_vms(void *userdata)
{
	(void)userdata;
	return timed_call("org.hvmd1", MANAGER, "ListVMs", NULL, 0);
}

static double hvmctl(const char *verb)
{
	char bus[192];
	double begin = bench_now();

	snprintf(bus, sizeof(bus), "--bus=%s", bench_daemon.address);
	bench_exec((const char *[]){bench_build_path("hvmctl"), bus, verb, NULL});
	return bench_now() - begin;
}

static double hvmctl_version(void *userdata)
{
	(void)userdata;
	return hvmctl("version");
}

static double hvmctl_list(void *userdata)
{
	(void)userdata;
	return hvmctl("list");
}

/* Returns how much longer hvmctl list takes than the floor. */
static double bench_list(const char *id)
{
	static struct bench_row rows[] = {
		{.name = "floor: as many (sou) of a service", .run = list_floor},
		{.name = "ListVMs", .run = list_vms},
		{.name = "hvmctl version", .run = hvmctl_version},
		{.name = "hvmctl list", .run = hvmctl_list},
	};
	unsigned rounds = n_defined > 1000 ? scale.rounds / 5 + 1 : scale.rounds;
	pid_t service = start_floor();
	bool steady;

	printf("\nListing %u definitions, %u of them running\n", n_defined, scale.running);
	bench_run(rows, 4, rounds);
	bench_print(rows, 4, rounds);
	steady = bench_is_steady(&rows[0], rounds);
	if (id) {
		bench_judge(id, "ListVMs / floor", bench_ratio(&rows[1], &rows[0], rounds), "x", 1.5, steady);
		bench_judge(id, "hvmctl list", bench_quantile(rows[3].usec, rounds, 0.5) / 1000, " ms", 3, steady);
	}
	kill(service, SIGKILL);
	waitpid(service, NULL, 0);
	return bench_ratio(&rows[3], &rows[0], rounds);
}

/* Memory */

static double rss_kib(void)
{
	char path[64], line[128];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)bench_daemon.hvmd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lf", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void start_vms(void)
{
	char name[32];

	for (unsigned i = 0; i < scale.running; i++) {
		snprintf(name, sizeof(name), "vm-%05u", i);
		bench_call(NULL, "StartVM", "st", name, (uint64_t)0);
	}
}

static void stop_vms(void)
{
	char name[32];

	for (unsigned i = 0; i < scale.running; i++) {
		snprintf(name, sizeof(name), "vm-%05u", i);
		bench_call(NULL, "TerminateVM", "s", name);
	}
}

static void bench_all(void)
{
	double define_few, define_many, load_few, load_many, rss_few, rss_many, list_few, list_many;

	image_fd = new_image(1);
	if (mkdir(bench_path("floor"), 0750) < 0)
		bench_fail("%s: %s", bench_path("floor"), strerror(errno));
	define_few = define_until(scale.few);
	bench_define();
	load_few = bench_load();
	rss_few = rss_kib();
	start_vms();
	list_few = bench_list("P14");
	stop_vms();
	define_many = define_until(scale.many);
	load_many = bench_load();
	rss_many = rss_kib();
	start_vms();
	list_many = bench_list(NULL);
	stop_vms();

	/* what grows in step with its floor is linear */
	printf("\nGrowing from %u to %u definitions\n", scale.few, scale.many);
	bench_judge("P12", "memory of hvmd with few definitions", rss_few / 1024, " MiB", 16, true);
	bench_judge("P12", "and for each definition beyond", (rss_many - rss_few) / (scale.many - scale.few), " KiB", 4,
		true);
	bench_judge("P13", "defining one of many / of few, each by its floor", define_many / define_few, "x", 1.1, true);
	bench_judge("P13", "loading one of many / of few, each by its floor", load_many / load_few, "x", 1.1, true);
	bench_judge("P14", "hvmctl list of many / of few, each by its floor", list_many / list_few, "x", 1.1, true);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		scale.few = 20;
		scale.many = 200;
		scale.running = 5;
		scale.rounds = 3;
	}
	bench_print_machine();
	bench_daemon_start("tests/fakes/fake-monitor", "/dev/null");
	bench_all();
	return 0;
}
