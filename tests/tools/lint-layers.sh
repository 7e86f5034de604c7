#!/bin/sh
# lint-layers.sh - holds every #include, and the linked programs, to layers.txt
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

layers=tests/tools/layers.txt
sources=$(find daemon client examples -name '*.[chS]' | sort)

# ours LAYER: each #include "..." in that layer's files which layers.txt does not allow.
ours()
{
	awk -v layer="$1" '
		function layer_of(file, part) {
			split(file, part, "/")
			if (part[1] != "daemon") return part[1]
			return part[2] ~ /\./ ? "main" : part[2]
		}
		FILENAME ~ /layers\.txt$/ {
			if ($1 == layer ":") for (i = 2; i <= NF; i++) allowed[$i]
			next
		}
		layer_of(FILENAME) != layer { nextfile }
		/^[ \t]*#[ \t]*include[ \t]*"/ {
			split($0, quoted, "\"")
			target = quoted[2] == "hvm-guest-abi.h" ? "schemas" : quoted[2]
			if (!sub(/\/.*/, "", target) && target != "schemas") target = layer
			if (target != layer && !(target in allowed))
				print FILENAME ":" FNR ": " layer " may not include \"" quoted[2] "\""
		}' "$layers" $sources
}

# library PREFIX PLACES...: each #include of it elsewhere.
library()
{
	prefix=$1
	shift
	grep -nF "#include $prefix" $sources | while IFS=: read -r file line rest; do
		for place; do
			case $file in "$place" | "$place"/*) continue 2 ;; esac
		done
		echo "$file:$line: $rest belongs in $*"
	done
}

# unlinked PROGRAM LIBRARIES...: each of them that the program needs at run time.
unlinked()
{
	program=$1
	shift
	[ -x "$top_builddir/$program" ] || { echo "there is no $program in $top_builddir"; return; }
	needed=$(LC_ALL=C readelf -d "$top_builddir/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	for name; do
		case $needed in *"$name"*) echo "$program is linked with $name" ;; esac
	done
}

# Layers that have sources; daemon/main.c is one of its own.
layers_in_use=$(printf '%s\n' $sources | sed 's,^daemon/[^/]*\.[ch]$,main,; s,^daemon/,,; s,/.*,,' | sort -u)
unlisted()
{
	for layer in $layers_in_use; do
		grep -q "^$layer:" "$layers" || echo "the folder $layer is not in $layers"
	done
}

check "every folder is a layer in layers.txt" unlisted
for layer in $layers_in_use; do
	check "$layer includes only what layers.txt allows" ours "$layer"
done
while read -r prefix places; do
	check "${prefix#<} is included in $places only" library "$prefix" $places
done <<END
$(grep '^<' "$layers")
END
while read -r program libraries; do
	check "${program#!} is linked without $libraries" unlinked "${program#!}" $libraries
done <<END
$(grep '^!' "$layers")
END
finish
