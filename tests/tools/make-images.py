#!/usr/bin/env python3
"""make-images.py - bad HRT images, one fault each, and the sentence that has to be said of it

Each is a good image of 1 KiB with one thing changed. The build calls it for the
tests, which read NAME.elf, and what is said of it in NAME.txt:

    tests/tools/make-images.py FOLDER
"""
import struct
import sys

HIGH = 0xFFFF800000000000
GPA = 32 << 20
SIZE, OFFSET, BSS = 0x400, 0x200, 0x1000


class Image:
    """A good one: ELF64, a Multiboot2 header with the HRT tag, one segment at 32 MiB, loaded by its program header."""

    def __init__(self, **changes):
        self.elf_class, self.elf_data, self.machine, self.type = 2, 1, 62, 2
        self.entry, self.flags, self.offset_gva = HIGH + GPA + 0x10, 0x200, HIGH
        self.segments = [self.segment()]
        self.phnum = None
        self.shoff, self.shnum, self.shstrndx = 0, 0, 0
        self.requests, self.size, self.tags, self.checksum, self.arch = [], SIZE, b"", 0, 0
        self.patches = []
        for name, value in changes.items():
            setattr(self, name, value)

    @staticmethod
    def segment(kind=1, flags=5, offset=OFFSET, vaddr=HIGH + GPA, paddr=GPA, filesz=SIZE - OFFSET,
                memsz=SIZE - OFFSET + BSS, align=8):
        return struct.pack("<IIQQQQQQ", kind, flags, offset, vaddr, paddr, filesz, memsz, align)

    def header(self):
        hrt = struct.pack("<HHIQQQQQQ", 0xF00D, 1, 56, self.flags, 8 << 30, self.offset_gva, 0, (8 << 30) - 4096, 255)
        requests = struct.pack("<HHI", 1, 0, 8 + 4 * len(self.requests)) + \
            b"".join(struct.pack("<I", r) for r in self.requests) if self.requests else b""
        tags = self.tags + hrt + requests + bytes(-len(requests) % 8) + struct.pack("<HHI", 0, 0, 8)
        length = 16 + len(tags)
        checksum = (self.checksum - (0xE85250D6 + self.arch + length)) % (1 << 32)
        return struct.pack("<IIII", 0xE85250D6, self.arch, length, checksum) + tags

    def build(self):
        phnum = len(self.segments) if self.phnum is None else self.phnum
        out = b"\x7fELF" + bytes([self.elf_class, self.elf_data, 1]) + bytes(9)
        out += struct.pack("<HHIQQQIHHHHHH", self.type, self.machine, 1, self.entry, 64, self.shoff, 0, 64, 56, phnum, 64,
                           self.shnum, self.shstrndx)
        out += b"".join(self.segments)
        out += bytes(0x180 - len(out)) + self.header()
        out += bytes((self.size if self.size > len(out) else len(out)) - len(out))
        out = bytearray(out)
        for offset, data in self.patches:
            out[offset:offset + len(data)] = data
        return bytes(out[:self.size])


seg = Image.segment


def tag(kind, *words, flags=0, size=None):
    """A header tag, padded to a multiple of 8."""
    out = struct.pack("<HHI", kind, flags, 8 + 4 * len(words) if size is None else size)
    out += b"".join(struct.pack("<I", word) for word in words)
    return out + bytes(-len(out) % 8)


def pie(**changes):
    """A static PIE, linked from 0x1000 on: its dynamic section and one relocation."""
    dynamic = struct.pack("<10Q", 7, 0x1000 + 0x180, 8, 24, 9, 24, 0x6FFFFFF9, 1, 0, 0)
    image = Image(type=3, entry=0x1010, flags=0x201,
                  segments=[seg(vaddr=0x1000, paddr=0x1000, align=4096), seg(kind=2, offset=0x300, filesz=80, memsz=80)],
                  patches=[(0x300, dynamic), (0x380, struct.pack("<QQQ", 0x1020, 8, 0x1000))])
    for name, value in changes.items():
        setattr(image, name, value)
    return image


TAKEN = ""  # nothing is wrong with it

