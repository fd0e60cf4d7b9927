#!/usr/bin/env python3
"""Write the corpus of fuzz_mon_exits (format: see there).

usage: make_corpus_monitor.py CORPUS-FOLDER
"""
import pathlib
import struct
import sys

NONE, SW, SEV, SEV_ES, SNP, TDX, UNKNOWN = 0, 1, 2, 3, 4, 5, 7
NO_QUOTES, NO_LAUNCH, NO_FIRMWARE, HOSTILE, HOSTILE_START = 8, 0x10, 0x20, 0x40, 0x80
PORTS = [0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x70, 0x71, 0x402, 0x510, 0x511, 0x514, 0x518, 0x51c, 0xcf8, 0xcf9,
         0xcfc, 0xcfd, 0xcfe, 0xcff, 0xb000, 0xb001, 0xb002, 0xb004, 0xb005, 0xb008, 0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x606, 0x607]
OUT, IN = 0x80, 0
FLASH, IOAPIC, ANY = 4, 5, 6
MIB = 1 << 20


def io(port, how, value=0, size=1, count=1):
    which = bytes([PORTS.index(port)]) if port in PORTS else bytes([255]) + struct.pack("<H", port)
    return b"\0" + which + bytes([{1: 0, 2: 1, 4: 2}[size] | how, count - 1]) + struct.pack("<I", value)


def out(port, value, size=1):
    return io(port, OUT, value, size)


def read(port, size=1):
    return io(port, IN, 0, size)


def mmio(where, at, value=None, size=4, odd=0):
    how = (odd | 0x40) if odd else {1: 0, 2: 1, 4: 2, 8: 3}[size]
    return bytes([1, where]) + struct.pack("<QBQ", at, how | (0 if value is None else 0x80), value or 0)


def call(gpa, pages, attributes, nr=0, vcpu=0):
    return bytes([2 | vcpu << 7, nr]) + struct.pack("<QQB", gpa, pages, attributes)


def fault(flags, gpa, size):
    return b"\3" + struct.pack("<QQQ", flags, gpa, size)


def tdx(leaf, a=0, b=0):
    return bytes([4, leaf]) + struct.pack("<QQ", a, b)


def certs(gpa, pages):
    return b"\5" + struct.pack("<QQ", gpa, pages)


def system(kind, n, *data):
    return bytes([6, kind, n]) + b"".join(struct.pack("<Q", d) for d in data)


def other(reason, err=0):
    return bytes([7, reason, err])


def ram(at, data):
    return b"\x08" + struct.pack("<HBB", at & 0xffff, at >> 16, len(data)) + data


def back(device, what):
    return bytes([9, device | what << 4])


def quote(what=0, cookie=0, err=0, length=0):
    return bytes([10, what, cookie, err]) + struct.pack("<H", length)


def sup(kind, data=b""):
    return bytes([11, kind, len(data)]) + data


def config(device, at, value):
    return bytes([12, device, at]) + struct.pack("<I", value)


def driver(device, steps=0xffff, page=16, low=0):
    return bytes([13, device]) + struct.pack("<HHI", steps, page, low)


PAST = b"\x0e"
SHARED, PRIVATE, FAULT_PRIVATE = 0, 0x10, 8
QUOTE_BUFFER = ram(0x8000, struct.pack("<QQII", 1, 0, 1024, 0))

SERIAL = (out(0x3fb, 0x80) + out(0x3f8, 1) + out(0x3f9, 0) + out(0x3fb, 3) + out(0x3fc, 0x1b) + out(0x3f9, 0xf) + out(0x3fa, 7) +
          b"".join(out(0x3f8, c) for c in b"hello\n") + io(0x3f8, OUT | 0x40, 0x41, 1, 8) + read(0x3fd) + read(0x3fa) + sup(20, b"typed") +
          b"".join(read(p) for p in range(0x3f8, 0x400)) + out(0x3fc, 0x10) + read(0x3fe) + out(0x3ff, 7) + sup(20, b"x" * 200) + read(0x3f8) * 40)
