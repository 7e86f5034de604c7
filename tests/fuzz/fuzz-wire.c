/* fuzz-wire.c - what a monitor takes for a definition is one, and goes back onto the wire as it came */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "fuzz.h"
#include "spec/spec.h"
#include "spec/wire.h"

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/wire", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_init(data, size);
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	struct buffer again = BUFFER_INIT(1u << 20);
	struct error e = {};

	if (spec_decode(&c, &spec, &e) < 0) {
		if (!e.text[0])
			abort(); /* a refusal without a sentence */
		return 0;
	}
	spec_encode(spec, &again);
	if (!buffer_ok(&again) || again.size != size || memcmp(again.data, data, size) != 0)
		abort();
	buffer_fini(&again);
	return 0;
}
