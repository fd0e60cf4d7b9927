#!/usr/bin/env python3
"""Write the corpus of fuzz_sup (format: see there).

usage: make_corpus_super.py CORPUS-FOLDER
"""
import pathlib
import struct
import sys

# Children of a guest with everything, in the order of their start.
LEDGER, BLK, CONSOLE, RNG, VSOCK, QUOTE, OWNER, MONITOR = range(8)
READY, FAILED, LAUNCHED, ENDED, SERIAL, MEASURED, SECRET, CONNECT, DONE = 2, 3, 17, 18, 19, 21, 22, 24, 17
SIZES = {READY: 856, FAILED: 404, LAUNCHED: 48, ENDED: 408, SERIAL: 200, MEASURED: 56, SECRET: 3332, CONNECT: 8}
ALL_READY, AND_LAUNCHED, NO_OWNER = 8, 16, 2


def msg(child, kind, data=b"", fds=0, length=255, more=0):
    """With as many bytes as its reader takes: what lacks would be taken of the next record."""
    return bytes([0 | more, child, kind, fds, length]) + data.ljust(SIZES.get(kind, 0) if length == 255 else length, b"\0")


def ready(child):
    return bytes([1, child])


def end(child, status=0):
    return bytes([2, child, status])


def log(child, text):
    return bytes([3, child, len(text)]) + text


def close(child):
    return bytes([4, child])


LATE, SIGNAL = b"\5", b"\6"


def done(err=0):
    return bytes([7, err])


def failed(child, err, text, more=0):
    return msg(child, FAILED, struct.pack("<I", err) + text + bytes(400 - len(text)), more=more)


def ended(how, status=0xFFFFFFFF, text=b"it said"):
    return msg(MONITOR, ENDED, struct.pack("<II", how, status) + text + bytes(400 - len(text)))


def secret(err=0, length=16, text=b""):
    return msg(OWNER, SECRET, struct.pack("<II", err, length) + bytes(52))


RUNS = bytes([ALL_READY | AND_LAUNCHED | NO_OWNER]) + done()
OWNED = bytes([ALL_READY])
MON = MONITOR - 1  # without an owner


def mon(data):
    """The monitor of a guest without an owner stands one place earlier."""
    return data[:1] + bytes([MON]) + data[2:]


