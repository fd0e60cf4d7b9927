#!/usr/bin/env python3
"""hostile.py BUILD GUESTS [--seed N] [--rounds N] [--only N] [--machine NAME]: guests that attack their machine, beside one that works.

GUESTS is what guests.sh built. Machines: `plain` (disks, rng, vsock, serial port), `consoles` (a virtio console),
`firmware` (flash, fw_cfg, clock, power management), `protected` and `td` (an SNP guest and a TD with its quoting service,
over the simulated processors, where BUILD has them); then one short guest for each way to end. Each attack is a test: the guest made it, everything works afterwards,
the host's processes are up, or ended as docs/man/casemate.1 says and with a sentence. All the time a neighbour writes
and compares stamped blocks; at the end guest and host find its disk whole. Runs where lab.sh starts it. Prints TAP.
"""
import argparse
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ARGS = argparse.ArgumentParser()
ARGS.add_argument("build")
ARGS.add_argument("guests")
ARGS.add_argument("--seed", type=int, default=1)
ARGS.add_argument("--rounds", type=int, default=1 if "CASEMATE_EMULATED" in os.environ else 4)
ARGS.add_argument("--only", type=int)
ARGS.add_argument("--machine", action="append", default=[])
A = ARGS.parse_args()
MIB = 1 << 20
THIN = 5 if "CASEMATE_EMULATED" in os.environ else 1  # kit.h
ATTACKS_S = 400  # one machine's attacks; a busy machine and an emulated processor included
END_S = 60
LOG_LINES = 100  # of one guest's processes, however often it asks for them
DEBUG_LINES = (50, 5)  # and of its firmware: at once, every second (base/limits.h)
NEIGHBOUR, PLAIN, CONSOLES, FIRMWARE, PROTECTED, TD = 0, 1, 2, 4, 8, 16  # hostile.h
MACHINES = {"plain": PLAIN, "consoles": CONSOLES, "firmware": FIRMWARE, "protected": PROTECTED, "td": TD}
VARS_BYTES, CODE_BYTES = 65536, 131072

DISKS = """"disk": [{"id": "disk", "file": "disk.img", "mode": "rw", "discard": true, "integrity": "none"},
    {"id": "fixed", "file": "fixed.img", "mode": "ro", "integrity": "none"}]"""
DISK = """"disk": [{"id": "disk", "file": "disk.img", "mode": "rw", "integrity": "none"}]"""
DEVICES = {
    PLAIN: f'"console": "serial", "rng": true, {DISKS}, "vsock": {{"cid": 5, "ports": [{{"port": 7001, "socket": "sink"}}, {{"port": 7002, "socket": "nobody"}}]}}',
    CONSOLES: '"console": "virtio", "rng": true',
    NEIGHBOUR: f'"console": "serial", {DISK}',
    FIRMWARE: f'"console": "serial", {DISK}',
    PROTECTED: f'"console": "serial", {DISK}',
    TD: f'"console": "serial", {DISK}',
}
AUDIT = """"audit": {"ledger": "LEDGER", "key": "KEY", "origin": "test.hostile/log"}"""
TEE = {PROTECTED: """"tee": {"type": "snp", "simulated": true, "snp": {"product": ["Milan"], "certs": "certs",
  "guest_policy": {"smt": true}}}, """ + AUDIT,
       TD: """"tee": {"type": "tdx", "simulated": true, "tdx": {"attributes": {}, "quoting": "TOP/qgs"}}, """ + AUDIT}
# One certificate of 8 bytes behind its entry and the one of zeros: kvm-cvm-abi, 3.5.
CERTS = bytes([1]) + bytes(15) + struct.pack("<II", 48, 8) + bytes(24) + b"\x30" * 8
POLICY = """{
  "schema": "launch-policy/1", "name": "test.hostile/NAME", "serial": 1,
  "labels": {"env": "dev", "data_class": "none"},
  TEE,
  "boot": {FW"kernel": {"file": "guest"}, "cmdline": "CMDLINE"},
  "machine": {"vcpus": VCPUS, "memory_mib": 128, "hugepages": "no"},
  "devices": {DEVICES},
  "host": {"seccomp": "strict", "core_dump": "forbid"}
}
"""


