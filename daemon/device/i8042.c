/* i8042.c - see i8042.h; commands as in the data sheet of Intel's 8242 */
#include "device/i8042.h"

#include "device/bus.h"

#define PORT_DATA   0x60
#define PORT_STATUS 0x64

#define STATUS_OUTPUT_FULL 0x01u
#define STATUS_SYSTEM      0x04u /* has passed its self-test */
#define STATUS_NOT_LOCKED  0x10u
#define STATUS_AUX         0x20u /* the byte is from the mouse's side */
#define STATUS_TIMEOUT     0x40u /* nobody answered */

#define COMMAND_BYTE_RESET 0x74u /* both ports off, system flag, translation */

#define OUTPUT_RESET 0x01u /* of the output port: the processor's reset line, active low */
#define OUTPUT_A20   0x02u

#define NOBODY 0xFEu /* "send that again": what comes back with STATUS_TIMEOUT */

static void put(struct i8042 *k, uint8_t byte, unsigned status)
{
	k->output = byte;
	k->status = (uint8_t)(STATUS_OUTPUT_FULL | status);
}

/* Whether the guest has pulled the reset line. */
static bool command(struct i8042 *k, uint8_t value)
{
	k->argument_for = 0;
	switch (value) {
	case 0x20: /* read the command byte */
		put(k, k->command_byte, 0);
		return false;
	case 0xA9: /* test the mouse's port: the line is stuck, as it is without one */
		put(k, 0x02, 0);
		return false;
	case 0xAA: /* self-test */
		put(k, 0x55, 0);
		return false;
	case 0xAB: /* test the keyboard's port */
		put(k, 0x00, 0);
		return false;
	case 0xD0: /* read the output port */
		put(k, OUTPUT_RESET | OUTPUT_A20, 0);
		return false;
	case 0x60: /* these have an argument */
	case 0xD1:
	case 0xD2:
	case 0xD3:
	case 0xD4:
		k->argument_for = value;
		return false;
	}
	return value >= 0xF0 && !(value & OUTPUT_RESET); /* pulse the lines that are 0 */
}

static bool argument(struct i8042 *k, uint8_t value)
{
	uint8_t to = k->argument_for;

	k->argument_for = 0;
	switch (to) {
	case 0x60:
		k->command_byte = value;
		return false;
	case 0xD1:
		return !(value & OUTPUT_RESET);
	case 0xD2: /* as if it came from the keyboard, from the mouse */
		put(k, value, 0);
		return false;
	case 0xD3:
		put(k, value, STATUS_AUX);
		return false;
	case 0xD4:
		put(k, NOBODY, STATUS_AUX | STATUS_TIMEOUT);
		return false;
	default:
		put(k, NOBODY, STATUS_TIMEOUT);
		return false;
	}
}

static void serve(struct i8042 *k, bool (*fn)(struct i8042 *k, uint8_t value), uint8_t value)
{
	bool reset;

	pthread_mutex_lock(&k->lock);
	reset = fn(k, value);
	pthread_mutex_unlock(&k->lock);
	if (reset)
		k->listener.event(k->listener.data, POWER_RESET);
}

static void status_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	(void)offset, (void)size;
	serve(data, command, *bytes);
}

static void data_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	(void)offset, (void)size;
	serve(data, argument, *bytes);
}

static void status_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	struct i8042 *k = data;

	(void)offset, (void)size;
	pthread_mutex_lock(&k->lock);
	*bytes = k->status | STATUS_SYSTEM | STATUS_NOT_LOCKED;
	pthread_mutex_unlock(&k->lock);
}

static void data_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	struct i8042 *k = data;

	(void)offset, (void)size;
	pthread_mutex_lock(&k->lock);
	*bytes = k->output;
	k->status = 0;
	pthread_mutex_unlock(&k->lock);
}

static void power_on(struct i8042 *k)
{
	k->command_byte = COMMAND_BYTE_RESET;
	k->output = k->status = k->argument_for = 0;
}

void i8042_init(struct i8042 *k, struct power_listener listener)
{
	*k = (struct i8042){.listener = listener};
	pthread_mutex_init(&k->lock, NULL);
	power_on(k);
}

void i8042_fini(struct i8042 *k)
{
	pthread_mutex_destroy(&k->lock);
}

void i8042_reset(struct i8042 *k)
{
	pthread_mutex_lock(&k->lock);
	power_on(k);
	pthread_mutex_unlock(&k->lock);
}

int i8042_attach(struct i8042 *k, struct bus *ports, struct error *e)
{
	static const struct bus_ops data_ops = {.read = data_read, .write = data_write};
	static const struct bus_ops status_ops = {.read = status_read, .write = status_write};
	struct bus_device input = {
		.start = PORT_DATA, .size = 1, .name = "the keyboard controller", .ops = &data_ops, .data = k};
	struct bus_device status = {
		.start = PORT_STATUS, .size = 1, .name = "the keyboard controller", .ops = &status_ops, .data = k};
	int r = bus_add(ports, &input, e);

	return r < 0 ? r : bus_add(ports, &status, e);
}