PLAIN_SERIAL = b"".join(out(0x3f8, c) for c in b"hello\n and no end") + b"\x4e" + out(0x3f9, 2) + out(0x3f8, 0x41) + read(0x3fa) + read(0x3fe) + io(0x3f8, OUT | 0x40, 0x41, 1, 200) + out(0x3ff, 1) + read(0x3ff) + out(0x3fe, 1) + out(0x3fd, 1) + io(0x3f8, OUT, 1, 4)
LINES = b"".join(out(0x402, 0x61) + out(0x402, 10) for _ in range(90))
POWER = read(0x600) + read(0x601) + read(0x603) + out(0x601, 1) + out(0x603, 1) + out(0x600, 0x20) + out(0x604, 300) + out(0x602, 1)
RTC = b"".join(out(0x70, i) + read(0x71) for i in list(range(0x10)) + [0x30, 0x32, 0x34, 0x35, 0x38, 0x5b, 0x5c, 0x5d, 0x5f, 0x7f]) + out(0x71, 5) + read(0x70)
FW_CFG = (out(0x510, 0, 2) + io(0x511, IN, 0, 1, 4) + out(0x510, 0x19, 2) + io(0x511, IN | 0x40, 0, 1, 16) + out(0x510, 0x20, 2) +
          io(0x511, IN | 0x40, 0, 1, 64) + out(0x510, 0xc008, 2) + out(0x511, 1) + read(0x514, 4) + read(0x518, 4) +
          ram(0x2000, struct.pack(">IIQ", 0x0019000a, 256, 0x3000)) + out(0x514, 0, 4) + out(0x518, 0x00200000, 4) +
          ram(0x2000, struct.pack(">IIQ", 0x0020000c, 16, 0x3000)) + out(0x518, 0x00200000, 4) +
          ram(0x2000, struct.pack(">IIQ", 0x0020000a, 1 << 30, 0x7ffffff0)) + out(0x518, 0x00200000, 4) +
          ram(0x2000, struct.pack(">IIQ", 0x0000000a, 4, 1 << 40)) + out(0x518, 0x00200000, 4) + ram(0x2000, struct.pack(">IIQ", 0x00200018, 16, 0x3000)) + out(0x518, 0x00200000, 4) + out(0x514, 0xffffffff, 4) + out(0x518, 0xffffffff, 4))
PCI = (b"".join(out(0xcf8, 0x80000000 | s << 11 | r, 4) + read(0xcfc, 4) for s in range(7) for r in (0, 4, 8, 0xc, 0x10, 0x2c, 0x34, 0x3c)) +
       b"".join(config(d, 0x10, v) + config(d, 0x14, v) + config(d, 4, 2) for d in range(4) for v in (0xffffffff, 0xc1000000 + d * 0x10000, 0xfeb00000, 5)) +
       b"".join(config(d, a, 0xffffffff) for d in range(4) for a in range(0x34, 0xb0, 4)) + out(0xcf8, 0, 4) + read(0xcfc, 4) + out(0xcf8, 0x8000ff00, 4) +
       read(0xcfd) + read(0xcfe, 2) + out(0xcfd, 1) + out(0xcfe, 1, 2) + out(0xcf9, 2))
PM = (out(0xcf8, 0x80000b40, 4) + out(0xcfc, 0xb001, 4) + out(0xcf8, 0x80000b80, 4) + out(0xcfc, 1, 4) + read(0xb008, 4) + read(0xb000, 2) + read(0xb002, 2) + read(0xb004, 2) +
      out(0xb000, 0xffff, 2) + out(0xb002, 0xffff, 2) + out(0xb005, 1) + out(0xcf8, 0x80000860, 4) + out(0xcfc, 0x0b0a0909, 4))
