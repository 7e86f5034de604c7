/*
 * policy.c - see policy.h
 *
 *	call --> filter --> nothing to ask: on to the object
 *	            |
 *	            +--> CheckAuthorization, the call is kept
 *	                      |
 *	                      +--> no: AccessDenied
 *	                      +--> yes: the call is put into the queue again, and the
 *	                           filter, which knows it, lets it through
 *
 * The object is looked for after the answer, not before: it may have gone meanwhile.
 */
#include "bus/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/messages.h"
#include "abi/names.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "bus/objects.h"

#define CHECKS_MAX        256u /* open questions, of everybody */
#define CHECKS_OF_ONE_MAX 16u
#define CHECK_USEC        (300 * 1000000ull) /* for somebody to find the password */

#define EVERYBODY ""
#define INSPECT   "org.hvmd1.inspect"
#define MANAGE    "org.hvmd1.manage"
#define CONSOLE   "org.hvmd1.console"
#define DEFINE    "org.hvmd1.define"
#define INJECT    "org.hvmd1.inject"
#define DUMP      "org.hvmd1.dump-memory"

static const struct {
	const char *interface, *member, *action;
} rules[] = {
	{HVMD_IFACE_MANAGER, "DefineVM", DEFINE},
	{HVMD_IFACE_MANAGER, "UndefineVM", DEFINE},
	{HVMD_IFACE_MANAGER, "Reload", DEFINE},
	{HVMD_IFACE_MANAGER, "Verify", INSPECT},
	{HVMD_IFACE_MANAGER, "ValidateDefinition", EVERYBODY},
	{HVMD_IFACE_MANAGER, "GetVM", EVERYBODY},
	{HVMD_IFACE_MANAGER, "GetVMByUUID", EVERYBODY},
	{HVMD_IFACE_MANAGER, "GetVMByPID", EVERYBODY},
	{HVMD_IFACE_MANAGER, "ListVMs", EVERYBODY},
	{HVMD_IFACE_MANAGER, "SummarizeVMs", EVERYBODY},
	{HVMD_IFACE_MANAGER, "GetCapabilities", EVERYBODY},
	{HVMD_IFACE_MANAGER, "GetTelemetry", INSPECT},
	{HVMD_IFACE_MANAGER, "CreateVM", DEFINE},
	{HVMD_IFACE_MANAGER, "StartVM", MANAGE},
	{HVMD_IFACE_MANAGER, "StartVMWithOptions", MANAGE},
	{HVMD_IFACE_MANAGER, "ShutdownVM", MANAGE},
	{HVMD_IFACE_MANAGER, "TerminateVM", MANAGE},
	{HVMD_IFACE_MANAGER, "ResetVM", MANAGE},
	{HVMD_IFACE_MANAGER, "PauseVM", MANAGE},
	{HVMD_IFACE_MANAGER, "ResumeVM", MANAGE},
	{HVMD_IFACE_VM, "Start", MANAGE},
	{HVMD_IFACE_VM, "StartWithOptions", MANAGE},
	{HVMD_IFACE_VM, "Shutdown", MANAGE},
	{HVMD_IFACE_VM, "Terminate", MANAGE},
	{HVMD_IFACE_VM, "Kill", MANAGE},
	{HVMD_IFACE_VM, "Reset", MANAGE},
	{HVMD_IFACE_VM, "Pause", MANAGE},
	{HVMD_IFACE_VM, "Resume", MANAGE},
	{HVMD_IFACE_VM, "InjectNMI", INJECT},
	{HVMD_IFACE_VM, "DumpCore", DUMP},
	{HVMD_IFACE_VM, "ReadMemory", DUMP},
	{HVMD_IFACE_VM, "GetVCPUState", DUMP},
	{HVMD_IFACE_VM, "Undefine", DEFINE},
	{HVMD_IFACE_VM, "GetDefinition", INSPECT},
	{HVMD_IFACE_VM, "GetMemoryPlan", INSPECT},
	{HVMD_IFACE_VM, "GetLaunchRecord", INSPECT},
	{HVMD_IFACE_VM, "GetTelemetry", INSPECT},
	{HVMD_IFACE_VM, "OpenConsole", CONSOLE},
	{HVMD_IFACE_VM, "OpenConsoleLog", CONSOLE},
	{HVMD_IFACE_PARTITION, "Reset", MANAGE},
	{HVMD_IFACE_PARTITION, "Pause", MANAGE},
	{HVMD_IFACE_PARTITION, "Resume", MANAGE},
	{HVMD_IFACE_PARTITION, "LoadImage", MANAGE},
	{HVMD_IFACE_PARTITION, "GetTelemetry", INSPECT},
	{"org.freedesktop.DBus.Peer", NULL, EVERYBODY},
	{"org.freedesktop.DBus.Introspectable", NULL, EVERYBODY},
	{"org.freedesktop.DBus.ObjectManager", NULL, EVERYBODY},
	{"org.freedesktop.DBus.Properties", "Get", EVERYBODY},
	{"org.freedesktop.DBus.Properties", "GetAll", EVERYBODY},
	{"org.freedesktop.DBus.Properties", "Set", DEFINE}, /* Autostart, LogLevel */
};

