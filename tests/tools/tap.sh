# tap.sh - the few lines that shell tests share; source it, it runs nothing
#
#	check "the sentence" command args...	passes when the command succeeds and prints nothing
#	skip "the sentence" "what is missing"
#	finish					prints the plan; the last line of the test
#
# What the command printed stands behind the failed test as a comment.

tap_count=0

# LeakSanitizer, in an inspector that is killed while it ends: it has answered, and nobody waits for it (client/inspect.c)
tap_noise='^==[0-9]*==Unable to get registers from thread [0-9]*\.$'

check()
{
	tap_count=$((tap_count + 1))
	tap_name=$1
	shift
	tap_passed=false
	! tap_said=$("$@" 2>&1) || tap_passed=true
	tap_said=$(printf '%s\n' "$tap_said" | sed "/$tap_noise/d")
	if $tap_passed && [ -z "$tap_said" ]; then
		echo "ok $tap_count - $tap_name"
	else
		echo "not ok $tap_count - $tap_name"
		printf '%s\n' "$tap_said" | sed 's/^/# /'
	fi
}

skip()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

finish()
{
	echo "1..$tap_count"
}

have()
{
	command -v "$1" >/dev/null 2>&1
}
