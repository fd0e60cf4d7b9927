#!/usr/bin/env python3
"""swprot_test.py BUILD GUEST [--unwatched]: a guest with truly private memory under casemate, seen from the host.

Runs as root where /dev/kvm has software-protected VMs (swprot.sh starts it in the lab). The guest
(guest.c) says what it sees; wherever it waits, this side looks: at what every process of casemate
has mapped and holds, and at how much memory there is; with --unwatched the guest runs once, and
nobody looks (for tests/proc/test_syscalls_exact.py). Prints TAP.
"""
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time

BUILD, GUEST = sys.argv[1:3]
IS_WATCHED = "--unwatched" not in sys.argv[3:]
MIB = 1 << 20
BULK = 64 * MIB  # guest.c
SEED_PRIVATE, SEED_SHARED, SEED_DISK = 0x5EED0001, 0x5EED0002, 0x5EED0003
PRIVATE_GPA, SHARED_GPA = 0x2010000, 0x2003000
LIMIT_S = 300

POLICY = """{
  "schema": "launch-policy/1", "name": "test.vm/swprot", "serial": 1,
  "labels": {"env": "dev", "data_class": "none"},
  "tee": {"type": "sw"},
  "boot": {"kernel": {"file": "guest"}, "cmdline": "none"},
  "machine": {"vcpus": 2, "memory_mib": 256, "hugepages": "HUGE"},
  "devices": {"console": "serial", "disk": [
    {"id": "disk", "file": "disk.img", "mode": "rw", "integrity": "none"}]},
  "host": {"seccomp": "strict", "core_dump": "forbid"}
}
"""


class Tap:
    n = 0
    failed = 0
    prefix = ""

    @classmethod
    def check(cls, is_ok, name, note=""):
        cls.n += 1
        cls.failed += not is_ok
        print(f"{'ok' if is_ok else 'not ok'} {cls.n} - {cls.prefix}{name}", flush=True)
        if not is_ok and note:
            print("".join(f"# {line}\n" for line in str(note).splitlines()), end="", flush=True)

    @classmethod
    def skip(cls, name, reason):
        cls.n += 1
        print(f"ok {cls.n} - {cls.prefix}{name} # SKIP {reason}", flush=True)