DEBUG = read(0x402) + b"".join(out(0x402, c) for c in b"a line\n\x1b[31mred\n") + io(0x402, OUT | 0x40, 0x61, 1, 16) * 3 + out(0x402, 10)
FLASH_WORK = (mmio(FLASH, 0x0, 0x40, 1) + mmio(FLASH, 0x9000, 0x40, 1) + b"".join(mmio(FLASH, 0x9ff0 + 4 * i, c, 1) + mmio(FLASH, 0x9ff0 + 4 * i, c + 1, s) + mmio(FLASH, 0x9ff0 + 4 * i)
              for i, c in enumerate((0x10, 0x20, 0x40, 0x50, 0x70, 0x90, 0xd0, 0xe8, 0xff)) for s in (1, 4)) + mmio(FLASH, 0xa000, 0x20, 1) + mmio(FLASH, 0xa000, 0xd0, 1) +
              mmio(FLASH, 0xa000, 0xe8, 1) + mmio(FLASH, 0xa000, 3, 1) + mmio(FLASH, 0xa000, 0x11223344, 4) + mmio(FLASH, 0xa000, 0xd0, 1) + mmio(FLASH, 0xbff9, size=8))
IOAPIC_WORK = (b"".join(mmio(IOAPIC, 0, r) + mmio(IOAPIC, 16) + mmio(IOAPIC, 16, v) for r in (0, 1, 2, 0x10, 0x18, 0x19, 0x3f, 0x40) for v in (0xffffffff, 0x8041, 0x741, 0x941)) +
               mmio(IOAPIC, 0, 0x18) + mmio(IOAPIC, 16, 0x8041) + mmio(IOAPIC, 0, 0x19) + mmio(IOAPIC, 16, 1 << 24) + out(0x3f9, 2) + read(0x3fa) + mmio(IOAPIC, 0x40) + mmio(IOAPIC, 0, size=8) + out(0x3f9, 0) + out(0x3f9, 2))
MSIX = b"".join(config(d, a, 0x80000000) for d in range(4) for a in range(0x40, 0xb0, 4)) + b"".join(
    mmio(d, 0x4000 + 16 * e, 0xfee01000, 8) + mmio(d, 0x4000 + 16 * e + 8, 0x41) + mmio(d, 0x4000 + 16 * e + 12, 0) + mmio(d, 0x4000 + 16 * e) for d in range(4) for e in range(5))
DEVICES = (b"".join(driver(d, low=q << 30) for q in range(3) for d in range(4)) + MSIX + b"".join(mmio(d, 0x3000 + 4 * q, q, 2) for d in range(4) for q in range(4)) +
           b"".join(mmio(d, r, size=s) for d in range(4) for r in range(0, 0x38, 4) for s in (4,)) + b"".join(mmio(d, 0x1000, size=1) + mmio(d, 0x2000, size=8) + mmio(d, 0x2100, size=4) for d in range(4)) +
           back(0, 0) + back(1, 0) + mmio(0, 0x14, size=1) + mmio(0, 0x14, 0, 1) + driver(0) + mmio(0, 0x4800) + mmio(0, 0x4ff8, 1) + mmio(2, 0x14, 0, 1))
BAD_QUEUE = (b"".join(driver(2, page=p) + mmio(2, 0x14, size=1) for p in (0xffff, 0x7fff, 0x7ffe)) + driver(2, 0xff) + mmio(2, 0x18, 3, 2) + mmio(2, 0x1c, 1, 2) + mmio(2, 0x14, 15, 1) +
             driver(2, 0xff) + mmio(2, 0x20, 0x11, 4) + mmio(2, 0x24, 1, 4) + mmio(2, 0x2c, 0xffffffff) + mmio(2, 0x16, 7, 2) + mmio(2, 0x18, size=2) + mmio(2, 0x1a, 9, 2) + mmio(2, 0x10, 0, 2) +
             mmio(2, 0x10, 9, 2) + mmio(2, 8, 5) + mmio(2, 4) + mmio(2, 0xc, 1) + mmio(2, 0x14, 7, 1) + mmio(2, 0x3000, 1, 4) + mmio(2, 0x3ff8, 1, 8) + mmio(2, 0x18, 1, odd=3))
