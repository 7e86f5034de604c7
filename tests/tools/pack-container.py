#!/usr/bin/env python3
"""pack-container.py - an image container of Palacios, made a second time

Follows the text of the Palacios HVM specification, section 1.1, and shares
nothing with hvmd's own code. What v3_create -b and build_vm do to the definition,
giving each <file> its index, is left to the caller, so that tests can err there.

Usage: pack-container.py VERSION XML FILE... >CONTAINER
       pack-container.py hash FILE
"""
import struct
import sys


def container_hash(data):
    h = 0
    for i, byte in enumerate(data):
        h = (h << 4) + byte + i & 0xFFFFFFFFFFFFFFFF
        t = h & 0xF0000000
        if t:
            h ^= t >> 24
            h &= ~t
    return h


def pack(version, xml, files):
    head = b"v3vee\0\0" + bytes([version]) + struct.pack("<I", len(xml)) + xml + bytes(8)
    row = 16 if version == 0 else 24
    offset = len(head) + 8 + row * len(files) + 8
    table = struct.pack("<Q", len(files))
    for i, data in enumerate(files):
        table += struct.pack("<IIQ", i, len(data), offset)
        if version > 0:
            table += struct.pack("<Q", container_hash(data))
        offset += len(data)
    return head + table + bytes(8) + b"".join(files)


def read(path):
    with open(path, "rb") as f:
        return f.read()


if sys.argv[1] == "hash":
    print(f"0x{container_hash(read(sys.argv[2])):x}")
else:
    sys.stdout.buffer.write(pack(int(sys.argv[1]), read(sys.argv[2]), [read(p) for p in sys.argv[3:]]))
