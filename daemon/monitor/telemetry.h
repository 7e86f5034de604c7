/*
 * telemetry.h - numbers about a machine, read without stopping a core
 *
 * Keys are flat and dotted; the first word is the group:
 *
 *	vm.uptime_usec, vm.console_bytes, vm.console_log_dropped_bytes
 *	partition.ROLE.state, .reason, .resets, .since_boot_usec, .first_sign_usec
 *	partition.hrt.transaction_state, .transactions, .transactions_failed, .hypercall, .patched_hypercalls, .upcall,
 *	       .images_replaced
 *	vcpu.N.partition, .exits, .exits.KIND, .hypercalls, .hypercalls_refused,
 *	       .unknown_reads, .unknown_writes, .unknown_msrs, .heartbeats, .heartbeat
 *	kvm.ROLE.STAT and kvm.vcpu.N.STAT: KVM's own
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct machine;

/*
 * Appends the records from number `first` on, in the form of abi/link.h, until
 * they are all there or the next does not fit into `room` bytes. Returns the
 * number of the first that did not fit, or 0.
 */
uint32_t telemetry_append(struct machine *machine, uint64_t started_usec, uint32_t first, size_t room, struct buffer *b);
