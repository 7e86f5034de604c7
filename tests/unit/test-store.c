/* test-store.c - definitions, images and logs on disk; what is faulty there, and what was left over */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "spec/diagnostic.h"
#include "vm/images.h"
#include "vm/registry.h"
#include "vm/store.h"

/* SHA-256 of "abc": FIPS 180-4, example B.1 */
#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char dir[32];

static void make_dir(void)
{
	strcpy(dir, "/tmp/hvmd-store-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(store, .init = make_dir, .fini = remove_dir);

static struct store *open_store(void)
{
	struct store *store = NULL;
	struct error e = {};

	cr_assert_eq(store_open(dir, &store, &e), 0, "%s", e.text);
	return store;
}

static void put_file(const char *name, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	cr_assert_geq(fd, 0, "%s", path);
	write_full(fd, text, strlen(text));
	close(fd);
}

static bool file_exists(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static int image_of(const char *bytes)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write_full(fd, bytes, strlen(bytes)), 0);
	return fd;
}

/* Copies it into the store as registry_define() does. */
static int image_add(int dirfd, int fd, const char *what, uint8_t ret[IMAGE_DIGEST_SIZE], struct error *e)
{
	atomic_bool cancelled = false;
	struct image_copy copy = {};
	int r;

	r = image_check(fd, what, e);
	if (r == 0)
		r = image_copy(dirfd, fd, what, -1, &cancelled, &copy, e);
	if (r == 0)
		r = image_keep(dirfd, &copy, what, e);
	memcpy(ret, copy.digest, IMAGE_DIGEST_SIZE);
	return r;
}

Test(store, image_is_stored_under_its_digest_whatever_the_descriptors_position)
{
	struct store *store = open_store();
	uint8_t digest[IMAGE_DIGEST_SIZE];
	char name[IMAGE_HEX_SIZE], bytes[4] = "";
	int fd = image_of("abc"), stored;

	cr_assert_eq(image_add(store->images, fd, "it", digest, NULL), 0);
	image_hex(digest, name);
	cr_expect_str_eq(name, ABC_SHA256);
	cr_expect(file_exists("images/" ABC_SHA256));
	cr_expect_eq(image_find(store->images, digest, NULL), 0);
	cr_assert_eq(image_open(store->images, digest, &stored, NULL), 0);
	cr_assert_eq(read_full(stored, bytes, 3), 3);
	cr_expect_str_eq(bytes, "abc");
	close(stored);
	close(fd);
	store_free(store);
}

Test(store, damaged_image_is_healed_by_adding_it_again)
{
	struct store *store = open_store();
	uint8_t digest[IMAGE_DIGEST_SIZE];
	struct stat st;
	char path[256];
	int fd = image_of("abc");

	put_file("images/" ABC_SHA256, "");
	cr_assert_eq(image_add(store->images, fd, "it", digest, NULL), 0);
	snprintf(path, sizeof(path), "%s/images/" ABC_SHA256, dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, 3);
	close(fd);
	store_free(store);
}

static ino_t inode_of(const char *name)
{
	char path[512];
	struct stat st = {};

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_ino;
}

Test(store, image_that_is_there_is_not_stored_again)
{
	struct store *store = open_store();
	uint8_t digest[IMAGE_DIGEST_SIZE];
	int fd = image_of("abc");
	ino_t before;

	cr_assert_eq(image_add(store->images, fd, "x", digest, NULL), 0);
	before = inode_of("images/" ABC_SHA256);
	cr_assert_eq(image_add(store->images, fd, "x", digest, NULL), 0);
	cr_expect_eq(inode_of("images/" ABC_SHA256), before);
	cr_expect_not(file_exists("images/.#image-1"));
	cr_expect_not(file_exists("images/.#image-2"));
	close(fd);
	store_free(store);
}

Test(store, image_that_has_gone_since_it_was_compared_has_to_be_copied_again)
{
	struct store *store = open_store();
	atomic_bool cancelled = false;
	uint8_t digest[IMAGE_DIGEST_SIZE];
	struct image_copy copy = {};
	int fd = image_of("abc");

	cr_assert_eq(image_add(store->images, fd, "x", digest, NULL), 0);
	cr_assert_eq(image_copy(store->images, fd, "x", -1, &cancelled, &copy, NULL), 0);
	cr_expect(copy.stored);
	image_remove(store->images, digest);
	cr_expect_eq(image_keep(store->images, &copy, "x", NULL), -EAGAIN);
	cr_assert_eq(image_copy(store->images, fd, "x", -1, &cancelled, &copy, NULL), 0);
	cr_expect_eq(image_keep(store->images, &copy, "x", NULL), 0);
	cr_expect(file_exists("images/" ABC_SHA256));
	close(fd);
	store_free(store);
}

Test(store, missing_image_is_named)
{
	struct store *store = open_store();
	uint8_t digest[IMAGE_DIGEST_SIZE] = {0xAB};
	struct error e = {};
	int fd;

	cr_expect_eq(image_find(store->images, digest, &e), -ENOENT);
	cr_expect_eq(image_open(store->images, digest, &fd, &e), -EIO);
	cr_expect(strstr(e.text, "image ab00000000"), "%s", e.text);
	cr_expect(strstr(e.text, ": it is gone; define the VM again with the right file"), "%s", e.text);
	store_free(store);
}

static bool is_abc(const void *userdata, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	char name[IMAGE_HEX_SIZE];

	image_hex(digest, name);
	return strcmp(name, userdata) == 0;
}

Test(store, sweep_removes_unused_images_and_nothing_else)
{
	struct store *store = open_store();
	uint8_t digest[IMAGE_DIGEST_SIZE];
	int fd = image_of("abc"), other = image_of("xyz");
	char name[IMAGE_HEX_SIZE], path[128];

	image_add(store->images, fd, "it", digest, NULL);
	image_add(store->images, other, "it", digest, NULL);
	image_hex(digest, name);
	snprintf(path, sizeof(path), "images/%s", name);
	put_file("images/README", "not an image");
	image_sweep(store->images, is_abc, ABC_SHA256);
	cr_expect(file_exists("images/" ABC_SHA256));
	cr_expect_not(file_exists(path));
	cr_expect(file_exists("images/README"));
	close(fd);
	close(other);
	store_free(store);
}

Test(store, definition_comes_back_as_it_was_written)
{
	struct store *store = open_store();
	char *text;
	size_t size;

	cr_assert_eq(store_write(store, "a", "<vm/>", NULL), 0);
	cr_assert_eq(store_write(store, "a", "<vm></vm>", NULL), 0);
	cr_assert_eq(store_read(store, "a", &text, &size, NULL), 0);
	cr_expect_str_eq(text, "<vm></vm>");
	cr_expect_eq(size, 9);
	free(text);
	cr_assert_eq(store_remove(store, "a", NULL), 0);
	cr_expect_eq(store_read(store, "a", &text, &size, NULL), -EIO);
	store_free(store);
}

Test(store, names_are_sorted_and_hidden_files_left_out)
{
	struct store *store = open_store();
	struct store_names names;

	put_file("definitions/b.xml", "");
	put_file("definitions/a.b.xml", "");
	put_file("definitions/.hidden", "");
	cr_assert_eq(store_list_definitions(store, &names, NULL), 0);
	cr_assert_eq(names.n, 2);
	cr_expect_str_eq(names.items[0], "a.b.xml");
	cr_expect_str_eq(names.items[1], "b.xml");
	cr_expect(store_names_have(&names, "b.xml"));
	cr_expect_not(store_names_have(&names, "a.xml"));
	store_names_fini(&names);
	store_free(store);
}

Test(store, leftovers_of_an_interrupted_write_are_removed)
{
	store_free(open_store());
	put_file("definitions/.#a.xml", "half");
	put_file("images/.#image", "half");
	store_free(open_store());
	cr_expect_not(file_exists("definitions/.#a.xml"));
	cr_expect_not(file_exists("images/.#image"));
}

Test(store, folder_is_held_by_one)
{
	struct store *first = open_store(), *second = NULL;
	struct error e = {};

	cr_expect_eq(store_open(dir, &second, &e), -EBUSY);
	cr_expect(strstr(e.text, "is in use by another hvmd"), "%s", e.text);
	store_free(first);
}

/* As a hvmd has that was killed in the middle of a start: its child holds what it held, until it becomes a monitor. */
Test(store, folder_of_somebody_who_is_just_going_is_waited_for)
{
	struct store *first = open_store(), *second = NULL;
	struct error e = {};
	pid_t child = fork();

	if (child == 0) {
		usleep(200000);
		_exit(0);
	}
	store_free(first);
	cr_expect_eq(store_open(dir, &second, &e), 0, "%s", e.text);
	store_free(second);
	waitpid(child, NULL, 0);
}

Test(store, folder_that_cannot_be_made_is_named)
{
	struct store *store = NULL;
	struct error e = {};

	cr_expect_eq(store_open("/proc/hvmd", &store, &e), -EIO);
	cr_expect(strstr(e.text, "/proc/hvmd"), "%s", e.text);
}

Test(store, console_log_begins_anew_and_the_one_before_is_kept)
{
	struct store *store = open_store();
	char text[8] = "";
	int fd;

	cr_expect_eq(store_console_open(store, "a", "hrt", &fd, NULL), -ENOTTY);
	for (const char *word = "1"; word; word = *word == '1' ? "2" : NULL) {
		cr_assert_eq(store_console_begin(store, "a", "hrt", &fd, NULL), 0);
		cr_expect(fcntl(fd, F_GETFL) & O_APPEND);
		write_full(fd, word, 1);
		close(fd);
	}
	cr_assert_eq(store_console_open(store, "a", "hrt", &fd, NULL), 0);
	cr_expect_eq(read_full(fd, text, sizeof(text) - 1), 1);
	cr_expect_str_eq(text, "2");
	close(fd);
	cr_expect(file_exists("console/a.hrt.log.1"));
	store_remove(store, "a", NULL);
	cr_expect_not(file_exists("console/a.hrt.log"));
	cr_expect_not(file_exists("console/a.hrt.log.1"));
	store_free(store);
}

/* The registry over a store that somebody else has written to */

static struct event_base *base;

static void make_dir_and_loop(void)
{
	make_dir();
	base = event_base_new();
}

static void free_loop_and_dir(void)
{
	event_base_free(base);
	remove_dir();
}

TestSuite(registry, .init = make_dir_and_loop, .fini = free_loop_and_dir, .timeout = 60);

static struct registry *open_registry(void)
{
	struct registry *registry = NULL;
	struct error e = {};

	cr_assert_eq(registry_new(base, dir, "/nonexistent", "/nonexistent", &registry, &e), 0, "%s", e.text);
	return registry;
}

static const char hybrid[] =
	"<vm name=\"%s\" class=\"PC\"><memory>16</memory><cores count=\"2\"/>"
	"<files><file id=\"hrt\" filename=\"x\"/></files>"
	"<hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/><hrt file_id=\"hrt\"/></hvm></vm>";

struct outcome {
	bool done;
	int error;
	struct error e;
};

static void on_defined(void *userdata, int error, const struct error *e, struct vm *vm)
{
	struct outcome *outcome = userdata;

	cr_expect_eq(vm == NULL, error < 0);
	*outcome = (struct outcome){.done = true, .error = error, .e = *e};
}

/* Defines, and waits for the end of it. */
static int define(struct registry *registry, const char *name, const char *image, struct error *e)
{
	struct diagnostics diagnostics = {};
	struct registry_file file = {.id = "hrt", .fd = image_of(image)};
	struct outcome outcome = {};
	char text[1024];
	int r;

	snprintf(text, sizeof(text), hybrid, name);
	r = registry_define(registry, text, strlen(text), &file, 1, &diagnostics, on_defined, &outcome, e);
	while (r == 0 && !outcome.done)
		event_base_loop(base, EVLOOP_ONCE);
	diagnostics_fini(&diagnostics);
	close(file.fd);
	if (r == 0 && e)
		*e = outcome.e;
	return r < 0 ? r : outcome.error;
}

Test(registry, definitions_come_back)
{
	struct registry *registry = open_registry();
	uint8_t uuid[SPEC_UUID_SIZE];

	cr_assert_eq(define(registry, "a", "abc", NULL), 0);
	memcpy(uuid, registry_find(registry, "a", NULL)->stored->uuid, sizeof(uuid));
	cr_expect_eq(uuid[6] >> 4, 4, "a UUID of version 4");
	cr_expect_eq(uuid[8] >> 6, 2, "of variant 1");
	registry_free(registry);
	registry = open_registry();
	cr_assert_eq(registry->n_vms, 1);
	cr_expect_not_null(registry_find_uuid(registry, uuid, NULL));
	registry_free(registry);
}

Test(registry, is_sorted_by_name)
{
	struct registry *registry = open_registry();

	define(registry, "b", "abc", NULL);
	define(registry, "c", "abc", NULL);
	define(registry, "a", "abc", NULL);
	cr_assert_eq(registry->n_vms, 3);
	cr_expect_str_eq(registry->vms[0]->stored->name, "a");
	cr_expect_str_eq(registry->vms[2]->stored->name, "c");
	cr_assert_eq(registry_undefine(registry, registry->vms[1], NULL), 0);
	cr_expect_str_eq(registry->vms[1]->stored->name, "c");
	cr_expect_null(registry_find(registry, "b", NULL));
	registry_free(registry);
}

/* What a reload finds wrong, a line each. */
static char said[8192];

static void note_fault(void *userdata, const char *file, const char *sentence)
{
	size_t n = strlen(said);

	(void)userdata;
	snprintf(said + n, sizeof(said) - n, "%s: %s\n", file, sentence);
}

static const char *reload(struct registry *registry)
{
	struct error e = {};

	said[0] = '\0';
	cr_assert_eq(registry_reload(registry, note_fault, NULL, &e), 0, "%s", e.text);
	return said;
}

/* What opening, and then reading it again, says of an entry that `make` puts beside a good one. */
static const char *fault_of(void (*make)(const char *path), const char *name)
{
	struct registry *registry = open_registry();
	char path[256];

	cr_assert_eq(define(registry, "good", "abc", NULL), 0);
	registry_free(registry);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	make(path);
	registry = open_registry();
	cr_expect_not_null(registry_find(registry, "good", NULL));
	cr_expect_eq(registry->n_vms, 1);
	reload(registry);
	registry_free(registry);
	return said;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", path);
	write_full(fd, text, strlen(text));
	close(fd);
}

#define RIGHT(name)                                                                                            \
	"<vm name=\"" name "\" class=\"PC\" uuid=\"1b4e28ba-2fa1-41d2-883f-0016d3cca427\"><memory>16</memory>"    \
	"<cores count=\"1\"/></vm>"

static void make_garbage(const char *path)
{
	put(path, "\x01\x02\x03");
}

static void make_empty(const char *path)
{
	put(path, "");
}

static void make_truncated(const char *path)
{
	put(path, "<vm name=\"bad\" class=\"PC\"><memory>16</mem");
}

static void make_other_name(const char *path)
{
	put(path, RIGHT("other"));
}

static void make_without_uuid(const char *path)
{
	put(path, "<vm name=\"bad\" class=\"PC\"><memory>16</memory><cores count=\"1\"/></vm>");
}

static void make_large(const char *path)
{
	put(path, "");
	cr_assert_eq(truncate(path, (1 << 20) + 1), 0);
}

static void make_folder(const char *path)
{
	cr_assert_eq(mkdir(path, 0755), 0);
}

static void make_fifo(const char *path)
{
	cr_assert_eq(mkfifo(path, 0644), 0);
}

static void make_link(const char *path)
{
	cr_assert_eq(symlink("good.xml", path), 0);
}

static void make_dangling_link(const char *path)
{
	cr_assert_eq(symlink("/nonexistent", path), 0);
}

static void make_foreign(const char *path)
{
	put(path, RIGHT("bad"));
	cr_assert_eq(chown(path, 4711, 4711), 0);
}

static void make_unreadable(const char *path)
{
	put(path, RIGHT("bad"));
	cr_assert_eq(chmod(path, 0), 0);
}

static void make_same_uuid(const char *path)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "sed 's/name=.good./name=\"later\"/' %s/definitions/good.xml >%s", dir, path);
	cr_assert_eq(system(copy), 0);
}

