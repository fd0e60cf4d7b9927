#!/usr/bin/env python3
"""A SEV guest from its owner's point of view: casemate run with a simulated platform, the owner's broker,
casemate-owner between them. The guest's firmware looks for the secret and ends with a byte of it.

usage: test_owner_run.py BUILD      needs /dev/kvm (exit 77 without)
"""
import hashlib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
CASEMATE = BUILD + "/vmm/super/casemate"
ATTEST = BUILD + "/attest/casemate-attest"
BROKER = BUILD + "/attest/broker/casemate-broker"
LEDGER = BUILD + "/attest/ledger/casemate-ledger"
PLATFORM = BUILD + "/sev/sim/casemate-sim-platform"

GUEST = ("casemate", "casemate-monitor-sim", "casemate-owner", "casemate-dev-blk")
SECRET = b"*the key of the cards"  # its first byte is the guest's exit status: 42
WORD = 0xB  # NODBG, NOKS, NOSEND
SECRET_GPA = 0x8000
NO_SECRET = 99


def guid(text):
    a, b, c, d, e = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


def firmware(size=65536):
    """Real mode: is the secret table at SECRET_GPA? Write the first byte of its first entry to the status port."""
    code = bytes.fromhex("fa 31c0 8ed8")  # cli; ds = 0
    code += b"\x66\xa1" + struct.pack("<H", SECRET_GPA)  # eax = first word of the table's GUID
    code += b"\x66\x3d" + guid("1e74f542-71dd-4d66-963e-ef4287ff173b")[:4]
    code += bytes.fromhex("7505")  # not there: next but one
    code += b"\xa0" + struct.pack("<H", SECRET_GPA + 40) + bytes.fromhex("eb02")
    code += b"\xb0" + bytes([NO_SECRET])
    code += bytes.fromhex("ba0406 ee  ba0006 b034 ee  f4 ebfd")  # status; off; hlt
    image = bytearray(b"\x90" * size)
    at = size - 0x400
    image[at:at + len(code)] = code
    image[size - 16:size - 13] = b"\xe9" + struct.pack("<h", (at - (size - 13)) )
    entry = struct.pack("<II", SECRET_GPA, 0xC00)
    entry += struct.pack("<H", len(entry) + 18) + guid("4c2eb361-7d9b-4cc3-8081-127c90d3d294")
    table = entry + struct.pack("<H", len(entry) + 18) + guid("96b582de-1fb2-45f7-baea-a366c55a082d")
    image[size - 32 - len(table):size - 32] = table
    return bytes(image)


def policy(port, digest, name="bank/cards", serial=1, wait_s=20, keys=True):
    key = ('"keys": [{"id": "disk", "source": "kbs:///bank/disk/data", "purpose": "p", '
           '"release": {"require": ["attestation:affirming", "debug:off"]}}],')
    return f"""{{
"schema": "launch-policy/1", "name": "{name}", "serial": {serial},
"tee": {{"type": "sev", "simulated": true, "sev": {{"policy": "{WORD:#x}", "api_major": 0, "api_minor": 0,
  "session": {{"dh_cert": "session/godh.bin", "session": "session/session.bin"}},
  "owner": {{"url": "https://localhost:{port}", "ca": "tls.pem", "wait_s": {wait_s}}}}}}},
"boot": {{"firmware": {{"file": "fw.bin"}}, "launch_digest": ["sha256:{digest}"]}},
"machine": {{"vcpus": 1, "memory_mib": 128}}, "devices": {{"disk": [{{"id": "d", "file": "disk.img", "mode": "ro", "integrity": "none"}}], "console": "none"}}, {key if keys else ""}
"audit": {{"ledger": "ledger", "key": "ledger.pem", "origin": "test/host"}}}}
"""


