#!/usr/bin/env python3
"""launch-digest.py - the launch digest once more, by hvmd-digest(7), hvmd-guest(7) and the Multiboot2 header alone

    launch-digest.py PLAN.json DEFINITION.xml

PLAN.json is what `hvmctl plan --json` prints: where everything stands, and the SHA-256 of what hvmd generates, which
layout.py recomputes. Images are hashed here, and registers follow from the definition, the plan and the image's HRT tag.
For a VM whose ROS is parked, with an HRT whose HRT tag names its entry. Prints the digest.
"""
import hashlib
import json
import os
import struct
import sys
import xml.etree.ElementTree as ElementTree

MULTIBOOT2_MAGIC, HRT_TAG, BOOT_MAGIC = 0xE85250D6, 0xF00D, 0x36D76289

REGISTERS = """rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags cr0 cr2 cr3 cr4 efer
               cs data tr ldt gdt idt""".split()
TUPLES = {"cs": 4, "data": 4, "tr": 4, "ldt": 4, "gdt": 2, "idt": 2}


class Definition:
    def __init__(self, path):
        vm = ElementTree.parse(path).getroot()
        self.folder = os.path.dirname(path)
        self.files = {file.get("id"): file.get("filename") for file in vm.iter("file")}
        self.cores = int(vm.find("cores").get("count"))
        self.first_hrt_core = int(vm.find("hvm/ros").get("cores"))
        self.hrt = vm.find("hvm/hrt").get("file_id")

    def read(self, file_id):
        with open(os.path.join(self.folder, self.files[file_id]), "rb") as f:
            return f.read()


def hrt_tag(image):
    """gva_offset and gva_entry."""
    at = next(o for o in range(0, 32768, 8) if struct.unpack_from("<I", image, o)[0] == MULTIBOOT2_MAGIC) + 16
    while True:
        kind, _, size = struct.unpack_from("<HHI", image, at)
        if kind == HRT_TAG:
            return struct.unpack_from("<QQ", image, at + 24)
        at += -(-size // 8) * 8


def registers(definition, regions):
    """Of each HRT core, as in hvm-guest-abi.h."""
    offset, entry = hrt_tag(definition.read(definition.hrt))
    at = {region["region"]: region["start"] for region in regions}
    n_cores = definition.cores - definition.first_hrt_core
    stack = next(r["size"] for r in regions if r["region"] == "stacks") // n_cores
    for n in range(n_cores):
        top = at["info block"] + offset - n * stack
        yield definition.first_hrt_core + n, {
            "rax": BOOT_MAGIC, "rbx": at["info block"] + offset, "rcx": definition.first_hrt_core + n, "rdx": n,
            "rsp": top - 16, "rbp": top - 8, "rip": entry, "rflags": 2, "cr0": 0x80010033, "cr3": at["page tables"],
            "cr4": 0xB0, "efer": 0xD00, "cs": (8, 0, 0xFFFFFFFF, 0xA09B), "data": (0x10, 0, 0xFFFFFFFF, 0xC093),
            "tr": (0x18, at["tss"] + offset, 0xFFF, 0x8B), "ldt": (0, 0, 0, 0x10000), "gdt": (at["gdt"] + offset, 0x27),
            "idt": (at["idt"] + offset, 0xFFF)}


def core_lines(definition, regions):
    last = {}
    for core, now in registers(definition, regions):
        words = ["core %d" % core]
        for name in REGISTERS:
            zero = (0,) * TUPLES[name] if name in TUPLES else 0
            value = now.get(name, zero)
            if value != last.get(name, zero):
                words.append(name + "=" + (":".join(map(hex, value)) if name in TUPLES else hex(value)))
        last = now
        yield " ".join(words)


def region_line(region, definition):
    words = ["region", hex(region["start"]), hex(region["size"]), region["access"], region["source"]]
    if region["source"] == "file":
        whole = hashlib.sha256(definition.read(region["file"])).hexdigest()
        words += [hex(region["offset"]), hex(region["bytes"]), whole]
    elif region["source"] == "generated":
        words.append(region["sha256"])
    return " ".join(words)


def main(plan, definition):
    definition = Definition(definition)
    with open(plan) as f:
        regions = json.load(f)
    for before, after in zip(regions, regions[1:]):
        assert before["end"] <= after["start"], "regions overlap"
    lines = ["hvmd launch record 1"] + [region_line(r, definition) for r in regions] + list(core_lines(definition, regions))
    print(hashlib.sha384("".join(line + "\n" for line in lines).encode()).hexdigest())


main(*sys.argv[1:])
