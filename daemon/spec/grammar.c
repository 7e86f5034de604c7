/* grammar.c - see grammar.h */
#include "spec/grammar.h"

#include <string.h>
#include <strings.h>

#include "abi/x86.h"
#include "base/macro.h"
#include "spec/spec.h"

/* Bytes in a filename: PATH_MAX of Linux without the NUL. */
#define FILENAME_BYTES_MAX 4095

/* clang-format off: one thing, one paragraph */
const struct grammar_rule grammar[N_GRAMMAR] = {
	[GRAMMAR_VM] = {.name = "vm", .parent = GRAMMAR_NONE, .kind = GRAMMAR_GROUP, .required = true,
		.about = "the definition of one VM"},
	[GRAMMAR_VM_NAME] = {.name = "name", .parent = GRAMMAR_VM, .kind = GRAMMAR_NAME, .required = true,
		.example = "name=\"nautilus\"", .about = "the name by which the VM is known"},
	[GRAMMAR_VM_CLASS] = {.name = "class", .parent = GRAMMAR_VM, .kind = GRAMMAR_WORD, .required = true,
		.word = "PC", .example = "class=\"PC\"", .about = "the kind of machine"},
	[GRAMMAR_VM_UUID] = {.name = "uuid", .parent = GRAMMAR_VM, .kind = GRAMMAR_UUID,
		.about = "the identity of the VM; hvmd makes one where none is given"},
	[GRAMMAR_MEMORY] = {.name = "memory", .parent = GRAMMAR_VM, .kind = GRAMMAR_NUMBER, .required = true,
		.as_element = true, .min = SPEC_MEMORY_MIN / MiB, .max = SPEC_MEMORY_MAX / MiB, .step = 1,
		.unit = "MiB", .example = "<memory>256</memory>", .about = "RAM of the whole VM, in MiB"},
	[GRAMMAR_CORES] = {.name = "cores", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP, .required = true,
		.example = "<cores count=\"4\"/>", .about = "the cores of the whole VM"},
	[GRAMMAR_CORES_COUNT] = {.name = "count", .parent = GRAMMAR_CORES, .kind = GRAMMAR_NUMBER, .required = true,
		.min = 1, .max = SPEC_CORES_MAX, .step = 1, .example = "count=\"4\"",
		.about = "how many cores both partitions have together"},
	[GRAMMAR_FILES] = {.name = "files", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.about = "the files that the VM needs"},
	[GRAMMAR_FILE] = {.name = "file", .parent = GRAMMAR_FILES, .kind = GRAMMAR_GROUP, .repeats = true,
		.about = "one file"},
	[GRAMMAR_FILE_ID] = {.name = "id", .parent = GRAMMAR_FILE, .kind = GRAMMAR_TEXT, .required = true, .min = 1,
		.max = SPEC_FILE_ID_MAX, .example = "id=\"hrt\"", .about = "the word by which other elements name the file"},
	[GRAMMAR_FILE_FILENAME] = {.name = "filename", .parent = GRAMMAR_FILE, .kind = GRAMMAR_TEXT, .min = 1,
		.max = FILENAME_BYTES_MAX, .about = "where hvmctl finds the file, relative to the definition's folder"},
	[GRAMMAR_FILE_SHA256] = {.name = "sha256", .parent = GRAMMAR_FILE, .kind = GRAMMAR_SHA256,
		.about = "the SHA-256 of the file as hvmd stores it"},
	[GRAMMAR_HVM] = {.name = "hvm", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.about = "makes the VM a hybrid of two partitions"},
	[GRAMMAR_HVM_ENABLE] = {.name = "enable", .parent = GRAMMAR_HVM, .kind = GRAMMAR_SWITCH, .fallback = "n",
		.example = "enable=\"y\"", .about = "whether the VM is a hybrid"},
	[GRAMMAR_ROS] = {.name = "ros", .parent = GRAMMAR_HVM, .kind = GRAMMAR_GROUP,
		.example = "<ros cores=\"2\" mem=\"8\"/>", .about = "the partition of the regular OS"},
	[GRAMMAR_ROS_CORES] = {.name = "cores", .parent = GRAMMAR_ROS, .kind = GRAMMAR_NUMBER, .required = true,
		.min = 1, .max = SPEC_CORES_MAX - 1, .step = 1, .example = "cores=\"2\"",
		.about = "how many cores the ROS has, from core 0 on"},
	[GRAMMAR_ROS_MEM] = {.name = "mem", .parent = GRAMMAR_ROS, .kind = GRAMMAR_NUMBER, .required = true, .min = 1,
		.max = DEVICE_HOLE_START / MiB, .step = 1, .unit = "MiB", .example = "mem=\"8\"",
		.about = "RAM of the ROS from address 0 on, in MiB"},
	[GRAMMAR_HRT] = {.name = "hrt", .parent = GRAMMAR_HVM, .kind = GRAMMAR_GROUP,
		.example = "<hrt file_id=\"hrt\"/>", .about = "the partition of the hybrid runtime"},
	[GRAMMAR_HRT_FILE_ID] = {.name = "file_id", .parent = GRAMMAR_HRT, .kind = GRAMMAR_TEXT, .required = true,
		.min = 1, .max = SPEC_FILE_ID_MAX, .example = "file_id=\"hrt\"",
		.about = "the id of the file that holds the HRT's image"},
	[GRAMMAR_HRT_CMDLINE] = {.name = "cmdline", .parent = GRAMMAR_HRT, .kind = GRAMMAR_TEXT,
		.max = SPEC_CMDLINE_MAX, .fallback = "", .about = "the command line that the HRT is told"},
	[GRAMMAR_HRT_STACK] = {.name = "stack", .parent = GRAMMAR_HRT, .kind = GRAMMAR_NUMBER, .min = PAGE_SIZE,
		.max = SPEC_STACK_MAX, .step = PAGE_SIZE, .unit = "bytes", .fallback = "4096",
		.about = "size of each HRT core's first stack, in bytes"},
};
/* clang-format on */
static_assert(SPEC_STACK_DEFAULT == 4096, "the default of hrt@stack says otherwise");

