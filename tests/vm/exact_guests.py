#!/usr/bin/env python3
"""exact_guests.py BUILD IMAGES: Linux guests that make casemate's processes do all they do for such
guests, for tests/proc/test_syscalls_exact.py, which traces them where /dev/kvm is fast. TAP.

IMAGES: vmlinuz and initrd.img (guest_init.sh).
"""
import json
import signal
import subprocess
import sys
import tempfile
import time

BUILD, IMAGES = sys.argv[1:3]
TESTS = []


def test(f):
    TESTS.append(f)
    return f


def policy(folder, guest, devices, vcpus=2):
    boot = {"kernel": {"file": f"{IMAGES}/vmlinuz"}, "initrd": {"file": f"{IMAGES}/initrd.img"},
            "cmdline": f"console=ttyS0 quiet panic=-1 casemate.test={guest}"}
    with open(f"{folder}/policy.jsonc", "w", encoding="ascii") as f:
        json.dump({"schema": "launch-policy/1", "name": f"test.vm/exact-{guest}", "serial": 1,
                   "labels": {"env": "dev", "data_class": "none"}, "tee": {"type": "none"}, "boot": boot,
                   "machine": {"vcpus": vcpus, "memory_mib": 256, "hugepages": "no"}, "devices": devices}, f)


def start(folder, *options):
    return subprocess.Popen([f"{BUILD}/vmm/super/casemate", "run", *options, f"{folder}/policy.jsonc"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace")


def said(p, what):
    """Read on until the guest said it."""
    text = ""
    for line in p.stdout:
        text += line
        if what in line:
            return
    raise AssertionError(f"never said {what}: {text[-2000:]}")


def ends(p, status):
    out, _ = p.communicate(timeout=400)
    assert p.returncode == status, (p.returncode, out[-2000:])


def disks(folder):
    for name, mib in (("first", 8), ("second", 1)):
        with open(f"{folder}/{name}.img", "wb") as f:
            f.truncate(mib << 20)
    return [{"id": "first", "file": "first.img", "mode": "rw", "discard": True, "integrity": "none"},
            {"id": "second", "file": "second.img", "mode": "ro", "integrity": "none"}]


@test
def disks_are_read_written_and_discarded(folder):
    policy(folder, "disk", {"console": "serial", "rng": True, "disk": disks(folder)})
    ends(start(folder), 0)


@test
def random_numbers_are_read(folder):
    policy(folder, "rng", {"console": "serial", "rng": True}, vcpus=1)
    ends(start(folder), 0)


@test
def a_virtio_console_takes_and_gives(folder):
    policy(folder, "wait", {"console": "virtio"})
    p = start(folder, "--stdin")
    said(p, "waiting")
    p.stdin.write("typed\n")
    p.stdin.flush()
    time.sleep(1)
    p.send_signal(signal.SIGTERM)
    ends(p, 128 + signal.SIGTERM)


@test
def a_waiting_guest_is_stopped(folder):
    policy(folder, "wait", {"console": "serial", "rng": True, "disk": disks(folder)[:1]}, vcpus=4)
    p = start(folder, "--stdin")
    said(p, "waiting")
    p.stdin.write("typed, and no end of the line")
    p.stdin.flush()
    time.sleep(1)
    p.send_signal(signal.SIGTERM)
    ends(p, 128 + signal.SIGTERM)


@test
def a_reset_ends_a_guest(folder):
    policy(folder, "reset", {"console": "serial"})
    ends(start(folder), 1)


def main():
    print(f"1..{len(TESTS)}", flush=True)
    for n, f in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                f(folder)
                print(f"ok {n} - {f.__name__}", flush=True)
            except Exception as e:  # a test must not hide the others
                print(f"not ok {n} - {f.__name__}\n# " + repr(e).replace("\\n", "\n# "), flush=True)


main()