CONVERT = (call(0, 16, SHARED) + call(0, 16, PRIVATE) + call(0, 0, PRIVATE) + call(1, 1, PRIVATE) + call(128 * MIB, 1, SHARED) + call(0x7fff000, 2, SHARED) + call(0, 1 << 60, SHARED) +
           call(0, 1, SHARED, 0x80) + call(64 * MIB, 512, SHARED, vcpu=1) + call(1 << 63, 1, SHARED) + call(0xffffc000, 4, SHARED) + fault(0, 0x5000, 0x1000))
QUOTES = (call(8, 4, SHARED) + QUOTE_BUFFER + tdx(0) + tdx(4, 5) + tdx(4, 0x55) + tdx(4, 256) + tdx(1) + tdx(3) + tdx(5))
GIVE = call(0x8000, 4, SHARED)
TD_QUOTE = GIVE + QUOTE_BUFFER + tdx(4, 0x55) + tdx(2, 0x8000, 0x4000)

ENDS = {
    "off": out(0x600, 0x34), "reset": out(0x602, 1), "workload": out(0x604, 7) + out(0x600, 0x34), "cf9": out(0xcf9, 6), "shutdown": other(4), "entry": other(5), "internal": other(6),
    "unknown": other(0), "hlt": other(2), "again": other(3) + other(7) + other(8), "efault": other(4, 3), "einval": other(3, 4), "fault": fault(FAULT_PRIVATE, 1 << 40, 4096),
    "fault-flags": fault(1, 0x5000, 4096), "term": system(6, 1, 0x100), "term-set": system(6, 1, 0x51100), "term-reason": system(6, 1, 0xff2100), "term-none": system(6, 1, 0),
    "fatal": system(7, 16, 0, 0xffff, 0x4242, 0x4343, 0, 0, 0x6f6c6c6568, 0x1b41, 0, 0, 0, 0, 1 << 63 | 5, 0x1234, 0x6162636465666768, 0x0a0d), "fatal-short": system(7, 3, 1, 2, 3),
    "event": system(2, 0), "stop": sup(4), "stop-twice": sup(4) + sup(4), "go-twice": sup(16), "nonsense": sup(30), "input-long": sup(20, b"x" * 255) + sup(20), "device-dies": back(1, 3),
    "device-speaks": back(3, 2), "config-message": sup(1, bytes(8)),
}
ALL = {
    "serial": SERIAL, "serial-plain": PLAIN_SERIAL, "debug-lines": LINES + LINES, "power": POWER, "rtc": RTC, "fwcfg": FW_CFG, "pci": PCI, "pm": PM + out(0xb004, 0x2000, 2), "pm-off": PM + out(0xb004, 0x3400, 2), "debug": DEBUG, "flash": FLASH_WORK, "devices": DEVICES, "msix": DEVICES + MSIX, "bad-queue": BAD_QUEUE,
    "nobody": mmio(ANY, 0xfed40000) + mmio(ANY, 1 << 63, 1, 8) + mmio(ANY, 0xffffffffffffffff, 1, 8) + mmio(ANY, 0x1000) + io(0x1234, OUT, 1, 4) + io(0xffff, IN, 0, 4) + mmio(0, 0x3fff, size=8) + mmio(ANY, 0, 0, odd=15),
}


