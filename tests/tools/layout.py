#!/usr/bin/env python3
"""layout.py - where the boot state stands, computed a second time

Recomputes the boot state of an HRT from the text of the Palacios HVM
specification, sections 2.1, 2.3, 2.4, 4 and 5, and hvmd's rules for memory
around the device hole, for a few hundred VMs; asks `plan-dump` about the same
VMs and compares every address, every region, and the bytes of every structure.
It shares nothing with hvmd's own code, the names of the answers aside.

Usage: layout.py PLAN-DUMP VERSION
Prints TAP: one test for each memory size.
"""
import array
import hashlib
import struct
import subprocess
import sys

PG = 4096
MIB = 1 << 20
GIB = 1 << 30
TOP = 0xFFFF800000000000
HOLE, HOLE_END = 0xFEC00000, 4 * GIB
MAP_4KB, MAP_2MB, MAP_1GB = 0x100, 0x200, 0x400

MEMORIES = [64, 65, 128, 256, 1024, 4076, 4077, 4096, 8192]  # MiB
ROS_MEMORIES = [1, 32, 256]
ROS_CORES = 2
HRT_CORES = [1, 2, 8]
STACK = 4096
CMDLINE = b"layout"
CPU_KHZ = 2300000


def ceil(a, b):
    return -(-a // b)


class Layout:
    """Section 2.1, for one VM. `refused` says why there is none."""

    def __init__(self, memory, ros, flags, wanted, off, cores, identity):
        self.memory, self.ros, self.flags, self.off, self.cores = memory, ros, flags, off, cores
        self.identity = identity
        self.refused = None
        self.split = memory > HOLE
        self.end = memory if not self.split else HOLE_END + (memory - HOLE)
        granule = {MAP_4KB: 4096, MAP_2MB: 2 * MIB, MAP_1GB: GIB}[flags]
        self.map = ceil(max(wanted, 4 * GIB), granule) * granule
        self.comm = self.map - PG if self.map > HOLE_END else HOLE - PG
        self.image, self.image_size = ros, 3 * PG + 1
        self.n_pdpt = ceil(ceil(self.map, GIB), 512)
        self.n_pd = ceil(ceil(self.map, 2 * MIB), 512) if flags != MAP_1GB else 0
        self.n_pt = ceil(ceil(self.map, 4096), 512) if flags == MAP_4KB else 0
        self.pages = 1 + self.n_pdpt + self.n_pd + self.n_pt
        self.handler = self.end - PG
        self.idt = self.end - 2 * PG
        self.gdt = self.end - 3 * PG
        self.tss = self.end - 4 * PG
        self.pt = self.end - (4 + self.pages) * PG
        self.mbi = self.pt - PG
        self.stacks = self.mbi - cores * STACK
        if self.end > self.map:
            self.refused = "map"
        elif self.comm < self.end:
            self.refused = "comm page"
        elif self.stacks < (HOLE_END if self.split else ros):
            self.refused = "boot state"
        elif not self.split and self.image + self.image_size > self.stacks:
            self.refused = "image"

    def question(self, want_bytes):
        return (self.memory, self.ros, self.flags, self.map, self.off, ROS_CORES, self.cores, STACK, self.comm,
                self.image, self.image_size, int(self.identity), int(want_bytes))

    # --- Addresses

    def regions(self):
        fixed = [
            ("ros memory", 0, self.ros, "both"),
            ("image 0", self.image, self.image + self.image_size, "hrt"),
            ("stacks", self.stacks, self.mbi, "hrt"),
            ("info block", self.mbi, self.pt, "hrt"),
            ("page tables", self.pt, self.tss, "hrt"),
            ("tss", self.tss, self.gdt, "hrt"),
            ("gdt", self.gdt, self.idt, "hrt"),
            ("idt", self.idt, self.handler, "hrt"),
            ("null handler", self.handler, self.end, "hrt"),
            ("device hole", HOLE, HOLE_END, "device"),
            ("comm page", self.comm, self.comm + PG, "both"),
        ]
        fixed.sort(key=lambda region: region[1])
        out, at = [], 0
        for name, start, end, access in fixed:
            ram_until = min(start, HOLE if at < HOLE and self.split else self.end)
            if at < ram_until and at < self.end:
                out.append(("hrt memory", at, ram_until, "hrt"))
            out.append((name, start, end, access))
            at = end
        return out

    def answers(self):
        lines = [("end", self.end), ("handler", self.handler), ("idt", self.idt), ("gdt", self.gdt),
                 ("tss", self.tss), ("page_tables", self.pt), ("page_table_pages", self.pages), ("info", self.mbi),
                 ("stacks", self.stacks), ("map", self.map)]
        out = ["%s %d" % line for line in lines]
        out += ["region %s %d %d %s" % (name, start, end - start, access)
                for name, start, end, access in self.regions()]
        for n in range(self.cores):
            top = self.gva(self.mbi - n * STACK)
            registers = [("rbx", self.gva(self.mbi)), ("rcx", ROS_CORES + n), ("rdx", n), ("rsp", top - 16),
                         ("rbp", top - 8), ("cr3", self.pt), ("gdt", self.gva(self.gdt)),
                         ("idt", self.gva(self.idt)), ("tr", self.gva(self.tss))]
            out += ["core%d.%s %d" % (n, name, value) for name, value in registers]
        return out

    def gva(self, gpa):
        return (gpa + self.off) % (1 << 64)

    # --- Bytes

    def tables(self):
        """Section 2.4."""
        pdpt = self.pt + PG
        pd = pdpt + PG * self.n_pdpt
        pts = pd + PG * self.n_pd
        i0 = 0 if self.off == 0 else 256
        out = array.array("Q", bytes(PG))
        for i in range(self.n_pdpt):
            out[i0 + i] = (pdpt + i * PG) | 3
            if self.identity:
                out[i] = (pdpt + i * PG) | 3
        if self.flags == MAP_1GB:
            return out + self.level(self.n_pdpt, range(0x83, self.map, GIB))
        out += self.level(self.n_pdpt, range(pd | 3, (pd | 3) + self.n_pd * PG, PG))
        if self.flags == MAP_2MB:
            return out + self.level(self.n_pd, range(0x83, self.map, 2 * MIB))
        out += self.level(self.n_pd, range(pts | 3, (pts | 3) + self.n_pt * PG, PG))
        return out + self.level(self.n_pt, range(3, self.map, PG))

    @staticmethod
    def level(pages, entries):
        out = array.array("Q", entries)
        return out + array.array("Q", bytes(pages * PG - len(out) * 8))

    def descriptors(self):
        """Section 2.3.3: null, code, data, and the 16 bytes of an available 64-bit TSS of 4096 bytes."""
        base = self.gva(self.tss)
        tss = struct.pack("<HHBBBBII", 0xFFF, base & 0xFFFF, base >> 16 & 0xFF, 0x89, 0, base >> 24 & 0xFF,
                          base >> 32, 0)
        return page(struct.pack("<QQQ", 0, 0x00AF9A000000FFFF, 0x00AF92000000FFFF) + tss)

    def gates(self, stubs):
        """Section 2.3.2."""
        out = b""
        for vector in range(256):
            h = self.gva(self.handler + stubs[vector])
            out += struct.pack("<HHBBHII", h & 0xFFFF, 8, 0, 0x8F if vector < 32 else 0x8E, h >> 16 & 0xFFFF,
                               h >> 32, 0)
        return out

    def stack_bytes(self):
        """Section 4.2."""
        return (bytes(STACK - 16) + b"\xFF" * 16) * self.cores

    def memory_map(self):
        """Section 5.3, with the boot state and the device hole reserved."""
        low = [(0, 0xA0000, 1), (0xA0000, 0x100000, 2)]
        if self.split:
            high = [(0x100000, HOLE, 1), (HOLE, HOLE_END, 2), (HOLE_END, self.stacks, 1), (self.stacks, self.end, 2)]
        else:
            high = [(0x100000, self.stacks, 1), (self.stacks, self.end, 2), (HOLE, HOLE_END, 2)]
        return [entry for entry in low + high if entry[0] < entry[1]]

    def information(self, version):
        """Sections 5.3 and 5.4."""
        hrt = struct.pack("<IIIIIIQQQQQQQB7x", 0xF00DF00D, 88, ROS_CORES + self.cores, ROS_CORES, 0, 0, CPU_KHZ,
                          self.flags, self.map, self.ros, self.mbi, self.off, self.comm, 255)
        entries = b"".join(struct.pack("<QQII", start, end - start, kind, int(kind == 2))
                           for start, end, kind in self.memory_map())
        tags = [hrt, text_tag(1, CMDLINE), text_tag(2, b"hvmd " + version),
                struct.pack("<IIII", 4, 16, 640, (min(self.end, HOLE) - MIB) // 1024),
                struct.pack("<IIII", 6, 16 + len(entries), 24, 0) + entries, struct.pack("<II", 0, 8)]
        body = b"".join(tag + bytes(-len(tag) % 8) for tag in tags)
        return page(struct.pack("<II", 8 + len(body), 0) + body)

    def digests(self, version):
        stubs, handler = null_handler()
        parts = [("stacks", self.stack_bytes()), ("info block", self.information(version)),
                 ("page tables", self.tables().tobytes()), ("tss", bytes(PG)), ("gdt", self.descriptors()),
                 ("idt", self.gates(stubs)), ("null handler", handler)]
        return ["sha256(%s) %s" % (name, hashlib.sha256(data).hexdigest()) for name, data in parts]


def page(data):
    assert len(data) <= PG
    return data + bytes(PG - len(data))


def text_tag(kind, text):
    return struct.pack("<II", kind, 8 + len(text) + 1) + text + b"\0"


def null_handler():
    """A stub for each vector pushes it and jumps behind the last stub; hypercall 0xEE there, then halt."""
    stubs = [10 * vector for vector in range(256)]
    code = b"".join(b"\x68" + struct.pack("<I", v) + b"\xE9" + struct.pack("<i", 2560 - 10 * (v + 1))
                    for v in range(256))
    code += b"\x50\x53\x51"
    code += b"\xB8" + struct.pack("<I", 0xF00D) + b"\x48\xBB" + b"\x64" * 8 + b"\xB9" + struct.pack("<I", 0xEE)
    code += b"\xE7\xE5" + b"\xFA\xF4\xEB\xFC"
    return stubs, page(code)


def cases(memory):
    """Every combination; the bytes, which cost time, once for each set of tables."""
    end = memory * MIB if memory * MIB <= HOLE else HOLE_END + memory * MIB - HOLE
    for flags in (MAP_4KB, MAP_2MB, MAP_1GB):
        for off, identity in ((0, False), (0, True), (TOP, False), (TOP, True)):
            seen = False
            for ros in ROS_MEMORIES:
                for cores in HRT_CORES:
                    if ros >= memory:
                        continue  # no definition says that
                    for wanted in (4 * GIB, max(end + PG, 8 * GIB)):
                        layout = Layout(memory * MIB, ros * MIB, flags, wanted, off, cores, identity)
                        want_bytes = not seen and not layout.refused and wanted != 4 * GIB
                        seen = seen or want_bytes
                        yield layout, want_bytes


def ask(dump, layout, want_bytes):
    dump.stdin.write(" ".join(map(str, layout.question(want_bytes))) + "\n")
    dump.stdin.flush()
    lines = []
    for line in dump.stdout:
        if line == "\n":
            return lines
        lines.append(line.rstrip("\n"))
    raise EOFError("plan-dump ended")


def differences(dump, layout, want_bytes, version):
    said = ask(dump, layout, want_bytes)
    if layout.refused:
        expected = {"map": "the image asks for a map of", "comm page": "the image wants its comm page",
                    "boot state": "the boot state needs", "image": "image 0 ["}[layout.refused]
        if len(said) == 1 and said[0].startswith("refused " + expected):
            return []
        return ["not refused for its %s: %s" % (layout.refused, said[0])]
    expected = layout.answers() + (layout.digests(version) if want_bytes else [])
    if said == expected:
        return []
    return ["hvmd says %s" % line for line in said if line not in expected] + \
        ["should be %s" % line for line in expected if line not in said]


def main():
    dump = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    version = sys.argv[2].encode()
    print("1..%d" % len(MEMORIES))
    for number, memory in enumerate(MEMORIES, 1):
        planned = refused = with_bytes = 0
        faults = []
        for layout, want_bytes in cases(memory):
            found = differences(dump, layout, want_bytes, version)
            if found:
                faults += ["VM %s:" % (layout.question(want_bytes),)] + found
            refused += layout.refused is not None
            planned += layout.refused is None
            with_bytes += want_bytes
        good = not faults and planned > 0 and with_bytes > 0
        print("%s %d - %d MiB: %d layouts as computed independently, %d refused, the bytes of %d compared" %
              ("ok" if good else "not ok", number, memory, planned, refused, with_bytes))
        for fault in faults[:40]:
            print("# " + fault)
    dump.stdin.close()
    return dump.wait()


if __name__ == "__main__":
    sys.exit(main())
