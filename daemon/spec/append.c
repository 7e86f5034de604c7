/* append.c - see append.h */
#include "spec/append.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "spec/spec.h"

static bool may_append(const struct vm_spec *spec, enum partition_role role)
{
	return role == PARTITION_HRT ? spec->hybrid && spec->hrt_append : spec->ros_append;
}

int spec_append_target(const struct vm_spec *spec, enum partition_role *ret, struct error *e)
{
	bool ros = may_append(spec, PARTITION_ROS), hrt = may_append(spec, PARTITION_HRT);

	if (ros && hrt)
		return error_set(e, -EOPNOTSUPP, "VM %s: the command lines of both ros and hrt may be added to; say which",
			spec->name);
	if (!ros && !hrt)
		return error_set(e, -EOPNOTSUPP,
			"VM %s: its definition lets nobody add to a command line; append=\"y\" at ros or hrt would", spec->name);
	*ret = ros ? PARTITION_ROS : PARTITION_HRT;
	return 0;
}

static const char *cmdline_of(const struct vm_spec *spec, enum partition_role role)
{
	const char *cmdline = role == PARTITION_HRT ? spec->hrt_cmdline : spec->ros_cmdline;

	return cmdline ? cmdline : "";
}

static int join(const char *cmdline, const char *text, char **ret, struct error *e)
{
	const char *blank = cmdline[0] && text[0] ? " " : "";

	if (!cmdline[0] && !text[0]) {
		*ret = NULL;
		return 0;
	}
	if (asprintf(ret, "%s%s%s", cmdline, blank, text) < 0)
		return error_set_errno(e, -ENOMEM, "adding to a command line");
	return 0;
}

int spec_append(const struct vm_spec *spec, enum partition_role role, const char *text, char **ret, struct error *e)
{
	const char *partition = partition_role_to_string(role), *cmdline = cmdline_of(spec, role);

	if (text[0] && !may_append(spec, role))
		return error_set(e, -EOPNOTSUPP,
			"VM %s: its definition lets nobody add to the command line of %s; append=\"y\" there would", spec->name,
			partition);
	if (!spec_text_valid(text))
		return error_set(e, -EINVAL, "VM %s: what is to be added to the command line of %s holds a control character; "
			"write it in one line", spec->name, partition);
	if (text[0] && strlen(cmdline) + 1 + strlen(text) > SPEC_CMDLINE_MAX)
		return error_set(e, -EINVAL, "VM %s: the command line of %s has %zu bytes, and %zu more do not fit into %d",
			spec->name, partition, strlen(cmdline), strlen(text), SPEC_CMDLINE_MAX);
	return join(cmdline, text, ret, e);
}
