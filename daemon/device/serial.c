/* serial.c - see serial.h */
#include "device/serial.h"

#include "device/bus.h"

#define DIVISOR_RESET 12u /* 9600 bits a second */

/* A modem that is on, and has a carrier: what a terminal on a null-modem cable looks like. */
#define MSR_CABLE (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD)

static bool looped(const struct serial *s)
{
	return s->mcr & UART_MCR_LOOP;
}

/* --- Interrupts ----------------------------------------------------------------------------------------- */

static uint8_t interrupt_id(const struct serial *s)
{
	if (s->ier & UART_IER_RLS && s->errors)
		return UART_IIR_RLS;
	if (s->ier & UART_IER_RDA && s->fifo_used > 0)
		return s->fifo_used >= s->trigger ? UART_IIR_RDA : UART_IIR_CTI;
	if (s->ier & UART_IER_THRE && s->thre_pending)
		return UART_IIR_THRE;
	if (s->ier & UART_IER_MS && s->msr & UART_MSR_DELTAS)
		return UART_IIR_MS;
	return UART_IIR_NONE;
}

/* A PC lets the interrupt out through OUT2, which is off while the port is looped. */
static void update_irq(struct serial *s)
{
	bool level = interrupt_id(s) != UART_IIR_NONE && s->mcr & UART_MCR_OUT2 && !looped(s);

	if (level == s->raised)
		return;
	s->raised = level;
	irq_set(&s->irq, level);
}

/* --- Receiving -------------------------------------------------------------------------------------------- */

static unsigned fifo_size(const struct serial *s)
{
	return s->fifos ? UART_FIFO_SIZE : 1;
}

static void fifo_put(struct serial *s, uint8_t byte)
{
	s->fifo[(s->fifo_first + s->fifo_used++) % UART_FIFO_SIZE] = byte;
}

static void refill(struct serial *s)
{
	while (!looped(s) && s->queue_used > 0 && s->fifo_used < fifo_size(s)) {
		fifo_put(s, s->queue[s->queue_first]);
		s->queue_first = (s->queue_first + 1) % SERIAL_QUEUE_SIZE;
		s->queue_used--;
	}
	if (!s->refused || s->queue_used > SERIAL_QUEUE_SIZE / 2)
		return;
	s->refused = false;
	if (s->listener.room)
		s->listener.room(s->listener.data);
}

static void clear_fifo(struct serial *s)
{
	s->fifo_first = s->fifo_used = 0;
	s->errors = 0;
}

static uint8_t take_byte(struct serial *s)
{
	uint8_t byte = s->fifo[s->fifo_first];

	if (s->fifo_used == 0)
		return 0;
	s->fifo_first = (s->fifo_first + 1) % UART_FIFO_SIZE;
	s->fifo_used--;
	refill(s);
	return byte;
}

size_t serial_receive(struct serial *s, const void *bytes, size_t size)
{
	size_t n, room;

	pthread_mutex_lock(&s->lock);
	room = SERIAL_QUEUE_SIZE - s->queue_used;
	n = size < room ? size : room;
	for (size_t i = 0; i < n; i++)
		s->queue[(s->queue_first + s->queue_used++) % SERIAL_QUEUE_SIZE] = ((const uint8_t *)bytes)[i];
	s->refused |= n < size;
	refill(s);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return n;
}

/* --- Sending ------------------------------------------------------------------------------------------------ */

static void loop_back(struct serial *s, uint8_t byte)
{
	if (s->fifo_used < fifo_size(s))
		fifo_put(s, byte);
	else
		s->errors |= UART_LSR_OE;
}

static void send(struct serial *s, uint8_t byte)
{
	if (looped(s))
		loop_back(s, byte);
	else if (s->listener.sent)
		s->listener.sent(s->listener.data, byte);
	s->thre_pending = true;
}

/* --- Modem ---------------------------------------------------------------------------------------------------- */

