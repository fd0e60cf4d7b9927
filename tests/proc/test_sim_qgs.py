#!/usr/bin/env python3
"""casemate-sim-platform and casemate-sim-qgs from outside, and what casemate-attest says of their quotes. TAP.

usage: test_sim_qgs.py SIM-PLATFORM SIM-QGS CASEMATE-ATTEST

The TDREPORT is made here, with the report key out of the platform file: a second implementation of its layout.
"""
import hashlib
import hmac
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile

PLATFORM, QGS, ATTEST = sys.argv[1:4]
DATA = bytes(range(64))
MRTD = bytes([0x52]) * 48


def values_of(path):
    """Record 16 of a platform file."""
    with open(path, "rb") as f:
        file = f.read()
    n, at = struct.unpack_from("<I", file, 12)[0], 16
    for _ in range(n):
        tag, size = struct.unpack_from("<II", file, at)
        if tag == 16:
            return file[at + 8:at + 8 + size]
        at += 8 + size
    raise SystemExit("no record 16")


def tdreport(values):
    svn, svn2, cpusvn, mrseam, key = (values[a:b] for a, b in ((40, 56), (56, 72), (72, 88), (88, 136), (136, 168)))
    tcb = (struct.pack("<Q", 0x301FF) + svn + mrseam + bytes(48 + 8) + svn2).ljust(256, b"\0")
    td = (struct.pack("<QQ", 1 << 28, 0xE7) + MRTD).ljust(512, b"\0")
    head = (b"\x81".ljust(16, b"\0") + cpusvn + hashlib.sha384(tcb[:239]).digest() + hashlib.sha384(td).digest() +
            DATA + bytes(32))
    return head + hmac.new(key, head, "sha256").digest() + tcb + td


class Service:
    def __init__(self, folder, *options, version="4"):
        self.folder = folder
        subprocess.run([PLATFORM, "create", folder + "/platform", "--ark-dir", folder, "--product", "TDX",
                        "--quote-version", version], check=True)
        self.report = tdreport(values_of(folder + "/platform"))
        self.child = subprocess.Popen([QGS, folder + "/platform", "--socket", folder + "/qgs", *options],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.child.stdout.readline() == b"ready\n"

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(self.folder + "/qgs")
        return s

    def ask(self, message, length=None):
        """The answer, or None when the connection was closed without one."""
        with self.connect() as s:
            s.sendall(struct.pack(">I", len(message) if length is None else length) + message)
            return frame(s)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


def frame(s):
    head = s.recv(4, socket.MSG_WAITALL)
    if len(head) < 4:
        return None
    size = struct.unpack(">I", head)[0]
    return s.recv(size, socket.MSG_WAITALL)


def request(report):
    return struct.pack("<HHIIIII", 1, 1, 0, 24 + len(report), 0, len(report), 0) + report


def code_of(answer):
    return struct.unpack_from("<I", answer, 12)[0]


def verdict(folder, quote, *more):
    with open(folder + "/quote", "wb") as f:
        f.write(quote)
    p = subprocess.run([ATTEST, "verify", "--evidence", folder + "/quote", "--root", folder + "/tdx-root.pem",
                        "--collateral", folder + "/tdx-collateral", "--report-data", DATA.hex(), "--json", *more],
                       capture_output=True, check=False)
    return p.returncode, json.loads(p.stdout)


def quotes_verify(folder, version):
    with Service(folder, version=version) as q:
        answer = q.ask(request(q.report))
    status, said = verdict(folder, answer[24:])
    rows = {r["row"]: r["status"] for r in said["rows"]}
    assert status == 0 and said["verdict"] == "affirming" and said["trust_class"] == "simulated", said
    assert all(rows[x] == "affirming" for x in ("signature", "chain", "tcb", "qe", "module", "report_data")), rows
    assert MRTD.hex() in json.dumps(said)
    return answer[24]


def test_a_version_4_quote_is_affirmed_as_simulated(folder):
    assert quotes_verify(folder, "4") == 4


def test_a_version_5_quote_is_affirmed_as_simulated(folder):
    assert quotes_verify(folder, "5") == 5


def test_without_the_root_it_is_refused(folder):
    with Service(folder) as q:
        answer = q.ask(request(q.report))
    with open(folder + "/quote", "wb") as f:
        f.write(answer[24:])
    p = subprocess.run([ATTEST, "verify", "--evidence", folder + "/quote", "--collateral",
                        folder + "/tdx-collateral"], capture_output=True, check=False)
    assert p.returncode == 1, p


def test_a_bare_report_gets_a_bare_quote(folder):
    with Service(folder) as q:
        wrapped, bare = q.ask(request(q.report)), q.ask(q.report)
    assert len(bare) == len(wrapped) - 24 and bare[0] == 4


def test_a_connection_may_ask_again(folder):
    with Service(folder) as q, q.connect() as s:
        for _ in range(3):
            s.sendall(struct.pack(">I", 1048) + request(q.report))
            assert code_of(frame(s)) == 0


def test_a_forged_report_is_refused(folder):
    with Service(folder) as q:
        for at in (0, 130, 230, 300, 600):
            bad = bytearray(q.report)
            bad[at] ^= 1
            assert code_of(q.ask(request(bytes(bad)))) == 0x12003
        assert q.ask(bytes(1024)) is None
        assert code_of(q.ask(request(q.report))) == 0


def test_it_fails_as_scripted(folder):
    with Service(folder, "--fault", "QUOTE 2 0x12002", "--fault", "QUOTE 3 0x12001") as q:
        assert [code_of(q.ask(request(q.report))) for _ in range(4)] == [0, 0x12002, 0x12001, 0]


def test_a_length_out_of_range_ends_the_connection(folder):
    with Service(folder) as q:
        for length in (0, 0xFFFFFFFF, 65537):
            assert q.ask(b"", length=length) is None
        assert code_of(q.ask(request(q.report))) == 0


def test_a_machine_without_tdx_cannot_serve(folder):
    with open(folder + "/none", "wb") as f:
        f.write(b"CMSIMPLT" + struct.pack("<II", 1, 0))
    p = subprocess.run([QGS, folder + "/none", "--socket", folder + "/s"], capture_output=True, check=False)
    assert p.returncode not in (0, 1) and b"platform file" in p.stderr, p


def main():
    tests = [(k[5:], v) for k, v in globals().items() if k.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for i, (name, run) in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                run(folder)
                print(f"ok {i} - {name}")
            except (AssertionError, OSError, KeyError, ValueError, TypeError) as e:
                failed = 1
                print(f"not ok {i} - {name}: {e!r}"[:2000])
    return failed


if __name__ == "__main__":
    os.umask(0o77)
    sys.exit(main())
