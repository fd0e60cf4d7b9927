#!/usr/bin/env python3
"""casemate-agent's evidence from a TPM: swtpm behind a terminal that stands for /dev/tpmrm0. TAP.

usage: test_agent_tpm.py CASEMATE-AGENT
"""
import base64
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tty

try:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
except ImportError as e:
    print(f"1..0 # SKIP {e}: python3-cryptography is not here")
    sys.exit(0)
if shutil.which("swtpm") is None:
    print("1..0 # SKIP swtpm is not here")
    sys.exit(0)

AGENT = os.path.abspath(sys.argv[1])
AK = 0x81010002
OWNER = 0x40000001
PASSWORD = struct.pack(">IIHBH", 9, 0x40000009, 0, 0, 0)
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def b2(data):
    return struct.pack(">H", len(data)) + data


class Tpm:
    """A software TPM, a terminal before it, a tree with the terminal in it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="casemate-test-")
        self.root = os.path.join(self.folder.name, "root")
        path = os.path.join(self.folder.name, "tpm.sock")
        os.makedirs(os.path.join(self.root, "dev"))
        self.process = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + self.folder.name, "--server",
                                         "type=unixio,path=" + path, "--flags", "not-need-init,startup-clear"])
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.02)
        self.lock = threading.Lock()
        self.touches = 0  # how often a register changes right after a quote
        self.spoil = lambda answer: answer
        self.master, slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(slave)
        os.symlink(os.ttyname(slave), os.path.join(self.root, "dev/tpmrm0"))
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def send(self, command):
        with self.lock:
            self.socket.sendall(command)
            answer = b""
            while len(answer) < 10 or len(answer) < struct.unpack(">I", answer[2:6])[0]:
                answer += self.socket.recv(4096)
        return answer

    def serve(self):
        data = b""
        while True:
            try:
                data += os.read(self.master, 4096)
            except OSError:
                return
            if len(data) >= 10 and len(data) == struct.unpack(">I", data[2:6])[0]:
                code = struct.unpack(">I", data[6:10])[0]
                answer = self.spoil(self.send(data))
                if code == 0x158 and self.touches > 0:
                    self.touches -= 1
                    self.command(0x182, struct.pack(">I", 16), struct.pack(">IH", 1, 0x0B) + os.urandom(32))
                os.write(self.master, answer)
                data = b""

    def command(self, code, handles, parameters):
        """With a password session; the parameters of the answer."""
        body = handles + PASSWORD + parameters
        answer = self.send(struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
        assert answer[6:10] == bytes(4), f"command {code:x}: {answer[6:10].hex()}"
        return answer[10:]

    def make_ak(self, is_restricted=True):
        """An RSA-2048 signing key (RSASSA, SHA-256) at the handle where agents look."""
        attributes = 0x40072 | (0x10000 if is_restricted else 0)
        public = (struct.pack(">HHIH", 0x0001, 0x000B, attributes, 0)
                  + struct.pack(">HHHHI", 0x0010, 0x0014, 0x000B, 2048, 0) + b2(b""))
        made = self.command(0x131, struct.pack(">I", OWNER), b2(b2(b"") + b2(b"")) + b2(public) + b2(b"") + bytes(4))
        self.command(0x120, struct.pack(">I", OWNER) + made[:4], struct.pack(">I", AK))

    def evidence(self, report_data="ab" * 64):
        p = subprocess.run([AGENT, "evidence", "--sysroot", self.root, "--evidence", "tpm", "--report-data", report_data],
                           capture_output=True, check=False, timeout=60)
        return p.returncode, p.stdout, p.stderr.decode()

    def fails(self, part):
        status, out, err = self.evidence()
        assert status != 0 and out == b"" and part in err, f"exit {status}: {err}"


def check(out, asked):
    """The quote is genuine, of these registers, for this data."""
    j = json.loads(out)
    key = serialization.load_der_public_key(base64.b64decode(j["ak_public"]))
    quote = j["tpm_quote"]
    message, signature = (base64.b64decode(quote[x]) for x in ("message", "signature"))
    assert signature[:4] == b"\x00\x14\x00\x0b"
    key.verify(signature[6:], message, padding.PKCS1v15(), hashes.SHA256())
    assert message[:6] == b"\xffTCG\x80\x18"
    at = 6 + 2 + struct.unpack(">H", message[6:8])[0]
    size = struct.unpack(">H", message[at:at + 2])[0]
    assert message[at + 2:at + 2 + size] == asked
    assert len(quote["pcrs"]) == 24
    assert message[-32:] == hashlib.sha256(bytes.fromhex("".join(quote["pcrs"]))).digest()
    return quote["pcrs"]


@test
def a_quote_is_genuine_and_of_its_registers():
    with Tpm() as t:
        t.make_ak()
        t.command(0x182, struct.pack(">I", 16), struct.pack(">IH", 1, 0x0B) + b"x" * 32)
        status, out, err = t.evidence()
        assert status == 0, err
        pcrs = check(out, b"\xab" * 64)
        assert pcrs[16] == hashlib.sha256(bytes(32) + b"x" * 32).hexdigest()


@test
def registers_that_change_meanwhile_are_read_again():
    with Tpm() as t:
        t.make_ak()
        t.touches = 2
        status, out, err = t.evidence()
        assert status == 0, err
        check(out, b"\xab" * 64)
        t.touches = 100
        t.fails("do not keep still")


@test
def a_tpm_without_a_key_says_so():
    with Tpm() as t:
        t.fails("no attestation key")


@test
def a_key_that_signs_anything_is_refused():
    with Tpm() as t:
        t.make_ak(is_restricted=False)
        t.fails("0x81010002")


@test
def spoiled_answers_are_refused():
    with Tpm() as t:
        t.make_ak()
        for spoil in (lambda a: a[:2] + b"\x00\x00\xff\xff" + a[6:], lambda a: a[:2] + b"\x00\x00\x00\x05" + a[6:],
                      lambda a: a[:6] + b"\x00\x00\x01\x01" + a[10:], lambda a: a[:10] + bytes(len(a) - 10)):
            t.spoil = spoil
            t.fails("tpm: ")


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for i, function in enumerate(TESTS, 1):
        try:
            function()
            print(f"ok {i} - {function.__name__}", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {i} - {function.__name__}\n# {type(e).__name__}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
