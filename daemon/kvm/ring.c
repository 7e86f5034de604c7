/*
 * ring.c - which pages a guest has written to; see kvm.h
 *
 * Each vCPU has a ring of kvm_dirty_gfn that KVM fills (8.29). An entry goes
 * from invalid to DIRTY (by KVM) to RESET (by us, when we have read it) and back
 * to invalid (by KVM_RESET_DIRTY_RINGS, which protects the page again). A ring
 * that is nearly full stops its vCPU until some of it has been read and reset.
 *
 * KVM keeps room for what a processor may log until it stops. A KVM that
 * interprets its guest can run on past that and write over entries that nobody
 * has read: a ring in use from its first entry to its last has lost an unknown
 * number.
 */
#include "kvm/internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/x86.h"
#include "base/error.h"

#define RESET_TRIES 1000 /* each but the last is ended by a signal */
#define RING_SKIP   512u /* fewer than a ring that KVM calls full has in use, whatever it keeps for itself */

int kvm_ring_enable(int machine_fd, struct error *e)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_DIRTY_LOG_RING, .args = {RING_SIZE}};
	int r = kvm_ioctl(machine_fd, KVM_ENABLE_CAP, (unsigned long)&cap);

	return r < 0 ? error_set_errno(e, r, "KVM_ENABLE_CAP of KVM_CAP_DIRTY_LOG_RING") : 0;
}

int kvm_ring_map(struct kvm_vcpu *vcpu, struct error *e)
{
	void *ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd,
		KVM_DIRTY_LOG_PAGE_OFFSET * (off_t)PAGE_SIZE);

	if (ring == MAP_FAILED)
		return error_set_errno(e, -errno, "mapping a vCPU's dirty ring");
	vcpu->ring = ring;
	return 0;
}

void kvm_ring_unmap(struct kvm_vcpu *vcpu)
{
	if (vcpu->ring)
		munmap(vcpu->ring, RING_SIZE);
}

static struct kvm_dirty_gfn *ring_entry(struct kvm_vcpu *vcpu, uint32_t ahead)
{
	return &vcpu->ring[(vcpu->ring_next + ahead) % RING_ENTRIES];
}

static bool is_dirty(const struct kvm_dirty_gfn *entry)
{
	return __atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY;
}

static void mark_read(struct kvm_dirty_gfn *entry)
{
	__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
}

static void tell(struct kvm_vcpu *vcpu, const struct kvm_dirty_gfn *entry, kvm_dirty_fn fn, void *data)
{
	if (entry->slot < vcpu->machine->n_slots)
		fn(data, vcpu->machine->slot_gpa[entry->slot] + entry->offset * PAGE_SIZE);
}

/*
 * After an overrun KVM is ahead of us by as many entries as it wrote over:
 *
 *	ring_next               KVM writes on here
 *	| empty, but not reset  | dirty ...
 *
 * It waits for the empty ones, too, to be reset.
 */
static void catch_up(struct kvm_vcpu *vcpu)
{
	uint32_t ahead = 0;

	while (ahead < RING_ENTRIES && !is_dirty(ring_entry(vcpu, ahead)))
		ahead++;
	if (ahead == RING_ENTRIES)
		return; /* nothing has been written since */
	for (uint32_t i = 0; i < ahead; i++)
		mark_read(ring_entry(vcpu, i));
	vcpu->ring_next += ahead;
	vcpu->ring_overrun = false;
}

/* The whole ring is in use, and some of it twice. */
static void sweep(struct kvm_vcpu *vcpu, kvm_dirty_fn fn, void *data)
{
	for (uint32_t i = 0; i < RING_ENTRIES; i++) {
		struct kvm_dirty_gfn *entry = ring_entry(vcpu, i);

		if (is_dirty(entry))
			tell(vcpu, entry, fn, data);
		mark_read(entry);
	}
	vcpu->ring_overrun = true;
}

/* KVM went round more than once: no entry is left to read, and it waits for resets all the same. */
static void skip_some(struct kvm_vcpu *vcpu)
{
	for (uint32_t i = 0; i < RING_SKIP; i++)
		mark_read(ring_entry(vcpu, i));
	vcpu->ring_next += RING_SKIP;
	vcpu->ring_overrun = true;
}

bool kvm_vcpu_harvest(struct kvm_vcpu *vcpu, bool full, kvm_dirty_fn fn, void *data)
{
	if (!vcpu->ring)
		return true;
	if (is_dirty(ring_entry(vcpu, 0)) && is_dirty(ring_entry(vcpu, RING_ENTRIES - 1))) {
		sweep(vcpu, fn, data);
		return false;
	}
	if (vcpu->ring_overrun)
		catch_up(vcpu);
	if (full && !is_dirty(ring_entry(vcpu, 0))) {
		skip_some(vcpu);
		return false;
	}
	for (struct kvm_dirty_gfn *entry; is_dirty(entry = ring_entry(vcpu, 0)); vcpu->ring_next++) {
		tell(vcpu, entry, fn, data);
		mark_read(entry);
	}
	return true;
}

/* KVM takes them back in their order: the last one tells for all. */
static bool is_taken_back(struct kvm_vcpu *vcpu)
{
	return !(__atomic_load_n(&ring_entry(vcpu, RING_ENTRIES - 1)->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_RESET);
}

/*
 * A signal to this thread ends the ioctl early, and KVM does not say so (since Linux 6.16). With entries that are
 * read but not taken back the ring stays full; what we did about that would be wrong by as many entries.
 */
int kvm_vcpu_rearm(struct kvm_vcpu *vcpu, struct error *e)
{
	for (unsigned i = 0; i < RESET_TRIES; i++) {
		int r;

		if (!vcpu->ring || is_taken_back(vcpu))
			return 0;
		r = kvm_ioctl(vcpu->machine->fd, KVM_RESET_DIRTY_RINGS, 0); /* cage(run): KVM_RESET_DIRTY_RINGS */
		if (r < 0)
			return error_set_errno(e, r, "KVM_RESET_DIRTY_RINGS");
	}
	return error_set(e, -EIO, "KVM_RESET_DIRTY_RINGS leaves entries as they are");
}
