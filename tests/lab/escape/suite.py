#!/usr/bin/env python3
"""suite.py BUILD WORK [--mode MODE] [--all] [--only TEXT] [--jobs N] [--table FILE]: the escape suite beside a guest that works.

WORK is the folder escape.sh made, for the mode it says. First `escape` (escape_main.c): every role tries every row of attempts[]. Then, but
where walls were left out, guests of which one process was taken over tells the others lies (lie.c). All the time the guest next
door writes and compares its disk (tests/vm/hostile/neighbour.c); one of its processes, its disk and a socket in its
folder are what the attempts aim at. Prints TAP.

With labels (modes selinux, label; --all: every row and lie, else those SELinux has to do with): a second guest runs, each process has to be in the domain of its role, each guest
in a pair of its own, and labels of files are to be as before when they have ended. In mode label every refusal must be in the kernel's
log: nobody else was there to refuse.
"""
import argparse
import concurrent.futures
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

ARGS = argparse.ArgumentParser()
ARGS.add_argument("build")
ARGS.add_argument("work")
ARGS.add_argument("--mode", choices=("full", "rest", "selinux", "label"), default="full")
ARGS.add_argument("--all", action="store_true")
ARGS.add_argument("--only")
ARGS.add_argument("--jobs", type=int, default=2)
ARGS.add_argument("--table")
A = ARGS.parse_args()
HAS_LABELS = A.mode in ("selinux", "label")
MARK = b"casemate escape suite: order\n"
READY, LOOP, MESSAGE = 2, 3, 5  # order.h
SAYS_S, END_S = 40, 60
LOG_LINES = 200  # of one guest, whatever a process of it writes
PROGRAMS = {"casemate": "vmm/super", "casemate-policy": "policy", "casemate-monitor": "vmm/monitor",
            **{f"casemate-dev-{x}": "vmm/device" for x in ("blk", "console", "rng", "vsock")}}
MONITOR, BLK, CONSOLE, RNG, VSOCK = "monitor", "dev-blk", "dev-console", "dev-rng", "dev-vsock"


def label(path, name):
    """As restorecon would, where SELinux is."""
    if HAS_LABELS:
        os.setxattr(path, "security.selinux", f"system_u:object_r:{name}:s0\0".encode())


def label_of(path):
    return os.getxattr(path, "security.selinux").decode().rstrip("\0") if HAS_LABELS else ""


def label_program(path):
    name = os.path.basename(path)
    label(path, {"casemate": "casemate_exec_t", "escape": "casemate_exec_t"}.get(name, name.replace("-", "_") + "_exec_t"))


def make_escape(folder):
    """A file with its folder's label that anybody may open, but for that label."""
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/escape", "w", encoding="utf-8"):
        os.chmod(folder + "/escape", 0o666)
    label(folder + "/escape", label_of(folder).split(":")[2])


def label_work():
    """The files of WORK, and one of each kind of ours, as an administrator would have them."""
    for folder in ("vtpm", "ledger", "images", "boot", "broker", ""):  # attempt.c
        make_escape(f"/var/lib/casemate/{folder}")
    for folder in ("/etc/casemate", "/run/casemate", "/var/log/casemate"):
        make_escape(folder)
    label("/var/lib/casemate/broker", "casemate_store_t")
    label("/var/lib/casemate/broker/escape", "casemate_store_t")
    os.mknod("/dev/sev", 0o666 | stat.S_IFCHR, os.makedev(10, 200))
    label("/dev/sev", "casemate_sev_device_t")
    types = {"ledger": "casemate_ledger_data_t", "broker-ledger": "casemate_ledger_data_t", "store": "casemate_store_t"}
    for folder, _, files in os.walk(A.work):
        top = os.path.relpath(folder, A.work).split("/")[0]
        if top in types:
            label(folder, types[top])
        for name in files:
            path = os.path.join(folder, name)
            if name == "escape" or name.startswith("casemate"):
                label_program(path)
            elif top in types or name.endswith("ledger.key"):
                label(path, types.get(top, "casemate_ledger_data_t"))
            elif name in ("kernel", "own.disk", "session", "owner.pem"):
                label(path, "casemate_content_t")
            elif name in ("broker.jsonc", "ca.pem", "ca.key", "ark.cert", "policy.jsonc"):
                label(path, "casemate_conf_t")


