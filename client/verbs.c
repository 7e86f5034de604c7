/*
 * verbs.c - see verbs.h
 *
 * Tour 100: A command such as `hvmctl start nautilus` begins here: a row of
 * this table names the verb, its options and the function that turns it into
 * D-Bus calls. Nothing in client/ decides anything about a VM.
 */
#include "client/verbs.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"
#include "client/options.h"

const char *const verb_group_names[] = {
	[GROUP_DEFINITIONS] = "Definitions",
	[GROUP_RUN_TIME] = "Run time",
	[GROUP_CONSOLE] = "Console",
	[GROUP_OBSERVE] = "Observe",
	[GROUP_DAEMON] = "Daemon",
};
static_assert(ARRAY_SIZE(verb_group_names) == N_VERB_GROUPS, "a group of verbs has no name");

const struct verb verb_table[] = {
	{
		.name = "list",
		.group = GROUP_DEFINITIONS,
		.arguments = "[PATTERN...]",
		.max_arguments = VERB_ARGUMENTS_ANY,
		.summary = "List VMs and how they are",
		.help = "Lists all VMs, or those whose name matches one of the shell patterns.",
		.run = verb_list,
	},
	{
		.name = "status",
		.group = GROUP_DEFINITIONS,
		.arguments = "[NAME...]",
		.max_arguments = VERB_ARGUMENTS_ANY,
		.summary = "Show how VMs are, why, and the end of their console",
		.help = "Shows the state of each VM with its reason, its partitions, its monitor's\n"
			"process, how it ended last, and the last 10 lines of its console.\n"
			"Without a name, shows all VMs. With names, exits with 3 when one of them\n"
			"neither runs nor is paused.",
		.run = verb_status,
	},
	{
		.name = "define",
		.group = GROUP_DEFINITIONS,
		.arguments = "FILE...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.options = OPTION_BIT(NAME) | OPTION_BIT(SET) | OPTION_BIT(WARN),
		.summary = "Store definitions and their images",
		.help = "Reads each XML file, opens the images it names (relative names start at\n"
			"the folder of the XML file) and gives both to hvmd, which keeps copies.\n"
			"Image containers of Palacios are taken as well. A VM whose file has no\n"
			"name for it is called like the file, without its extension.\n"
			"All files are checked before the first is given: when one is faulty,\n"
			"every fault is printed and nothing changes.",
		.run = verb_define,
	},
	{
		.name = "undefine",
		.group = GROUP_DEFINITIONS,
		.arguments = "NAME...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.summary = "Remove definitions",
		.help = "Removes the stored definition of each VM, and the copies of its images\n"
			"that no other VM uses. A VM that runs is refused.",
		.run = verb_undefine,
	},
	{
		.name = "validate",
		.group = GROUP_DEFINITIONS,
		.arguments = "FILE...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.options = OPTION_BIT(NAME) | OPTION_BIT(SET) | OPTION_BIT(WARN) | OPTION_BIT(MONITOR),
		.summary = "Check definitions and their images without hvmd",
		.help = "Prints every fault of each XML file with its line and element, and for each\n"
			"image what has been found in it, by which protocol it would be booted or\n"
			"why it cannot be, and whether there is a place for it in memory.\n"
			"Needs neither hvmd nor KVM.",
		.run = verb_validate,
	},
	{
		.name = "cat",
		.aliases = {"dumpxml"},
		.group = GROUP_DEFINITIONS,
		.arguments = "NAME",
		.min_arguments = 1,
		.max_arguments = 1,
		.options = OPTION_BIT(RUNNING),
		.summary = "Print the stored definition",
		.help = "Prints the definition in its canonical form: every default written out,\n"
			"images by their SHA-256. It can be given to define again. With --running\n"
			"prints the one that a VM was started with, where it has been replaced since.",
		.run = verb_cat,
	},
	{
		.name = "enable",
		.group = GROUP_DEFINITIONS,
		.arguments = "NAME...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.summary = "Have VMs started when hvmd is",
		.help = "From now on each VM is started whenever hvmd is. Starts nothing now.",
		.run = verb_enable,
	},
	{
		.name = "disable",
		.group = GROUP_DEFINITIONS,
		.arguments = "NAME...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.summary = "Have VMs no longer started when hvmd is",
		.help = "From now on each VM is started only when somebody asks. Stops nothing.",
		.run = verb_disable,
	},
	{
		.name = "verify",
		.group = GROUP_DEFINITIONS,
		.arguments = "[NAME...]",
		.max_arguments = VERB_ARGUMENTS_ANY,
		.summary = "Check the stored images of VMs",
		.help = "Has hvmd read every image of the VMs again and compare it with the SHA-256\n"
			"in the definition; prints those that are damaged or gone, and exits with 1\n"
			"when there are such. Without a name, checks those of all VMs.",
		.run = verb_verify,
	},
	{
		.name = "start",
		.group = GROUP_RUN_TIME,
		.arguments = "NAME...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.options = OPTION_BIT(APPEND) | OPTION_BIT(APPEND_ROS) | OPTION_BIT(APPEND_HRT) | OPTION_BIT(WAIT),
		.summary = "Start VMs",
		.help = "Starts each VM and returns when its cores run, or says why they do not.\n"
			"Adds to a command line where the definition has append=\"y\"; what is added\n"
			"holds until the VM stops.\n"
			"With --wait, returns when all of them have ended: with 0 when the guest\n"
			"turned itself off, what it wrote to a debug-exit port, 32 after a reset\n"
			"that was its last, 33 after a crash, 34 after a panic, 36 when it did not\n"
			"answer a watchdog, 40 when hvmd or the host failed, 1 when somebody else\n"
			"stopped it.",
		.run = verb_start,
	},
	{
		.name = "stop",
		.aliases = {"shutdown", "poweroff"},
		.group = GROUP_RUN_TIME,
		.arguments = "NAME...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.options = OPTION_BIT(TIMEOUT),
		.summary = "Stop VMs in good order",
		.help = "Asks each VM's monitor to stop its cores and go, and returns when it has\n"
			"gone. After --timeout (hvmd's own when not given) it is killed.",
		.run = verb_stop,
	},
	{
		.name = "terminate",
		.aliases = {"destroy"},
		.group = GROUP_RUN_TIME,
		.arguments = "NAME...",
		.min_arguments = 1,
		.max_arguments = VERB_ARGUMENTS_ANY,
		.summary = "Kill VMs at once",
		.help = "Kills each VM's monitor, and with it the guest. Definitions stay.",
		.run = verb_terminate,
	},
	{
		.name = "reset",
		.group = GROUP_RUN_TIME,
		.arguments = "NAME",
		.min_arguments = 1,
		.max_arguments = 1,
		.options = OPTION_BIT(ROS) | OPTION_BIT(HRT),
		.summary = "Boot a VM or one of its partitions again",
		.help = "Puts memory and cores back to how they were at the start and runs them.\n"
			"With --hrt or --ros the other partition runs on and notices nothing.",
		.run = verb_reset,
	},
	{
		.name = "load",
		.group = GROUP_RUN_TIME,
		.arguments = "NAME FILE",
		.min_arguments = 2,
		.max_arguments = 2,
		.options = OPTION_BIT(HRT),
		.summary = "Give a VM that runs another image (--hrt)",
		.help = "hvmctl load NAME --hrt FILE: the hybrid runtime boots this image from its\n"
			"next reset on, until the VM stops; the definition stays as it is. The image\n"
			"is looked at in full first, and one that cannot be booted changes nothing.",
		.run = verb_load,
	},
	{
		.name = "console",
		.group = GROUP_CONSOLE,
		.arguments = "NAME",
		.min_arguments = 1,
		.max_arguments = 1,
		.options = OPTION_BIT(ROS) | OPTION_BIT(HRT) | OPTION_BIT(FORCE) | OPTION_BIT(READ_ONLY),
		.summary = "Type into a VM's console and watch it",
		.help = "Prints the last 64 KiB of the console and then what comes, until the VM\n"
			"stops. That of a ROS takes what is typed; ^] leaves it. One person types,\n"
			"others watch: --read-only watches from the start, --force takes over. That\n"
			"of an HRT can only be watched; without --ros or --hrt it is the first that\n"
			"the VM has. Where nothing can be typed, control characters of the guest\n"
			"are shown on a terminal as \\xNN; into a pipe every byte passes as it is.",
		.run = verb_console,
	},
	{
		.name = "log",
		.group = GROUP_CONSOLE,
		.arguments = "NAME",
		.min_arguments = 1,
		.max_arguments = 1,
		.options = OPTION_BIT(ROS) | OPTION_BIT(HRT) | OPTION_BIT(FOLLOW) | OPTION_BIT(LINES),
		.summary = "Print what a VM's console has said",
		.help = "Prints the log of the console, which hvmd keeps whether or not anybody\n"
			"watches, also after the VM has stopped. With --follow goes on until the\n"
			"VM is inactive or failed. Control characters are treated as by console.",
		.run = verb_log,
	},
	{
		.name = "telemetry",
		.aliases = {"stats"},
		.group = GROUP_OBSERVE,
		.arguments = "[NAME...]",
		.max_arguments = VERB_ARGUMENTS_ANY,
		.options = OPTION_BIT(GROUP),
		.summary = "Show counters of VMs, partitions and cores",
		.help = "Shows counters and states by dotted keys: vm.*, partition.*, vcpu.N.*, and,\n"
			"only with --group=kvm because they are many, KVM's own as kvm.*. Reading\n"
			"them stops no core. Without a name, shows all VMs.",
		.run = verb_telemetry,
	},
	{
		.name = "plan",
		.group = GROUP_OBSERVE,
		.arguments = "FILE|NAME",
		.min_arguments = 1,
		.max_arguments = 1,
		.options = OPTION_BIT(SET) | OPTION_BIT(WARN) | OPTION_BIT(MONITOR),
		.summary = "Show where everything would stand in guest memory",
		.help = "Shows the guest physical memory plan that the next start would use, or why\n"
			"there is none; starts nothing. END is the first address behind a region.\n"
			"A word with a slash, or that ends in .xml or .pal, or that is the name of\n"
			"a file here, is a definition and needs no hvmd; other words are VMs.",
		.run = verb_plan,
	},
	{
		.name = "memmap",
		.group = GROUP_OBSERVE,
		.arguments = "NAME",
		.min_arguments = 1,
		.max_arguments = 1,
		.summary = "Show where everything stands in a running VM's memory",
		.help = "Shows the guest physical memory plan of a VM that runs, as plan does.",
		.run = verb_memmap,
	},
	{
		.name = "digest",
		.group = GROUP_OBSERVE,
		.arguments = "FILE|NAME",
		.min_arguments = 1,
		.max_arguments = 1,
		.options = OPTION_BIT(RUNNING) | OPTION_BIT(RECORD) | OPTION_BIT(MONITOR) | OPTION_BIT(SET) | OPTION_BIT(WARN),
		.summary = "Show the launch digest",
		.help = "Prints the SHA-384 of everything that the next start begins with: memory\n"
			"and registers. It is the same on every host. --running prints that of the\n"
			"VM that runs; --record the text that it is the digest of.",
		.run = verb_digest,
	},
	{
		.name = "capabilities",
		.group = GROUP_DAEMON,
		.arguments = "",
		.summary = "Show what this host and its hvmd can do",
		.help = "Shows what hvmd found out about itself, the host, and KVM.",
		.run = verb_capabilities,
	},
	{
		.name = "reload",
		.group = GROUP_DAEMON,
		.arguments = "",
		.summary = "Have hvmd read the stored definitions again",
		.help = "For changes that were made in hvmd's folder by hand. Prints each file that\n"
			"is faulty, and exits with 6 when there is one; what hvmd had of it stays.\n"
			"What runs is left alone.",
		.run = verb_reload,
	},
	{
		.name = "log-level",
		.group = GROUP_DAEMON,
		.arguments = "[LEVEL]",
		.max_arguments = 1,
		.summary = "Show or change what hvmd logs",
		.help = "Prints the least important kind of line that hvmd writes to its log, or\n"
			"changes it: err, warning, notice, info or debug. Holds until hvmd ends.",
		.run = verb_log_level,
	},
	{
		.name = "version",
		.group = GROUP_DAEMON,
		.arguments = "",
		.summary = "Show the versions of hvmctl and hvmd",
		.help = "Shows both versions; --version shows that of hvmctl and asks nobody.",
		.run = verb_version,
	},
	{
		.name = "help",
		.group = GROUP_DAEMON,
		.arguments = "[VERB]",
		.max_arguments = 1,
		.summary = "Show help, of all or of one verb",
		.help = "Without a verb lists all verbs and options.",
		.run = verb_help,
	},
};
const size_t n_verbs = ARRAY_SIZE(verb_table);