def corpus():
    files = {"end-" + k: bytes([NONE]) + v for k, v in ENDS.items()}
    files.update({"none-" + k: bytes([NONE]) + v for k, v in ALL.items()})
    files["none-no-firmware"] = bytes([NONE | NO_FIRMWARE | NO_LAUNCH]) + ALL["serial"][:60] + ALL["pci"][:300] + DEVICES[:200]
    files["none-no-kernel"] = bytes([NONE | NO_FIRMWARE])
    files["unknown"] = bytes([UNKNOWN])
    files["none-kinds"] = bytes([NONE]) + CONVERT + tdx(0) + certs(0, 4)
    for name, kind in (("sw", SW), ("sev", SEV), ("sev-es", SEV_ES), ("snp", SNP)):
        files[name] = bytes([kind]) + CONVERT + call(0x8000, 4, SHARED) + certs(0x8000, 0) + certs(0x8000, 1) + PAST + certs(0x8000, 1) + b"\x4e" + certs(1, 1) + certs(0x20000, 4)
        files[name + "-devices"] = bytes([kind]) + DEVICES[:400] + FLASH_WORK[:60]
        files[name + "-early"] = bytes([kind | NO_LAUNCH]) + CONVERT
    files["snp-certs-broken"] = bytes([SNP | NO_QUOTES]) + call(0x8000, 4, SHARED) + certs(0x8000, 1)
    files["tdx-quote-late"] = bytes([TDX]) + TD_QUOTE + b"\x4e" * 2
    files["snp-faults"] = bytes([SNP]) + fault(0, 0x5000, 4096) + fault(FAULT_PRIVATE, 0x5000, 4096) * 3 + fault(0, 0x5000, 4096) * 20
    files["snp-faults-nothing"] = bytes([SNP]) + fault(FAULT_PRIVATE, 0x5000, 4096) * 200
    files["snp-certs-both"] = bytes([SNP]) + call(0x8000, 4, SHARED) + certs(0x8000, 1) + bytes([0x85]) + struct.pack("<QQ", 0x8000, 1) + b"\x8e" + PAST + b"\x4e"
    files["tdx-ioapic"] = bytes([TDX]) + IOAPIC_WORK + SERIAL[:200]
    files["tdx-convert"] = bytes([TDX]) + CONVERT
    files["tdx-calls"] = bytes([TDX]) + QUOTES
    files["tdx-devices"] = bytes([TDX]) + DEVICES[:500]
    for name, answer in (("good", quote(length=100)), ("refused", quote(err=121)), ("nobody", quote(err=107)), ("late", quote(cookie=2, length=5) + quote(length=5) + quote(length=5)),
                         ("too-long", quote(length=0x4000)), ("empty", quote()), ("gone", quote(3)), ("nonsense", quote(2)), ("taken-back", call(0x8000, 4, PRIVATE) + quote(length=100)), ("limit", quote(length=0xffff))):
        files["tdx-quote-" + name] = bytes([TDX]) + TD_QUOTE + answer + tdx(2, 0x8000, 0x4000)
    files["tdx-quote-many"] = bytes([TDX]) + GIVE + b"".join(QUOTE_BUFFER + tdx(2, 0x8000, 0x4000) for _ in range(20)) + quote(cookie=3, length=3) + quote(3)
    files["tdx-quote-bad"] = bytes([TDX]) + TD_QUOTE + b"".join(tdx(2, a, b) for a, b in ((0, 0), (1, 4096), (0x8000, 100), (0x8000, 1 << 40), (0x40000, 4096), (1 << 50, 4096))) + ram(
        0x8000, struct.pack("<QQII", 2, 0, 1024, 0)) + tdx(2, 0x8000, 0x4000) + ram(0x8000, struct.pack("<QQII", 1, 0, 99, 0)) + tdx(2, 0x8000, 0x4000) + ram(0x8000, struct.pack("<QQII", 1, 0, 0xffffffff, 0)) + tdx(2, 0x8000, 0x4000)
    files["tdx-quote-none"] = bytes([TDX | NO_QUOTES]) + TD_QUOTE
    for how in range(12):
        # A device process that answers like this: at the n-th answer.
        files["hostile-start-%d" % how] = bytes([NONE | HOSTILE_START]) + bytes([how]) + b"\xff" * 20
        files["hostile-config-%d" % how] = bytes([NONE | HOSTILE_START]) + bytes([0, 0, how]) + b"\0" * 20
        files["hostile-later-%d" % how] = bytes([NONE | HOSTILE]) + driver(0) + mmio(0, 0x14, 0, 1) + bytes([how]) + b"\1" * 30
    files["device-gone-start"] = bytes([NONE]) + driver(0, 0x1fff) + bytes([9, 0x30])[:2] + driver(0)
    return files


def main():
    folder = pathlib.Path(sys.argv[1]) / "mon_exits"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in corpus().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
