/* requests.c - the requests that the cage leaves to a monitor; see kvm.h */
#include "base/cage-calls.h"
#include "base/macro.h"
#include "kvm/internal.h"

#define REQUEST(name) (uint32_t)name,

static const uint32_t build_requests[] = {CAGE_BUILD_REQUESTS(REQUEST)};
static const uint32_t run_requests[] = {CAGE_RUN_REQUESTS(REQUEST)};

const struct kvm_requests kvm_build_requests = {build_requests, ARRAY_SIZE(build_requests)};
const struct kvm_requests kvm_run_requests = {run_requests, ARRAY_SIZE(run_requests)};
