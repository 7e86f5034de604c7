/* gdt.c - see gdt.h */
#include "monitor/gdt.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "guest/access.h"
#include "kvm/kvm.h"

static uint8_t *put(uint8_t *to, const void *value, size_t size)
{
	memcpy(to, value, size);
	return to + size;
}

/* The table is the kernel's, whoever asks for it to be copied. */
int gdt_capture(struct gdt *gdt, const struct access *ros, const struct vcpu_state *state, uint64_t fs_base)
{
	const uint16_t selectors[] = {state->cs.selector, state->ds.selector, state->es.selector, state->fs.selector,
		state->gs.selector, state->ss.selector};
	uint64_t copy = gdt->gva + HVM_GDT_AREA_HEAD;
	uint32_t size = state->gdt_limit + 1u;
	struct access kernel = *ros;
	uint8_t *to = gdt->bytes;

	kernel.user = false;
	if (access_check_read(&kernel, state->gdt_base, size) < 0)
		return -EFAULT;
	to = put(to, &state->gdt_limit, 2);
	to = put(to, &copy, 8);
	to = put(to, &fs_base, 8);
	to = put(to, selectors, sizeof(selectors));
	static_assert(2 + 8 + 8 + sizeof(selectors) == HVM_GDT_AREA_HEAD, "the area's head has another size");
	gdt->size = HVM_GDT_AREA_HEAD + size;
	return access_read(&kernel, state->gdt_base, to, size);
}

int gdt_write(const struct gdt *gdt, const struct access *hrt)
{
	return access_write(hrt, gdt->gva, gdt->bytes, gdt->size);
}