def pattern(seed, length=4096):
    mask = (1 << 64) - 1
    words = (((i + 1) * 0x9E3779B97F4A7C15 ^ seed * 0xD1B54A32D192ED03) & mask for i in range(length // 8))
    return b"".join(w.to_bytes(8, "little") for w in words)


class Process:
    """One process of casemate, looked at from outside as root."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            self.name = os.path.basename(f.read().split(b"\0")[0].decode())

    def links(self):
        """{descriptor: what it is}"""
        found = {}
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found[int(fd)] = os.readlink(f"/proc/{self.pid}/fd/{fd}")
            except OSError:
                pass
        return found

    def memfds(self):
        return [fd for fd, link in self.links().items() if link.startswith("/memfd:")]

    def memory(self):
        """The bytes of every mapping but memory files, a mapping at a time."""
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as f:
            maps = f.read().splitlines()
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as mem:
            for line in maps:
                start, end, mode = re.match(r"(\w+)-(\w+) (....)", line).groups()
                if mode[0] != "r" or "/memfd:" in line or "[v" in line:
                    continue
                try:
                    mem.seek(int(start, 16))
                    yield mem.read(int(end, 16) - int(start, 16)) or b""
                except OSError:
                    pass

    def files(self):
        """What is in the memory files that it holds or has mapped, without filling their holes."""
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as f:
            mapped = [line.split(" ", 1)[0] for line in f if "/memfd:" in line]
        for path in [f"map_files/{m}" for m in mapped] + [f"fd/{fd}" for fd in self.memfds()]:
            with open(f"/proc/{self.pid}/{path}", "rb", buffering=0) as f:
                at, end = 0, os.fstat(f.fileno()).st_size
                while at < end:
                    try:
                        at = os.lseek(f.fileno(), at, os.SEEK_DATA)
                    except OSError:
                        break
                    hole = os.lseek(f.fileno(), at, os.SEEK_HOLE)
                    while at < hole:
                        data = os.pread(f.fileno(), min(hole - at, 8 * MIB), at)
                        yield data
                        at += len(data)

    def sees(self, needle):
        return any(needle in data for source in (self.files(), self.memory()) for data in source)


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            if parent == pid:
                found += [int(entry)] + children_of(int(entry))
    return found


def unevictable():
    """Private memory is memory that cannot be swapped out; the kernel counts it a little late."""
    with open("/proc/sys/vm/compact_memory", "w", encoding="ascii") as f:
        f.write("1")  # drains the per-CPU lists
    with open("/proc/meminfo", encoding="ascii") as f:
        return int(re.search(r"^Unevictable: +(\d+) kB", f.read(), re.M).group(1)) * 1024


class Run:
    def __init__(self, folder, hugepages):
        self.folder = folder
        with open(GUEST, "rb") as f:
            self.write("guest", f.read())
        self.write("policy.jsonc", POLICY.replace("HUGE", hugepages).encode())
        self.write("disk.img", pattern(SEED_DISK) + bytes(MIB - 4096))
        self.err = open(folder + "/err", "wb")
        self.casemate = subprocess.Popen([BUILD + "/vmm/super/casemate", "run", "--stdin", folder + "/policy.jsonc"],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.err)
        self.measured = {}

    def write(self, name, data):
        with open(f"{self.folder}/{name}", "wb") as f:
            f.write(data)

    def said(self):
        with open(self.folder + "/err", encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]

    def lines(self):
        """The guest's lines, until it is gone or the time is up."""
        end, text = time.time() + LIMIT_S, b""
        while time.time() < end:
            if not select.select([self.casemate.stdout], [], [], 1)[0]:
                continue
            data = os.read(self.casemate.stdout.fileno(), 4096)
            if not data:
                return
            *whole, text = (text + data).replace(b"\r", b"").split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        self.casemate.kill()

    def go_on(self):
        self.casemate.stdin.write(b"\n")
        self.casemate.stdin.flush()

    def processes(self):
        return [Process(pid) for pid in [self.casemate.pid] + children_of(self.casemate.pid)]

    def monitor(self):
        return next(p for p in self.processes() if "monitor" in p.name)

    def shared_bytes(self):
        """What the guest's shared memory takes of the host's."""
        monitor = self.monitor()
        sizes = [os.stat(f"/proc/{monitor.pid}/fd/{fd}") for fd in monitor.memfds()]
        return max((s.st_blocks * 512 for s in sizes if s.st_size == 256 * MIB), default=0)

    # ---- where the guest waits -------------------------------------------------------------------

    def nobody_sees(self):
        processes = self.processes()
        seers = [p.name for p in processes if p.sees(pattern(SEED_PRIVATE, 64))]
        Tap.check(not seers, "no process of casemate sees the private page", f"seen by {seers}")
        return processes

    def at_private(self):
        processes = self.nobody_sees()
        Tap.check(len(processes) >= 3, "supervisor, monitor and disk process run", [p.name for p in processes])
        self.private_descriptor()

    def private_descriptor(self):
        monitor = self.monitor()
        fds = [fd for fd, link in monitor.links().items() if "gmem" in link or "guest_memfd" in link]
        opened = []
        for fd in fds:
            try:
                os.close(os.open(f"/proc/{monitor.pid}/fd/{fd}", os.O_RDWR))
                opened.append(fd)
            except OSError:
                pass
        Tap.check(fds and not opened, "not even root opens the monitor's private memory", monitor.links())

    def at_disk(self):
        devices = [p for p in self.nobody_sees() if "-dev-" in p.name]
        Tap.check(devices and all(p.sees(pattern(SEED_SHARED)) for p in devices), "the disk process sees a shared page")
        held = {p.name: link for p in devices for link in p.links().values() if "kvm" in link or "sev" in link}
        Tap.check(devices and not held, "it holds neither KVM nor private memory", held)
        with open(self.folder + "/disk.img", "rb") as f:
            disk = f.read()
        Tap.check(disk[8 * 512 : 8 * 512 + 4096] == pattern(SEED_SHARED), "the disk has what the guest wrote from a shared page")
        Tap.check(pattern(SEED_PRIVATE, 64) not in disk, "the disk has nothing of the private page")

    def at_bulk_shared(self):
        self.measured["shared"] = self.shared_bytes()
        self.measured["private"] = unevictable()
        Tap.check(self.measured["shared"] >= BULK, "shared memory is counted", self.measured)

    def at_bulk_private(self):
        shared, private = self.shared_bytes(), unevictable()
        Tap.check(self.measured["shared"] - shared >= BULK * 15 // 16, "shared memory that became private is given back",
                  f"{self.measured['shared']} then {shared}")
        Tap.check(private - self.measured["private"] >= BULK * 15 // 16, "private memory is there",
                  f"{self.measured['private']} then {private}")
        self.measured["private"] = private

    def at_bulk_given_back(self):
        private = unevictable()
        Tap.check(self.measured["private"] - private >= BULK * 15 // 16, "private memory that became shared is given back",
                  f"{self.measured['private']} then {private}")


def all_is_given_back(before, name):
    """No process of casemate, and no more unevictable memory than before, within ten seconds."""
    for _ in range(100):
        left = subprocess.run(["pgrep", "-l", "^casemate"], capture_output=True, text=True, check=False).stdout
        if not left and unevictable() < before + 8 * MIB:
            break
        time.sleep(0.1)
    Tap.check(not left and unevictable() < before + 8 * MIB, name, f"{left}{before} then {unevictable()}")


def run(folder, hugepages, kill_at=None):
    before = unevictable()
    guest = Run(folder, hugepages)
    is_done = False
    for line in guest.lines():
        word, _, name = line.removeprefix("swprot: ").partition(" ")
        if not line.startswith("swprot: "):
            print(f"# {line}", flush=True)
        elif word == "wait" and name == kill_at:
            guest.casemate.kill()
            guest.casemate.wait()
            all_is_given_back(before, "a killed supervisor leaves no process and no private memory")
            return
        elif word == "wait" and kill_at:
            guest.go_on()
        elif word in ("ok", "FAIL") and not kill_at:
            Tap.check(word == "ok", f"guest: {name}")
        elif word == "wait" and not IS_WATCHED:
            guest.go_on()
        elif word == "wait":
            getattr(guest, "at_" + name.replace(" ", "_"))()
            guest.go_on()
        is_done = is_done or word == "done"
    status = guest.casemate.wait()
    Tap.check(is_done and status == 0, "the guest came to its end", f"status {status}\n{guest.said()}")
    all_is_given_back(before, "the end leaves no process and no private memory")


def host_check():
    """This machine can do sw, and nothing that needs a processor for it."""
    for tee, want in (("sw", 0), ("snp", 1), ("tdx", 1)):
        check = subprocess.run([BUILD + "/vmm/super/casemate", "host", "check", "--tee", tee, "--json"],
                               capture_output=True, text=True, check=False)
        rows = {row["id"]: row for row in json.loads(check.stdout)["rows"]}
        Tap.check(check.returncode == want and rows["kvm." + tee]["ok"] == (want == 0), f"host check --tee {tee} exits with {want}",
                  [row for row in rows.values() if row["needed"] and not row["ok"]])


def reserve_huge(count):
    path = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    try:
        with open(path, "w", encoding="ascii") as f:
            f.write(str(count))
        with open(path, encoding="ascii") as f:
            return int(f.read()) >= count
    except OSError:
        return False


def main():
    if not IS_WATCHED:
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            run(folder, "no")
        print(f"1..{Tap.n}")
        return 1 if Tap.failed else 0
    host_check()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        run(folder, "no", kill_at="bulk private")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        run(folder, "no")
    Tap.prefix = "2 MiB pages: "
    if reserve_huge(140):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            run(folder, "2M")
    else:
        Tap.skip("the same again", "no 140 huge pages can be had here")
    print(f"1..{Tap.n}")
    return 1 if Tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
