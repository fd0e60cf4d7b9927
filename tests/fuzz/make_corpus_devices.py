#!/usr/bin/env python3
"""Write the corpora of fuzz_vring, fuzz_vu_msg and fuzz_vsock (formats: see each target).

usage: make_corpus_devices.py CORPUS-FOLDER
"""
import pathlib
import struct
import sys

NEXT, WRITE, INDIRECT = 1, 2, 4


def ring(descs, heads, flags=1, base=0, idx=None, behind=b""):
    """Guest memory of a ring of 8: descriptors {index: (addr, len, flags, next)}, heads offered."""
    table = bytearray(128)
    for i, d in descs.items():
        struct.pack_into("<QIHH", table, 16 * i, *d)
    avail = bytearray(32)
    struct.pack_into("<HH", avail, 0, 0, (base + len(heads) if idx is None else idx) & 0xFFFF)
    for i, h in enumerate(heads):
        struct.pack_into("<H", avail, 4 + 2 * ((base + i) % 8), h)
    used = bytearray(96)
    return bytes([flags]) + struct.pack("<H", base) + table + avail + used + behind


def indirect(*descs):
    return b"".join(struct.pack("<QIHH", *d) for d in descs)


DATA, TABLE = 0x1000 + 1024, 0x1000 + 256
VRING = {
    "direct": ring({0: (DATA, 16, NEXT, 1), 1: (DATA + 64, 100, WRITE, 0)}, [0]),
    "full": ring({i: (DATA + 16 * i, 16, WRITE, 0) for i in range(8)}, list(range(8))),
    "loop": ring({0: (DATA, 16, NEXT, 1), 1: (DATA, 16, NEXT, 0)}, [0]),
    "outside": ring({0: (DATA, 16, 0, 0), 1: (0x1FFF, 2, WRITE, 0)}, [0, 1]),
    "wrap": ring({i: (DATA, 1 + i, WRITE, 0) for i in range(8)}, [0, 1, 2, 3], base=65534),
    "too-many": ring({0: (DATA, 1, 0, 0)}, [0], idx=9),
    "event-index": ring({0: (DATA, 1, 0, 0), 1: (DATA, 1, WRITE, 0)}, [0, 1], flags=3),
    "indirect": ring({0: (TABLE, 48, INDIRECT, 0)}, [0], behind=indirect(
        (DATA, 16, NEXT, 1), (DATA + 64, 16, NEXT | WRITE, 2), (DATA + 128, 1, WRITE, 0))),
    "nested": ring({0: (TABLE, 32, INDIRECT, 0)}, [0], behind=indirect(
        (DATA, 16, NEXT, 1), (TABLE, 16, INDIRECT, 0))),
    "table-is-ring": ring({0: (0x1000, 128, INDIRECT, 0), 1: (DATA, 8, 0, 0)}, [0]),
    "huge": ring({0: (DATA, 0xFFFFFFFF, WRITE, 0)}, [0]),
}

EVENT, MEMORY, UNSEALED, NULL = 0, 4, 8, 12


def msg(request, payload=b"", fds=0, flags=1, size=None):
    body = struct.pack("<III", request, flags, len(payload) if size is None else size) + payload
    assert len(body) < 256
    return bytes([fds, len(body)]) + body


def u64(v):
    return struct.pack("<Q", v)


def state(index, num):
    return struct.pack("<II", index, num)


def table(*regions):
    return struct.pack("<II", len(regions), 0) + b"".join(struct.pack("<QQQQ", *r) for r in regions)


AGREE = msg(3) + msg(1) + msg(15) + msg(16, u64(1 << 3 | 1 << 9)) + msg(2, u64(1 << 32 | 1 << 30 | 1 << 28), flags=9)
SHARE = msg(5, table((0, 65536, 0x10000, 0)), MEMORY | 1, flags=9)
QUEUE = (msg(8, state(0, 8)) + msg(10, state(0, 0)) + msg(9, struct.pack("<IIQQQQ", 0, 0, 0x10000, 0x12000, 0x11000, 0))
         + msg(13, u64(0), EVENT | 1) + msg(14, u64(0), EVENT | 1) + msg(12, u64(0), EVENT | 1) + msg(18, state(0, 1), flags=9))
