#!/usr/bin/env python3
"""start.py BUILD [RUNS]: from exec to the first guest instruction, and the memory of all processes.

A guest whose first instruction writes '!' to the serial port (tiny.S), 1 vCPU, 256 MiB, with the
devices of a plain server guest: disk, random numbers. casemate and QEMU's microvm take turns on
the same /dev/kvm; medians and ratios are printed. Memory is the sum of the PSS of every process,
guest RAM that was touched included (tiny touches a few pages). Asserts nothing about time.
Exit status 0; 4 where there is no /dev/kvm or no QEMU.
"""
import glob
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = """{
  "schema": "launch-policy/1", "name": "bench.start/tiny", "serial": 1,
  "labels": {"env": "dev", "data_class": "none"},
  "tee": {"type": "none"},
  "boot": {"kernel": {"file": "tiny.bin"}, "cmdline": "x"},
  "machine": {"vcpus": 1, "memory_mib": 256},
  "devices": {"disk": [{"id": "disk", "file": "disk.img", "mode": "rw", "integrity": "none"}],
    "console": "serial", "rng": true},
  "host": {"seccomp": "strict", "core_dump": "forbid"}
}
"""


def build_tiny(folder):
    obj = os.path.join(folder, "tiny.o")
    subprocess.run(["gcc", "-c", "-o", obj, os.path.join(HERE, "tiny.S")], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", obj, os.path.join(folder, "tiny.bin")],
                   check=True)
    with open(os.path.join(folder, "disk.img"), "wb") as f:
        f.truncate(16 << 20)
    with open(os.path.join(folder, "policy.jsonc"), "w", encoding="utf-8") as f:
        f.write(POLICY)


def family(pid):
    """pid and all its descendants."""
    parents = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat, encoding="utf-8") as f:
                text = f.read()
        except OSError:
            continue
        rest = text[text.rindex(")") + 2:].split()
        parents.setdefault(int(rest[1]), []).append(int(text.split()[0]))
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        todo += parents.get(p, [])
    return found


def pss_kib(pid):
    total = 0
    for p in family(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup", encoding="utf-8") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def measure(command, cwd):
    """(milliseconds from exec to '!', PSS in KiB, processes) of one start."""
    begin = time.monotonic()
    p = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    seen = b""
    while b"!" not in seen:
        chunk = os.read(p.stdout.fileno(), 4096)
        if not chunk:
            sys.exit(f"{command[0]} ended before the guest ran: {p.stderr.read().decode(errors='replace')}")
        seen += chunk
    elapsed = (time.monotonic() - begin) * 1000
    time.sleep(0.2)
    result = elapsed, pss_kib(p.pid), len(family(p.pid))
    p.send_signal(signal.SIGTERM)
    try:
        p.wait(10)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
    return result


def main():
    build = os.path.abspath(sys.argv[1])
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    qemu = shutil.which("qemu-system-x86_64")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or qemu is None:
        print("bench start: needs /dev/kvm and qemu-system-x86_64")
        sys.exit(4)
    with tempfile.TemporaryDirectory() as folder:
        build_tiny(folder)
        ours = [os.path.join(build, "vmm/super/casemate"), "run", "policy.jsonc"]
        theirs = [qemu, "-M", "microvm,accel=kvm,pic=off,pit=off,rtc=off", "-smp", "1", "-m", "256",
                  "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
                  "-kernel", "tiny.bin", "-append", "x",
                  "-drive", "id=d,file=disk.img,format=raw,if=none", "-device", "virtio-blk-device,drive=d",
                  "-device", "virtio-rng-device"]
        rows = {"casemate": [], "qemu microvm": []}
        for _ in range(runs):
            rows["casemate"].append(measure(ours, folder))
            rows["qemu microvm"].append(measure(theirs, folder))
    print(f"{'':14}{'start, ms':>12}{'(min)':>9}{'PSS, KiB':>11}{'processes':>11}   median of {runs}")
    med = {}
    for name, r in rows.items():
        med[name] = statistics.median(x[0] for x in r), statistics.median(x[1] for x in r)
        print(f"{name:14}{med[name][0]:12.1f}{min(x[0] for x in r):9.1f}{med[name][1]:11.0f}{r[-1][2]:11}")
    a, b = med["casemate"], med["qemu microvm"]
    print(f"ratio         {a[0] / b[0]:12.2f}{'':9}{a[1] / b[1]:11.2f}   casemate : qemu microvm, lower is better")


main()
