# collect-calls.awk - the cage's lists from the comments "cage(STAGES): CALLS" in the sources; see cage.h
#
# Prints a header. What may be done at run time may be done while building, too.

function fail(what)
{
	print FILENAME ":" FNR ": " what >"/dev/stderr"
	failed = 1
	exit 1
}

function take(stage, call)
{
	if (stage !~ /^(build|run|inspect)$/)
		fail("\"" stage "\" is no stage of the cage: build, run and inspect are")
	if (call !~ /^[A-Za-z0-9_]+$/)
		fail("\"" call "\" is not the name of a system call or of an ioctl's request")
	wanted[stage, call] = 1
	if (!(call in known)) {
		known[call] = 1
		names[++n_names] = call
	}
}

match($0, /cage\([a-z, ]+\): /) && !/^ \*\t/ {
	stages = substr($0, RSTART + 5, RLENGTH - 8)
	calls = substr($0, RSTART + RLENGTH)
	sub(/ *(\*\/| - ).*/, "", calls)
	n_stages = split(stages, stage, /, */)
	n_calls = split(calls, call, /, */)
	for (i = 1; i <= n_stages; i++)
		for (k = 1; k <= n_calls; k++)
			take(stage[i], call[k])
}

# KVM_RUN first: each exit of a guest passes the filter.
function order(call)
{
	return call == "KVM_RUN" || call == "ioctl" ? 0 : 1
}

function list(macro, stage, requests, i, first, line)
{
	line = "#define " macro "(X)"
	for (first = 0; first <= 1; first++)
		for (i = 1; i <= n_names; i++)
			if (order(names[i]) == first && requests == (names[i] ~ /^KVM_/) &&
			    ((stage, names[i]) in wanted || (stage == "build" && ("run", names[i]) in wanted)))
				line = line " \\\n\tX(" names[i] ")"
	print line "\n"
}

END {
	if (failed)
		exit 1
	print "/* cage-calls.h - made by collect-calls.awk from the comments in the sources */"
	print "#pragma once\n"
	list("CAGE_BUILD_CALLS", "build", 0)
	list("CAGE_BUILD_REQUESTS", "build", 1)
	list("CAGE_RUN_CALLS", "run", 0)
	list("CAGE_RUN_REQUESTS", "run", 1)
	list("CAGE_INSPECT_CALLS", "inspect", 0)
}