VU_MSG = {
    "handshake": AGREE + SHARE + QUEUE,
    "stop": AGREE + SHARE + QUEUE + msg(18, state(0, 0)) + msg(11, state(0, 0)) + QUEUE,
    "reset": AGREE + SHARE + QUEUE + msg(34, flags=9) + AGREE + SHARE,
    "config": msg(24, struct.pack("<III", 0, 60, 0) + bytes(60)) + msg(24, struct.pack("<III", 250, 60, 0) + bytes(60)),
    "set-config": AGREE + msg(25, struct.pack("<III", 0, 4, 0) + bytes(4)),
    "memory-two": AGREE + msg(5, table((0, 4096, 0, 0), (8192, 4096, 8192, 4096)), MEMORY | 2),
    "memory-overlap": AGREE + msg(5, table((0, 8192, 0, 0), (4096, 4096, 65536, 0)), MEMORY | 2),
    "memory-unsealed": AGREE + msg(5, table((0, 4096, 0, 0)), UNSEALED | 1),
    "memory-null": AGREE + msg(5, table((0, 4096, 0, 0)), NULL | 1),
    "kick-null": AGREE + SHARE + msg(12, u64(0), NULL | 1),
    "ring-outside": AGREE + SHARE + msg(8, state(0, 8)) + msg(9, struct.pack("<IIQQQQ", 0, 0, 0x1FFF0, 0, 0, 0)) + msg(12, u64(0), EVENT | 1),
    "too-long": msg(5, b"x", size=0xFFFFFFFF),
    "split": bytes([0, 5]) + b"\x01\0\0\0\x01" + bytes([0, 7]) + bytes(7) + msg(3),
    "fds-late": bytes([0, 12]) + struct.pack("<III", 13, 1, 8) + bytes([1, 8]) + u64(0),
    "no-fd": AGREE + msg(13, u64(0x100)) + msg(12, u64(0x100)),
}

REQUEST, RESPONSE, RST, SHUTDOWN, RW, UPDATE, ASK = 1, 2, 3, 4, 5, 6, 7


def packet(op, length=0, port=1024, dst=9000, flags=0, alloc=65536, fwd=0, kind=0, stype=1, claim=None):
    return bytes([kind]) + struct.pack("<QQIIIHHIII", 7, 2, port, dst, length if claim is None else claim,
                                       stype, op, flags, alloc, fwd) + bytes([length])


YES, NO, READ, CLOSE, RESET = b"\1", b"\2", b"\4", b"\5", b"\6"


def write(n):
    return bytes([3, n])


OPEN = packet(REQUEST) + YES
VSOCK = {
    "open": OPEN,
    "refused": packet(REQUEST) + NO,
    "echo": OPEN + packet(RW, 100) + READ + write(200) + packet(UPDATE, fwd=200) + packet(RW, 10) + READ,
    "half-close": OPEN + packet(RW, 5) + packet(SHUTDOWN, flags=2) + READ + READ + write(9) + CLOSE + packet(RST),
    "full-close": OPEN + packet(RW, 5) + packet(SHUTDOWN, flags=3) + READ + packet(RST),
    "service-ends": OPEN + write(5) + CLOSE + packet(RW, 1) + packet(RST),
    "no-credit": packet(REQUEST, alloc=0) + YES + write(100) + packet(UPDATE, alloc=10) + packet(UPDATE, alloc=10, fwd=10),
    "lie": OPEN + write(10) + packet(UPDATE, fwd=4711) + write(10),
    "twice": packet(REQUEST) + packet(REQUEST) + YES + packet(REQUEST) + YES,
    "early": packet(REQUEST) + packet(RW, 5) + YES,
    "port": packet(REQUEST, dst=22) + packet(RW, 3, dst=22),
    "strange": packet(0) + packet(RESPONSE) + packet(99) + packet(REQUEST, stype=2),
    "claim": OPEN + packet(RW, 5, claim=6),
    "others": packet(REQUEST, kind=0x80),
    "reset": OPEN + packet(RW, 50) + RESET + OPEN + packet(RW, 50) + READ,
    "many": b"".join(packet(REQUEST, port=p) for p in range(20)) + YES * 10 + b"".join(packet(ASK, port=p) for p in range(20)),
}


def main():
    root = pathlib.Path(sys.argv[1])
    for name, corpus in (("vring", VRING), ("vu_msg", VU_MSG), ("vsock", VSOCK)):
        (root / name).mkdir(parents=True, exist_ok=True)
        for file, data in corpus.items():
            (root / name / file).write_bytes(data)


if __name__ == "__main__":
    main()
