/* fuzz-container.c - an image container is refused with a reason, or all of it lies within its bytes */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fuzz.h"
#include "spec/container.h"
#include "spec/definition.h"

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/container", NULL};

static void check_file(const struct container_file *file, size_t size)
{
	if (file->offset > size || file->size > size - file->offset)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct container container;
	struct error e = {};

	if (container_parse(data, size, &container, &e) < 0) {
		if (!e.text[0])
			abort(); /* a refusal without a sentence */
		return 0;
	}
	if (!container_recognise(data, size) || container.n_files > CONTAINER_FILES_MAX ||
		container.xml_size > DEFINITION_SIZE_MAX)
		abort();
	if (container.xml < (const char *)data || container.xml + container.xml_size > (const char *)data + size)
		abort();
	for (uint32_t i = 0; i < container.n_files; i++) {
		check_file(&container.files[i], size);
		for (uint32_t k = 0; k < i; k++)
			if (container.files[k].size > 0 && container.files[k].offset == container.files[i].offset &&
				container.files[i].size > 0)
				abort();
	}
	return 0;
}