#define WORD_MAX 31u /* letters of a verb, or of what may be one */
#define LIKE_MIN 3u  /* of what may be like a verb, with a letter of difference */
#define LIKE_TWO 5u  /* with two: those that have changed places, for example */

static bool verb_is_called(const struct verb *verb, const char *word)
{
	if (strcmp(verb->name, word) == 0)
		return true;
	for (size_t i = 0; i < VERB_ALIASES_MAX; i++)
		if (verb->aliases[i] && strcmp(verb->aliases[i], word) == 0)
			return true;
	return false;
}

const struct verb *verb_find(const char *word)
{
	for (size_t i = 0; i < n_verbs; i++)
		if (verb_is_called(&verb_table[i], word))
			return &verb_table[i];
	return NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Letters that are put in, left out or changed between two words; a row of the usual table at a time. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], n = strlen(b);

	assert(n <= WORD_MAX);
	for (size_t i = 0; i <= n; i++)
		row[i] = i;
	for (; *a; a++) {
		size_t diagonal = row[0]++;

		for (size_t i = 1; i <= n; i++) {
			size_t changed = diagonal + (*a != b[i - 1]);

			diagonal = row[i];
			row[i] = least(changed, least(row[i], row[i - 1]) + 1);
		}
	}
	return row[n];
}

const struct verb *verb_like(const char *word)
{
	size_t n = strlen(word), nearest = n < LIKE_TWO ? 2 : 3;
	const struct verb *found = NULL;

	if (n < LIKE_MIN || n > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n_verbs; i++) {
		size_t d = distance(word, verb_table[i].name);

		if (d < nearest) {
			nearest = d;
			found = &verb_table[i];
		}
	}
	return found;
}
