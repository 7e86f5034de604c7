/* devices.c - reads a VM's devices; reader.h has the contract */
#include <stdlib.h>

#include "base/error.h"
#include "spec/fate.h"
#include "spec/reader.h"
#include "spec/rules.h"
#include "spec/xml.h"

/* What a class holds is known only with the class, so a first look reports nothing. NULL where there is not
 * one class. The caller frees it. */
static char *class_of(struct reader *r, const xmlNode *node)
{
	struct diagnostics quiet = {};
	struct element device;
	char *text = NULL;

	element_survey(&device, node, GRAMMAR_DEVICE, &quiet);
	diagnostics_fini(&quiet);
	if (device.places[GRAMMAR_DEVICE_CLASS].n != 1)
		return NULL;
	text = element_text(&device, GRAMMAR_DEVICE_CLASS);
	if (!text)
		r->d->out_of_memory = true;
	return text;
}

/* Takes over what the device owns. */
static void append_device(struct reader *r, struct spec_device device)
{
	struct spec_device *devices = reallocarray(r->spec->devices, r->spec->n_devices + 1, sizeof(*devices));

	if (!devices) {
		r->d->out_of_memory = true;
		free(device.id);
		return;
	}
	devices[r->spec->n_devices++] = device;
	r->spec->devices = devices;
}

static void read_port(struct reader *r, const struct element *element, struct spec_device *device)
{
	uint64_t port;

	if (device->class == SPEC_DEVICE_DEBUG_EXIT && field_address(element, GRAMMAR_DEVICE_PORT, r->d, &port))
		device->port = (uint32_t)port;
	else if (device->class != SPEC_DEVICE_DEBUG_EXIT && element->places[GRAMMAR_DEVICE_PORT].n > 0)
		element_fault(element, GRAMMAR_DEVICE_PORT, r->d, SEVERITY_ERROR,
			"port: only a debug-exit device has a port to choose; take it out");
}

/* Here and not with the other rules, which know no line but that of <devices>. */
static void check_last_device(struct reader *r, const struct element *element)
{
	struct error e;

	if (spec_check_device(r->spec, r->spec->n_devices - 1, &e) < 0)
		element_fault(element, GRAMMAR_DEVICE_CLASS, r->d, SEVERITY_ERROR, "%s", e.text);
}

/* One that is honoured. */
static void read_device(struct reader *r, const struct element *element, enum spec_device_class class)
{
	struct spec_device device = {.class = class};
	size_t n_errors = r->d->n_errors;

	if (r->spec->n_devices == SPEC_DEVICES_MAX) {
		element_fault(element, GRAMMAR_DEVICE_CLASS, r->d, SEVERITY_ERROR,
			"class: a VM has %d devices at the most; take out the rest", SPEC_DEVICES_MAX);
		return;
	}
	field_text(element, GRAMMAR_DEVICE_ID, r->d, &device.id);
	read_port(r, element, &device);
	append_device(r, device);
	if (r->d->n_errors == n_errors && !r->d->out_of_memory)
		check_last_device(r, element);
}

/* Of a class that is not honoured nothing else is said, unless its values matter too. */
static void take_device(struct reader *r, const xmlNode *node)
{
	struct origin origin = {xml_position(node), GRAMMAR_DEVICE};
	_cleanup_free_ char *text = class_of(r, node);
	const struct grammar_word *word = text ? grammar_word(GRAMMAR_DEVICE_CLASS, text) : NULL;
	struct element element;
	unsigned class;

	if (text && !word) {
		fate_of_unknown_word(GRAMMAR_DEVICE_CLASS, text, origin, r->d);
	} else if (word && word->look_as) {
		element_survey(&element, node, word->look_as, r->d);
	} else if (!word || !fate_of_word(word, origin, r->d)) {
		element_survey(&element, node, GRAMMAR_DEVICE, r->d);
		if (field_word(&element, GRAMMAR_DEVICE_CLASS, r->d, &class))
			read_device(r, &element, class);
	}
}

void reader_read_devices(struct reader *r, const struct element *vm)
{
	size_t n_errors = r->d->n_errors;
	struct element devices;
	const xmlNode *node;

	if (!element_group(vm, GRAMMAR_DEVICES, &devices, r->d))
		return;
	for (node = element_next(&devices, GRAMMAR_DEVICE, NULL); node;
		node = element_next(&devices, GRAMMAR_DEVICE, node))
		take_device(r, node);
	if (r->d->n_errors == n_errors)
		reader_know(r, SPEC_FIELD_DEVICES, vm, GRAMMAR_DEVICES);
}
