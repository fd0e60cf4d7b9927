#!/usr/bin/env python3
"""The filters that the kernel runs for every thread of a running guest's processes are those of their
lists, one each, and those that the receipts name. usage: test_seccomp_loaded.py BUILD. TAP.

The guest is tests/bench/tiny.S with two vCPUs; it needs /dev/kvm and, to look, to be root.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
NAME = f"test.proc/loaded-{os.getpid()}"
VCPUS = 2
# process -> the filters of its first thread, the one of each of its others
WANT = {"casemate": ({"super", "own-signals"}, None), "casemate-monitor": ({"monitor"}, "monitor-vcpu"),
        "casemate-dev-blk": ({"dev-blk"}, None), "casemate-dev-rng": ({"dev-rng"}, None),
        "casemate-ledger": ({"ledger"}, None)}


def make(folder):
    subprocess.run(["gcc", "-c", "-o", "tiny.o", os.path.join(HERE, "../bench/tiny.S")], check=True, cwd=folder)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", "tiny.o", "tiny.bin"], check=True, cwd=folder)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem"], check=True, cwd=folder,
                   stderr=subprocess.DEVNULL)
    os.mkdir(folder + "/ledger")
    subprocess.run([BUILD + "/attest/ledger/casemate-ledger", "init", "ledger", "--key", "key.pem", "--origin", "test/log"],
                   check=True, cwd=folder, stdout=subprocess.DEVNULL)
    with open(folder + "/disk.img", "wb") as f:
        f.truncate(1 << 20)
    with open(folder + "/p.jsonc", "w", encoding="ascii") as f:
        json.dump({"schema": "launch-policy/1", "name": NAME, "serial": 1,
                   "labels": {"env": "dev", "data_class": "none"}, "tee": {"type": "none"},
                   "boot": {"kernel": {"file": "tiny.bin"}, "cmdline": "x"},
                   "machine": {"vcpus": VCPUS, "memory_mib": 128},
                   "devices": {"console": "serial", "rng": True, "disk": [
                       {"id": "d", "file": "disk.img", "mode": "rw", "integrity": "none"}]},
                   "audit": {"ledger": "ledger", "key": "key.pem", "origin": "test/log"}}, f)


def family(pid):
    """The process and its children: {program: pid}."""
    found = {"casemate": pid}
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/cmdline", encoding="ascii") as g:
                found[g.read().split("\0")[0]] = int(child)
    return found


def wait_confined(pid):
    """The guest runs before its supervisor has put on its own filter: wait for that, a minute at most."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            if "\nSeccomp:\t2" in f.read():
                return
        time.sleep(0.05)


def look(pid):
    """[(is it the first thread, list, digest)], or None where it cannot be seen."""
    p = subprocess.run([BUILD + "/tests/proc/seccomp-loaded", str(pid)], capture_output=True, text=True, check=False)
    if p.returncode == 4:
        return None
    assert p.returncode == 0, p.stderr
    return [(int(tid) == pid, name, digest) for tid, name, digest in (line.split() for line in p.stdout.splitlines())]


def digests(node):
    """Every filter_sha256 of a JSON document."""
    if isinstance(node, dict):
        return {v for k, v in node.items() if k == "filter_sha256"}.union(*map(digests, node.values()), set())
    return set().union(*map(digests, node)) if isinstance(node, list) else set()


def check(pid, shown):
    yield "every process runs", set(family(pid)) == set(WANT), family(pid)
    for program, child in sorted(family(pid).items()):
        first, others = WANT.get(program, (set(), "?"))
        seen = look(child)
        if seen is None:
            yield f"{program} # SKIP this kernel does not show filters", True, ""
            continue
        yield (f"{program}: its first thread has filter {' and '.join(sorted(first))}, and no other",
               sorted(n for is_first, n, _ in seen if is_first) == sorted(first), seen)
        rest = [n for is_first, n, _ in seen if not is_first]
        # Since 6.13 KVM has a worker of its own among them: it has the filter of who first ran a vCPU.
        is_good = set(rest) == {others} and len(rest) >= VCPUS if others else rest == []
        yield f"{program}: its other threads have {others}", is_good, seen
        if program != "casemate":
            yield f"{program}: its receipt names that filter", {d for f, _, d in seen if f} <= shown, shown


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or os.geteuid() != 0:
        return print("1..0 # SKIP it needs /dev/kvm, and to be root")
    n = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        make(folder)
        p = subprocess.Popen([BUILD + "/vmm/super/casemate", "run", "p.jsonc"], cwd=folder, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        seen = b""
        while b"!" not in seen:
            piece = os.read(p.stdout.fileno(), 256)
            assert piece, "the guest never ran"
            seen += piece
        wait_confined(p.pid)
        shown = subprocess.run([BUILD + "/vmm/super/casemate", "show", NAME, "--json"], capture_output=True, text=True,
                               check=True).stdout
        for what, is_good, detail in check(p.pid, digests(json.loads(shown))):
            n += 1
            print(f"{'ok' if is_good else 'not ok'} {n} - {what}" + ("" if is_good else f"\n# {detail}"))
        p.send_signal(signal.SIGTERM)
        p.communicate(timeout=60)
    print(f"1..{n}")
    return None


main()