const char *policy_action(const char *interface, const char *member)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (strcmp(rules[i].interface, interface) == 0 &&
			(!rules[i].member || strcmp(rules[i].member, member) == 0))
			return rules[i].action;
	return NULL;
}

/* A question at polkit, and the call that waits for it. */
struct check {
	struct check *next;   /* owned by the list */
	sd_bus_message *call; /* owned */
	sd_bus_slot *slot;    /* owned: the question; NULL when it is answered with yes */
	const char *action;
	uint32_t uid;
	/* borrowed */
	struct policy *policy;
};

struct policy {
	sd_bus *sd;            /* owned reference */
	sd_bus_slot *filter;   /* owned */
	struct check *checks;
	unsigned n_checks;
	bool asks;
	struct ratelimit limit;
};

static void check_remove(struct check *check)
{
	struct policy *policy = check->policy;

	for (struct check **p = &policy->checks; *p; p = &(*p)->next)
		if (*p == check) {
			*p = check->next;
			policy->n_checks--;
			break;
		}
	sd_bus_slot_unref(check->slot);
	sd_bus_message_unref(check->call);
	free(check);
}

static void log_decision(struct policy *policy, sd_bus_message *m, const char *action, uint32_t uid, const char *how)
{
	const struct log_about about = {.message_id = MESSAGE_DENIED};

	if (log_ratelimit(&policy->limit))
		log_line_about(&about, LOG_LEVEL_NOTICE, "%s.%s of user %u (%s) needs %s: %s", sd_bus_message_get_interface(m),
			sd_bus_message_get_member(m), uid, sd_bus_message_get_sender(m), action, how);
}

static void deny(struct policy *policy, sd_bus_message *m, const char *action, uint32_t uid, const char *how)
{
	log_decision(policy, m, action, uid, how);
	sd_bus_reply_method_errorf(m, SD_BUS_ERROR_ACCESS_DENIED, "%s.%s is denied: it needs the authorization %s, and %s",
		sd_bus_message_get_interface(m), sd_bus_message_get_member(m), action, how);
}