FILES = {
    "nothing": b"\0",
    "owner": OWNED + msg(MONITOR, MEASURED) + secret() + msg(MONITOR, LAUNCHED) + ready(MONITOR) + done() + ended(0),
    "owner-refuses": OWNED + msg(MONITOR, MEASURED) + secret(13, 0),
    "owner-too-long": OWNED + msg(MONITOR, MEASURED) + secret(0, 1 << 30),
    "owner-unasked": OWNED + secret(), "owner-again": OWNED + msg(MONITOR, MEASURED) + secret() * 2, "owner-too-late": OWNED + msg(MONITOR, MEASURED) + SIGNAL + secret(), "owner-silent": OWNED + msg(MONITOR, MEASURED) + LATE * 3,
    "owner-late": OWNED + msg(MONITOR, MEASURED) + LATE + secret(),
    "owner-dies": OWNED + msg(MONITOR, MEASURED) + end(OWNER, 1),
    "owner-twice": OWNED + msg(MONITOR, MEASURED) * 2,
    "owner-skipped": OWNED + msg(MONITOR, LAUNCHED),
    "measured-early": b"\0" + msg(MONITOR, MEASURED),
    "ready-wrong": b"\0" + msg(BLK, READY, bytes(4)), "ready-zero": b"\0" + msg(BLK, READY, length=0), "ready-garbage": b"\0" + msg(RNG, READY, b"\1\0\0\0" * 60), "ready-twice": b"\0" + ready(BLK) * 2,
    "ready-version": b"\0" + msg(RNG, READY, struct.pack("<II", 9, 5)),
    "late-devices": b"\0" + ready(BLK) + LATE * 3, "late-launch": OWNED + LATE * 4, "late-entry": bytes([ALL_READY | AND_LAUNCHED | NO_OWNER]) + LATE * 4, "late-run": RUNS + LATE,
    "dies-starting": b"\0" + end(BLK, 1), "dies-signal": b"\0" + end(VSOCK, 0x80 | 31), "dies-killed": RUNS + end(BLK, 0x80 | 9), "dies-clean": RUNS + end(BLK), "monitor-dies": RUNS + end(MON, 0x80 | 11),
    "ledger-dies": RUNS + end(LEDGER, 1), "ledger-refuses": bytes([ALL_READY | AND_LAUNCHED | NO_OWNER]) + done(28), "ledger-refuses-last": RUNS + mon(ended(0)) + end(MON) + done(5),
    "ledger-cookie": bytes([ALL_READY | AND_LAUNCHED | NO_OWNER]) + msg(LEDGER, DONE, struct.pack("<II", 77, 0), length=16), "ledger-twice": RUNS + done(),
    "failed": b"\0" + failed(BLK, 5, b"the disk\x1b[31m is red\n"), "failed-kernel": OWNED + failed(MONITOR, 84, b"kernel: no image"), "failed-errno": b"\0" + failed(RNG, 0, b"x") + failed(BLK, 1 << 31, b"y"),
    "failed-ledger": b"\0" + failed(LEDGER, 28, b"no room"), "failed-full": b"\0" + msg(BLK, FAILED, struct.pack("<I", 22) + b"x" * 400), "failed-others": RUNS + end(RNG, 3) + failed(BLK, 5, b"broken"),
    "failed-after": RUNS + bytes([0x82, RNG, 3]) + failed(BLK, 5, b"broken"),
    "ended-device": RUNS + mon(ended(4)) + end(BLK), "ended-device-first": RUNS + bytes([0x82, BLK, 1]) + mon(ended(4)), "ended-how": RUNS + mon(ended(9)), "ended-status": RUNS + mon(ended(0, 256)), "ended-reset": RUNS + mon(ended(1, 3)),
    "ended-crash": RUNS + mon(ended(2, text=b"\x1b]0;title\x07" * 5)), "ended-late": RUNS + mon(ended(0)) + LATE * 6, "ended-full": RUNS + mon(msg(MONITOR, ENDED, struct.pack("<II", 0, 0) + b"t" * 400)),
    "serial": RUNS + mon(msg(MONITOR, SERIAL, b"login: \x1b[0m\n")) * 3 + mon(msg(MONITOR, SERIAL, length=0)), "serial-long": RUNS + bytes([0, MON, SERIAL, 0, 254]) + bytes(254) + bytes([0, MON, SERIAL, 1, 4]) + bytes(4),
    "serial-flood": RUNS + bytes([0x80, MON, SERIAL, 0, 255]) * 100,
    "connect": RUNS + msg(VSOCK, CONNECT, struct.pack("<II", 0, 1)) * 4 + msg(VSOCK, CONNECT, struct.pack("<II", 1, 2)) + msg(VSOCK, CONNECT, struct.pack("<II", 2, 1)),
    "quoting": RUNS + msg(QUOTE, CONNECT, struct.pack("<II", 0, 1)) * 4 + msg(QUOTE, CONNECT, struct.pack("<II", 1, 1)), "connect-others": RUNS + msg(BLK, CONNECT, struct.pack("<II", 0, 1)),
    "fds": RUNS + msg(RNG, READY, fds=4), "type": RUNS + msg(CONSOLE, 31, length=3), "type-large": RUNS + msg(CONSOLE, 200, length=3), "channel": RUNS + close(RNG) + end(RNG), "channel-monitor": RUNS + close(MON) + end(MON),
    "log": RUNS + log(BLK, b"warning: all\x1b[2J is \0 lost\nerror: x\ninfo: y\ndebug: z\nnone of ours\n") + log(RNG, b"no end") + end(RNG, 1), "log-long": RUNS + log(BLK, b"x" * 255) * 5 + log(BLK, b"\n"), "log-flood": RUNS + log(BLK, b"\n".join(b"line" for _ in range(50))) * 20,
    "log-high": RUNS + log(BLK, bytes(range(128, 255)) + b"\n"),
    "signal": RUNS + SIGNAL + end(MON) + SIGNAL, "signal-starting": b"\0" + SIGNAL + SIGNAL, "signal-late": RUNS + SIGNAL + LATE * 8, "signal-entry": RUNS + SIGNAL + end(MON) + end(BLK) + end(RNG) + end(CONSOLE) + end(VSOCK) + end(QUOTE) + done() + end(LEDGER),
    "bare": bytes([1 | 2 | 4 | ALL_READY | AND_LAUNCHED]) + end(4) + LATE * 3, "bare-ended": bytes([1 | 2 | 4 | ALL_READY | AND_LAUNCHED]) + msg(4, ENDED, struct.pack("<II", 0, 0)),
}


def main():
    folder = pathlib.Path(sys.argv[1]) / "sup"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
