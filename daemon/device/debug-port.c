/* debug-port.c - see debug-port.h */
#include "device/debug-port.h"

#include "base/clock.h"

void debug_port_init(struct debug_port *port, uint32_t core, const struct debug_port_listener *listener)
{
	port->core = core;
	port->listener = listener;
	port->size = 0;
	pthread_mutex_init(&port->lock, NULL);
}

void debug_port_fini(struct debug_port *port)
{
	pthread_mutex_destroy(&port->lock);
}

static void hand_on(struct debug_port *port)
{
	port->listener->line(port->listener->data, port->core, port->line, port->size);
	port->size = 0;
}

static void add_byte(struct debug_port *port, uint8_t byte)
{
	if (port->size == 0)
		port->listener->begun(port->listener->data, port->core);
	port->line[port->size++] = (char)byte;
	if (byte == '\n' || port->size == DEBUG_PORT_LINE_MAX)
		hand_on(port);
}

void debug_port_write(struct debug_port *port, const uint8_t *bytes, size_t size)
{
	pthread_mutex_lock(&port->lock);
	for (size_t i = 0; i < size; i++)
		add_byte(port, bytes[i]);
	port->last_usec = clock_usec();
	pthread_mutex_unlock(&port->lock);
}

bool debug_port_flush(struct debug_port *port, uint64_t until_usec)
{
	bool left;

	pthread_mutex_lock(&port->lock);
	if (port->size > 0 && port->last_usec <= until_usec)
		hand_on(port);
	left = port->size > 0;
	pthread_mutex_unlock(&port->lock);
	return left;
}