IMAGES = [
    ("good", Image(), TAKEN),
    ("good-relocatable", pie(), TAKEN),
    ("writable-and-executable", Image(segments=[seg(flags=7)]), TAKEN),
    ("truncated-header", Image(size=63),
     "the file has 63 bytes; an ELF64 header alone has 64"),
    ("truncated-program-headers", Image(phnum=20),
     "20 program headers at offset 0x40 do not lie within the file of 0x400 bytes"),
    ("truncated-segment", Image(size=SIZE - 1),
     "program header 0 wants 0x200 bytes at offset 0x200; the file has only 0x3ff bytes"),
    ("wrong-magic", Image(patches=[(1, b"elf")]),
     "the file begins with 7f 65 6c 66; an HRT is an ELF file and begins with 7f 45 4c 46"),
    ("wrong-class", Image(elf_class=1),
     "ELF class (byte 4) is 1; an HRT is ELF64, class 2"),
    ("wrong-encoding", Image(elf_data=2),
     "ELF data encoding (byte 5) is 2; an HRT is little endian, 1"),
    ("wrong-machine", Image(machine=183),
     "ELF machine (e_machine) is 183; hvmd runs x86-64, 62"),
    ("wrong-type", Image(type=1),
     "ELF type (e_type) is 1; an HRT is an executable, 2"),
    ("overlapping", Image(segments=[seg(), seg(paddr=GPA + 0x11FF, filesz=0, memsz=16)]),
     "two segments of the ELF file overlap in memory: [0x2000000, 0x2001200) and [0x20011ff, 0x200120f)"),
    ("overflowing-offset", Image(segments=[seg(offset=(1 << 64) - 16)]),
     "program header 0 wants 0x200 bytes at offset 0xfffffffffffffff0; the file has only 0x400 bytes"),
    ("overflowing-memory", Image(segments=[seg(memsz=(1 << 64) - 1)]),
     "program header 0: its 0xffffffffffffffff bytes do not lie in the HRT's memory [0x2000000, "
     "0x4000000), neither by p_paddr 0x2000000 nor by p_vaddr 0xffff800002000000 less gva_offset "
     "0xffff800000000000"),
    ("huge", Image(segments=[seg(memsz=1 << 40)]),
     "program header 0: its 0x10000000000 bytes do not lie in the HRT's memory [0x2000000, 0x4000000), "
     "neither by p_paddr 0x2000000 nor by p_vaddr 0xffff800002000000 less gva_offset 0xffff800000000000"),
    ("more-in-file-than-in-memory", Image(segments=[seg(memsz=0x1FF)]),
     "program header 0 has 0x200 bytes in the file (p_filesz) and only 0x1ff in memory (p_memsz)"),
    ("outside-the-partition", Image(segments=[seg(paddr=0x1000, vaddr=HIGH + 0x1000)]),
     "program header 0: its 0x1200 bytes do not lie in the HRT's memory [0x2000000, 0x4000000), neither by "
     "p_paddr 0x1000 nor by p_vaddr 0xffff800000001000 less gva_offset 0xffff800000000000"),
    ("nothing-to-load", Image(segments=[seg(kind=4)]),
     "nothing to load: the Multiboot2 header has no address tag and the ELF file no segment (PT_LOAD)"),
    ("entry-outside", Image(entry=HIGH + GPA - 1),
     "entry point 0xffff800001ffffff (e_entry of the ELF header) less gva_offset 0xffff800000000000 lies "
     "in no segment's bytes of the file; the first is [0x2000000, 0x2000200)"),
    ("sections-without-a-count", Image(shoff=OFFSET),
     "the ELF header has a section table (e_shoff 0x200) of 0 sections (e_shnum); at least 1 would be "
     "right"),
    ("sections-outside", Image(requests=[9], shoff=SIZE - 64, shnum=2, shstrndx=1),
     "2 section headers at offset 0x3c0 do not lie within the file of 0x400 bytes"),
    ("section-outside", Image(requests=[9], shoff=0x300, shnum=2, shstrndx=1, patches=[
        (0x340, struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, SIZE - 4, 5, 0, 0, 1, 0))]),
     "section 1 wants 0x5 bytes at offset 0x3fc; the file has only 0x400 bytes"),
    ("good-all-tags", Image(tags=tag(1, 1, 2, 3, 4, 6, 9) + tag(1, 8, 99, flags=1) + tag(4, 3) + tag(5, 80, 25, 0) + tag(6) +
        tag(7, flags=1) + tag(8, 1, flags=1) + tag(9, 1, flags=1) + tag(0x777, 5, flags=1)), TAKEN),
    ("good-placed-high", pie(tags=tag(10, 0x1000, 0xFFFFFFFF, 0x200000, 2)), TAKEN),
    ("header-checksum", Image(checksum=1),
     "no Multiboot2 header: what looks like one at 0x180 has checksum 0x17adaedb where 0x17adaeda would be "
     "right"),
    ("header-architecture", Image(arch=4),
     "no Multiboot2 header: what looks like one at 0x180 is for architecture 4; 0 (i386) would be right"),
    ("header-beyond-its-place", Image(tags=tag(0x777, flags=1, size=32) + bytes(24), patches=[(0x188, struct.pack("<II", 0x8000, (
        -(0xE85250D6 + 0x8000)) % (1 << 32)))]),
     "no Multiboot2 header: what looks like one at 0x180 has length 32768 and does not end within the "
     "first 1024 bytes"),
    ("tag-of-no-size", Image(tags=tag(6, size=0)),
     "Multiboot2 header tag of type 6 at 0x190: size is 0; a tag has at least 8 bytes"),
    ("tag-of-a-wrong-size", Image(tags=tag(4, 1, 2)),
     "Multiboot2 console flags tag at 0x190: size is 16; 12 would be right"),
    ("tag-request-of-a-wrong-size", Image(tags=tag(1, 4, size=11)),
     "Multiboot2 information request tag at 0x190: size is 11; 8 and 4 for each request would be right"),
    ("tag-larger-than-the-header", Image(tags=tag(6, size=4096)),
     "Multiboot2 header tag of type 6 at 0x190: size is 4096; only 72 bytes of the header are left"),
    ("tag-unknown", Image(tags=tag(0x777)),
     "Multiboot2 header tag of type 1911 at 0x190 is unknown and not optional; set bit 0 of its flags "
     "(0x0) if the image can do without"),
    ("tag-twice", Image(tags=tag(10, 0, 1, 1, 0) + tag(10, 0, 1, 1, 0)),
     "a second Multiboot2 relocatable tag at 0x1a8; an image has one"),
    ("tag-end-of-a-wrong-size", Image(tags=tag(0, 0)),
     "Multiboot2 end tag at 0x190: size is 12; 8 would be right"),
    ("tag-range-backwards", Image(tags=tag(10, 2, 1, 1, 0)),
     "Multiboot2 relocatable tag: min_addr 0x2 is above max_addr 0x1"),
    ("tag-alignment", Image(tags=tag(10, 0, 1, 3, 0)),
     "Multiboot2 relocatable tag: align is 0x3; a power of two would be right"),
    ("tag-preference", Image(tags=tag(10, 0, 1, 1, 3)),
     "Multiboot2 relocatable tag: preference is 3; 0 (none), 1 (lowest) or 2 (highest) would be right"),
    ("requires-efi", Image(tags=tag(9, 0x1000)),
     "the Multiboot2 header at 0x180 has an EFI amd64 entry tag (type 9) that is not optional, and there "
     "is no EFI here; set bit 0 of its flags if the image can do without"),
    ("requires-a-framebuffer", Image(requests=[4, 8]),
     "the Multiboot2 header at 0x180 requires information 8 (framebuffer), which an HRT is not given; set "
     "bit 0 of the information request tag's flags if the image can do without"),
    ("requires-what-nobody-has", Image(requests=[99]),
     "the Multiboot2 header at 0x180 requires information 99 (0x63), which nobody has: the standard has 1 "
     "to 21, an HRT is given 0xf00df00d too"),
    ("no-page-size", Image(flags=0),
     "HRT tag: hrt_flags 0x0 asks for no page size; one of 0x400 (1 GiB), 0x200 (2 MiB) and 0x100 (4 KiB) "
     "is needed"),
    ("pages-of-512-gib", Image(flags=0x800),
     "HRT tag: hrt_flags 0x800 asks for 512 GiB pages (0x800), which no processor has; ask for 0x400 (1 "
     "GiB), 0x200 (2 MiB) or 0x100 (4 KiB)"),
    ("program-for-nautilus", Image(flags=0x203),
     "HRT tag: hrt_flags 0x203 has EXE (0x2): this is a program to run under Nautilus, not an HRT"),
    ("unknown-flag", Image(flags=0x1200),
     "HRT tag: hrt_flags 0x1200 has unknown bits (0x1000); known are 0xf03"),
    ("offset-of-a-kind-of-its-own", Image(offset_gva=HIGH + (1 << 30)),
     "HRT tag: gva_offset is 0xffff800040000000; 0 or 0xffff800000000000 would be right"),
    ("not-canonical", Image(entry=1 << 47),
     "entry point 0x800000000000 (e_entry of the ELF header) is not a canonical address"),
    ("address-load-end", Image(tags=tag(2, GPA, GPA, GPA - 1, 0) + tag(3, GPA)),
     "address tag: load_end_addr 0x1ffffff is below load_addr 0x2000000"),
    ("address-bss-end", Image(tags=tag(2, GPA, GPA, GPA + 8, GPA + 7) + tag(3, GPA)),
     "address tag: bss_end_addr 0x2000007 is below the end of the loaded bytes, 0x2000008"),
    ("address-beyond-the-file", Image(tags=tag(2, GPA, GPA, GPA + 0x281, 0) + tag(3, GPA)),
     "address tag: load_addr 0x2000000 to load_end_addr 0x2000281 are 0x281 bytes; from offset 0x180 on "
     "the file has only 0x280"),
    ("address-before-the-file", Image(tags=tag(2, GPA + 0x181, GPA, 0, 0) + tag(3, GPA)),
     "address tag: header_addr 0x2000181 and load_addr 0x2000000 put the first byte at offset -1 of the "
     "file, which has 1024 bytes"),
    ("address-of-all-ones", Image(tags=tag(2, 0x17F, 0xFFFFFFFF, 0, 0) + tag(3, GPA)),
     "address tag: load_addr 0xffffffff loads the file from its beginning, but header_addr 0x17f is less "
     "than the header's offset 0x180 in the file"),
    ("address-of-nothing", Image(tags=tag(2, GPA - 0x280, GPA, 0, 0) + tag(3, GPA)),
     "address tag: load_addr 0x2000000 to bss_end_addr are 0 bytes; there is nothing to load"),
    ("address-without-an-entry", Image(tags=tag(2, GPA, GPA, 0, 0)),
     "no entry point: with an address tag, either gva_entry of the HRT tag or a Multiboot2 entry tag is "
     "needed"),
    ("good-address", Image(tags=tag(2, GPA, GPA, 0, GPA + 0x1000) + tag(3, GPA + 0x90)), TAKEN),
    ("good-address-from-the-start", Image(tags=tag(2, GPA + 0x180, 0xFFFFFFFF, 0, 0) + tag(3, GPA + 0x90)), TAKEN),
    ("position-independent-unsaid", Image(type=3),
     "the ELF file is position independent (e_type 3), and the HRT tag does not say so: set RELOC (0x1) in "
     "hrt_flags, or link it with -no-pie, for e_type 2"),
    ("interpreter", pie(segments=[seg(vaddr=0x1000, paddr=0x1000), seg(kind=3, offset=0x300, filesz=8, memsz=8)]),
     "the image wants to be started by a program interpreter (PT_INTERP), and there is none here: link it "
     "with -static-pie, or with --no-dynamic-linker"),
    ("needs-a-library", pie(patches=[(0x300, struct.pack("<4Q", 1, 1, 0, 0))]),
     "the image needs shared libraries (DT_NEEDED), and there is no dynamic linker here: link it with "
     "-static-pie"),
    ("relocation-of-another-type", pie(patches=pie().patches + [(0x388, struct.pack("<Q", 7 | 3 << 32))]),
     "relocation 0 is of type 7, symbol 3; of a static position independent image all are of type 8 "
     "(R_X86_64_RELATIVE) and without symbol: link it with -static-pie"),
    ("relocation-outside", pie(patches=pie().patches + [(0x380, struct.pack("<Q", 0x9000))]),
     "relocation 0 is for 0x9000, where the image has no eight bytes"),
    ("relocations-outside", pie(patches=pie().patches + [(0x308, struct.pack("<Q", 0x80000))]),
     "the table of relocations (DT_RELA), 0x18 bytes at 0x80000, does not lie in the bytes of one segment"),
    ("dynamic-section-outside", pie(segments=[seg(vaddr=0x1000, paddr=0x1000), seg(kind=2, offset=SIZE, filesz=80)]),
     "the dynamic section has 0x50 bytes at offset 0x400; the file has only 0x400 bytes"),
]


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def main():
    for name, image, sentence in IMAGES:
        write("%s/%s.elf" % (sys.argv[1], name), image.build())
        write("%s/%s.txt" % (sys.argv[1], name), sentence.encode())


if __name__ == "__main__":
    main()