static void settle(struct check *check, const char *refusal)
{
	if (refusal) {
		deny(check->policy, check->call, check->action, check->uid, refusal);
		check_remove(check);
		return;
	}
	log_decision(check->policy, check->call, check->action, check->uid, "granted");
	check->slot = sd_bus_slot_unref(check->slot);
	if (sd_bus_enqueue_for_read(check->policy->sd, check->call) < 0) {
		deny(check->policy, check->call, check->action, check->uid, "memory is short");
		check_remove(check);
	}
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct check *check = userdata;
	int authorized = 0, challenge = 0, r;

	(void)error;
	if (sd_bus_message_is_method_error(reply, NULL)) {
		settle(check, sd_bus_message_is_method_error(reply, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
					sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ?
				"there is no polkit to ask" : "polkit did not answer");
		return 0;
	}
	r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
	if (r >= 0)
		r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
	if (r < 0)
		settle(check, "polkit gave an answer of another form");
	else if (authorized)
		settle(check, NULL);
	else if (challenge)
		settle(check, "a password would help, but there is nobody to ask for it");
	else
		settle(check, "polkit refuses it");
	return 0;
}

/* The VM that a call is about: in its path, or the first argument of the Manager's methods. "" when there is none. */
static char *vm_of(sd_bus_message *m)
{
	const char *path = sd_bus_message_get_path(m), *name = "";
	char *found = NULL, *role = NULL;

	if (sd_bus_path_decode_many(path, HVMD_VM_PREFIX "/%/partition/%", &found, &role) > 0) {
		free(role);
		return found;
	}
	if (sd_bus_path_decode(path, HVMD_VM_PREFIX, &found) > 0)
		return found;
	if (strcmp(sd_bus_message_get_interface(m), HVMD_IFACE_MANAGER) != 0 ||
		strcmp(sd_bus_message_get_member(m), "DefineVM") == 0 || sd_bus_message_read(m, "s", &name) < 0)
		name = "";
	sd_bus_message_rewind(m, 1);
	return strdup(name);
}

/* polkit(8), "CheckAuthorization": flag 1 lets it ask a person, where the caller has said that there is one. */
static int ask(struct check *check)
{
	_cleanup_free_ char *vm = vm_of(check->call);
	uint32_t interactive = sd_bus_message_get_allow_interactive_authorization(check->call) > 0;
	sd_bus_message *m = NULL;
	int r = vm ? 0 : -ENOMEM;

	if (r == 0)
		r = sd_bus_message_new_method_call(check->policy->sd, &m, "org.freedesktop.PolicyKit1",
			"/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
			sd_bus_message_get_sender(check->call), check->action, 2, "vm", vm, "verb",
			sd_bus_message_get_member(check->call), interactive, "");
	if (r >= 0)
		r = sd_bus_call_async(check->policy->sd, &check->slot, m, on_answer, check, CHECK_USEC);
	sd_bus_message_unref(m);
	return r;
}

static unsigned checks_of(const struct policy *policy, const char *sender)
{
	unsigned n = 0;

	for (const struct check *c = policy->checks; c; c = c->next)
		n += strcmp(sd_bus_message_get_sender(c->call), sender) == 0;
	return n;
}

static int begin_check(struct policy *policy, sd_bus_message *m, const char *action, uint32_t uid)
{
	struct check *check;
	int r;

	if (policy->n_checks >= CHECKS_MAX || checks_of(policy, sd_bus_message_get_sender(m)) >= CHECKS_OF_ONE_MAX) {
		sd_bus_reply_method_errorf(m, SD_BUS_ERROR_LIMITS_EXCEEDED,
			"too many calls wait for an authorization already; try again when these are answered");
		return 1;
	}
	check = malloc(sizeof(*check));
	if (!check)
		return -ENOMEM;
	*check = (struct check){
		.next = policy->checks, .call = sd_bus_message_ref(m), .action = action, .uid = uid, .policy = policy};
	policy->checks = check;
	policy->n_checks++;
	r = ask(check);
	if (r < 0)
		check_remove(check);
	return r < 0 ? r : 1;
}

/* The caller's user, as the bus says; -errno when the caller has gone. */
static int caller_uid(sd_bus_message *m, uint32_t *ret)
{
	sd_bus_creds *creds = NULL;
	uid_t uid;
	int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);

	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &uid);
	sd_bus_creds_unref(creds);
	if (r >= 0)
		*ret = uid;
	return r;
}

/* A call that has been granted comes by once more. */
static bool take_granted(struct policy *policy, sd_bus_message *m)
{
	for (struct check *c = policy->checks; c; c = c->next)
		if (c->call == m && !c->slot) {
			check_remove(c);
			return true;
		}
	return false;
}

/* 0: on to the object; 1: it has been answered, or will be. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct policy *policy = userdata;
	const char *interface = sd_bus_message_get_interface(m), *action;
	uint32_t uid;
	int r;

	(void)error;
	if (!sd_bus_message_is_method_call(m, NULL, NULL) || take_granted(policy, m))
		return 0;
	action = interface ? policy_action(interface, sd_bus_message_get_member(m)) : NULL;
	if (action && action[0] == '\0')
		return 0;
	r = caller_uid(m, &uid);
	if (r < 0) { /* who has gone does not mind */
		sd_bus_reply_method_errorf(m, SD_BUS_ERROR_FAILED, "hvmd cannot find out who calls: %s", strerror(-r));
		return 1;
	}
	if (uid == 0 || uid == geteuid())
		return 0;
	if (!action || !policy->asks) {
		deny(policy, m, action ? action : "of root", uid, action ? "this bus has no polkit" : "no rule is about it");
		return 1;
	}
	return begin_check(policy, m, action, uid);
}

int policy_new(sd_bus *sd, bool asks, struct policy **ret)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	int r;

	if (!policy)
		return -ENOMEM;
	*policy = (struct policy){
		.sd = sd_bus_ref(sd), .asks = asks, .limit = {.interval_usec = 10000000, .burst = 20}};
	r = sd_bus_add_filter(sd, &policy->filter, on_message, policy);
	if (r < 0)
		policy = policy_free(policy);
	*ret = policy;
	return r;
}

struct policy *policy_free(struct policy *policy)
{
	if (!policy)
		return NULL;
	while (policy->checks)
		check_remove(policy->checks);
	sd_bus_slot_unref(policy->filter);
	sd_bus_unref(policy->sd);
	free(policy);
	return NULL;
}
