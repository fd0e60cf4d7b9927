"""What the tests of the command line share: a house to run programs in, and what must hold of every run.

A run that fails: the status of the CLI contract, one message that names one cause, nothing on standard
output, no process left, no file of the folder changed, made or removed, no note of a guest left.
"""
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_CHILD_SUBREAPER = 36
TIMEOUT_S = 60
STARTED = set()  # process ids that subprocess will wait for


class Skip(Exception):
    """Why a test cannot be run here."""


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def complaints(self):
        """Lines of standard error that are neither information nor warnings."""
        return [x for x in self.err.splitlines() if not re.match(r"[a-z]+(-[a-z]+)*( [^:]*)?: (info|warning): ", x)]


def is_root():
    return os.geteuid() == 0


def has_kvm():
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def need(condition, why):
    if not condition:
        raise Skip(why)


def need_private_mounts():
    need(is_root(), "private mounts need root")
    p = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    need(p.returncode == 0, "no private mounts here")


def mounts(setup):
    """A prefix: run in a mount namespace of its own that this shell text prepared."""
    return ["unshare", "-m", "sh", "-ec", setup + '\nexec "$@"', "sh"]


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def children():
    """Processes whose parent we are: ours, and (as a subreaper) orphans of what we ran. Dead orphans are reaped."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                text = f.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if int(rest[1]) != os.getpid():
            continue
        if rest[0] == "Z" and int(pid) not in STARTED:
            os.waitpid(int(pid), 0)
        else:
            found.append((int(pid), name))
    return found


def orphans_left(others=(), patience=5):
    """Children that are not among the others and do not end by themselves: a killed supervisor's take a moment."""
    end = time.time() + patience
    while True:
        left = [c for c in children() if c not in others]
        if not left or time.time() > end:
            return left
        time.sleep(0.005)


def descendant(pid, name, timeout=20):
    """The child of pid that runs this program."""
    end = time.time() + timeout
    while time.time() < end:
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{p}/status", encoding="utf-8", errors="replace") as f:
                    parent = re.search(r"^PPid:\t(\d+)", f.read(), re.M).group(1)
                if int(parent) == pid and os.path.basename(os.readlink(f"/proc/{p}/exe")) == name:
                    return int(p)
            except OSError:
                continue
        time.sleep(0.01)
    raise AssertionError(f"{name} never ran")


def snapshot(folder):
    """Everything in the folder that must not change: kind, owner, mode, size, time, contents."""
    seen = {}
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            digest = ""
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    digest = hashlib.sha256(f.read()).hexdigest()
            seen[os.path.relpath(path, folder)] = (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, digest)
    return seen


def difference(before, after):
    names = sorted(set(before) | set(after))
    return [f"{n}: {'made' if n not in before else 'removed' if n not in after else 'changed'}"
            for n in names if before.get(n) != after.get(n)]


