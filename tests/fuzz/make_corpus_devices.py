#!/usr/bin/env python3
"""Write the corpora of fuzz_vring, fuzz_vu_msg, fuzz_vsock and fuzz_dev_* (formats: see each target).

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


# Whole device processes: records of device.h.
NOW_NOT, RACE = 0x80, 0x40
GUEST, WINDOW, FDS = 0x100000, 0x10000, {"event": 0, "memory": 1, "small": 2, "unsealed": 3, "blocking": 4, "null": 5, "kick": 6, "socket": 7}


def d_memory(at, data, more=0):
    return bytes([0 | more]) + struct.pack("<HBB", at & 0xFFFF, at >> 16, len(data)) + data


def d_desc(q, i, at, length, flags, nxt):
    return bytes([1 | NOW_NOT, q, i]) + struct.pack("<IIBB", at, length, flags, nxt)


def d_head(q, i):
    return bytes([2, q, i])


def d_offer(q, lens, first=b"", more=0):
    """lens: positive is readable, negative writable."""
    words = b"".join(struct.pack("<H", n if n >= 0 else -n | 0x8000) for n in lens)
    return bytes([3 | more, q, len(lens) - 1]) + words + bytes([len(first)]) + first


def d_index(q, v):
    return bytes([4, q]) + struct.pack("<H", v)


def d_kick(q):
    return bytes([5, q])


def d_msg(request, payload=b"", fds=0, fd="event", ack=True):
    return bytes([6, request | (0x80 if ack else 0), FDS[fd] << 4 | fds, len(payload)]) + payload


def d_bytes(data, fds=0, fd="event"):
    return bytes([7, FDS[fd] << 4 | fds, len(data)]) + data


def d_queue(q, stop):
    return bytes([8, q | (0x80 if stop else 0)])


def d_super(kind, data=b"", fds=0, fd="event"):
    return bytes([9, kind, FDS[fd] << 4 | fds, len(data)]) + data


def d_own(*data):
    return bytes([10]) + b"".join(x if isinstance(x, bytes) else bytes([x]) for x in data)


D_AGREE, D_USED = bytes([11]), bytes([12, 0])


def d_addr(q, desc, avail, used, flags=0):
    return struct.pack("<IIQQQQ", q, flags, desc, used, avail, 0)


def d_common(n):
    """What every device process sees: the messages, the rings, the ends."""
    user = 0x7000000000
    table = struct.pack("<IIQQQQ", 1, 0, GUEST, 4 << 20, user, 0)
    by_hand = b"\x02" + b"".join((
        d_msg(1), d_msg(15), d_msg(16, u64(1 | 8 | 0x200 | 0x2000)), d_msg(3), d_msg(17), d_msg(24, struct.pack("<III", 0, 60, 0) + bytes(60)),
        d_msg(24, struct.pack("<III", 250, 60, 0) + bytes(60)), d_msg(2, u64(1 << 32 | 1 << 30 | 1 << 28)),
        d_msg(5, table, 1, "memory"), d_msg(8, state(0, 64)), d_msg(10, state(0, 0)),
        d_msg(9, d_addr(0, user, user + 0x1000, user + 0x2000)), d_msg(13, u64(0), 1), d_msg(14, u64(0), 1), d_msg(18, state(0, 1)),
        d_msg(12, u64(0), 1, "kick"), d_offer(0, [16, -16], bytes(16)), d_msg(13, u64(0), 1), d_msg(18, state(0, 0)), d_offer(0, [16, -16]),
        d_msg(18, state(0, 1)), d_msg(11, state(0, 0)), d_msg(4), d_msg(34), d_msg(2, u64(1 << 32))))
    bad = {
        "features": d_msg(2, u64(0)), "protocol": d_msg(16, u64(2)), "running-table": d_msg(5, table, 1, "memory"),
        "running-features": d_msg(2, u64(1 << 32 | 1 << 30)), "running-num": d_msg(8, state(0, 8)), "queue": d_msg(8, state(9, 8)),
        "enable": d_msg(18, state(0, 2)), "base": d_queue(0, True) + d_msg(10, state(0, 70000)), "set-config": d_msg(25, bytes(16)),
        "log": d_queue(0, True) + d_msg(9, d_addr(0, user, user, user, 1)), "config-flags": d_msg(24, struct.pack("<III", 0, 4, 1) + bytes(4)),
        "kick-running": d_msg(12, u64(0), 1), "kick-none": d_queue(0, True) + d_msg(12, u64(0x100)), "kick-null": d_queue(0, True) + d_msg(12, u64(0), 1, "null"),
        "kick-blocking": d_queue(0, True) + d_msg(12, u64(0), 1, "blocking"), "call-index": d_msg(13, u64(0x200), 1), "call-none": d_msg(13, u64(0x100)) + d_offer(0, [16, -16], bytes(16)),
        "err-null": d_msg(14, u64(0), 1, "socket"), "reply": d_bytes(struct.pack("<III", 1, 5, 0)), "version": d_bytes(struct.pack("<III", 1, 2, 0)),
        "unknown": d_msg(70), "long": d_bytes(struct.pack("<III", 5, 1, 0xFFFFFFFF)), "split": d_bytes(b"\1\0\0\0\1") + d_bytes(bytes(7)),
        "many-fds": d_bytes(b"\1", 15), "late-fds": d_bytes(struct.pack("<III", 2, 9, 8)) + d_bytes(u64(1 << 32), 1),
        "small": D_AGREE[:0] + d_queue(0, True) + (d_queue(1, True) + d_queue(2, True) if n > 1 else b"") + d_msg(5, struct.pack("<IIQQQQ", 1, 0, 0, 0x10000, 0, 0), 1, "small") + d_msg(5, struct.pack("<IIQQQQ", 1, 0, 0, 0x20000, 0, 0), 1, "small"),
        "unsealed": b"".join(d_queue(q, True) for q in range(n)) + d_msg(5, struct.pack("<IIQQQQ", 1, 0, 0, 0x10000, 0, 0), 1, "unsealed"),
        "table-null": b"".join(d_queue(q, True) for q in range(n)) + d_msg(5, struct.pack("<IIQQQQ", 1, 0, 0, 0x10000, 0, 0), 1, "null"),
        "table-align": b"".join(d_queue(q, True) for q in range(n)) + d_msg(5, struct.pack("<IIQQQQ", 1, 0, 5, 0x10000, 0, 0), 1, "small"),
        "table-twice": b"".join(d_queue(q, True) for q in range(n)) + d_msg(5, struct.pack("<IIQQQQQQQQ", 2, 0, 0, 0x10000, 0, 0, 0, 0x10000, 0, 0), 2, "small"),
        "table-count": b"".join(d_queue(q, True) for q in range(n)) + d_msg(5, struct.pack("<IIQQQQ", 2, 0, 0, 0x10000, 0, 0), 1, "small"),
        "stop": d_super(4), "super-nonsense": d_super(31), "super-config": d_super(1, bytes(8), 1), "super-zero": d_super(0x84),
        "loop": d_desc(0, 0, 0x10000, 16, NEXT, 1) + d_desc(0, 1, 0x10000, 16, NEXT, 0) + d_head(0, 0),
        "outside": d_desc(0, 0, 0x80000000, 16, WRITE, 0) + d_head(0, 0), "index": d_index(0, 999), "bad-head": d_head(0, 255),
        "restart": d_offer(0, [16, -16], bytes(16)) + d_queue(0, True) + d_queue(0, False) + d_offer(0, [16, -16], bytes(16)) + D_AGREE,
        "ring-outside": d_queue(0, True) + d_msg(9, d_addr(0, user + (4 << 20) - 16, user, user)) + d_msg(12, u64(0), 1, "kick"),
        "indirect": d_memory(0x300000, indirect((GUEST + 0x10000, 16, NEXT, 1), (GUEST + 0x10100, 513, WRITE, 0)), NOW_NOT) + d_desc(0, 0, 0x300000, 32, INDIRECT, 0) + d_head(0, 0),
        "racing": d_offer(0, [16, -16], bytes(16), RACE) + d_offer(0, [16, -100], bytes(16), RACE | NOW_NOT) + d_kick(0),
        "feeds-itself": d_memory(0x1000, struct.pack("<HH", 0, 0xFFFF), NOW_NOT) + d_kick(0) + D_USED,
    }
    out = {"common-" + k: b"\x0c" + v for k, v in bad.items()}
    out["common-by-hand"] = by_hand
    out["common-config"] = b"\1" + bytes(48)
    return out


def blk(kind, sector=0, data=b"", lens=None):
    hdr = struct.pack("<IIQ", kind, 0, sector)
    return d_offer(0, lens if lens is not None else [16, -513], hdr + data)


def pieces(*p):
    return b"".join(struct.pack("<QII", *x) for x in p)


BLK = {
    "read": b"\4" + blk(0) + blk(0, 511) + blk(0, 512) + blk(0, 1 << 60) + blk(0, 0, lens=[16, -1]) + blk(0, 0, lens=[16, -512, -1]) + blk(0, 0, lens=[16, -511, -513, -1]) + blk(0, 0, lens=[16]),
    "write": b"\4" + blk(1, 3, b"x" * 200, [16 + 512, -1]) + blk(1, 3, b"y" * 64, [16, 512, -1]) + blk(1, 3, b"y" * 64, [16, 1024, 512, -1]) + blk(1, 3, b"", [16, 100, -1]) + blk(1, 512, b"", [16, 512, -1]) + blk(4, 0, b"", [16, -1]),
    "no-flush": b"\2" + d_msg(16, u64(8)) + d_msg(3) + d_msg(2, u64(1 << 32)) + D_AGREE + blk(1, 3, b"", [16, 512, -1]),
    "others": b"\4" + blk(8, 0, b"", [16, -20, -1]) + blk(8, 0, b"", [16, -5]) + blk(99, 0, b"", [16, -1]) + blk(8, 0, b"", [8, -1]) + blk(2, 0, b"", [16, -1]) + blk(8, 0, b"", [16, -1]),
    "discard": b"\4" + blk(11, 0, pieces((0, 8, 0)), [32, -1]) + blk(11, 0, pieces((0, 8, 1)), [32, -1]) + blk(11, 0, pieces((0, 8, 0), (510, 8, 0)), [48, -1]) + blk(11, 0, b"", [17, -1]) + blk(11, 0, b"", [16, 257, -1]) + blk(11, 0, pieces((0, 0, 0)), [32, -1]),
    "zeroes": b"\4" + blk(13, 0, pieces((0, 8, 0)), [32, -1]) + blk(13, 0, pieces((8, 8, 1)), [32, -1]) + blk(13, 0, pieces((8, 8, 2)), [32, -1]) + blk(13, 0, pieces((0, 512, 0), (0, 1, 0)), [48, -1]),
    "short": b"\4" + d_own(0, 1, 0) + blk(0, 8, lens=[16, -512, -1]) + blk(0, 1, lens=[16, -1024, -1]),
    "sealed": b"\4" + d_own(1, 0, 0) + blk(1, 3, b"", [16, 512, -1]) + blk(13, 0, pieces((0, 8, 0)), [32, -1]) + blk(11, 0, pieces((0, 8, 0)), [32, -1]) + blk(4, 0, b"", [16, -1]),
    "read-only": b"\1" + struct.pack("<QII", 4096, 1, 0) + b"ro" + bytes(30) + blk(0) + blk(1, 0, b"", [16, 512, -1]) + blk(11, 0, pieces((0, 8, 0)), [32, -1]) + blk(13, 0, pieces((0, 8, 0)), [32, -1]) + blk(4, 0, b"", [16, -1]),
    "no-discard": b"\1" + struct.pack("<QII", 4096, 0, 0) + bytes(32) + blk(11, 0, pieces((0, 8, 0)), [32, -1]) + blk(13, 0, pieces((0, 8, 1)), [32, -1]),
    "too-large": b"\1" + struct.pack("<QII", 1 << 20, 0, 0) + bytes(32), "flags": b"\1" + struct.pack("<QII", 4096, 0x8000, 0) + bytes(32),
    "many": b"\x0c" + b"".join(d_offer(0, [16, -513], struct.pack("<IIQ", 0, 0, i), NOW_NOT) for i in range(60)) + d_kick(0) + bytes([12, 0]) + d_kick(0),
}

IN, OUT_READ, OUT_GOES, IN_ENDS = 0, 1, 2, 3
CONSOLE = {
    "out": b"\4" + d_offer(1, [100], b"hello") + d_offer(1, [0]) + d_offer(1, [-10]) + d_own(OUT_READ) + d_offer(1, [5000, 5000]) + d_own(OUT_READ) * 4,
    "full": b"\4" + d_offer(1, [4000]) + d_offer(1, [4096, 4096, 10]) + d_own(OUT_READ) + d_queue(1, True) + d_queue(1, False) + d_offer(1, [30000]) + d_own(OUT_READ) * 9,
    "goes": b"\4" + d_offer(1, [100]) + d_own(OUT_GOES) + d_offer(1, [100]) + d_offer(1, [9000]),
    "goes-full": b"\4" + d_offer(1, [4096]) + d_offer(1, [4096]) + d_own(OUT_GOES) + d_offer(1, [9000]),
    "in": b"\4" + d_own(IN, 5) + d_offer(0, [-3]) + d_offer(0, [-100]) + d_own(IN, 200) + d_offer(0, [-100, -50]) + d_own(IN, 9) + d_own(IN_ENDS) + d_offer(0, [-10]),
    "in-readable": b"\4" + d_offer(0, [10]) + d_own(IN, 5), "in-ends": b"\4" + d_offer(0, [-10]) + d_own(IN_ENDS),
    "in-stopped": b"\4" + d_offer(0, [-10]) + d_queue(0, True) + d_own(IN, 3) + d_queue(0, False) + d_offer(0, [-10]),
    "in-taken-back": b"\4" + d_offer(0, [-10]) + d_index(0, 900) + d_own(IN, 3),
}

RNG = {"fill": b"\x0c" + d_offer(0, [-16]) + d_offer(0, [-5000, -20000]) + d_offer(0, [16, -16]) + D_USED + d_offer(0, [16])}


def v_packet(op, length=0, guest=0, host=0, flags=0, room=65536, fwd=0, more=0):
    return d_own(0, op | more, guest, host, struct.pack("<HBII", length, flags, room, fwd))


V_YES, V_NO = d_own(1), d_own(2)
V_ROOM = d_own(7, 7, struct.pack("<H", 0x800))


def v_write(n, s=0):
    return d_own(3, s, n)


def v_read(n=255, s=0):
    return d_own(4, s, n)


def v_close(s=0):
    return d_own(5, s, 0)


def v_half(s=0):
    return d_own(6, s, 0)


V_OPEN = b"\x0c" + V_ROOM + v_packet(REQUEST) + V_YES
DEV_VSOCK = {
    "open": V_OPEN, "refused": b"\x0c" + V_ROOM + v_packet(REQUEST) + V_NO, "port": b"\x0c" + V_ROOM + v_packet(REQUEST, host=2) + v_packet(RW, 5, host=2) * 70,
    "no-room": b"\x0c" + v_packet(REQUEST) + V_YES + v_write(9) + V_ROOM,
    "echo": V_OPEN + v_packet(RW, 1000) + v_read() + v_write(20) + V_ROOM + v_packet(UPDATE, fwd=1280) + v_packet(ASK) + V_ROOM,
    "full": V_OPEN + v_packet(RW, 0x7000) * 12 + v_read() * 60 + V_ROOM,
    "over": V_OPEN + v_packet(RW, 0x7FFF) * 3 + v_packet(RW, 0x7FFF, more=0x80) + v_packet(RW, 10, more=0x40),
    "half": V_OPEN + v_packet(SHUTDOWN, flags=2) + v_read() + v_packet(RW, 5) + v_write(3) + v_close(),
    "full-close": V_OPEN + v_packet(RW, 100) + v_packet(SHUTDOWN, flags=3) + v_read(), "only-receive": V_OPEN + v_write(255) + v_packet(SHUTDOWN, flags=1) + v_packet(SHUTDOWN, flags=2),
    "service-ends": V_OPEN + v_write(3) + v_close() + V_ROOM + v_packet(RW, 100), "service-half": V_OPEN + v_half() + v_packet(RW, 100) + v_read() + v_packet(SHUTDOWN, flags=2),
    "service-gone-full": V_OPEN + v_packet(RW, 0x7000) * 12 + v_close() + V_ROOM,
    "credit": b"\x0c" + V_ROOM + v_packet(REQUEST, room=10) + V_YES + v_write(3) + v_packet(UPDATE, room=100, fwd=10) + v_packet(UPDATE, room=0, fwd=4711) + V_ROOM,
    "twice": b"\x0c" + V_ROOM + v_packet(REQUEST) * 2 + V_YES * 2, "reset-asked": b"\x0c" + V_ROOM + v_packet(REQUEST) + v_packet(RST) + V_YES + v_packet(REQUEST) + v_packet(RST) + V_NO,
    "reset-open": V_OPEN + v_packet(RST) + v_packet(RW, 4), "odd": V_OPEN + v_packet(RESPONSE) + v_packet(0) + v_packet(8) + v_packet(RW, 0),
    "stop": V_OPEN + v_packet(REQUEST, guest=1) + d_queue(0, True) + V_YES + d_queue(1, True) + d_queue(0, False) + d_queue(1, False) + v_packet(RW, 5),
    "small-room": b"\x0c" + d_own(7, 0, struct.pack("<H", 20)) + v_packet(REQUEST) + V_NO, "readable-room": b"\x0c" + d_offer(0, [100]) + v_packet(REQUEST, host=2),
    "tiny-room": b"\x0c" + d_own(7, 15, struct.pack("<H", 45)) + v_packet(REQUEST) + V_YES + v_write(1),
    "many": b"\x0c" + V_ROOM * 4 + b"".join(v_packet(REQUEST, guest=g, host=h) for g in range(4) for h in range(2)) + V_YES * 8 + b"".join(v_write(9, s) for s in range(8)) + V_ROOM * 4,
    "super-cookie": b"\x0c" + v_packet(REQUEST) + d_super(25, struct.pack("<II", 77, 0), 1, "socket"), "super-no-fd": b"\x0c" + v_packet(REQUEST) + d_super(25, struct.pack("<II", 1, 0)),
    "super-both": b"\x0c" + v_packet(REQUEST) + d_super(25, struct.pack("<II", 1, 5), 1, "socket"), "header-short": b"\x0c" + d_offer(1, [43]) + d_offer(1, [44, -3], bytes(44)) + d_offer(1, [44]),
    "cids": b"\x0c" + V_ROOM + d_offer(1, [44], struct.pack("<QQIIIHHIII", 9, 2, 1, 9000, 0, 1, 1, 0, 0, 0)) + d_offer(1, [44], struct.pack("<QQIIIHHIII", 7, 3, 1, 9000, 0, 1, 1, 0, 0, 0)) + d_offer(1, [44], struct.pack("<QQIIIHHIII", 7, 2, 1, 9000, 0, 2, 1, 0, 0, 0)),
    "config": b"\1" + struct.pack("<QI", 2, 1) + bytes(36), "config-ports": b"\1" + struct.pack("<QI", 7, 99) + bytes(36), "event": b"\x0c" + d_offer(2, [-16]) + d_queue(2, True) + d_queue(2, False),
}


def main():
    root = pathlib.Path(sys.argv[1])
    for name, corpus in (("vring", VRING), ("vu_msg", VU_MSG), ("vsock", VSOCK), ("dev_blk", {**d_common(1), **BLK}), ("dev_console", {**d_common(2), **CONSOLE}),
                         ("dev_rng", {**d_common(1), **RNG}), ("dev_vsock", {**d_common(3), **DEV_VSOCK})):
        (root / name).mkdir(parents=True, exist_ok=True)
        for file, data in corpus.items():
            (root / name / file).write_bytes(data)


if __name__ == "__main__":
    main()
