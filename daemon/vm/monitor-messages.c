/*
 * monitor-messages.c - what a monitor says, taken apart and checked; abi/link.h has the layouts
 *
 * What it says may be anything: a value that does not exist breaks the protocol, and ends the monitor. What
 * one of another version says is read as far as all versions have it.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/log.h"
#include "link/link.h"
#include "vm/monitor-inside.h"

#define ERRNO_MAX_ 4095 /* the kernel's own bound for -errno */

/* A host forbids it to all alike: it is said once. */
static void warn_of_gaps(const char *cage)
{
	static bool said;

	if (said || strcmp(cage, "whole") == 0)
		return;
	said = true;
	log_warning("monitors have a cage %s: this host forbids them; see hvmd(8)", cage);
}

/* Whether a payload has been read to its end; a peer of another version may have more to say than we know. */
static bool is_whole(const struct monitor *m, const struct cursor *c)
{
	return cursor_ok(c) && (c->left == 0 || m->version != LINK_VERSION);
}

static const char *take_version(struct monitor *m, uint16_t version)
{
	if (m->greeted)
		return version == m->version ? NULL : "a message has another protocol version than its greeting";
	if (version != LINK_VERSION && !m->adopted)
		return "hvm-monitor is of another version of hvmd: restart hvmd";
	m->version = version;
	return NULL;
}

static const char *take_hello(struct monitor *m, struct cursor *c)
{
	_cleanup_free_ char *lacks = link_read_string(c);

	if (!is_whole(m, c))
		return "its greeting has another length";
	if (m->greeted)
		return "it greeted twice";
	m->greeted = true;
	snprintf(m->cage, sizeof(m->cage), "%s%s", lacks[0] ? "without " : "whole", lacks);
	warn_of_gaps(m->cage);
	return NULL;
}

static const char *take_state(struct monitor *m, struct cursor *c)
{
	uint8_t role = cursor_u8(c), state = cursor_u8(c), reason = cursor_u8(c);
	int32_t vcpu = (int32_t)cursor_u32(c);
	uint64_t address = cursor_u64(c);
	_cleanup_free_ char *details = link_read_string(c);
	struct monitor_news news;

	if (!is_whole(m, c))
		return "a partition's state has another length";
	if (role >= N_PARTITION_ROLES || state >= N_PARTITION_STATES || reason >= N_REASONS || vcpu < -1)
		return "a partition's state has a value that does not exist";
	news = (struct monitor_news){.role = role,
		.state = state,
		.reason = reason,
		.vcpu = vcpu,
		.address = address,
		.details = details};
	m->hooks->partition(m->userdata, &news);
	return NULL;
}

/* A short word; one that is too long is as good as none that could be read. */
static void take_word(struct cursor *c, char ret[8])
{
	_cleanup_free_ char *word = link_read_string(c);

	if (word && strlen(word) < 8)
		strcpy(ret, word);
	else
		c->overrun = true;
}

static const char *take_hrt(struct monitor *m, struct cursor *c)
{
	struct monitor_hrt hrt = {};

	hrt.flags = cursor_u64(c);
	hrt.gva_offset = cursor_u64(c);
	hrt.gva_entry = cursor_u64(c);
	hrt.comm_page = cursor_u64(c);
	hrt.vector = cursor_u32(c);
	take_word(c, hrt.hypercall);
	hrt.n_patched = cursor_u32(c);
	take_word(c, hrt.upcall);
	if (!cursor_ok(c) || c->left > 0)
		return "its description of the HRT has another length";
	m->hooks->hrt(m->userdata, &hrt);
	return NULL;
}

static const char *take_ros(struct monitor *m, struct cursor *c)
{
	_cleanup_free_ char *protocol = link_read_string(c);
	struct monitor_ros ros = {.entry = cursor_u64(c)};

	if (!cursor_ok(c) || c->left > 0)
		return "its description of the ROS has another length";
	if (strlen(protocol) >= sizeof(ros.protocol))
		return "its description of the ROS has a boot protocol that does not exist";
	strcpy(ros.protocol, protocol);
	m->hooks->ros(m->userdata, &ros);
	return NULL;
}

