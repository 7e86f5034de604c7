/* hrt.c - see hrt.h */
#include "guest/hrt.h"

#include "abi/x86.h"
#include "guest/file.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "image/hrt.h"
#include "spec/spec.h"

int hrt_parse(const struct vm_spec *spec, const struct guest_file *file, struct hrt_image *ret, struct error *e)
{
	if (spec->hrt_layout == SPEC_LAYOUT_SEED)
		return hrt_image_parse_seed(file->data, file->size, spec->ros_memory, plan_seed_image_end(spec), ret, e);
	return hrt_image_parse(file->data, file->size, spec->ros_memory, ram_end(spec->memory), ret, e);
}