class Denials:
    """What SELinux refused to domains of ours, as the kernel's log says it: {process: ["casemate_dev_blk: file open of shadow_t"]}."""

    LINE = re.compile(r"avc: +denied +{ (.*?) } for +pid=(\d+) .*scontext=\w+:\w+:(casemate\w*)_t:(\S+) tcontext=\w+:\w+:(\w+)\S* tclass=(\w+)")

    def __init__(self):
        self.of, self.ranges, self.lost = {}, {}, 0
        self.log = os.open("/dev/kmsg", os.O_RDONLY)
        os.lseek(self.log, 0, os.SEEK_END)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                m = self.LINE.search(os.read(self.log, 8192).decode(errors="replace"))
            except BrokenPipeError:  # overwritten before it was read
                self.lost += 1
                continue
            if m and m.group(4) != "cert_t":  # libcrypto, as it starts, looks for its configuration
                rights, pid, domain, categories, target, kind = m.groups()
                self.ranges[int(pid)] = categories
                self.of.setdefault(int(pid), []).append(f"{domain}: {kind} {rights} of {target}")

    def last(self, pid):
        """What this process was refused last; the log comes after the fact."""
        for _ in range(20):
            if pid in self.of:
                break
            time.sleep(0.1)
        return self.of.get(pid, ["nothing in the kernel's log"])[-1]


class Tap:
    n = failed = 0

    @classmethod
    def check(cls, is_ok, name, note=""):
        cls.n += 1
        cls.failed += not is_ok
        print(f"{'ok' if is_ok else 'not ok'} {cls.n} - {name}", flush=True)
        if not is_ok:
            print("".join(f"# {line}\n" for line in str(note).splitlines()), end="", flush=True)