static const char *take_launch(struct monitor *m, struct cursor *c)
{
	const uint8_t *digest = cursor_bytes(c, LINK_DIGEST_SIZE);

	if (!digest || c->left > 0)
		return "its launch digest has another length";
	m->hooks->launch(m->userdata, digest);
	return NULL;
}

static const char *take_exit(struct monitor *m, struct cursor *c)
{
	int32_t status = (int32_t)cursor_u32(c);
	_cleanup_free_ char *details = link_read_string(c);

	if (!is_whole(m, c))
		return "its news of the guest's end has another length";
	m->hooks->exit(m->userdata, status, details);
	return NULL;
}

static const char *take_reset_done(struct monitor *m, struct cursor *c)
{
	uint8_t scope = cursor_u8(c);
	uint32_t first = cursor_u32(c), n = cursor_u32(c);

	if (!is_whole(m, c))
		return "its news of a reset has another length";
	if (scope > LINK_SCOPE_HRT)
		return "its news of a reset has a scope that does not exist";
	m->hooks->reset_done(m->userdata, (enum link_scope)scope, first, n);
	return NULL;
}

static const char *take_run(struct monitor *m, struct cursor *c)
{
	struct monitor_run run = {};
	const uint8_t *uuid = cursor_bytes(c, sizeof(run.uuid));

	if (uuid)
		memcpy(run.uuid, uuid, sizeof(run.uuid));
	run.started = cursor_u64(c);
	run.changed = cursor_u64(c);
	run.n_resets = cursor_u32(c);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		run.n_resets_of[role] = cursor_u32(c);
	if (!is_whole(m, c))
		return "its description of the run has another length";
	if (!m->adopted)
		return "it described a run that nobody asked about";
	return m->hooks->run(m->userdata, &run) ? NULL : "it runs another VM";
}

static const char *take_reply(struct monitor *m, uint32_t serial, struct cursor *c)
{
	int32_t error = (int32_t)cursor_u32(c);
	_cleanup_free_ char *sentence = link_read_string(c);
	struct error e = {};

	if (!cursor_ok(c))
		return "a reply is shorter than it says";
	if (error > 0 || error < -ERRNO_MAX_)
		return "a reply has an error number that does not exist";
	if (error < 0)
		error_set(&e, error, "%s", sentence);
	return monitor_take_answer(m, serial, error, error < 0 ? &e : NULL, c);
}

const char *monitor_take_message(struct monitor *m, struct link_message *message)
{
	struct cursor *c = &message->payload;
	uint16_t type = message->header.type;
	const char *wrong = take_version(m, message->header.version);

	if (wrong)
		return wrong;
	if (!m->greeted && type != LINK_HELLO)
		return "its first message is no greeting";
	if ((type == LINK_REPLY) != (message->header.serial != 0))
		return "a message has a serial that its type does not allow";
	switch (type) {
	case LINK_HELLO:
		return take_hello(m, c);
	case LINK_STATE:
		return take_state(m, c);
	case LINK_HRT:
		return m->version == LINK_VERSION ? take_hrt(m, c) : NULL;
	case LINK_ROS:
		return m->version == LINK_VERSION ? take_ros(m, c) : NULL;
	case LINK_RUN:
		return take_run(m, c);
	case LINK_LAUNCH:
		return m->version == LINK_VERSION ? take_launch(m, c) : NULL;
	case LINK_EXIT:
		return take_exit(m, c);
	case LINK_RESET_DONE:
		return take_reset_done(m, c);
	case LINK_REPLY:
		return take_reply(m, message->header.serial, c);
	default:
		return m->version == LINK_VERSION ? "a message has a type that does not exist" : NULL;
	}
}
