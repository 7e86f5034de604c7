/* pci.c - see pci.h */
#include "device/pci.h"

#include "device/bus.h"

#define PORT_ADDRESS 0xCF8
#define PORT_DATA    0xCFC

#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_DEVICE 0x00FFFF00u /* bus, device and function; all 0: the bridge */

#define RESET_OFFSET 1u    /* 0xCF9 */
#define RESET_CPU    0x04u /* it resets when this bit rises */
#define RESET_KEPT   0x0Au /* what kind of reset: read back, otherwise all the same here */

/* An Intel 440FX, as in Palacios: the one bridge that each kernel knows. Type 0 header, 6.1. */
static const uint8_t bridge[64] = {
	0x86, 0x80, 0x37, 0x12, /* vendor, device */
	0x00, 0x00, 0x00, 0x00, /* command, status */
	0x02, 0x00, 0x00, 0x06, /* revision, class: host bridge */
};

/* The byte of configuration space that a data port shows. */
static uint8_t config_byte(const struct pci *pci, unsigned port)
{
	unsigned at = (pci->address & 0xFCu) + port;

	if (!(pci->address & ADDRESS_ENABLE) || pci->address & ADDRESS_DEVICE)
		return 0xFF;
	return at < sizeof(bridge) ? bridge[at] : 0;
}

static void data_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	struct pci *pci = data;

	pthread_mutex_lock(&pci->lock);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = config_byte(pci, (unsigned)offset + i);
	pthread_mutex_unlock(&pci->lock);
}

/* Nothing of the bridge can be set. */
static void data_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	(void)data, (void)offset, (void)bytes, (void)size;
}

static void address_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	struct pci *pci = data;

	pthread_mutex_lock(&pci->lock);
	if (size == 1 && offset == RESET_OFFSET)
		bytes[0] = pci->reset;
	else
		for (unsigned i = 0; i < size; i++)
			bytes[i] = size == 4 ? (uint8_t)(pci->address >> 8 * i) : 0xFF;
	pthread_mutex_unlock(&pci->lock);
}

static void address_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	struct pci *pci = data;
	bool rises = false;

	pthread_mutex_lock(&pci->lock);
	if (size == 4)
		pci->address = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
	if (size == 1 && offset == RESET_OFFSET) {
		rises = bytes[0] & RESET_CPU;
		pci->reset = bytes[0] & RESET_KEPT;
	}
	pthread_mutex_unlock(&pci->lock);
	if (rises)
		pci->listener.event(pci->listener.data, POWER_RESET);
}

void pci_init(struct pci *pci, struct power_listener listener)
{
	*pci = (struct pci){.listener = listener};
	pthread_mutex_init(&pci->lock, NULL);
}

void pci_fini(struct pci *pci)
{
	pthread_mutex_destroy(&pci->lock);
}

void pci_reset(struct pci *pci)
{
	pthread_mutex_lock(&pci->lock);
	pci->address = pci->reset = 0;
	pthread_mutex_unlock(&pci->lock);
}

int pci_attach(struct pci *pci, struct bus *ports, struct error *e)
{
	static const struct bus_ops address_ops = {.read = address_read, .write = address_write};
	static const struct bus_ops data_ops = {.read = data_read, .write = data_write};
	struct bus_device address = {.start = PORT_ADDRESS, .size = 4, .name = "the PCI address register",
		.ops = &address_ops, .data = pci};
	struct bus_device config = {.start = PORT_DATA, .size = 4, .name = "the PCI data register", .ops = &data_ops,
		.data = pci};
	int r = bus_add(ports, &address, e);

	return r < 0 ? r : bus_add(ports, &config, e);
}