class Service:
    """What a guest's socket device may reach: takes connections, says nothing."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        label(path, "casemate_runtime_t")
        self.socket.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        kept = []
        while True:
            try:
                kept = kept[-8:] + [self.socket.accept()[0]]
            except OSError:
                return


class Guest:
    """One `casemate run` of the guest that writes and compares; its programs are in its own folder."""

    def __init__(self, name, devices):
        self.folder = tempfile.mkdtemp(prefix=name + ".", dir=A.work)
        os.chmod(self.folder, 0o755)
        self.lines, self.rest, self.out = [], b"", b""
        for program, place in PROGRAMS.items():
            shutil.copy(f"{A.build}/{place}/{program}", self.folder)
            label_program(f"{self.folder}/{program}")
        shutil.copy(A.work + "/guests/neighbour", self.folder + "/kernel")
        with open(self.folder + "/disk.img", "wb") as f:
            f.truncate(256 << 10)
        os.chmod(self.folder + "/disk.img", 0o666)  # its file mode is not to be what protects it
        label(self.folder + "/kernel", "usr_t")  # where it comes from: given back at the end
        label(self.folder + "/disk.img", "virt_image_t")
        disk = {"id": "disk", "file": self.folder + "/disk.img", "mode": "rw", "integrity": "none"}
        policy = {"schema": "launch-policy/1", "name": f"test.escape/{os.path.basename(self.folder)}-{os.getpid()}",
                  "serial": 1, "labels": {"env": "dev", "data_class": "none"}, "tee": {"type": "none"},
                  "boot": {"kernel": {"file": self.folder + "/kernel"}, "cmdline": "none"},
                  "machine": {"vcpus": 1, "memory_mib": 128, "hugepages": "no"},
                  "devices": {"console": "serial", "disk": [disk], **devices},
                  "host": {"seccomp": "strict", "core_dump": "forbid"}}
        with open(self.folder + "/policy.jsonc", "w", encoding="utf-8") as f:
            json.dump(policy, f)
        self.service = Service(self.folder + "/service") if "vsock" in devices else None

    def labels(self):
        return {x: label_of(f"{self.folder}/{x}") for x in ("kernel", "disk.img")}

    def domains(self):
        """[[program, domain, range]] of what runs."""
        found = []
        for pid, program in self.processes().items():
            with open(f"/proc/{pid}/attr/current", encoding="ascii") as f:
                found.append([program, *f.read().rstrip("\0").split(":", 3)[2:]])
        return found

    def start(self, nice=0):
        """With nice, what is tested has the processors first: it works on all the same."""
        self.said = bytearray()
        self.process = subprocess.Popen([self.folder + "/casemate", "run", "--stdin", "policy.jsonc"], cwd=self.folder, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: os.nice(nice))
        # A pipe, not a file: a domain of ours may write to the one and not to the other.
        self.listener = threading.Thread(target=self.hear, daemon=True)
        self.listener.start()

    def hear(self):
        for data in iter(lambda: os.read(self.process.stderr.fileno(), 65536), b""):
            self.said += data

    def err(self):
        if self.process.poll() is not None:
            self.listener.join(10)  # to the last word
        return bytes(self.said)

    def listen(self, until, limit_s):
        """Its lines, until until() is true or its output ends."""
        end = time.monotonic() + limit_s
        while not until() and time.monotonic() < end:
            if not select.select([self.process.stdout], [], [], 0.05)[0]:
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return
            self.out = (self.out + data)[-65536:]
            *whole, self.rest = (self.rest + data.replace(b"\r", b"")).split(b"\n")
            self.lines += [x.decode(errors="replace") for x in whole if x.startswith(b"neighbour: ")]

    def call(self):
        """The byte it waits for."""
        try:
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def finish(self):
        self.listen(lambda: False, END_S)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def processes(self):
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
            except OSError:
                continue
            if exe.startswith(self.folder + "/"):
                found[int(pid)] = os.path.basename(exe)
        return found

    def left(self):
        """Processes that outlived it by five seconds."""
        for _ in range(50):
            if not self.processes():
                break
            time.sleep(0.1)
        return self.processes()

    def rounds(self):
        """How many rounds it found whole at its end; None if it did not."""
        return next((int(m.group(1)) for m in (re.match(r"neighbour: whole after (\d+) rounds", x) for x in self.lines) if m), None)


def image(n):
    """What neighbour.c leaves after round n."""
    mask = (1 << 64) - 1
    words = (((n << 40 ^ b << 20 ^ w) * 0x9E3779B97F4A7C15) & mask for b in range(64) for w in range(512))
    return b"".join(struct.pack("<Q", w) for w in words)


# ---- lies -----------------------------------------------------------------------------------------

class Lie:
    """role is taken over, at when (a turn of its loop, a message: the number), and tells this lie.

    want: "end": the guest ends with a failure and this is said; "on": it goes on, and finds its disk whole; "any": one of the two.
    """

    def __init__(self, role, when, name, want, says="", number=0):
        self.role, self.when, self.name, self.want, self.says, self.number = role, when, name, want, says, number

    def title(self):
        when = {READY: "before READY", LOOP: f"event {self.number}" if self.number else "after READY",
                MESSAGE: f"message {self.number}" if self.number else ""}[self.when]
        return f"{self.role} lies: {self.name}{', ' + when if when else ''}"


NO = "a message it may not send"
RECEIPT = "confined as it must be"
WRONG = [Lie(r, LOOP, x, "end", NO) for r in (RNG, MONITOR) for x in
         ("a message nobody knows", "a message beyond every table", "READY without a receipt", "its last message with a descriptor",
          "its last message with 253 descriptors", "a length that is not its own", "a length of 4 GiB", "a header cut short",
          "more than a message may have", "a measurement for an owner nobody asked", "an owner's secret", "LAUNCHED")]
BACK = [Lie(RNG, MESSAGE, "vu: " + x, "end", number=1) for x in
        ("another request's number", "a request nobody knows", "no reply by its flags", "another version", "flags nobody knows", "too short",
         "too long", "a length of 4 GiB", "a descriptor", "253 descriptors", "zeros", "silence", "twice", "hangs up", "without end")]
FRONT = [Lie(MONITOR, MESSAGE, "vu: " + x, "any", number=1) for x in
         ("nine regions of memory", "regions without end", "no memory", "memory beyond the file", "memory at an offset that wraps",
          "memory at an address that wraps", "its channel for memory", "KVM for memory", "a ring outside memory",
          "a ring at an odd address", "a ring of 65535", "a ring of nothing", "a queue there is not", "its channel for a kick",
          "KVM for a kick", "memory for a kick", "its channel for a call", "all features", "a request nobody knows", "another version",
          "too short", "too long", "a length of 4 GiB", "253 descriptors", "hangs up", "without end", "byte by byte")]
LIES = WRONG + [
    Lie(RNG, LOOP, "its last message again", "end", NO),
    Lie(MONITOR, LOOP, "its last message again", "end", NO),
    Lie(RNG, LOOP, "the end of the guest", "end", NO),
    Lie(RNG, LOOP, "serial output without end", "end", NO),
    Lie(RNG, LOOP, "a connection to a port it has not", "end", NO),
    *(Lie(r, READY, x, "end", RECEIPT) for r in (BLK, MONITOR) for x in
      ("the receipt of another role", "a receipt without a filter", "a receipt of another filter", "a receipt of uid 0",
       "a receipt of another namespace")),
    Lie(BLK, READY, "READY without a receipt", "end", NO),
    Lie(BLK, READY, "a receipt of another label", "end", "label"),
    Lie(RNG, LOOP, "FAILED with escape sequences", "end", r"dev-rng: "),
    Lie(RNG, READY, "FAILED without an end", "end", "AAAA"),
    Lie(MONITOR, LOOP, "the guest's crash with escape sequences", "end", "the guest crashed"),
    Lie(MONITOR, LOOP, "an exit status no process has", "end", NO),
    Lie(MONITOR, LOOP, "an end there is not", "end", NO),
    Lie(MONITOR, LOOP, "serial output without end", "on"),
    Lie(RNG, LOOP, "an empty packet with a descriptor", "any"),
    Lie(MONITOR, LOOP, "an empty packet with a descriptor", "any"),
    Lie(VSOCK, LOOP, "a connection to a port it has not", "end", NO),
    Lie(VSOCK, LOOP, "connections without end", "any"),
    Lie(RNG, LOOP, "no channel any more", "any"),
    Lie(RNG, LOOP, "lines without end", "on"),
    Lie(RNG, LOOP, "a line without end", "on"),
    Lie(RNG, LOOP, "lines with escape sequences", "on"),
    Lie(RNG, LOOP, "no log any more", "on"),
    *(Lie(r, LOOP, x, "end", NO, number=20) for r in (BLK, MONITOR) for x in
      ("a message nobody knows", "its last message again", "its last message with 253 descriptors")),
    *(Lie(r, LOOP, x, "on", number=20) for r in (BLK, MONITOR) for x in ("lines without end", "no log any more")),
    Lie(BLK, LOOP, "FAILED with escape sequences", "end", "dev-blk disk: ", number=20),
    Lie(BLK, LOOP, "no channel any more", "any", number=20),
    Lie(MONITOR, LOOP, "no channel any more", "end", number=20),
    *BACK,
    *(Lie(BLK, MESSAGE, "vu: " + x, "any", number=n) for x in ("hangs up", "all ones", "zeros", "twice", "a descriptor") for n in (2, 3, 4)),
    Lie(BLK, MESSAGE, "vu: byte by byte", "on"),
    *FRONT,
]

# Deaths by a signal; the supervisor's SIGKILL is none.
DEATH = re.compile(rb"SIG(?!KILL)[A-Z]+|signal (?!9\b|15\b)\d|assert|Sanitizer|runtime error|dumped")


def order_write(source, path, order):
    """The program source with this order in it, as path."""
    with open(source, "rb") as f:
        data = bytearray(f.read())
    at = data.index(MARK) + 32
    data[at:at + len(order)] = order
    with open(path + ".new", "wb") as f:
        f.write(data)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)
    label_program(path)


def order_give(guest, lie, number):
    order_write(f"{A.build}/tests/lab/escape/full/casemate-{lie.role}", f"{guest.folder}/casemate-{lie.role}",
                struct.pack("<5I", lie.when, number, 1, lie.number if lie.when == LOOP else 0, lie.number if lie.when == MESSAGE else 0))


def lie_judge(lie, guest, status, err):
    """What is wrong; empty: nothing."""
    label = lie.role.encode()
    bad = []
    if b"escape: try" not in err:
        bad.append("it was not told")
    if any(c < 0x20 and c != 10 or c > 0x7e for c in err):
        bad.append("bytes that are no text")
    lines = err.split(b"\n")
    if len(lines) > LOG_LINES or any(len(x) > 520 for x in lines):
        bad.append(f"{len(lines)} lines, the longest has {max(map(len, lines))} bytes")
    if any(x.startswith(b"casemate: error: forged") for x in lines):
        bad.append("a forged line")
    bad += [f"a process died: {x}" for x in lines if DEATH.search(x) and not x.startswith(label + b": escape")]
    whole = status == 0 and guest.rounds() is not None
    lost = any(x.startswith("neighbour: LOST") for x in guest.lines)
    ended = status is not None and status > 0 and (lost or any(re.match(rb"casemate: (?!info|warning)", x) for x in lines))
    if status is None:
        bad.append("it did not end")
    elif not {"end": ended, "on": whole, "any": whole or ended}[lie.want]:
        bad.append(f"status {status}, want {lie.want}")
    if lie.says and not re.search(lie.says.encode(), err):
        bad.append(f"it does not say \"{lie.says}\"")
    left = guest.left()
    if left:
        bad.append(f"left behind: {left}")
    return bad


def lie_try(lie, number):
    guest = Guest("lie", {"rng": True, "vsock": {"cid": 5, "ports": [{"port": 7001, "socket": "service"}]}})
    order_give(guest, lie, number)
    guest.start()
    is_told = lambda: b"escape: end" in guest.err() or b"escape: try" in guest.err() and "no log" in lie.name
    guest.listen(lambda: guest.lines and is_told(), SAYS_S)
    if guest.process.poll() is None:
        guest.listen(lambda: guest.process.poll() is not None, 0.3)
        guest.call()
    status = guest.finish()
    err = guest.err()
    bad = lie_judge(lie, guest, status, err)
    # What it came to: the supervisor's last word, else the guest's.
    said = [x for x in err.decode(errors="replace").splitlines() if re.match("casemate: (?!info|warning)", x)]
    shutil.rmtree(guest.folder, ignore_errors=True)
    return lie, bad, err, (said or guest.lines)[-1]


def lies_run():
    names = subprocess.run([A.work + "/escape", "--lies"], check=True, capture_output=True, text=True).stdout.splitlines()
    is_chosen = lambda x: A.all or not HAS_LABELS or re.search("receipt|descriptor", x.name)  # what SELinux has to do with
    wanted = [x for x in LIES if is_chosen(x) and (A.only is None or A.only in x.title())]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(A.jobs) as pool:
        for lie, bad, err, came in pool.map(lambda x: lie_try(x, names.index(x.name)), wanted):
            Tap.check(not bad, f"{lie.title()}: {came[:120]}", "\n".join(map(str, bad)) + "\n" + err.decode(errors="replace")[-3000:])
            rows.append(f"{lie.role}\tlies\t{lie.title()}\t{'NOT STOPPED' if bad else 'protocol'}\t{came}\n")
    if A.table:
        with open(A.table, "a", encoding="utf-8") as f:
            f.writelines(rows)
    print(f"# lies told: {len(rows)}, " f"not refused: {sum('NOT STOPPED' in r for r in rows)}", flush=True)


# ---- attempts -------------------------------------------------------------------------------------

def attempts_run(victim, denials):
    """escape_main.c, its rows renumbered; in which ranges who tried was refused by its label."""
    pid = next((p for p, name in victim.processes().items() if name == "casemate-dev-blk"), 0)
    Tap.check(pid > 0, "the guest next door runs, and there is somebody to aim at", victim.err())
    # casemate_t makes no sockets in folders: there, an administrator listens.
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if HAS_LABELS:
        heard.bind(A.work + "/heard")
        os.chmod(A.work + "/heard", 0o666)
    aim = [str(pid), victim.folder + "/disk.img", A.work + "/heard"]
    command = [A.work + "/escape", A.work, "--jobs", str(A.jobs), "--victim", *aim]
    command += {"full": [], "rest": ["--rest"], "selinux": ["--labels", "--ask"], "label": ["--labels", "--label", "--ask"]}[A.mode]
    command += ["--all"] if A.all and HAS_LABELS else []
    command += ["--only", A.only] if A.only else []
    command += ["--table", A.table] if A.table else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        n, ranges = 0, set()
        for line in p.stdout:
            m = re.match(r"(ok|not ok) \d+ - (.*?)(?: \[(\d+)\])?$", line)
            o = re.match(r"order (\S+) (\d+) (\d+) (\S+)", line)
            if m:
                n += 1
                tried = int(m.group(3) or 0)
                if tried:
                    refused = denials.last(tried)
                    Tap.check(m.group(1) == "ok" and tried in denials.of, f"{m.group(2)}: {refused}")
                    if not re.match("super|broker", m.group(2)):  # they belong to no guest
                        ranges.add(denials.ranges.get(tried))
                else:
                    Tap.check(m.group(1) == "ok", m.group(2))
            elif o:
                path = f"{A.work}/{o.group(1)}"
                order_write(path, path, struct.pack("<5Ii256s108s32s", int(o.group(2)), int(o.group(3)), 0, 0, 0, pid, aim[1].encode(),
                                                   aim[2].encode(), b"\0" + o.group(4).encode()))
                p.stdin.write("\n")
                p.stdin.flush()
            elif not line.startswith("1.."):
                print(line, end="", flush=True)
    Tap.check(p.returncode == 0 and n > 0 or A.only is not None, "every attempt was made, none got what it wanted")
    if HAS_LABELS:
        Tap.check(not select.select([heard], [], [], 0)[0], "who listens next door heard nothing")
    return ranges


# ---- labels ---------------------------------------------------------------------------------------

def domains_check(guests):
    """Their pairs; the `ps -eZ` of it. Every process of a guest in its role's domain, with the guest's pair."""
    pairs = []
    for guest in guests:
        found = guest.domains()
        for program, domain, categories in sorted(found):
            print(f"# {domain}:{categories} {program}")
        Tap.check(len(found) > 2 and all(d == x.replace("-", "_") + "_t" for x, d, _ in found), "every process is in the domain of its role")
        of = {c for x, _, c in found if x != "casemate"}
        Tap.check(len(of) == 1 and re.fullmatch(r"s0:c\d+,c\d+", min(of, default="")), "those of a guest have one pair of categories", of)
        pairs += of
    Tap.check(len(set(pairs)) == len(guests), "each guest has a pair of its own", pairs)
    return pairs


def denials_check(denials, ranges, pairs):
    for domain in sorted({x.split(":")[0] for refused in denials.of.values() for x in refused}):
        print(f"# denied to {domain}: {sum(x.startswith(domain + ':') for r in denials.of.values() for x in r)}")
    Tap.check(denials.lost == 0, "the kernel's log was read whole")
    if A.mode == "label":
        Tap.check(len(ranges) <= 1 and not ranges & set(pairs), "who was refused had one pair, which neither guest had", ranges)


# What the policy promises of every role (its neverallow rules): "OBJECT CLASS RIGHTS"; an object ending in ! has the pair of another guest.
PROMISES = ("casemate_image_t! file open", "casemate_content_t file map", "casemate_conf_t file open", "casemate_log_t file open",
            "casemate_runtime_t file open", "casemate_state_t file open", "casemate_store_t file open", "casemate_vtpm_state_t file open unlink",
            "shadow_t file open read", "etc_t file open", "casemate_image_t! file read write", "casemate_ram_t! file read write",
            "casemate_vtpm_state_t! file read write", "kvm_device_t chr_file open", "casemate_sev_device_t chr_file open",
            "casemate_ram_t file execute", "casemate_image_t file execute", "lib_t file execute_no_trans entrypoint",
            "self process ptrace execmem execstack execheap setexec setcurrent setfscreate setsockcreate", "self capability sys_admin net_admin kill",
            "casemate_monitor_t process dyntransition sigkill", "unconfined_t process transition dyntransition sigkill ptrace",
            "self rawip_socket create", "self packet_socket create", "self vsock_socket create", "self tun_socket create")
# Of those whose programs the suite has no copy of; beside it, what of the above they must not hold even by a descriptor.
UNTRIED = {"casemate_vtpm_t": ("casemate_ram_t file read write map", "casemate_image_t file open read write", "casemate_content_t file open",
                             "kvm_device_t chr_file ioctl"),
           "casemate_foreign_t": ("casemate_vtpm_state_t file read write", "kvm_device_t chr_file ioctl", "casemate_sev_device_t chr_file ioctl")}


def kernel_grants(subject, target, kind, rights):
    """Those of these rights that the kernel's answer has."""
    of = f"/sys/fs/selinux/class/{kind}"
    with open(of + "/index", encoding="ascii") as f:
        index = f.read()
    fd = os.open("/sys/fs/selinux/access", os.O_RDWR)
    os.write(fd, f"{subject} {target} {index}".encode())
    granted = int(os.read(fd, 256).split()[0], 16)
    os.close(fd)
    bits = {}
    for right in rights:
        with open(f"{of}/perms/{right}", encoding="ascii") as f:
            bits[right] = 1 << (int(f.read()) - 1)
    return [x for x in rights if granted & bits[x]]