class House:
    """A folder that everybody may read, with a tiny guest in it. Cleans up after itself and checks on it."""
    count = 0

    def __init__(self, casemate, tiny):
        House.count += 1
        self.casemate = casemate
        self.tiny = tiny
        self.name = f"test.cli/g{os.getpid()}-{House.count}"  # two of these tests may run at a time
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="casemate-cli-"))
        os.chmod(self.dir, 0o755)
        self.running = []
        shutil.copy(tiny, self.path("tiny.bin"))
        os.chmod(self.path("tiny.bin"), 0o644)
        self.write("disk.img", bytes(65536))

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data, mode=0o644):
        with open(self.path(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(self.path(name), mode)
        return self.path(name)

    def sha384(self, name):
        with open(self.path(name), "rb") as f:
            return "sha384:" + hashlib.sha384(f.read()).hexdigest()

    def policy(self, file="p.jsonc", **changes):
        """A plain guest of one vCPU with one disk; changes replace whole members, None removes them."""
        p = {
            "schema": "launch-policy/1", "name": self.name, "serial": 1,
            "labels": {"env": "dev", "data_class": "none"},
            "tee": {"type": "none"},
            "boot": {"kernel": {"file": "tiny.bin"}, "cmdline": "x"},
            "machine": {"vcpus": 1, "memory_mib": 128},
            "devices": {"disk": [{"id": "data", "file": "disk.img", "mode": "rw", "integrity": "none"}],
                        "console": "serial", "rng": True},
            "host": {"seccomp": "strict", "core_dump": "forbid"},
        }
        p.update(changes)
        p = {k: v for k, v in p.items() if v is not None}
        return self.write(file, json.dumps(p, indent=2) + "\n")

    def disk(self, file, mode="rw", policy="p.jsonc"):
        return self.policy(policy, devices={"disk": [{"id": "data", "file": file, "mode": mode, "integrity": "none"}],
                                            "console": "serial"})

    def snp(self, simulated=True, policy="p.jsonc", audit=None):
        """An SNP guest of the tiny kernel."""
        tee = {"type": "snp", "snp": {"product": ["Genoa"], "vmpl": 0, "guest_policy": {"smt": True, "debug": False}}}
        if simulated:
            tee["simulated"] = True
        return self.policy(policy, tee=tee, audit=audit or {"ledger": "ledger", "key": "key.pem", "origin": "test.cli/log"},
                           boot={"kernel": {"file": "tiny.bin", "sha384": self.sha384("tiny.bin")}, "cmdline": "x"},
                           devices={"disk": [], "console": "serial"})

    def with_ledger(self, policy="p.jsonc", origin="test.cli/log", folder="ledger", key="key.pem", init=True, **more):
        if init:
            r = self.run("ledger", "init", self.path(folder), "--origin", origin, "--key", self.path(key))
            assert r.status == 0, r.err
        return self.policy(policy, audit={"ledger": folder, "key": key, "origin": origin}, **more)

    def start(self, *args, prefix=(), **kw):
        kw = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.dir, **kw}
        p = subprocess.Popen([*prefix, self.casemate, *args], **kw)
        STARTED.add(p.pid)
        self.running.append(p)
        return p

    def finish(self, p, timeout=TIMEOUT_S):
        out, err = p.communicate(timeout=timeout)
        self.running.remove(p)
        STARTED.discard(p.pid)
        return Result(p.returncode, (out or b"").decode(errors="replace"), (err or b"").decode(errors="replace"))

    def run(self, *args, **kw):
        return self.finish(self.start(*args, **kw))

    def launch(self, policy="p.jsonc", *options):
        """Start a guest and wait until it runs (its first instruction prints '!')."""
        p = self.start("run", policy, *options)
        got = b""
        while b"!" not in got:
            byte = os.read(p.stdout.fileno(), 1)
            assert byte, f"the guest never ran: {p.stderr.read().decode(errors='replace')}"
            got += byte
        return p

    def fails(self, status, *args, says=(), leaves=None, one_line=True, **kw):
        """Run; the status and texts must be these, and what is true of every failure must hold."""
        before = snapshot(self.dir)
        others = children()
        r = self.run(*args, **kw)
        what = " ".join(args)
        assert r.status == status, f"{what}: status {r.status}, want {status}: {r.err}"
        lines = r.complaints()
        assert lines, f"{what}: no message"
        assert not one_line or len(lines) == 1, f"{what}: more than one cause: {r.err}"
        for text in [says] if isinstance(says, str) else says:
            assert text in r.err, f"{what}: no '{text}' in: {r.err}"
        assert r.out == "", f"{what}: something on standard output: {r.out}"
        left = [c for c in children() if c not in others]
        assert not left, f"{what}: processes left: {left}"
        changed = [d for d in difference(before, snapshot(self.dir)) if leaves is None or not leaves(d)]
        assert not changed, f"{what}: {changed}"
        self.check_notes()
        if os.environ.get("SHOW"):
            print(f"#   {status} {what.replace(self.dir + '/', '')}\n#     " + "\n#     ".join(lines))
        return r

    def check_notes(self):
        """No note of a guest of this house is left, unless one runs."""
        if self.running:
            return
        folder = "/run/casemate" if is_root() else os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/none"), "casemate")
        left = [n for n in (os.listdir(folder) if os.path.isdir(folder) else []) if n.startswith(self.name.replace("/", "+"))]
        assert not left, f"left in {folder}: {left}"

    def close(self):
        for p in self.running:
            p.kill()
            p.communicate()
        self.running = []
        shutil.rmtree(self.dir, ignore_errors=True)


def tiny_build(folder):
    """The smallest kernel there is; its first instruction prints '!'."""
    obj, out = os.path.join(folder, "tiny.o"), os.path.join(folder, "tiny.bin")
    subprocess.run(["gcc", "-c", "-o", obj, os.path.join(HERE, "../bench/tiny.S")], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", obj, out], check=True)
    return out


def main(tests, casemate, only):
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    tests = [t for t in tests if not only or t.__name__ in only]
    print(f"1..{len(tests)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="casemate-cli-") as folder:
        tiny = tiny_build(folder)
        for n, test in enumerate(tests, 1):
            h = House(os.path.abspath(casemate), tiny)
            name = test.__name__.replace("_", " ")
            try:
                skipped = test(h)
                left = orphans_left()
                assert not left, f"processes left: {left}"
                h.check_notes()
                print(f"ok {n} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
            except Skip as e:
                print(f"ok {n} - {name} # SKIP {e}", flush=True)
            except Exception as e:  # a test must not hide the others
                calls = [f for f in traceback.extract_tb(sys.exc_info()[2]) if f.filename != __file__]
                text = f"line {calls[-1].lineno if calls else 0}: {type(e).__name__}: {e}".rstrip()
                print(f"not ok {n} - {name}\n# " + text.replace("\n", "\n# "), flush=True)
            finally:
                h.close()
                for pid, _ in children():
                    try:
                        os.kill(pid, signal.SIGKILL)
                        os.waitpid(pid, 0)
                    except OSError:
                        pass
