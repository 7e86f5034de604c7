#!/bin/sh
# lint-documents.sh - man pages and XML are well formed
set -eu
cd "$top_srcdir"
. tests/tools/tap.sh

# Warnings, not the lower "style" level: that one asks for the base system's own cross references.
page()
{
	mandoc -Tlint -Wwarning "$1"
}

for file in $(find man -name '*.[1-8]' | sort); do
	if have mandoc; then
		check "$file passes mandoc" page "$file"
	else
		skip "$file passes mandoc" "mandoc is not installed"
	fi
done
# Bad documents are test data on purpose and stand in tests/data.
for file in $(find schemas examples daemon -name '*.xml' -o -name '*.xsd' -o -name 'org.*.conf' -o -name 'org.*.policy' | sort); do
	if have xmllint; then
		check "$file is well-formed" xmllint --noout --nonet "$file"
	else
		skip "$file is well-formed" "xmllint is not installed"
	fi
done
# By itself, or by its type.
all_documented()
{
	n=$(xmllint --nonet --xpath 'count(//*[local-name()="element" or local-name()="attribute"]
		[not(*[local-name()="annotation"])]
		[not(@type = //*[local-name()="complexType"][*[local-name()="annotation"]]/@name)])' "$1")
	[ "$n" = 0 ] || echo "$n are not"
}

if have xmllint; then
	check "every element and attribute of schemas/hvm.xsd is documented" all_documented schemas/hvm.xsd
else
	skip "every element and attribute of schemas/hvm.xsd is documented" "xmllint is not installed"
fi
finish
