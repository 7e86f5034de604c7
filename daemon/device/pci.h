/*
 * pci.h - a PCI bus with a host bridge and nothing else
 *
 * Configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2): an
 * address at port 0xCF8, data at 0xCFC. Kernels look for a bridge before they
 * believe in PCI at all. Inside the address' four ports lies 0xCF9, the reset
 * register of Intel's chip sets, which is only reached by bytes.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "device/power.h"

struct pci {
	pthread_mutex_t lock;
	uint32_t address;
	uint8_t reset; /* what 0xCF9 reads */
	struct power_listener listener;
};

/* The listener is copied; it gets POWER_RESET only. */
void pci_init(struct pci *pci, struct power_listener listener);
void pci_fini(struct pci *pci);
void pci_reset(struct pci *pci);

/* Answers at 0xCF8 to 0xCFF. Fails as bus_add() does. */
int pci_attach(struct pci *pci, struct bus *ports, struct error *e);