static size_t path_append(enum grammar_id id, char *ret)
{
	size_t at = grammar[id].parent == GRAMMAR_NONE ? 0 : path_append(grammar[id].parent, ret);
	size_t size = strlen(grammar[id].name);

	assert(at + 1 + size < GRAMMAR_PATH_MAX);
	ret[at] = '/';
	memcpy(ret + at + 1, grammar[id].name, size + 1);
	return at + 1 + size;
}

void grammar_path(enum grammar_id id, char ret[static GRAMMAR_PATH_MAX])
{
	path_append(id, ret);
}

enum grammar_id grammar_child(enum grammar_id parent, const char *name)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++)
		if (grammar[id].parent == parent && strcasecmp(grammar[id].name, name) == 0)
			return id;
	return GRAMMAR_NONE;
}

enum grammar_id grammar_elsewhere(enum grammar_id parent, const char *name)
{
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++)
		if (grammar[id].parent != parent && strcasecmp(grammar[id].name, name) == 0)
			return id;
	return GRAMMAR_NONE;
}

#define NAME_BYTES_MAX 32 /* longer than any name of ours; nothing longer is near one */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A' + 'a') : (unsigned char)c;
}

/*
 * How many letters must be put in, taken out, replaced, or swapped with their
 * neighbour to make one of the other, without case. d[i][j] is the answer for the
 * first i letters of a and the first j of b.
 */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[NAME_BYTES_MAX + 1][NAME_BYTES_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	assert(n <= NAME_BYTES_MAX && m <= NAME_BYTES_MAX);
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = d[i - 1][j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
			d[i][j] = least(d[i][j], least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

/* A name is near when two strokes mend it, one where it has no more than four letters. */
enum grammar_id grammar_suggest(enum grammar_id parent, const char *name)
{
	unsigned best = strnlen(name, NAME_BYTES_MAX + 1) <= 4 ? 2 : 3;
	enum grammar_id found = GRAMMAR_NONE;

	if (strnlen(name, NAME_BYTES_MAX + 1) > NAME_BYTES_MAX)
		return GRAMMAR_NONE;
	for (enum grammar_id id = 0; id < N_GRAMMAR; id++)
		if (grammar[id].parent == parent && distance(name, grammar[id].name) < best) {
			best = distance(name, grammar[id].name);
			found = id;
		}
	return found;
}
