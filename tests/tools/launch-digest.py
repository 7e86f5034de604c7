#!/usr/bin/env python3
"""launch-digest.py - the launch digest once more, by hvmd-digest(7) alone

    launch-digest.py PLAN.json RECORD FOLDER

PLAN.json is what `hvmctl plan --json` prints, RECORD what `hvmctl digest --record` does, of which the lines of the
cores are taken. FOLDER has the images, each called by its id; they are hashed here. Prints the digest.
"""
import hashlib
import json
import os
import sys


def digest_of_file(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def line_of(region, folder):
    words = ["region", hex(region["start"]), hex(region["size"]), region["access"], region["source"]]
    if region["source"] == "file":
        words += [hex(region["offset"]), hex(region["bytes"]), digest_of_file(folder, region["file"])]
    elif region["source"] == "generated":
        words.append(region["sha256"])
    return " ".join(words)


def main(plan, record, folder):
    with open(plan) as f:
        regions = json.load(f)
    with open(record) as f:
        cores = [line for line in f.read().splitlines() if line.startswith("core ")]
    for before, after in zip(regions, regions[1:]):
        assert before["end"] <= after["start"], "regions overlap"
    lines = ["hvmd launch record 1"] + [line_of(r, folder) for r in regions] + cores
    print(hashlib.sha384("".join(line + "\n" for line in lines).encode()).hexdigest())


main(*sys.argv[1:])