def promises_check(pairs):
    own, other = pairs
    for domain, more in UNTRIED.items():
        subject = f"system_u:system_r:{domain}:{own}"
        wrong = []
        for promise in PROMISES + more:
            what, kind, *rights = promise.split()
            target = f"system_u:object_r:{what.rstrip('!')}:{other if what.endswith('!') else own}"
            wrong += [f"{promise}: {x}" for x in kernel_grants(subject, subject if what == "self" else target, kind, rights)]
        Tap.check(not wrong, f"the kernel keeps the promises of the policy for {domain}, which no copy of a program tries", wrong)


def labels_check(guests, before):
    for guest, was in zip(guests, before):
        Tap.check(guest.labels() == was, "its files have the labels of before", f"{guest.labels()}, were {was}")
    # Supervisors that were taken over were killed at last.
    subprocess.run([guests[0].folder + "/casemate", "host", "recover"], check=False, capture_output=True)
    journals = "/var/lib/casemate/labels"
    Tap.check(not os.listdir(journals), "no pair is held, no label waits to be put back", os.listdir(journals))


class Neighbour:
    """A guest that works next door all the time."""

    def __init__(self, devices):
        self.guest = Guest("victim", devices)
        self.labels = self.guest.labels()
        self.over = threading.Event()
        self.guest.start(nice=19)
        self.guest.listen(lambda: self.guest.lines, SAYS_S)
        Tap.check(self.guest.lines[:1] == ["neighbour: start"], "the guest next door starts", self.guest.err())
        self.reader = threading.Thread(target=self.guest.listen, args=(self.over.is_set, 100000))
        self.reader.start()

    def end(self):
        guest, is_up = self.guest, self.guest.process.poll() is None
        self.over.set()
        self.reader.join()
        for pid in guest.processes():
            os.setpriority(os.PRIO_PROCESS, pid, 0)
        guest.call()
        status = guest.finish()
        n = guest.rounds()
        Tap.check(is_up and status == 0 and n is not None and not guest.left(),
                  "the guest next door did not notice: it ran to its end, its disk is whole", f"status {status}, {guest.lines}\n{guest.err()}")
        with open(guest.folder + "/disk.img", "rb") as f:
            Tap.check(n is not None and f.read() == image(n), f"the host finds on its disk what it wrote in round {n}")


def main():
    denials, pairs = None, []
    if HAS_LABELS:
        label_work()
        denials = Denials()
    neighbours = [Neighbour(x) for x in ([{}, {"rng": True}] if HAS_LABELS else [{}])]
    guests = [x.guest for x in neighbours]
    if HAS_LABELS:
        pairs = domains_check(guests)
        if len(pairs) == len(guests):
            promises_check(pairs)
    ranges = attempts_run(guests[0], denials)
    if A.mode in ("full", "selinux"):
        lies_run()
    for neighbour in neighbours:
        neighbour.end()
    with open(A.work + "/own.disk", "rb") as f:
        Tap.check(not any(f.read()), "the read-only disk of the taken-over process is as it was")
    if HAS_LABELS:
        denials_check(denials, ranges, pairs)
        labels_check(guests, [x.labels for x in neighbours])
    print(f"1..{Tap.n}")
    return Tap.failed != 0


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
sys.exit(main())