class Tap:
    n = 0
    failed = 0

    @classmethod
    def check(cls, is_ok, name, note=""):
        cls.n += 1
        cls.failed += not is_ok
        print(f"{'ok' if is_ok else 'not ok'} {cls.n} - {name}", flush=True)
        if not is_ok and note:
            print("".join(f"# {line}\n" for line in str(note).splitlines()), end="", flush=True)

    @classmethod
    def skip(cls, name, reason):
        cls.n += 1
        print(f"ok {cls.n} - {name} # SKIP {reason}", flush=True)


def family(pid):
    """pid and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Sink:
    """The service behind the guest's socket device: takes connections and bytes, keeps nothing."""

    def __init__(self, path):
        self.taken = 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        peers = []
        while True:
            for s in select.select([self.socket] + peers, [], [], 1)[0]:
                if s is self.socket:
                    peers.append(s.accept()[0])
                    self.taken += 1
                    continue
                try:
                    data = s.recv(65536)
                except OSError:
                    data = b""
                if not data:
                    peers.remove(s)
                    s.close()


class Guest:
    """One `casemate run`: its lines, its end."""

    def __init__(self, name, guest, machine, cmdline, vcpus=2, options=()):
        self.folder = tempfile.mkdtemp(prefix=name + ".", dir=TOP)
        os.chmod(self.folder, 0o755)
        self.name, self.pids, self.out, self.rest = name, set(), [], b""
        shutil.copy(f"{A.guests}/{guest}", f"{self.folder}/guest")
        firmware = ""
        if machine == FIRMWARE:
            shutil.copy(f"{A.guests}/firmware", f"{self.folder}/firmware")
            self.write("vars.fd", b"\xff" * VARS_BYTES)
            firmware = '"firmware": {"file": "firmware"}, "flash_vars": {"file": "vars.fd"}, '
        if machine == TD:
            shutil.copy(f"{A.guests}/firmware", f"{self.folder}/firmware")
            firmware = '"firmware": {"file": "firmware"}, '
        self.write("certs", CERTS)
        self.fixed = b"HOSTILE\0" + os.urandom(MIB - 8)
        self.write("disk.img", bytes(32 * MIB if guest == "hostile" else 256 << 10))
        self.write("fixed.img", self.fixed)
        text = POLICY.replace("NAME", f"{name}-{os.getpid()}").replace("CMDLINE", cmdline).replace("VCPUS", str(vcpus))
        text = text.replace("TEE", TEE.get(machine, '"tee": {"type": "none"}')).replace("FW", firmware)
        text = text.replace("LEDGER", TOP + "/ledger").replace("KEY", TOP + "/key.pem").replace("TOP", TOP)
        self.write("policy.jsonc", text.replace("DEVICES", DEVICES[machine]).encode())
        self.sink = Sink(self.folder + "/sink")
        self.begin = time.monotonic()
        with open(self.folder + "/err", "wb") as err:
            self.process = subprocess.Popen([A.build + "/vmm/super/casemate", "run", "--stdin", *options, "policy.jsonc"],
                                            cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)

    def write(self, name, data):
        with open(f"{self.folder}/{name}", "wb") as f:
            f.write(data)

    def err(self):
        with open(self.folder + "/err", encoding="utf-8", errors="replace") as f:
            return f.read()

    def lines(self, limit_s):
        """The guest's lines until its output ends; None when the time is up."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if not select.select([self.process.stdout], [], [], 1)[0]:
                self.pids.update(family(self.process.pid))
                continue
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return
            *whole, self.rest = (self.rest + data).replace(b"\r", b"").split(b"\n")
            self.rest = self.rest[-4096:]
            for line in whole:
                if line.startswith((b"hostile: ", b"neighbour: ")):
                    yield line.decode(errors="replace")
        yield None

    def finish(self, limit_s):
        """Its status; None (and it is killed) when it does not end."""
        end = time.monotonic() + limit_s
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                if not os.read(self.process.stdout.fileno(), 65536):
                    time.sleep(0.05)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            return None
        return self.process.returncode

    def left(self):
        """Processes of this guest that outlived it by five seconds."""
        for _ in range(50):
            alive = [p for p in self.pids if is_alive(p)]
            if not alive:
                break
            time.sleep(0.1)
        return alive


# What must never be read in a log: a process that died, and of what.
DEATH = re.compile(r"SIG[A-Z]+|signal \d|killed|assert|Sanitizer|runtime error|Bad system call|dumped", re.I)


def log_is_fine(guest, name, may_say=None):
    text = guest.err()
    bad = [line for line in text.splitlines() if DEATH.search(line) and not (may_say and re.search(may_say, line))]
    Tap.check(not bad, f"{name}: no process died", text[-3000:])
    said = [line for line in text.splitlines() if "info: firmware: " in line]
    n, most = len(text.splitlines()) - len(said), DEBUG_LINES[0] + DEBUG_LINES[1] * (time.monotonic() - guest.begin + 1)
    Tap.check(n <= LOG_LINES and len(said) <= most, f"{name}: its log is {LOG_LINES} lines at most, and what firmware may say",
              f"{n} lines, {len(said)} of firmware, the last:\n{text[-3000:]}")


def attacks(name, machine, options=()):
    more = f" only={A.only}" if A.only is not None else ""
    cmdline = f"where={machine} seed={A.seed} rounds={A.rounds} thin={THIN} vars={VARS_BYTES} code={CODE_BYTES}{more}"
    g = Guest(name, "hostile", machine, cmdline, options=options)
    trying, done, n = None, None, 0
    for line in g.lines(ATTACKS_S):
        if line is None:
            break
        word, _, rest = line.removeprefix("hostile: ").partition(" ")
        if word == "start,":
            print(f"# {name}: {rest}", flush=True)
            Tap.check("two vCPUs" in rest, f"{name}: the guest runs on two vCPUs")
            g.pids.update(family(g.process.pid))
        elif word == "try":
            trying = rest
        elif word in ("ok", "FAIL"):
            rest, _, ticks = rest.partition(" # ")
            Tap.check(word == "ok", f"{name}: {rest.replace(': ' + rest.rsplit(': ', 1)[-1], '') if word == 'FAIL' else rest}",
                      rest + "\n" + g.err()[-2000:])
            print(f"#   {ticks}, {time.monotonic() - g.begin:.1f} s", flush=True)
            trying, n = None, n + 1
        elif word == "done":
            done = int(rest)
    status = g.finish(END_S)
    if trying is not None:
        Tap.check(False, f"{name}: {trying}", f"the guest's end, status {status}:\n{g.err()[-3000:]}")
    Tap.check(done == n and n > 0 and status == 0, f"{name}: all {n} attacks were made, the guest switched itself off",
              f"status {status}, {done} said\n{g.err()[-3000:]}")
    log_is_fine(g, name)
    Tap.check(not g.left(), f"{name}: no process is left")
    if machine == PLAIN:
        with open(g.folder + "/fixed.img", "rb") as f:
            Tap.check(f.read() == g.fixed, f"{name}: the read-only disk is as it was")
        Tap.check(A.only is not None or g.sink.taken > 0, f"{name}: the service behind the socket was reached")
    print(f"# {name}: {n} attacks in {time.monotonic() - g.begin:.0f} s", flush=True)
    return n


# ends.c, in the order of its table: name, machine, status, what is said; a status 143 is our SIGTERM.
CRASH = (5, r"the guest crashed: .*")
FOR_EVER = (143, r"ended by signal 15")
ENDS = [
    ("switch-off", PLAIN, 0, None), ("status 42 and switch-off", PLAIN, 42, None),
    ("reset", PLAIN, 1, r"asked for a reset"), ("triple fault", PLAIN, 5, r"triple fault"),
    ("halted with interrupts off", PLAIN, *FOR_EVER), ("kicks for ever", PLAIN, *FOR_EVER),
    ("kicks for ever from two vCPUs", PLAIN, *FOR_EVER), ("code where nothing is", PLAIN, *CRASH),
    ("code in a device's registers", PLAIN, *CRASH), ("stack in a device's registers", PLAIN, (5, 143), None),
    ("page tables where nothing is", PLAIN, *CRASH), ("page tables that change themselves", PLAIN, *CRASH),
    ("INIT to itself", PLAIN, (5, 143), None), ("SMI to itself", PLAIN, (5, 143), None),
    ("a disk interrupt that is an NMI", PLAIN, *FOR_EVER), ("a disk interrupt that is an INIT", PLAIN, (5, 143), None),
    ("a disk interrupt that is an SMI", PLAIN, (5, 143), None), ("resets by the thousand", PLAIN, 1, r"asked for a reset"),
    ("serial output for ever", PLAIN, *FOR_EVER), ("serial output that nobody reads", PLAIN, *FOR_EVER), ("switch-off while another vCPU runs on", PLAIN, 0, None),
    ("switch-off with a busy disk", PLAIN, 0, None), ("reset by port 0xcf9", FIRMWARE, 1, r"asked for a reset"),
    ("switch-off by the PIIX4's register", FIRMWARE, 0, None), ("switch-off with the flash open", FIRMWARE, 0, None),
    ("an access to private memory that is not there", PROTECTED, *CRASH),
    ("termination for a reason unknown", PROTECTED, 5, r"asked for its end"),
    # KVM under some hypervisors never comes back from one: then we end it.
    ("hypercalls, then switch-off", PLAIN, (0, 143), None), ("protected: hypercalls", PROTECTED, (0, 5, 143), None),
    ("an access to private memory at the end of the address space", PROTECTED, *CRASH),
    ("an access to private memory in a device's registers", PROTECTED, *CRASH),
    ("termination for a reason that is known", PROTECTED, 5, r"asked for its end: a page could not change hands"),
    ("a processor whose VMSA is none", PROTECTED, 5, r"vCPU 1 cannot run"),
    ("a fatal error that moves the reader's cursor", TD, 5, r'fatal error, code 0x1b1b1b1b1b1b1b1b.*"\.{64}"'),
    ("an access to a page that nobody accepted", TD, 5, r"vCPU 0 cannot run"),
]


def end(number, options):
    what, machine, want, says = ENDS[number]
    g = Guest("end", "hostile", machine, f"end={number} code={CODE_BYTES} vars={VARS_BYTES}", options=options)
    for line in g.lines(END_S):
        if line is None or "hostile: end" in line:
            break
    g.pids.update(family(g.process.pid))
    statuses = (want,) if isinstance(want, int) else want
    is_stopped = 143 in statuses
    if is_stopped:
        is_read = "nobody reads" not in what
        deadline = time.monotonic() + (1 if want == 143 and is_read else 3)
        while g.process.poll() is None and time.monotonic() < deadline:
            if not is_read:
                time.sleep(0.1)
            elif select.select([g.process.stdout], [], [], 0.1)[0]:
                os.read(g.process.stdout.fileno(), 65536)
        if g.process.poll() is None:
            g.process.send_signal(signal.SIGTERM)
        if not is_read:  # it must not wait for us
            try:
                g.process.wait(15)
            except subprocess.TimeoutExpired:
                pass
    status = g.finish(20)
    text = g.err()
    is_ok = status in statuses and (says is None or re.search(says, text)) and (status in (0, 42) or "casemate: " in text)
    bad = [line for line in text.splitlines() if DEATH.search(line) and not (is_stopped and "by signal 15" in line)]
    left = g.left()
    Tap.check(is_ok and not bad and not left and len(text.splitlines()) <= LOG_LINES, f"end: {what}",
              f"status {status}, left {left}\n{text[-2000:]}")
    if is_ok:
        print(f"#   status {status}: {text.strip().splitlines()[-1] if text.strip() else ''}", flush=True)


class Neighbour:
    def __init__(self):
        self.guest = Guest("neighbour", "neighbour", NEIGHBOUR, "none", vcpus=1)
        self.said = []
        self.is_up = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.guest.lines(100000):
            if line is None:
                break
            self.said.append(line)
            self.is_up.set()
        self.is_up.set()

    def finish(self):
        self.guest.pids.update(family(self.guest.process.pid))
        is_up = self.guest.process.poll() is None
        Tap.check(is_up, "the neighbour runs to the end", "\n".join(self.said) + self.guest.err()[-2000:])
        if is_up:
            self.guest.process.stdin.write(b"\n")
            self.guest.process.stdin.flush()
        try:
            status = self.guest.process.wait(120)
        except subprocess.TimeoutExpired:
            self.guest.process.kill()
            status = None
        whole = next((re.search(r"whole after (\d+) rounds", line) for line in self.said if "whole" in line), None)
        Tap.check(status == 0 and whole, "the neighbour found its disk whole", f"status {status}\n{self.said}\n{self.guest.err()[-2000:]}")
        n = int(whole.group(1)) if whole else 0
        with open(self.guest.folder + "/disk.img", "rb") as f:
            Tap.check(f.read() == image(n), f"the host finds on it what was written in round {n}")
        log_is_fine(self.guest, "neighbour")


def image(n):
    """What neighbour.c leaves after round n."""
    mask = (1 << 64) - 1
    words = (((n << 40 ^ b << 20 ^ w) * 0x9E3779B97F4A7C15) & mask for b in range(64) for w in range(512))
    return b"".join(struct.pack("<Q", w) for w in words)


class QuotingService:
    """casemate-sim-qgs, which takes its time: requests are in flight for a while."""

    DELAY_S = 0.1

    def __init__(self, program, platform):
        self.behind = TOP + "/qgs-behind"
        self.process = subprocess.Popen([program, platform, "--socket", self.behind], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(TOP + "/qgs")
        os.chmod(TOP + "/qgs", 0o666)
        self.socket.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            threading.Thread(target=self.relay, args=(self.socket.accept()[0],), daemon=True).start()

    def relay(self, client):
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as service:
            service.connect(self.behind)
            while True:
                ready = select.select([client, service], [], [])[0]
                for s in ready:
                    try:
                        data = s.recv(65536)
                        if not data:
                            return
                        if s is service:
                            time.sleep(self.DELAY_S)
                        (client if s is service else service).sendall(data)
                    except OSError:
                        return


def simulators():
    """{machine: options for a guest over a simulated processor}; nothing where BUILD has none."""
    program = f"{A.build}/sev/sim/casemate-sim-platform"
    if not os.path.exists(program):
        return {}
    for name, options in (("snp", ["--memlock", "1048576"]), ("tdx", ["--product", "TDX"])):
        os.mkdir(f"{TOP}/ark-{name}")
        subprocess.run([program, "create", f"{TOP}/{name}", "--ark-dir", f"{TOP}/ark-{name}", *options], check=True,
                       stdout=subprocess.DEVNULL)
        os.chmod(f"{TOP}/{name}", 0o644)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", TOP + "/key.pem"], check=True,
                   stderr=subprocess.DEVNULL)
    os.mkdir(TOP + "/ledger")
    subprocess.run([f"{A.build}/attest/ledger/casemate-ledger", "init", TOP + "/ledger", "--key", TOP + "/key.pem",
                    "--origin", "test.hostile/log"], check=True, stdout=subprocess.DEVNULL)
    return {PROTECTED: ["--simulator", TOP + "/snp"], TD: ["--simulator", TOP + "/tdx"]}


def main():
    print(f"# seed {A.seed}, {A.rounds} rounds", flush=True)
    wanted = set(A.machine) or {*MACHINES, "ends"}
    neighbour = Neighbour()
    neighbour.is_up.wait(60)
    Tap.check(neighbour.said[:1] == ["neighbour: start"], "the neighbour starts", neighbour.guest.err())
    sims = simulators()
    qgs = QuotingService(f"{A.build}/sev/sim/casemate-sim-qgs", TOP + "/tdx") if sims else None
    total = 0
    for name, machine in MACHINES.items():
        if name in wanted and machine in TEE and not sims:
            Tap.skip(name, "a build without the simulator")
        elif name in wanted:
            total += attacks(name, machine, sims.get(machine, ()))
    if "ends" in wanted:
        for number in range(len(ENDS)) if A.only is None else [A.only]:
            if ENDS[number][1] not in TEE or sims:
                end(number, sims.get(ENDS[number][1], ()))
    neighbour.finish()
    if qgs:
        qgs.process.kill()
    print(f"# {total} attacks, {len(ENDS)} ends, seed {A.seed}, {A.rounds} rounds")
    print(f"1..{Tap.n}")
    return Tap.failed != 0


with tempfile.TemporaryDirectory(prefix="casemate-hostile-") as TOP:
    os.chmod(TOP, 0o755)
    sys.exit(main())