static uint8_t modem_inputs(const struct serial *s)
{
	if (!looped(s))
		return MSR_CABLE;
	return (uint8_t)((s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) | (s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
		(s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
}

static void update_modem(struct serial *s)
{
	uint8_t inputs = modem_inputs(s), changed = (s->msr ^ inputs) & (uint8_t)~UART_MSR_DELTAS;

	if (inputs & UART_MSR_RI)
		changed &= (uint8_t)~UART_MSR_RI;
	s->msr = (uint8_t)(inputs | (s->msr & UART_MSR_DELTAS) | changed >> 4);
}

/* --- Registers ------------------------------------------------------------------------------------------------ */

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == UART_IIR_THRE)
		s->thre_pending = false;
	return (uint8_t)(id | (s->fifos ? UART_IIR_FIFOS : 0));
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = (uint8_t)(UART_LSR_THRE | UART_LSR_TEMT | s->errors | (s->fifo_used > 0 ? UART_LSR_DR : 0));

	s->errors = 0;
	return lsr;
}

static uint8_t read_msr(struct serial *s)
{
	uint8_t msr = s->msr;

	s->msr &= (uint8_t)~UART_MSR_DELTAS;
	return msr;
}

static uint8_t read_register(struct serial *s, unsigned offset)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_DATA:
		return dlab ? (uint8_t)s->divisor : take_byte(s);
	case UART_IER:
		return dlab ? (uint8_t)(s->divisor >> 8) : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

/* Whoever switches the interrupt on is told that the transmitter is empty. */
static void write_ier(struct serial *s, uint8_t value)
{
	if (value & ~s->ier & UART_IER_THRE)
		s->thre_pending = true;
	s->ier = value & UART_IER_ALL;
}

static void write_fcr(struct serial *s, uint8_t value)
{
	static const uint8_t triggers[] = {1, 4, 8, 14};
	bool on = value & UART_FCR_ENABLE;

	if (on != s->fifos || (on && value & UART_FCR_CLEAR_RX))
		clear_fifo(s);
	s->fifos = on;
	s->trigger = on ? triggers[value >> 6] : 1;
	refill(s);
}

static void write_mcr(struct serial *s, uint8_t value)
{
	s->mcr = value & UART_MCR_ALL;
	update_modem(s);
	refill(s);
}

static void write_register(struct serial *s, unsigned offset, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_DATA:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xFF00) | value);
		else
			send(s, value);
		break;
	case UART_IER:
		if (dlab)
			s->divisor = (uint16_t)(value << 8 | (s->divisor & 0xFF));
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		write_mcr(s, value);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
}

void serial_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	struct serial *s = data;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = offset + i < UART_REGISTERS ? read_register(s, (unsigned)offset + i) : 0xFF;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	struct serial *s = data;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < size && offset + i < UART_REGISTERS; i++)
		write_register(s, (unsigned)offset + i, bytes[i]);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

/* --- Life ----------------------------------------------------------------------------------------------------- */

static void power_on(struct serial *s)
{
	s->ier = s->lcr = s->mcr = s->scr = 0;
	s->trigger = 1;
	s->divisor = DIVISOR_RESET;
	s->fifos = s->thre_pending = false;
	s->msr = MSR_CABLE;
	clear_fifo(s);
	refill(s);
	update_irq(s);
}

void serial_init(struct serial *s, struct irq_line irq, struct serial_listener listener)
{
	*s = (struct serial){.irq = irq, .listener = listener};
	pthread_mutex_init(&s->lock, NULL);
	power_on(s);
}

void serial_fini(struct serial *s)
{
	pthread_mutex_destroy(&s->lock);
}

void serial_reset(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	power_on(s);
	pthread_mutex_unlock(&s->lock);
}

int serial_attach(struct serial *s, uint16_t base, const char *name, struct bus *ports, struct error *e)
{
	static const struct bus_ops ops = {.read = serial_read, .write = serial_write};
	struct bus_device device = {.start = base, .size = UART_REGISTERS, .name = name, .ops = &ops, .data = s};

	return bus_add(ports, &device, e);
}