#define BAD "definitions/bad.xml"

Test(registry, faulty_definition_is_named_and_the_others_are_served)
{
	static const struct {
		void (*make)(const char *path);
		const char *sentence;
	} cases[] = {
		{make_garbage, BAD ": line 1: not well-formed XML: "},
		{make_empty, BAD ": the definition is empty\n"},
		{make_truncated, BAD ": line 1: not well-formed XML: "},
		{make_other_name, BAD ": it defines VM \"other\"\n"},
		{make_without_uuid, BAD ": it has no UUID\n"},
		{make_large, BAD ": 1048577 bytes are more than the limit of 1048576\n"},
		{make_folder, BAD ": not a regular file\n"},
		{make_fifo, BAD ": not a regular file\n"},
		{make_link, BAD ": it is a symbolic link; put the file itself there\n"},
		{make_dangling_link, BAD ": it is a symbolic link; put the file itself there\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *told = fault_of(cases[i].make, BAD);

		cr_expect(strncmp(told, cases[i].sentence, strlen(cases[i].sentence)) == 0, "\"%s\" is not \"%s\"", told,
			cases[i].sentence);
		remove_dir();
		make_dir();
	}
}

Test(registry, definition_of_somebody_else_is_named_and_not_served)
{
	if (geteuid() != 0)
		cr_skip("only root can give a file away");
	cr_expect_str_eq(fault_of(make_foreign, BAD),
		BAD ": it belongs to user 4711; only root and the user of hvmd (0) may own definitions\n");
}

Test(registry, unreadable_definition_is_named)
{
	if (geteuid() == 0) { /* who may read everything */
		cr_assert_eq(chown(dir, 65534, 65534), 0);
		cr_assert_eq(setegid(65534), 0);
		cr_assert_eq(seteuid(65534), 0);
	}
	cr_expect_str_eq(fault_of(make_unreadable, BAD), BAD ": it cannot be opened: Permission denied\n");
	cr_expect_eq(geteuid() == getuid() || seteuid(getuid()) == 0, true);
}

Test(registry, definition_with_the_uuid_of_another_is_named)
{
	cr_expect_str_eq(fault_of(make_same_uuid, "definitions/later.xml"),
		"definitions/later.xml: VM later: its UUID is that of VM good; leave it out or choose another\n");
}

Test(registry, other_entries_among_the_definitions_are_named)
{
	cr_expect_str_eq(fault_of(make_empty, "definitions/notes.txt"),
		"definitions/notes.txt: it is no definition, its name does not end in .xml\n");
}

/* What is said when the image of a VM becomes something else. */
static const char *fault_of_image(void (*make)(const char *path))
{
	struct registry *registry = open_registry();
	char path[256];

	cr_assert_eq(define(registry, "good", "xyz", NULL), 0);
	cr_assert_eq(define(registry, "bad", "abc", NULL), 0);
	registry_free(registry);
	snprintf(path, sizeof(path), "%s/images/" ABC_SHA256, dir);
	unlink(path);
	make(path);
	registry = open_registry();
	cr_expect_not_null(registry_find(registry, "good", NULL));
	cr_expect_eq(registry->n_vms, 1);
	reload(registry);
	registry_free(registry);
	remove_dir();
	make_dir();
	return said;
}

Test(registry, definition_with_a_faulty_image_is_named)
{
	static const char image[] = BAD ": file \"hrt\": image " ABC_SHA256 ": ";
	const size_t n = sizeof(image) - 1;

	cr_expect_str_eq(fault_of_image(make_empty) + n, "it is empty\n");
	cr_expect_str_eq(fault_of_image(make_folder) + n, "not a regular file\n");
	cr_expect_str_eq(fault_of_image(make_fifo) + n, "not a regular file\n");
	cr_expect_str_eq(fault_of_image(make_dangling_link) + n, "not a regular file\n");
	cr_expect_eq(strncmp(said, image, n), 0, "%s", said);
	if (geteuid() != 0)
		return;
	cr_expect_str_eq(fault_of_image(make_foreign) + n,
		"it belongs to user 4711; only root and the user of hvmd (0) may own images\n");
}

Test(registry, temporary_that_is_a_folder_does_not_keep_it_from_starting)
{
	struct registry *registry = open_registry();
	char path[256];

	define(registry, "a", "abc", NULL);
	registry_free(registry);
	snprintf(path, sizeof(path), "%s/definitions/.#x.xml", dir);
	make_folder(path);
	registry = open_registry();
	cr_expect_eq(registry->n_vms, 1);
	cr_expect_str_eq(reload(registry), "");
	registry_free(registry);
}

Test(registry, images_stay_as_long_as_a_definition_is_faulty)
{
	struct registry *registry = open_registry();

	define(registry, "a", "abc", NULL);
	registry_free(registry);
	put_file("definitions/a.xml", "an administrator's mistake");
	registry_free(open_registry());
	cr_expect(file_exists("images/" ABC_SHA256), "mending the definition must be enough");
}

Test(registry, unused_images_are_removed_at_the_start)
{
	registry_free(open_registry());
	put_file("images/" ABC_SHA256, "abc");
	registry_free(open_registry());
	cr_expect_not(file_exists("images/" ABC_SHA256));
}

Test(registry, definition_whose_image_is_gone_is_skipped)
{
	struct registry *registry = open_registry();
	char path[128];

	define(registry, "a", "abc", NULL);
	registry_free(registry);
	snprintf(path, sizeof(path), "%s/images/" ABC_SHA256, dir);
	unlink(path);
	registry = open_registry();
	cr_expect_eq(registry->n_vms, 0);
	registry_free(registry);
}

Test(registry, refused_definition_leaves_everything_as_it_was)
{
	struct registry *registry = open_registry();
	struct error e = {};

	define(registry, "a", "abc", NULL);
	cr_expect_eq(define(registry, "a", "", &e), -EINVAL);
	cr_expect_str_eq(e.text, "file \"hrt\": the file is empty");
	cr_expect(file_exists("images/" ABC_SHA256));
	cr_expect_eq(registry->n_vms, 1);
	registry_free(registry);
}

Test(registry, without_kvm_a_start_says_why)
{
	struct registry *registry = open_registry();
	struct error e = {};

	define(registry, "a", "abc", NULL);
	cr_expect_eq(vm_start(registry->vms[0], NULL, NULL, NULL, &e), -ENODEV);
	cr_expect(strstr(e.text, "/nonexistent does not exist"), "%s", e.text);
	cr_expect_eq(registry->vms[0]->life.state, VM_INACTIVE);
	registry_free(registry);
}
