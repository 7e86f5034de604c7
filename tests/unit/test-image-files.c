/*
 * test-image-files.c - bad HRT images as files: one fault each, and the sentence that is said of it
 *
 * tests/tools/make-images.py has the table, and makes NAME.elf, and NAME.txt with the
 * sentence, in tests/data/images of the build; it is empty where there is nothing to say.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/macro.h"
#include "image/hrt.h"

#define FILE_MAX (1 * MiB)

static int load(const char *folder, const char *name, const char *ending, char **ret, size_t *ret_size)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct error e = {};

	if (asprintf(&path, "%s/%s%s", folder, name, ending) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : file_read(fd, name, FILE_MAX, ret, ret_size, &e);
}

/* What is said of the image. */
static void judge(const char *data, size_t size, struct error *e)
{
	struct hrt_image image;

	*e = (struct error){};
	if (hrt_image_parse(data, size, 32 * MiB, 64 * MiB, &image, e) < 0 && !e->text[0])
		error_set(e, -EINVAL, "a refusal without a sentence");
}

static bool test(const char *folder, const char *name, unsigned number)
{
	_cleanup_free_ char *data = NULL, *sentence = NULL;
	size_t size, length;
	struct error e;

	if (load(folder, name, ".elf", &data, &size) < 0 || load(folder, name, ".txt", &sentence, &length) < 0) {
		printf("not ok %u - %s.elf has a sentence beside it\n", number, name);
		return false;
	}
	length = strcspn(sentence, "\n");
	judge(data, size, &e);
	if (strlen(e.text) == length && memcmp(e.text, sentence, length) == 0) {
		printf("ok %u - %s\n", number, name);
		return true;
	}
	printf("not ok %u - %s\n# said:     %s\n# expected: %.*s\n", number, name, e.text, (int)length, sentence);
	return false;
}

static int is_image(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 4 && strcmp(entry->d_name + n - 4, ".elf") == 0;
}

int main(void)
{
	const char *build = getenv("top_builddir");
	_cleanup_free_ char *folder = NULL;
	struct dirent **entries;
	int n, bad = 0;

	if (asprintf(&folder, "%s/tests/data/images", build ? build : ".") < 0)
		return 1;
	n = scandir(folder, &entries, is_image, alphasort);
	for (int i = 0; i < n; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - 4] = '\0';
		bad += !test(folder, entries[i]->d_name, (unsigned)i + 1);
		free(entries[i]);
	}
	if (n <= 0) {
		printf("1..0 # SKIP no images are in %s; python3 makes them in the build\n", folder);
		return 0;
	}
	printf("1..%d\n", n);
	free(entries);
	return bad > 0;
}
