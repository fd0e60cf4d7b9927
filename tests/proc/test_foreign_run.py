#!/usr/bin/env python3
"""A guest whose disk qemu-storage-daemon serves, from the policy to the bytes on the host: casemate run, the daemon in
the sandbox of casemate-foreign, the monitor as its front end, and a guest that writes and reads the disk all over
(tests/vm/hostile/neighbour.c). TAP.

usage: test_foreign_run.py BUILD
"""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
CASEMATE = BUILD + "/vmm/super/casemate"
HERE = os.path.dirname(os.path.abspath(__file__))
DAEMON = "/usr/bin/qemu-storage-daemon"
BYTES = 64 * 4096
USER = 4711
TESTS = []


def test(f):
    TESTS.append(f)
    return f


def image_after(n):
    """What neighbour.c leaves after round n."""
    mask = (1 << 64) - 1
    words = (((n << 40 ^ b << 20 ^ w) * 0x9E3779B97F4A7C15) & mask for b in range(64) for w in range(512))
    return b"".join(struct.pack("<Q", w) for w in words)


class Guest:
    def __init__(self, top, name, mode="rw", owner=USER, backend="qemu-storage-daemon", user=None, **disk):
        self.folder = os.path.join(top, name)
        self.name = f"test.foreign/{name}-{os.getpid()}"
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o711)
        shutil.copy(os.path.join(top, "neighbour"), self.path("guest"))
        os.chmod(self.path("guest"), 0o644)
        with open(self.path("disk.img"), "wb") as f:
            f.truncate(BYTES)
        if os.geteuid() == 0:
            os.chown(self.path("disk.img"), owner, owner)
        with open(self.path("policy.jsonc"), "w", encoding="ascii") as f:
            json.dump({
                "schema": "launch-policy/1", "name": self.name, "serial": 1, "tee": {"type": "none"},
                "boot": {"kernel": {"file": "guest"}, "cmdline": "none"}, "machine": {"vcpus": 1, "memory_mib": 128},
                "devices": {"console": "serial", "disk": [{"id": "data", "file": "disk.img", "mode": mode,
                                                           "integrity": "none", "backend": backend, **disk}]}}, f)
        # For a user without rights: the environment that a session has.
        self.env = {"PATH": os.environ["PATH"]}
        self.as_user = []
        if user is not None:
            os.mkdir(self.path("runtime"), 0o700)
            os.chown(self.path("runtime"), user, user)
            self.env["XDG_RUNTIME_DIR"] = self.path("runtime")
            self.as_user = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups"]
        elif os.geteuid() != 0:
            self.env["XDG_RUNTIME_DIR"] = self.folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def casemate(self, *words):
        return subprocess.run([*self.as_user, CASEMATE, *words], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)

    def start(self):
        with open(self.path("err"), "wb") as err:
            self.process = subprocess.Popen([*self.as_user, CASEMATE, "run", "--stdin", "policy.jsonc"], cwd=self.folder,
                                            env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
        return self.process.stdout.readline().decode()

    def err(self):
        with open(self.path("err"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def daemon(self):
        """Pid of this guest's daemon."""
        for pid in open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split():
            if open(f"/proc/{pid}/comm").read().startswith("qemu-storage"):
                return int(pid)
        raise AssertionError("no qemu-storage-daemon among the guest's processes\n" + self.err())

    def finish(self):
        out, _ = self.process.communicate(b"\n", timeout=60)
        return self.process.returncode, out.decode()

    def runs_whole(self):
        said = self.start()
        assert said == "neighbour: start\r\n" or said == "neighbour: start\n", (said, self.err())
        time.sleep(1)
        status, out = self.finish()
        whole = re.search(r"whole after (\d+) rounds", out)
        assert status == 0 and whole, (status, out, self.err())
        with open(self.path("disk.img"), "rb") as f:
            assert f.read() == image_after(int(whole.group(1))), "the image is not what the guest wrote"


@test
def guest_reads_back_what_it_writes_and_the_host_finds_it(top):
    Guest(top, "whole").runs_whole()


@test
def discard_is_taken(top):
    Guest(top, "discard", discard=True).runs_whole()


@test
def it_is_one_of_the_guest_s_processes_and_confined(top):
    g = Guest(top, "show")
    g.start()
    pid = g.daemon()
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = f.read()
    shown = json.loads(g.casemate("show", g.name, "--json").stdout)["sandbox"]
    row = [p for p in shown if p["process"] == "foreign data"]
    ended, _ = g.finish()
    assert ended == 0, g.err()
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"):
        assert line + "\n" in status, status
    assert len(row) == 1 and row[0]["pid"] == pid and row[0]["role"] == "foreign", shown
    assert "root-empty" not in row[0]["held"] and len(row[0]["held"]) > 8, row
    if os.geteuid() == 0:
        assert re.search(rf"^Uid:\t{USER}\t{USER}\t{USER}\t{USER}$", status, re.M), status
    assert not os.path.exists(f"/proc/{pid}"), "the daemon is left"


@test
def read_only_disk_stays_as_it_is(top):
    g = Guest(top, "ro", mode="ro")
    g.start()
    out, _ = g.process.communicate(timeout=60)
    assert g.process.returncode != 0, (out, g.err())
    with open(g.path("disk.img"), "rb") as f:
        assert f.read() == bytes(BYTES)


@test
def guest_ends_when_it_is_killed_and_the_message_names_it(top):
    g = Guest(top, "killed")
    g.start()
    os.kill(g.daemon(), signal.SIGKILL)
    g.process.wait(60)
    assert g.process.returncode not in (0, -signal.SIGKILL) and "foreign data" in g.err(), (g.process.returncode, g.err())


@test
def no_two_guests_have_one_image(top):
    g = Guest(top, "first")
    g.start()
    other = Guest(top, "second")
    os.unlink(other.path("disk.img"))
    os.link(g.path("disk.img"), other.path("disk.img"))
    r = other.casemate("run", "policy.jsonc")
    assert r.returncode != 0 and "in use by another guest" in r.stderr, r.stderr
    assert g.finish()[0] == 0, g.err()


@test
def image_of_root_is_refused(top):
    if os.geteuid() != 0:
        return "needs root"
    r = Guest(top, "root", owner=0).casemate("run", "policy.jsonc")
    assert r.returncode != 0 and "that is root" in r.stderr, (r.returncode, r.stderr)
    return None


@test
def image_below_a_folder_that_its_owner_may_not_enter_is_refused(top):
    if os.geteuid() != 0:
        return "needs root"
    g = Guest(top, "closed")
    os.chmod(g.folder, 0o700)
    r = g.casemate("run", "policy.jsonc")
    assert r.returncode != 0 and "foreign data" in r.stderr and "/disk" in r.stderr, (r.returncode, r.stderr)
    return None


@test
def other_words_for_a_back_end_are_refused(top):
    r = Guest(top, "word", backend="/bin/sh").casemate("run", "policy.jsonc")
    assert r.returncode != 0 and "devices.disk[0].backend" in r.stderr, (r.returncode, r.stderr)


@test
def plan_says_what_it_becomes(top):
    r = Guest(top, "plan").casemate("run", "--plan", "policy.jsonc")
    assert r.returncode == 0 and "casemate-foreign  data" in r.stdout and DAEMON in r.stdout, (r.stdout, r.stderr)


@test
def user_without_rights_runs_one(top):
    if os.geteuid() != 0 or not os.stat("/dev/kvm").st_mode & 2:
        return "needs root, and a /dev/kvm for everybody"
    user = 65534
    if subprocess.run(["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "unshare", "-U", "true"],
                      stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "no user namespaces for others"
    Guest(top, "rootless", owner=user, user=user).runs_whole()
    return None


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("1..0 # SKIP no /dev/kvm")
        sys.exit(77)
    if not os.access(DAEMON, os.X_OK):
        print(f"1..0 # SKIP no {DAEMON} (package qemu-system-common)")
        sys.exit(77)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="casemate-foreign-") as top:
        os.chmod(top, 0o711)
        subprocess.run([HERE + "/../vm/hostile/guests.sh", top], check=True)
        print(f"1..{len(TESTS)}", flush=True)
        for n, f in enumerate(TESTS, 1):
            try:
                skipped = f(top)
                print(f"ok {n} - {f.__name__}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
            except Exception as e:  # a test must not hide the others
                failed = 1
                print(f"not ok {n} - {f.__name__}\n# " + f"{type(e).__name__}: {e}".replace("\\n", "\n").replace("\n", "\n# "),
                      flush=True)
    sys.exit(failed)


main()