class World:
    def __init__(self, folder=None):
        self.dir = folder or tempfile.mkdtemp(prefix="casemate-test-")
        self.n = 0
        self.broker = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    def run(self, *argv, data=None, timeout=120, want=0):
        p = subprocess.run(argv, cwd=self.dir, input=data, capture_output=True, timeout=timeout)
        if want is not None and p.returncode != want:
            raise AssertionError(f"{argv}: status {p.returncode}, want {want}\n{p.stdout}\n{p.stderr.decode()}")
        return p.stdout.decode().strip(), p.stderr.decode(), p.returncode

    def platform_certs(self):
        """CEK, OCA, PEK and PDH: record 8 of the platform file, each behind its key."""
        raw = open(self.path("platform"), "rb").read()
        n, at = struct.unpack_from("<I", raw, 12)[0], 16
        for _ in range(n):
            tag, size = struct.unpack_from("<II", raw, at)
            if tag == 8:
                end = [at + 8 + size // 4 * (i + 1) for i in range(4)]
                return b"".join(raw[e - 2084:e] for e in end)
            at += 8 + size
        raise AssertionError("no SEV certificates in the platform file")

    def make(self):
        if not os.path.exists(self.path("platform")):
            self.run(PLATFORM, "create", "platform", "--ark-dir", "pki", "--product", "Milan", "--memlock", "1048576")
        self.write("pdh.cert", self.platform_certs())
        self.write("fw.bin", firmware())
        self.write("disk.img", bytes(4096))
        self.digest = hashlib.sha256(firmware()).hexdigest()
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=owner", "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key", "-out", "tls.pem")
        for name, key, origin in (("ledger", "ledger.pem", "test/host"), ("owners", "owners.pem", "test/owner")):
            os.mkdir(self.path(name), 0o700)
            self.run(LEDGER, "init", name, "--origin", origin, "--key", key)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.write("broker.json", f"""{{"listen_tcp": "127.0.0.1:{self.port}", "store": "store",
"roots": ["pki/sev-ca.cert"], "tls": {{"certificate": "tls.pem", "key": "tls.key"}},
"ledger": {{"folder": "owners", "key": "owners.pem", "origin": "test/owner"}}}}""")
        self.run(BROKER, "secret", "put", "bank/disk/data", "--store", "store", data=SECRET)

    def serve(self, *broker):
        self.log = open(self.path("broker.log"), "ab")
        self.broker = subprocess.Popen([*(broker or [BROKER]), "serve", "--config", self.path("broker.json")], stderr=self.log)
        for _ in range(200):
            if b"serving on" in open(self.path("broker.log"), "rb").read():
                return
            time.sleep(0.1)
        raise AssertionError("the broker does not start: " + open(self.path("broker.log")).read())

    def end(self):
        if self.broker is not None:
            self.broker.terminate()
            self.broker.wait(20)
        shutil.rmtree(self.dir)

    def session(self, text, *options):
        """The owner offline: a session for this platform, kept with the broker for this policy."""
        self.write("policy.jsonc", text)
        shutil.rmtree(self.path("session"), ignore_errors=True)
        os.mkdir(self.path("session"))
        self.run(ATTEST, "sev-session", "--certs", "pdh.cert", "--certs", "pki/sev-ca.cert", "--root", "pki/sev-ca.cert",
                 "--policy", f"{WORD:#x}", "--out", "session")
        out, _, _ = self.run(BROKER, "policy", "put", "policy.jsonc", "--store", "store")
        out, _, _ = self.run(BROKER, "sev-session", "put", "session", "--store", "store", "--policy", out, "--certs",
                             "pdh.cert", "--certs", "pki/sev-ca.cert", *options)
        return out

    def launch(self, timeout=100):
        return self.run(CASEMATE, "run", "--simulator", "platform", "policy.jsonc", want=None, timeout=timeout)

    def processes(self):
        """What a guest consists of, as far as it is of this build."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if exe.startswith(BUILD + "/") and os.path.basename(exe) in GUEST:
                found.append(exe)
        return found

    def check(self, name, ok, *more):
        self.n += 1
        print(f"{'ok' if ok else 'not ok'} {self.n} - {name}", flush=True)
        if not ok:
            for text in more:
                for line in str(text).splitlines():
                    print("# " + line)
        self.failed = getattr(self, "failed", False) or not ok


def tests(w):
    w.session(policy(w.port, w.digest))
    out, err, status = w.launch()
    w.check("the owner's secret is in the guest's memory before it runs", status == SECRET[0], status, out, err,
            open(w.path("broker.log")).read())
    owners = w.run(LEDGER, "list", "owners", want=None)[0]
    w.check("the owner's ledger has the proof and the release",
            re.search(r"proven", owners) is not None and re.search(r"released", owners) is not None, owners)

    out, err, status = w.launch()
    w.check("a session serves one launch", status not in (0, SECRET[0]) and "this session was used already" in err, status,
            err)
    w.check("and no process of it is left", not w.processes(), w.processes())

    w.session(policy(w.port, w.digest, serial=2))
    w.write("fw.bin", firmware()[:-8] + b"evil" + firmware()[-4:])
    out, err, status = w.launch()
    w.check("another firmware is refused by the owner", status not in (0, SECRET[0]) and "the MAC does not hold" in err,
            status, err)
    w.write("fw.bin", firmware())
    out, err, status = w.launch()
    w.check("the right one starts in the same session", status == SECRET[0], status, err)

    w.session(policy(w.port, w.digest, serial=3, wait_s=2), "--hold")
    from_s = time.monotonic()
    out, err, status = w.launch()
    w.check("a launch that its owner holds ends in time", status not in (0, SECRET[0]) and "held" in err and
            "no answer of the owner within 2 s" in err and time.monotonic() - from_s < 40, status, err)

    w.session(policy(w.port, w.digest, serial=4, keys=False))
    out, err, status = w.launch()
    w.check("an owner without keys lets the guest run without a secret", status == NO_SECRET, status, err)

    w.session(policy(1, w.digest, serial=5, wait_s=1))
    out, err, status = w.launch()
    w.check("an owner who is not there ends the launch", status not in (0, SECRET[0]) and "localhost:1" in err, status, err)


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("1..0 # SKIP no /dev/kvm")
        sys.exit(77)
    w = World()
    try:
        w.make()
        w.serve()
        tests(w)
    finally:
        w.end()
    print(f"1..{w.n}")
    sys.exit(1 if w.failed else 0)


if __name__ == "__main__":
    main()
