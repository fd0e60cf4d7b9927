#!/usr/bin/env python3
"""casemate run with children that misbehave: one cause, the right status, nothing left behind.

usage: test_super.py CASEMATE POLICY_READER FAKE_CHILD
"""
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

CASEMATE, READER, FAKE = sys.argv[1:4]
CHILDREN = ["casemate-ledger", "casemate-monitor", "casemate-dev-blk", "casemate-dev-console",
            "casemate-dev-rng", "casemate-dev-vsock", "casemate-monitor-sim", "casemate-quote", "casemate-owner"]
TESTS = []


def test(f):
    TESTS.append(f)
    return f


# The guests of two runs at a time are not each other's.
GUEST = f"test.super/guest-{os.getpid()}"


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


class House:
    """A folder with casemate, its (fake) programs, a policy and what the policy names."""

    def __init__(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="casemate-super-"))
        os.chmod(self.dir, 0o755)
        self.add(CASEMATE, "casemate")
        self.add(READER, "casemate-policy")
        for name in CHILDREN:
            self.add(FAKE, name)
        self.write("kernel", b"kernel")
        self.write("disk.img", bytes(4096))
        self.write("key.pem", b"key")
        os.mkdir(self.path("ledger"))
        self.runtime = self.path("runtime")
        os.mkdir(self.runtime, 0o700)
        self.policy()
        self.script("casemate-monitor", "ended 0 0")

    def path(self, name):
        return os.path.join(self.dir, name)

    def add(self, program, name):
        shutil.copy(program, self.path(name))
        os.chmod(self.path(name), 0o755)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        os.chmod(self.path(name), 0o644)

    def script(self, program, word):
        self.write(program + ".script", word.encode())

    def policy(self, **changes):
        p = {
            "schema": "launch-policy/1", "name": GUEST, "serial": 1,
            "labels": {"env": "dev", "data_class": "none"},
            "tee": {"type": "none"},
            "boot": {"kernel": {"file": "kernel"}, "cmdline": "console=ttyS0"},
            "machine": {"vcpus": 1, "memory_mib": 128},
            "devices": {"disk": [{"id": "data", "mode": "rw", "file": "disk.img", "integrity": "none"}],
                        "console": "serial", "rng": True},
            "host": {"seccomp": "strict", "core_dump": "forbid"},
            "audit": {"ledger": "ledger", "key": "key.pem", "origin": "test.super/log"},
        }
        p.update(changes)
        self.write("p.jsonc", json.dumps(p).encode())

    def start(self, *args, stdin=subprocess.DEVNULL):
        env = {"XDG_RUNTIME_DIR": self.runtime, "PATH": os.environ["PATH"]}
        return subprocess.Popen([self.path("casemate"), *args], stdin=stdin, cwd="/",
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)

    def run(self, *args, timeout=100):
        p = self.start(*args)
        out, err = p.communicate(timeout=timeout)
        return Result(p.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def launch(self, *args, **kw):
        return self.run("run", self.path("p.jsonc"), *args, **kw)

    def processes(self):
        """Running programs of this folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if exe.startswith(self.dir):
                found.append((int(pid), os.path.basename(exe)))
        return found

    def pid_of(self, name, timeout=20):
        end = time.time() + timeout
        while time.time() < end:
            for pid, found in self.processes():
                if found == name:
                    return pid
            time.sleep(0.01)
        raise AssertionError(f"{name} never ran")

    def wait_empty(self, timeout=20):
        end = time.time() + timeout
        while self.processes():
            assert time.time() < end, f"left behind: {self.processes()}"
            time.sleep(0.01)

    def close(self):
        self.wait_empty()
        folder = os.path.join("/run" if os.geteuid() == 0 else self.runtime, "casemate")
        left = os.listdir(folder) if os.path.isdir(folder) else []
        left = [x for x in left if x.startswith(GUEST.replace("/", "+"))]
        shutil.rmtree(self.dir)
        assert not left, f"left in {folder}: {left}"


def wait_text(stream, text):
    got = b""
    while text not in got:
        byte = os.read(stream.fileno(), 1)
        assert byte, f"{text} never came: {got}"
        got += byte
    return got


def want(r, status, *texts):
    assert r.status == status, f"status {r.status}, want {status}: {r.err}"
    for text in texts:
        assert text in r.err, f"no '{text}' in: {r.err}"


# ---- ends ----------------------------------------------------------------------------------------

@test
def guest_that_switches_off_ends_with_0(h):
    want(h.launch(), 0)


@test
def workload_status_is_the_exit_status(h):
    h.script("casemate-monitor", "ended 0 42")
    want(h.launch(), 42)


@test
def guest_off_without_status_ends_with_0(h):
    h.script("casemate-monitor", f"ended 0 {0xffffffff}")
    want(h.launch(), 0)


@test
def crash_is_5_whatever_status_it_claims(h):
    h.script("casemate-monitor", "ended 2 0")
    want(h.launch(), 5, "the guest crashed: said the fake")


@test
def reset_without_status_is_1(h):
    h.script("casemate-monitor", f"ended 1 {0xffffffff}")
    want(h.launch(), 1, "reset")


@test
def status_out_of_range_is_refused(h):
    h.script("casemate-monitor", "ended 0 256")
    want(h.launch(), 5, "monitor: a message it may not send")


@test
def end_that_is_none_is_refused(h):
    h.script("casemate-monitor", "ended 17 0")
    want(h.launch(), 5, "monitor: a message it may not send")


@test
def signal_ends_it_with_128_and_its_number(h):
    for n in (signal.SIGTERM, signal.SIGINT):
        h.script("casemate-monitor", "run")
        p = h.start("run", h.path("p.jsonc"))
        wait_text(p.stderr, b"monitor: info: go")
        p.send_signal(n)
        _, err = p.communicate(timeout=60)
        assert p.returncode == 128 + n, (p.returncode, err)
        assert b"entry 5 durable: stopped by signal" in err, err


@test
def monitor_that_does_not_stop_is_killed(h):
    h.script("casemate-monitor", "deaf")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"monitor: info: go")
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 143 and b"did not end in time" in err, err


def stop_unread(h, stop):
    """A guest prints without end, and nobody reads: whatever ends it does not wait for that."""
    h.script("casemate-monitor", "flood")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"monitor: info: go")
    time.sleep(1)
    begin = time.time()
    stop(p)
    p.wait(timeout=60)
    took = time.time() - begin
    err = p.stderr.read()
    p.stdout.close()
    p.stderr.close()
    assert took < 6, f"{took} s: {err}"
    return p.returncode, err


@test
def output_that_nobody_reads_delays_no_stop(h):
    status, err = stop_unread(h, lambda p: p.send_signal(signal.SIGTERM))
    assert status == 143 and b"did not end in time" not in err, (status, err)


@test
def output_that_nobody_reads_delays_no_end(h):
    status, err = stop_unread(h, lambda p: os.kill(h.pid_of("casemate-monitor"), signal.SIGKILL))
    assert status == 5 and b"monitor was killed by signal 9" in err, (status, err)


@test
def second_signal_does_not_wait(h):
    h.script("casemate-monitor", "deaf")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"monitor: info: go")
    begin = time.time()
    p.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    assert p.returncode == 143 and time.time() - begin < 8


@test
def kill_9_of_the_supervisor_leaves_nothing(h):
    h.script("casemate-monitor", "run")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"monitor: info: go")
    assert len(h.processes()) >= 5
    p.kill()
    p.communicate(timeout=60)
    h.wait_empty()
    want(h.run("list"), 0)  # and the name is free again


@test
def stop_verb_ends_it(h):
    h.script("casemate-monitor", "run")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"monitor: info: go")
    r = h.run("list", "--json")
    guests = json.loads(r.out)["guests"]
    mine = [g for g in guests if g["name"] == GUEST]
    assert mine and mine[0]["pid"] == p.pid and mine[0]["state"] == "running", guests
    r = h.run("show", GUEST)
    want(r, 0)
    assert "policy" in r.out
    want(h.launch("--name", GUEST + "-other"), 3, "in use by another guest")
    h.policy(devices={"disk": [], "console": "serial", "rng": True})
    want(h.launch(), 1, f"a guest named {GUEST} is running")
    want(h.run("stop", GUEST), 0)
    p.communicate(timeout=60)
    assert p.returncode == 143, p.returncode
    want(h.run("show", GUEST), 1, "no guest named")
    want(h.run("stop", GUEST), 1, "no guest named")


@test
def stop_force_kills_it(h):
    h.script("casemate-monitor", "deaf")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"monitor: info: go")
    want(h.run("stop", GUEST, "--force"), 0)
    p.communicate(timeout=60)
    assert p.returncode == -9
    h.wait_empty()


# ---- encrypted guests ----------------------------------------------------------------------------

SEV_ES = {"policy": "0xd", "session": {"dh_cert": "dh", "session": "session"},
          "owner": {"url": "https://broker.example", "ca": "ca.pem", "wait_s": 1}}


def sev_policy(h, **sev):
    for name, size in (("OVMF.fd", 8192), ("dh", 2084), ("session", 128), ("ca.pem", 10), ("platform", 10)):
        h.write(name, bytes(size))
    h.policy(tee={"type": "sev-es", "simulated": True, "sev": {**SEV_ES, **sev}},
             boot={"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "kernel"}, "cmdline": ""})
    h.script("casemate-monitor-sim", "owner 0 0")


def simulate(h):
    return h.launch("--simulator", h.path("platform"))


@test
def owner_sees_the_measurement_and_releases_the_secret_before_the_guest_runs(h):
    sev_policy(h)
    r = simulate(h)
    want(r, 0, "owner: info: measured 5a, policy 0xd", "monitor-sim: info: secret of 48 bytes",
         "entry 1 durable: SEV-ES guest on a simulated processor, released by its owner")
    assert r.err.index("measured 5a") < r.err.index("secret of 48") < r.err.index("info: go"), r.err


@test
def owner_that_refuses_ends_the_launch(h):
    sev_policy(h)
    h.script("casemate-owner", "refuse")
    r = simulate(h)
    want(r, 1, "the owner at https://broker.example: another kernel was measured")
    assert "secret of" not in r.err and "info: go" not in r.err, r.err


@test
def owner_that_says_too_much_is_not_believed(h):
    sev_policy(h)
    h.script("casemate-owner", "long-secret")
    want(simulate(h), 5, "owner: a message it may not send")


@test
def owner_that_dies_ends_the_launch(h):
    sev_policy(h)
    for word, cause in (("exit-early", "owner ended with status 7"), ("fail", "the fake was told to fail"),
                        ("quit", "owner ended")):
        h.script("casemate-owner", word)
        r = simulate(h)
        assert r.status in (3, 5) and cause in r.err and "info: go" not in r.err, (word, r.status, r.err)


@test
def owner_that_is_silent_does_not_hold_the_launch(h):
    sev_policy(h)
    h.script("casemate-owner", "silent")
    begin = time.time()
    r = simulate(h)
    assert r.status == 5 and "no word of the owner's broker within 31 s" in r.err, (r.status, r.err)
    assert 25 < time.time() - begin < 60


@test
def answer_of_an_owner_to_a_launch_that_was_given_up_changes_nothing(h):
    sev_policy(h)
    h.script("casemate-owner", "late")
    p = h.start("run", h.path("p.jsonc"), "--simulator", h.path("platform"))
    wait_text(p.stderr, b"owner: info: measured")
    p.send_signal(signal.SIGTERM)
    said = p.communicate(timeout=60)[1].decode()
    assert p.returncode == 128 + signal.SIGTERM, (p.returncode, said)
    assert said.splitlines()[-1] == "casemate: ended by signal 15" and "secret" not in said, said
    h.wait_empty()


@test
def monitor_that_does_not_ask_the_owner_is_refused(h):
    sev_policy(h)
    h.script("casemate-monitor-sim", "ended 0 0")
    r = simulate(h)
    want(r, 5, "monitor-sim: a message it may not send")
    assert "info: go" not in r.err, r.err


@test
def monitor_that_measures_without_an_owner_is_refused(h):
    sev_policy(h)
    tee = {"type": "sev-es", "simulated": True, "sev": {k: SEV_ES[k] for k in ("policy", "session")}}
    h.policy(tee=tee, boot={"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "kernel"}, "cmdline": ""})
    want(simulate(h), 5, "monitor-sim: a message it may not send")


@test
def monitor_gets_every_file_of_the_plan(h):
    sev_policy(h)
    h.script("casemate-monitor-sim", "files 0 0")
    h.policy(tee={"type": "sev-es", "simulated": True, "sev": {k: SEV_ES[k] for k in ("policy", "session")}},
             boot={"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "kernel"}, "cmdline": ""})
    r = simulate(h)
    # kernel, initrd, firmware, variables, certificate, session, table; no quoting service
    assert "monitor-sim: info: files 6 0 8192 0 2084 128 0 0" in r.err, r.err
    h.write("vars", bytes(4096))
    h.policy(boot={"firmware": {"file": "OVMF.fd"}, "flash_vars": {"file": "vars"}})
    h.script("casemate-monitor", "files 0 0")
    r = h.launch()
    assert "monitor: info: files 0 0 8192 4096w 0 0 0 0" in r.err, r.err


@test
def variables_are_written_by_one_guest_at_a_time(h):
    sev_policy(h)
    h.write("vars", bytes(4096))
    h.policy(boot={"firmware": {"file": "OVMF.fd"}, "flash_vars": {"file": "vars"}})
    h.script("casemate-monitor", "hang")
    with open(h.path("vars"), "r+b") as f:
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(f, 37, lock)  # F_OFD_SETLK
        want(h.launch(), 3, "flash variables: vars is in use by another guest")
    # What the guest starts from is not what it writes, under whatever name.
    disk = {"id": "d", "file": "vars", "mode": "rw", "integrity": "none"}
    h.policy(boot={"firmware": {"file": "vars"}, "flash_vars": {"file": "vars"}})
    want(h.launch(), 3, "flash variables: vars is in use")
    os.link(h.path("vars"), h.path("other-name"))
    h.policy(boot={"firmware": {"file": "other-name"}}, devices={"disk": [disk]})
    want(h.launch(), 3, "disk d: vars is in use")
    h.policy(boot={"kernel": {"file": "vars"}, "cmdline": ""}, devices={"disk": [disk]})
    want(h.launch(), 3, "disk d: vars is in use")
    h.policy(boot={"firmware": {"file": "OVMF.fd"}, "flash_vars": {"file": "vars"}}, devices={"disk": [disk]})
    want(h.launch(), 3, "disk d: vars is in use")


@test
def files_of_another_size_are_refused(h):
    for name, cause in (("dh", "owner's certificate: dh has 1 bytes, want 2084"),
                        ("session", "owner's session: session has 1 bytes, want 128")):
        sev_policy(h)
        h.write(name, b"x")
        want(simulate(h), 3, cause)
    sev_policy(h)
    os.unlink(h.path("OVMF.fd"))
    want(simulate(h), 3, "firmware: cannot open OVMF.fd: No such file")


@test
def debugging_that_nobody_asked_for_starts_nothing(h):
    sev_policy(h, policy="0xc")
    r = simulate(h)
    want(r, 1, "tee.sev.policy lets the host debug the guest", '"debug": true in tee.sev')
    assert "owner" not in r.err.replace("tee.sev", ""), r.err
    sev_policy(h, policy="0x5")
    want(simulate(h), 1, "NOSEND")


@test
def host_without_the_kind_says_what_is_missing(h):
    """This machine has no SEV, or this test says less."""
    sev_policy(h)
    r = h.launch()
    if "owner: " in r.err:
        return
    want(r, 4)
    assert "this machine's KVM has no SEV-ES guests: an EPYC 7002" in r.err or "/dev/" in r.err, r.err
    h.policy(tee={"type": "tdx", "simulated": True, "tdx": {"attributes": {}}},
             boot={"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "kernel"}, "cmdline": ""})
    want(h.launch(), 4, "TDX")
    h.policy(tee={"type": "sw"})
    r = h.launch()
    assert r.status in (0, 4), r.err
    want(simulate(h), 1, "software-protected one (tee sw)")


def tdx_policy(h, quoting):
    h.write("OVMF.fd", bytes(8192))
    h.write("platform", bytes(10))
    h.policy(tee={"type": "tdx", "simulated": True, "tdx": {"attributes": {}, "quoting": quoting}},
             boot={"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "kernel"}, "cmdline": ""})
    h.script("casemate-monitor-sim", "run")


@test
def quoting_service_is_connected_by_the_supervisor(h):
    tdx_policy(h, "qgs.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(h.path("qgs.sock"))
    os.chmod(h.path("qgs.sock"), 0o777)
    listener.listen(1)
    listener.settimeout(20)
    h.script("casemate-quote", "connect-0")
    p = h.start("run", h.path("p.jsonc"), "--simulator", h.path("platform"))
    stream, _ = listener.accept()
    stream.settimeout(20)
    assert stream.recv(5) == b"hello"
    wait_text(p.stderr, b"info: go")
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    stream.close()
    listener.close()


@test
def quoting_service_that_is_not_there_is_an_answer(h):
    tdx_policy(h, "qgs.sock")
    h.script("casemate-quote", "connect-0")
    p = h.start("run", h.path("p.jsonc"), "--simulator", h.path("platform"))
    err = wait_text(p.stderr, b"connected: 2")
    assert b"cannot connect to the quoting service qgs.sock: No such file" in err, err
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    h.script("casemate-quote", "connect-99")
    want(simulate(h), 5, "quote: a message it may not send")


@test
def plan_shows_who_holds_what(h):
    sev_policy(h)
    r = h.launch("--plan", "--json", "--simulator", h.path("platform"))
    want(r, 0)
    plan = json.loads(r.out)
    assert plan["tee"] == "sev-es", plan
    held = {p["role"]: [d.get("path") for d in p["descriptors"]] for p in plan["processes"]}
    assert held["owner"] == [None, "ca.pem", "session", "https://broker.example"], held
    assert "OVMF.fd" in held["monitor-sim"] and "dh" in held["monitor-sim"], held
    r = h.launch("--plan")
    want(r, 0)
    assert "SEV-ES (tee sev-es)" in r.out and "/dev/sev" in r.out, r.out


# ---- the ledger ----------------------------------------------------------------------------------

@test
def guest_goes_only_after_the_entry_is_durable(h):
    h.script("casemate-ledger", "slow")
    r = h.launch()
    want(r, 0, "entry 1 durable", "monitor: info: go", "entry 5 durable")
    assert r.err.index("entry 1 durable") < r.err.index("info: go") < r.err.index("entry 5"), r.err


@test
def full_disk_below_the_ledger_stops_the_launch(h):
    h.script("casemate-ledger", "full")
    r = h.launch()
    want(r, 4, "ledger ledger: the entry is not on the disk: No space left")
    assert "info: go" not in r.err, r.err


@test
def full_disk_at_the_end_is_told(h):
    h.script("casemate-ledger", "end-full")
    want(h.launch(), 4, "info: go", "ledger ledger: the entry is not on the disk")


@test
def ledger_that_confirms_another_entry_is_not_believed(h):
    h.script("casemate-ledger", "wrong-cookie")
    r = h.launch()
    want(r, 5, "ledger: a message it may not send")
    assert "info: go" not in r.err


@test
def ledger_that_never_confirms_times_out(h):
    h.script("casemate-ledger", "mute")
    r = h.launch()
    want(r, 5, "writing the ledger: the ledger writer did not answer within 30 s")
    assert "info: go" not in r.err


# ---- starts that fail ----------------------------------------------------------------------------

LABELS = {"casemate-ledger": "ledger", "casemate-monitor": "monitor",
          "casemate-dev-blk": "dev-blk data", "casemate-dev-rng": "dev-rng"}


@test
def start_failure_of_each_role_has_one_cause(h):
    for program, label in LABELS.items():
        h.script("casemate-monitor", "ended 0 0")
        old = "ended 0 0" if program == "casemate-monitor" else ""
        h.script(program, "fail")
        r = h.launch()
        file = "ledger: " if label == "ledger" else ""
        want(r, 3, f"casemate: {label}: {file}the fake was told to fail")
        causes = [x for x in r.err.splitlines()
                  if x.startswith("casemate: ") and "warning: confinement: " not in x]
        assert len(causes) == 1, r.err
        assert "info: go" not in r.err
        h.script(program, "exit-early")
        want(h.launch(), 5, f"casemate: {label} ended with status 7 while")
        h.script(program, old)
        h.wait_empty()


@test
def child_that_fails_before_it_reads_is_heard(h):
    for program, label in LABELS.items():
        h.script(program, "blind")
        file = "ledger: " if label == "ledger" else ""
        want(h.launch(), 3, f"casemate: {label}: {file}the fake was told to read nothing")
        h.script(program, "ended 0 0" if program == "casemate-monitor" else "")
        h.wait_empty()


@test
def program_that_cannot_be_executed_is_named_with_the_reason(h):
    for program in [*LABELS, "casemate-policy"]:
        os.rename(h.path(program), h.path("away"))
        h.write(program, b"no program")
        os.chmod(h.path(program), 0o755)
        r = h.launch()
        want(r, 5, f"{program}: cannot execute the program: Exec format error")
        assert "status 126" not in r.err, r.err
        os.rename(h.path("away"), h.path(program))
        h.wait_empty()


@test
def missing_program_is_named(h):
    for program in CHILDREN[:1] + ["casemate-dev-rng", "casemate-monitor"]:
        os.rename(h.path(program), h.path("away"))
        r = h.launch()
        want(r, 4, f"the program {program} is not installed")
        os.rename(h.path("away"), h.path(program))
        h.wait_empty()


@test
def device_that_is_never_ready_times_out(h):
    h.script("casemate-dev-rng", "hang")
    want(h.launch(), 5, "starting the devices: dev-rng did not answer within 30 s")


# ---- children that break while the guest runs ----------------------------------------------------

def breaks(h, program, label, word, *texts):
    h.script("casemate-monitor", "run")
    h.script(program, word)
    r = h.launch()
    want(r, 5, f"casemate: {label}", *texts)
    h.script(program, "")


@test
def dead_device_ends_the_guest_and_is_named(h):
    for program in ("casemate-dev-blk", "casemate-dev-rng"):
        breaks(h, program, LABELS[program] + " was killed by signal 11 (SIGSEGV", "abort")
        breaks(h, program, LABELS[program] + " ended with status 0", "quit")


@test
def device_killed_from_outside_ends_the_guest(h):
    for program in ("casemate-dev-blk", "casemate-dev-rng", "casemate-ledger"):
        h.script("casemate-monitor", "run")
        p = h.start("run", h.path("p.jsonc"))
        wait_text(p.stderr, b"monitor: info: go")
        os.kill(h.pid_of(program), signal.SIGKILL)
        _, err = p.communicate(timeout=60)
        assert p.returncode == 5, (p.returncode, err)
        assert f"{LABELS[program]} was killed by signal 9".encode() in err, err


@test
def death_by_filter_names_role_and_seccomp(h):
    breaks(h, "casemate-dev-rng", "dev-rng was killed by its seccomp filter", "sigsys")


@test
def monitor_that_dies_is_named(h):
    h.script("casemate-monitor", "abort")
    want(h.launch(), 5, "casemate: monitor was killed by signal 11")


@test
def wrong_messages_end_the_relation(h):
    for word in ("unknown", "long", "ready-twice", "connect-99", "fds"):
        breaks(h, "casemate-dev-rng", "dev-rng: a message it may not send", word)


@test
def log_lines_are_prefixed_escaped_and_limited(h):
    h.script("casemate-monitor", "run")
    h.script("casemate-dev-rng", "chatter")
    p = h.start("run", h.path("p.jsonc"))
    time.sleep(2)
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=60)
    lines = [x for x in err.decode().splitlines() if x.startswith("dev-rng: ")]
    assert 50 < len(lines) < 300, len(lines)
    assert "\033" not in err.decode()


# ---- input, output -------------------------------------------------------------------------------

@test
def serial_goes_to_standard_output(h):
    h.script("casemate-monitor", "serial 0 0")
    r = h.launch()
    want(r, 0)
    assert r.out == "serial line\r\n" * 3, repr(r.out)


@test
def input_goes_to_the_monitor(h):
    h.script("casemate-monitor", "run")
    p = h.start("run", h.path("p.jsonc"), "--stdin", stdin=subprocess.PIPE)
    wait_text(p.stderr, b"monitor: info: go")
    out, err = p.communicate(b"hello", timeout=60)
    assert p.returncode == 0 and out == b"hello", (p.returncode, out, err)


@test
def log_level_drops_what_is_below(h):
    r = h.launch("--log-level", "err")
    want(r, 0)
    assert r.err == "", r.err


def vsock_policy(h):
    h.policy(devices={"disk": [], "console": "serial", "rng": False,
                      "vsock": {"cid": 5, "ports": [{"port": 7001, "socket": "port.sock"}]}})
    h.script("casemate-monitor", "run")


@test
def guest_port_is_connected_by_the_supervisor(h):
    vsock_policy(h)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(h.path("port.sock"))
    os.chmod(h.path("port.sock"), 0o777)
    listener.listen(1)
    listener.settimeout(20)
    h.script("casemate-dev-vsock", "connect-0")
    p = h.start("run", h.path("p.jsonc"))
    stream, _ = listener.accept()
    stream.settimeout(20)
    assert stream.recv(5) == b"hello"
    wait_text(p.stderr, b"info: go")
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    stream.close()
    listener.close()


@test
def guest_port_without_a_server_is_refused(h):
    vsock_policy(h)
    h.script("casemate-dev-vsock", "connect-0")
    p = h.start("run", h.path("p.jsonc"))
    err = wait_text(p.stderr, b"connected: 2")
    assert b"guest port 7001: cannot connect to port.sock: No such file" in err, err
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)


@test
def guest_that_knocks_without_end_fills_no_log(h):
    vsock_policy(h)
    h.script("casemate-dev-vsock", "knock")
    p = h.start("run", h.path("p.jsonc"))
    time.sleep(3)
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=60)
    assert 10 < err.count(b"cannot connect") < 250, err.count(b"cannot connect")


@test
def guest_port_that_is_not_in_the_plan_is_refused(h):
    vsock_policy(h)
    h.script("casemate-dev-vsock", "connect-99")
    want(h.launch(), 5, "dev-vsock: a message it may not send")


# ---- bad input -----------------------------------------------------------------------------------

@test
def bad_policies_and_files_are_3(h):
    h.write("p.jsonc", b"{\n  \"schema\": 7")
    want(h.launch(), 3, "p.jsonc:2")
    h.policy(boot={"kernel": {"file": "nothing"}, "cmdline": ""})
    want(h.launch(), 3, "kernel: cannot open nothing: No such file")
    h.policy(boot={"kernel": {"file": "ledger"}, "cmdline": ""})
    want(h.launch(), 3, "kernel: ledger is no regular file")
    os.symlink("kernel", h.path("link"))
    h.policy(boot={"kernel": {"file": "link"}, "cmdline": ""})
    want(h.launch(), 3, "symbolic link")
    os.mkfifo(h.path("fifo"))
    h.policy(boot={"kernel": {"file": "fifo"}, "cmdline": ""})
    want(h.launch(), 3, "no regular file")
    h.write("empty", b"")
    h.policy(boot={"kernel": {"file": "empty"}, "cmdline": ""})
    want(h.launch(), 3, "0 bytes")
    h.write("disk.img", bytes(1000))
    h.policy()
    want(h.launch(), 3, "multiple of 512")
    want(h.run("run", h.path("none.jsonc")), 3, "cannot open")
    assert not h.processes()


@test
def failed_launch_harms_no_file(h):
    before = {n: open(h.path(n), "rb").read() for n in ("disk.img", "kernel", "key.pem")}
    h.script("casemate-monitor", "fail")
    want(h.launch(), 3, "told to fail")
    assert before == {n: open(h.path(n), "rb").read() for n in before}
    assert os.listdir(h.path("ledger")) == []


@test
def usage_errors_are_2(h):
    for args in ([], ["bogus"], ["run"], ["run", "a", "b"], ["run", "--bogus", "x"], ["host"],
                 ["host", "bogus"], ["host", "check", "--tee", "x"], ["stop"], ["list", "x"],
                 ["run", "p", "--json"], ["stop", ""]):
        want(h.run(*args), 2)
    want(h.launch("--log-level", "loud"), 2, "loud")
    want(h.launch("--name", ""), 2)
    want(h.launch("--name", "a\nb"), 2)


@test
def simulator_needs_a_policy_that_says_so(h):
    h.write("platform", b"x")
    want(h.launch("--simulator", h.path("platform")), 1, "--simulator")


@test
def plan_lists_processes_and_opens_nothing(h):
    r = h.launch("--plan")
    want(r, 0)
    for text in ("casemate-policy", "casemate-ledger", "casemate-dev-blk  data",
                 "casemate-monitor", "/dev/kvm", "disk.img", "O_RDWR, exclusive lock"):
        assert text in r.out, r.out
    os.unlink(h.path("kernel"))  # it is not looked for
    os.unlink(h.path("disk.img"))
    r = h.launch("--plan", "--json")
    want(r, 0)
    plan = json.loads(r.out)
    assert plan["schema"] == "casemate/plan/1"
    assert [p["program"] for p in plan["processes"]] == [
        "casemate-policy", "casemate-ledger", "casemate-dev-blk", "casemate-dev-rng",
        "casemate-monitor"], plan


@test
def plan_opens_only_the_policy(h):
    if shutil.which("strace") is None:
        return "no strace here"
    trace = h.path("trace")
    p = subprocess.run(["strace", "-e", "trace=open,openat,openat2,connect,socket", "-o", trace,
                        h.path("casemate"), "run", h.path("p.jsonc"), "--plan"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if p.returncode != 0:
        want(h.launch("--plan"), 0)
        return "strace may not trace here"
    with open(trace, encoding="utf-8") as f:
        text = f.read()
    for name in ("/dev/kvm", "kernel", "disk.img", "key.pem", '"ledger"'):
        assert name not in text, text
    return None


RECEIPTS = {
    "none": "a message it may not send", "short": "a message it may not send",
    "uid": "uid 12345 and gid", "held": "lacks what must hold here: no-capabilities",
    "role": "its receipt is of role", "net": "net namespace", "threads": "threads",
    "label": "label", "cgroup": "has no end", "limits": "RLIMIT_NOFILE",
}


@test
def child_with_a_wrong_receipt_is_refused(h):
    for what, text in RECEIPTS.items():
        if what == "label" and not os.path.exists("/sys/fs/selinux/enforce"):
            continue  # nobody can say what is right
        for program in ("casemate-dev-rng", "casemate-ledger"):
            h.script(program, "receipt-" + what)
            r = h.launch()
            assert r.status == 5, f"{what} of {program} is taken: {r.err}"
            want(r, 5, text, CHILDREN_LABELS[program])
            assert "info: go" not in r.err, r.err
            h.script(program, "")
            h.wait_empty()


CHILDREN_LABELS = {"casemate-dev-rng": "dev-rng", "casemate-ledger": "ledger"}


@test
def monitor_that_ends_while_it_is_looked_at_is_told_by_its_end(h):
    h.script("casemate-monitor", "receipt-threads-quit")
    r = h.launch()
    want(r, 5, "casemate: monitor ended with status 3 while")
    assert "Threads" not in r.err, r.err


@test
def show_prints_how_each_process_is_confined(h):
    h.script("casemate-monitor", "run")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"info: guest " + GUEST.encode() + b" runs")
    r = h.run("show", GUEST, "--json")
    want(r, 0)
    guest = json.loads(r.out)
    boxes = {b["process"]: b for b in guest["sandbox"]}
    assert sorted(boxes) == ["dev-blk data", "dev-rng", "ledger", "monitor"], guest
    pids = {name: pid for pid, name in h.processes()}
    for label, box in boxes.items():
        assert "seccomp" in box["held"] and "root-empty" in box["held"], box
        assert len(box["filter_sha256"]) == 64 and set(box["filter_sha256"]) != {"0"}, box
        program = "casemate-" + label.split()[0]
        assert box["pid"] == int(pids[program]), (box, pids)
        assert box["role"] == label.split()[0], box
        with open(f"/proc/{box['pid']}/status", encoding="ascii") as f:
            status = dict(x.split(":", 1) for x in f.read().splitlines())
        assert int(status["Uid"].split()[0]) == box["uid"], box
        if os.geteuid() == 0:
            net = os.stat(f"/proc/{box['pid']}/ns/net").st_ino
            assert box["namespaces"]["net"] == net, box
    assert len({b["namespaces"]["mnt"] for b in boxes.values()}) == len(boxes), boxes
    r = h.run("show", GUEST)
    want(r, 0)
    for text in ("dev-blk data: pid", "monitor: pid", "filter"):
        assert text in r.out, r.out
    want(h.run("stop", GUEST), 0)
    p.communicate(timeout=60)


def policy_host(h, **host):
    """The policy with these keys under host."""
    h.policy()
    with open(h.path("p.jsonc"), encoding="utf-8") as f:
        policy = json.load(f)
    policy.setdefault("host", {}).update(host)
    h.write("p.jsonc", json.dumps(policy).encode())


@test
def strict_host_is_refused_with_every_missing_wall(h):
    policy_host(h, confinement="strict", limits={"cpu_percent": 150, "overhead_mib": 512})
    r = h.launch("--plan", "--json")
    want(r, 0)
    box = json.loads(r.out)["confinement"]
    assert box["demand"] == "strict" and box["landlock"] is True and box["selinux"] == "auto", box
    assert box["limits"] == {"cpu_percent": 150, "overhead_mib": 512}, box
    assert all(m["refused"] for m in box["missing"]), box
    r = h.launch("--plan")
    want(r, 0)
    assert "confinement: strict" in r.out and "cpu_percent 150" in r.out, r.out
    if not box["missing"]:
        return "this host has every wall"
    r = h.launch()
    want(r, 4, "the policy demands a confinement this host cannot give")
    assert box["missing"][0]["what"] in r.err and box["missing"][0]["fix"] in r.err, r.err
    assert "info: go" not in r.err, r.err
    return None


@test
def label_that_is_demanded_and_not_there_is_refused(h):
    if os.path.exists("/sys/fs/selinux/enforce"):
        return "this host has SELinux"
    for label in ("required", "s0:c1,c2"):
        policy_host(h, mac_label={"selinux": label})
        want(h.launch(), 4, "SELinux is not enabled")
        r = h.launch("--plan")
        want(r, 0)
        assert "SELinux label " + label in r.out and "refused (selinux)" in r.out, r.out
    policy_host(h, mac_label={"selinux": "off"})
    r = h.launch()
    want(r, 0)
    assert "SELinux" not in r.err, r.err
    policy_host(h)
    r = h.launch()
    want(r, 0, "warning: confinement: no labels: SELinux is not enabled")
    return None


@test
def everybody_is_in_a_sandbox(h):
    h.script("casemate-monitor", "run")
    p = h.start("run", h.path("p.jsonc"))
    wait_text(p.stderr, b"monitor: info: go")
    seen = 0
    for pid, name in h.processes():
        if name == "casemate":
            continue
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            status = dict(x.split(":", 1) for x in f.read().splitlines())
        assert status["Seccomp"].strip() == "2", name
        assert status["NoNewPrivs"].strip() == "1", name
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, name
        assert status["NSpid"].split()[-1] == "1", name
        uid = int(status["Uid"].split()[0])
        # The ledger writer is its folder's owner; nobody else is root.
        assert uid != 0 or name == "casemate-ledger" or os.geteuid() != 0, (name, uid)
        if os.geteuid() == 0:
            assert os.listdir(f"/proc/{pid}/root") == [], name
        seen += 1
    p.send_signal(signal.SIGTERM)
    p.communicate(timeout=60)
    assert seen == 4, seen


def main():
    if not os.path.exists("/dev/kvm") or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("1..0 # SKIP no /dev/kvm: the supervisor starts nothing without it")
        return
    only = sys.argv[4:]
    tests = [f for f in TESTS if not only or f.__name__ in only]
    print(f"1..{len(tests)}", flush=True)
    for n, f in enumerate(tests, 1):
        h = House()
        skipped = None
        try:
            skipped = f(h)
            h.close()
            print(f"ok {n} - {f.__name__}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except Exception as e:  # a test must not hide the others
            for pid, _ in h.processes():
                os.kill(pid, signal.SIGKILL)
            print(f"not ok {n} - {f.__name__}\n# " + str(e).replace("\n", "\n# "), flush=True)


main()
