/* hrt.c - see hrt.h */
#include "guest/hrt.h"

#include <assert.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "guest/file.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "image/hrt.h"
#include "spec/spec.h"

uint64_t hrt_seed_granule(const struct vm_spec *spec)
{
	switch (spec->hrt_granule) {
	case SPEC_GRANULE_4K:
		return HVM_FLAG_MAP_4KB;
	case SPEC_GRANULE_1G:
		return HVM_FLAG_MAP_1GB;
	case SPEC_GRANULE_2M:
	case N_SPEC_GRANULES:
		break;
	}
	return HVM_FLAG_MAP_2MB;
}

static_assert(HRT_BLOB_ENTRY == SPEC_BLOB_ENTRY, "the image's default is another than the definition's");

int hrt_parse(const struct vm_spec *spec, const struct guest_file *file, struct hrt_image *ret, struct error *e)
{
	const struct hrt_seed seed = {.flags = hrt_seed_granule(spec), .load = spec->hrt_load, .entry = spec->hrt_entry};

	if (spec->hrt_layout == SPEC_LAYOUT_SEED)
		return hrt_image_parse_seed(
			file->data, file->size, spec->ros_memory, plan_seed_image_end(spec), &seed, ret, e);
	return hrt_image_parse(file->data, file->size, spec->ros_memory, ram_end(spec->memory), ret, e);
}
