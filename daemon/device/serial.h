/*
 * serial.h - a 16550A serial port with its FIFOs and interrupts
 *
 * What the guest sends goes to the listener at once: the transmitter is always
 * empty, so that no guest waits for a line speed that nobody has. What arrives
 * for the guest waits in a queue behind the 16 bytes of the receive FIFO. The
 * queue never overruns: serial_receive() takes what there is room for, and the
 * listener is told when there is room again. Thus neither side ever waits here.
 * Registers: abi/uart.h.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/uart.h"
#include "device/irq.h"

struct bus;
struct error;

#define SERIAL_QUEUE_SIZE 4096u /* bytes */

/* Called with the port locked, on a core's thread: they must not wait. Either may be NULL. */
struct serial_listener {
	void (*sent)(void *data, uint8_t byte);
	void (*room)(void *data); /* serial_receive() left bytes behind, and now the queue is half empty */
	void *data;
};

struct serial {
	pthread_mutex_t lock;
	struct irq_line irq;
	struct serial_listener listener;
	bool raised; /* the level of irq */

	uint8_t ier, lcr, mcr, scr, trigger; /* trigger: bytes */
	uint8_t errors;     /* UART_LSR_OE */
	uint8_t msr;
	uint16_t divisor;
	bool fifos;
	bool thre_pending;  /* the transmitter has become empty, and nobody has been told */

	uint8_t fifo[UART_FIFO_SIZE]; /* received, from fifo_first */
	unsigned fifo_first, fifo_used;
	uint8_t queue[SERIAL_QUEUE_SIZE]; /* what will be received, from queue_first */
	unsigned queue_first, queue_used;
	bool refused; /* the queue was too small for somebody */
};

/* Line and listener are copied. */
void serial_init(struct serial *serial, struct irq_line irq, struct serial_listener listener);
void serial_fini(struct serial *serial);

/* As after power-on. What waits in the queue stays: it was meant for the next who reads. */
void serial_reset(struct serial *serial);

/* Answers at the 8 ports from `base` on from now on. The name is borrowed. Fails as bus_add() does. */
int serial_attach(struct serial *serial, uint16_t base, const char *name, struct bus *ports, struct error *e);

/* The guest accesses registers [offset, offset + size); `serial` is a struct serial. */
void serial_read(void *serial, uint64_t offset, uint8_t *bytes, unsigned size);
void serial_write(void *serial, uint64_t offset, const uint8_t *bytes, unsigned size);

/* Bytes arrive for the guest. Returns how many were taken; from any thread. */
size_t serial_receive(struct serial *serial, const void *bytes, size_t size);
