#!/usr/bin/env python3
"""A simulated TD on this machine's KVM, in the monitor's sandbox and filters: its firmware of a few instructions asks
the TDX module for a report, and the host for a quote, and ends with what it got as its status. TAP.

usage: test_td_guest.py BUILD
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.argv, BUILD = [sys.argv[0], "no program of its own"], os.path.abspath(sys.argv[1])
import test_measure as maker  # noqa: E402

PROGRAMS = ["vmm/super/casemate", "vmm/monitor/casemate-monitor-sim", "vmm/device/casemate-dev-blk",
            "policy/casemate-policy", "attest/ledger/casemate-ledger", "vmm/quote/casemate-quote"]
# sev/sim/sim_guest_port.h: data at 0x5e0, control at 0x5e1. Real mode; DS is 0, ES the quote's buffer.
BEGIN = "bae105 b001 ee"
START = "fa 31c0 8ed8 fc b80010 8ec0" + BEGIN
END = "ba0406 ee ba0006 b034 ee f4 ebfd"  # AL is the status; off


def le16(v):
    return struct.pack("<H", v).hex()


def request(at, size, command):
    """`size` bytes at `at`, then the command."""
    return f"bae005 be{le16(at)} b9{le16(size)} f36e bae105 b0{command:02x} ee"


def put(at, value, segment=""):
    return f"{segment} c706 {le16(at)} {le16(value)}"


# TDG.MR.REPORT of 64 zeros: state, 8 bytes of status, 1024 as 4 bytes. 0x55 (ready) + 0x04 (of 0x400).
REPORT = START + request(0x600, 64, 0x41) + "ec a20405 bae005" + "ec" * 10 + "02060405" + END
# 64 KiB at 0x10000 made shared; there a header: version 1, 1024 bytes in; GetQuote; until it is not in flight.
QUOTE = (START + put(0x602, 1) + put(0x60A, 1) + request(0x600, 24, 0x4C) + put(0, 1, "26") + put(16, 1024, "26") +
         put(0x622, 1) + put(0x628, 0x4000) + BEGIN + request(0x620, 16, 0x48) +
         "26813e0800ffff 74f7 26a00800 2602060f00" + END)
NO_REPORT, NO_SERVICE = 0x80, 0x81  # first and last byte of the status: ABI 4.11


def firmware(code):
    image, code = bytearray(maker.firmware()), bytes.fromhex(code)
    at = len(image) - 0x400
    image[at:at + len(code)] = code
    image[-16:-13] = b"\xe9" + struct.pack("<h", at - (len(image) - 13))
    return bytes(image)


def guest(code, folder):
    maker.write("OVMF.fd", firmware(code))
    maker.write("p.jsonc", json.dumps({
        "schema": "launch-policy/1", "name": f"test.td/guest-{os.getpid()}", "serial": 1,
        "tee": {"type": "tdx", "simulated": True, "tdx": {"attributes": {}, "quoting": "qgs.sock"}},
        "boot": {"firmware": {"file": "OVMF.fd"}}, "machine": {"vcpus": 1, "memory_mib": 128},
        "devices": {"disk": [{"id": "d", "file": "d", "mode": "ro", "integrity": "none"}]},
        "audit": {"ledger": "ledger", "key": "key.pem", "origin": "test.td/log"}}).encode())
    r = subprocess.run([os.path.join(folder, "casemate"), "run", "p.jsonc", "--simulator", "platform"],
                       env={"XDG_RUNTIME_DIR": folder, "PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, check=False, timeout=60)
    return r.returncode, r.stderr


def module_reports(folder):
    status, said = guest(REPORT, folder)
    assert status == 0x55 + 4, (status, said)


def quoting_service_refuses_what_is_no_report(folder):
    with subprocess.Popen([os.path.join(BUILD, "sev/sim/casemate-sim-qgs"), "platform", "--socket", "qgs.sock"],
                          stdout=subprocess.PIPE, text=True) as qgs:
        try:
            assert qgs.stdout.readline() == "ready\n"
            status, said = guest(QUOTE, folder)
        finally:
            qgs.kill()
    assert status == NO_REPORT and "no quote, code 0x12003" in said, (status, said)


def without_a_quoting_service_there_is_none(folder):
    os.unlink("qgs.sock")
    status, said = guest(QUOTE, folder)
    assert status in (NO_REPORT, NO_SERVICE) and "qgs.sock" in said, (status, said)


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("1..0 # SKIP no /dev/kvm: nothing can be launched")
        return
    tests = [module_reports, quoting_service_refuses_what_is_no_report, without_a_quoting_service_there_is_none]
    with tempfile.TemporaryDirectory(prefix="casemate-td-") as folder:
        os.chmod(folder, 0o755)
        os.chdir(folder)
        for program in PROGRAMS:
            shutil.copy(os.path.join(BUILD, program), folder)
        os.mkdir("ark")
        os.mkdir("ledger")
        subprocess.run([os.path.join(BUILD, "sev/sim/casemate-sim-platform"), "create", "platform", "--ark-dir", "ark",
                        "--product", "TDX"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem"], check=True,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["./casemate-ledger", "init", "ledger", "--key", "key.pem", "--origin", "test.td/log"], check=True,
                       stdout=subprocess.DEVNULL)
        maker.write("d", bytes(4096))
        print(f"1..{len(tests)}")
        for n, test in enumerate(tests, 1):
            try:
                test(folder)
                print(f"ok {n} - {test.__name__}")
            except Exception as e:  # each test reports its own failure
                print(f"not ok {n} - {test.__name__}\n# {e}".rstrip().replace("\n\n", "\n"))
        os.chdir("/")


if __name__ == "__main__":
    main()
