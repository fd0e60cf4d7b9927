#!/usr/bin/env python3
"""The allow-lists of policy/seccomp are exact: full runs of every role are traced with strace, and
what each process (of the monitor: each thread) did after its filter was loaded is compared with its
list, arguments included. Nothing is missing, and nothing is there that no run needs, but for rules
that say themselves why no run can show them ([rare: ...]); those are printed. TAP.

usage: test_syscalls_exact.py BUILD GENERATOR RULES NAME=LIST[,LIST]...   (RULES: program seccomp-rules)
       test_syscalls_exact.py --reduce FOLDER OUT    traces of strace -ff -> the calls in them, once each

Runs: the process tests of each role (tests/proc, tests/unit), guests with a simulated processor and
ones that attack (tests/vm/hostile) on this machine's /dev/kvm, and in the lab a guest with private
memory and a cgroup (tests/swprot). Linux guests are not traced: a call of theirs that is missing kills
a process in tests/vm/suite.sh, and a rule that only they used would be told here.
"""
import collections
import glob
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

STRACE = ["strace", "-f", "-ff", "-qq", "-s", "4096", "-e", "raw=!execve,execveat,clone,clone3", "-e", "signal=SIGSYS",
          "--decode-pids=pidns"]
CALL = re.compile(r"(\w+)\(([^<]*?)(?:\)|<|$)")
PROGRAM = re.compile(r'execve(?:at)?\((?:\d+, )?"[^"]*", \["([^"]*)"')
CHILD = re.compile(r"clone3?\(.* = (?:\d+ /\* )?(\d+)(?: in strace's PID NS \*/)?$")


def number(text):
    try:
        return int(text.split(" ")[0], 0)
    except ValueError:
        return 0


def trace_read(path):
    """A process's (a thread's) trace -> its program or None, its threads and children, its calls."""
    program, children, calls, is_in = None, [], set(), False
    with open(path, encoding="ascii", errors="replace") as f:
        for line in f:
            if line.endswith(" <detached ...>\n"):  # killed as it was looked at: the registers are another process's
                continue
            m = PROGRAM.match(line)
            if m and line.rstrip().endswith("= 0"):
                program, is_in = os.path.basename(m.group(1)), False
                continue
            m = CHILD.match(line)
            if m:
                children.append(number(m.group(1)))
            m = CALL.match(line)
            if not m:
                continue
            args = tuple(number(a) for a in m.group(2).split(", ")) if m.group(2).strip() else ()
            if m.group(1) == "seccomp" and args[:1] == (1,) and line.rstrip().endswith("= 0"):
                is_in = True
            elif is_in and m.group(1) != "getppid":
                calls.add((m.group(1), args))
    return program, children, calls


def reduce_folder(folder):
    """All traces of a run -> {list: calls}; a thread of casemate-monitor has the list monitor-vcpu."""
    parents, read = {}, {}
    for path in glob.glob(folder + "/t.*"):
        pid = int(path.rsplit(".", 1)[1])
        read[pid] = trace_read(path)
        for child in read[pid][1]:
            parents[child] = pid
    seen = collections.defaultdict(set)
    for pid, (program, _, calls) in read.items():
        is_thread = program is None
        while program is None and pid in parents:
            pid = parents[pid]
            program = read[pid][0] if pid in read else None
        if calls:
            name = (program or "?").removeprefix("casemate-").replace("casemate", "super")
            suffix = "-reader" if name == "broker" else "-vcpu"
            seen[name + (suffix if is_thread else "")] |= calls
    return seen


def judged(seen, width):
    """Only the arguments that some rule judges: {list: {(call, ((index, value), ...))}}."""
    out = {}
    for name, calls in seen.items():
        out[name] = {(call, tuple((i, args[i]) for i in sorted(width.get(call, ())) if i < len(args)))
                     for call, args in calls}
    return out


class Lists:
    """Rules with numbers (from the C tables) and with their places (from the lists)."""

    def __init__(self, generator, rules, tables):
        spec = importlib.util.spec_from_file_location("gen", generator)
        gen = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(gen)
        self.width = {c: {i for i, _ in a.values()} for c, a in gen.ARGS.items()}
        calls = gen.known_calls(["cc"])
        numbers = collections.defaultdict(list)
        for line in subprocess.run([rules], check=True, capture_output=True, text=True).stdout.splitlines():
            name, *conds = line.split()
            numbers[name].append([tuple(int(x, 0) for x in c.split(":")) for c in conds])
        self.rules = {}
        for table in tables:
            name, _, lists = table.partition("=")
            rows = gen.parse(lists.split(","), calls, gen.FORBIDDEN - gen.FOREIGN)
            assert len(rows) == len(numbers[name]), name
            self.rules[name] = [(row[0], conds, at, rare, text_of(row))
                                for (row, at, rare), conds in zip(rows, numbers[name])]

    def find(self, name, call, args):
        values = dict(args)
        return [i for i, (c, conds, *_) in enumerate(self.rules[name])
                if c == call and all(values.get(a, 0) & mask == value for a, mask, value in conds)]


def text_of(row):
    call, err, conds = row
    text = " ".join(re.sub(r"\(uint(32|64)_t\)", "", f"arg{i}={v}" if "MAX" in m else f"arg{i}!{m}")
                    for i, m, v in conds)
    return f"{call} {text}".strip() + (f" -> {err}" if err else "")


class Runs:
    def __init__(self, build, width):
        self.build, self.width = build, width
        self.seen = collections.defaultdict(set)
        self.said = []

    def add(self, seen, only):
        for name, calls in judged(seen, self.width).items():
            if only is None or name in only:
                self.seen[name] |= calls

    def run(self, what, command, only=None, must=None):
        """Trace a command; count the lists in only (all: None). Its own success is part of the test; a
        suite that is judged elsewhere must only have said something."""
        with tempfile.TemporaryDirectory(prefix="casemate-trace-") as folder:
            os.chmod(folder, 0o755)
            p = subprocess.run(STRACE + ["-o", folder + "/t", "--"] + command, cwd=self.build, check=False,
                               stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, errors="replace")
            is_good = must in p.stdout if must else p.returncode == 0 and "not ok" not in p.stdout
            self.said.append((is_good, f"{what} passes under strace",
                              "" if is_good else p.stdout[-3000:] + p.stderr[-3000:]))
            self.add(reduce_folder(folder), only)
        return is_good

    def lab(self, what, command, timeout, *options):
        """A guest that needs a kernel of ours: the tracing happens in the lab."""
        out = tempfile.mkdtemp(prefix="casemate-lab-", dir=self.build)
        lab = os.path.join(os.path.dirname(__file__), "../lab/lab.sh")
        trace = " ".join(f"'{w}'" for w in STRACE + ["-o", "/tmp/trace/t", "--"] + command)
        inner = (f"mkdir /tmp/trace && {trace} >{out}/tap 2>&1; "
                 f"{sys.executable} {os.path.abspath(__file__)} --reduce /tmp/trace {out}/calls")
        p = subprocess.run([lab, "--out", out, "--timeout", str(timeout), *options, "--", "sh", "-c", inner],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, errors="replace")
        if p.returncode == 4:
            shutil.rmtree(out)
            self.said.append((True, f"{what} passes under strace # SKIP no lab here", ""))
            return False
        tap = open(out + "/tap", encoding="utf-8", errors="replace").read() if os.path.exists(out + "/tap") else ""
        is_good = "not ok" not in tap and "\nok " in "\n" + tap
        self.said.append((is_good, f"{what} passes under strace", "" if is_good else tap[-3000:] + p.stdout + p.stderr))
        if os.path.exists(out + "/calls"):
            with open(out + "/calls", encoding="ascii") as f:
                seen = {n: {(c, tuple(a)) for c, a in calls} for n, calls in json.load(f).items()}
            self.add(seen, None)
        shutil.rmtree(out)
        return is_good


def reduce_main(folder, out):
    seen = reduce_folder(folder)
    with open(out, "w", encoding="ascii") as f:
        json.dump({n: sorted(calls) for n, calls in seen.items()}, f)


def runs_make(r):
    """Every role, from start to end, with what goes wrong on the way. True: all of it could run."""
    b = r.build
    broker, ledger = b + "/attest/broker/casemate-broker", b + "/attest/ledger/casemate-ledger"
    here = os.path.dirname(os.path.abspath(__file__))
    r.run("the policy reader", [b + "/tests/proc/test_policy_reader"])
    r.run("the ledger writer", [b + "/tests/proc/test_ledger_role"])
    for device in ("blk", "console", "rng", "vsock"):
        r.run(f"dev-{device}", [f"{b}/tests/test_dev_{device}"])
    r.run("the quoting helper", [b + "/tests/proc/test_quote_role"])
    r.run("the owner's messenger and broker", [b + "/tests/proc/test_owner_role", broker, ledger])
    r.run("agent, broker and its ledger", [b + "/tests/proc/test_agent_broker", broker, ledger])
    r.run("a broker that reads its files again", [sys.executable, here + "/test_kbs_client.py", broker, ledger,
                                                  b + "/tests/proc/mint-report", "none", "files_are_taken_over_while_it_runs"])
    r.run("SEV guests and their owner", [sys.executable, here + "/test_owner_run.py", b])
    r.run("guests with simulated processors",
          [sys.executable, here + "/test_measure_launch.py", b + "/attest/casemate-attest", b])
    # Fake children have the roles' names: only the supervisor is real.
    r.run("the supervisor", [sys.executable, here + "/test_super.py", b + "/vmm/super/casemate",
                             b + "/policy/casemate-policy", b + "/tests/proc/fake-child", *SUPER_TESTS],
          only={"super"})
    for machine, name in ATTACKS:
        r.run(f"guest that attacks ({name})",
              [sys.executable, here + "/../vm/hostile/hostile.py", b, b + "/exact-images/hostile", "--rounds", "1",
               "--machine", machine, "--only", attack_number(here, name)], must="all 1 attacks were made")
    return private_guest_run(r, here)


# Small enough for a slow /dev/kvm; each also ends in every way a guest can end (tests/vm/hostile).
ATTACKS = [("plain", "msi-x: vectors to nowhere"), ("plain", "serial: every register"),
           ("firmware", "flash: sequences"), ("consoles", "virtio: starts and resets")]


def attack_number(here, name):
    with open(here + "/../vm/hostile/hostile.c", encoding="ascii") as f:
        rows = [line for line in f if re.match(r'\t(?:\{ "|RING)', line)]
    return str(next(i for i, line in enumerate(rows) if name in line))


# What guests do not make it do: test_super.py.
SUPER_TESTS = ["guest_port_is_connected_by_the_supervisor", "guest_port_without_a_server_is_refused",
               "quoting_service_is_connected_by_the_supervisor", "monitor_that_does_not_stop_is_killed",
               "device_killed_from_outside_ends_the_guest", "full_disk_at_the_end_is_told",
               "output_that_nobody_reads_delays_no_end", "second_signal_does_not_wait"]


def private_guest_run(r, here):
    """A guest whose memory is private in the kernel's eyes, where the host has cgroups."""
    kernel = subprocess.run([here + "/../lab/swprot_kernel.sh", "--cached"], capture_output=True, text=True, check=False)
    if kernel.returncode != 0:
        r.said.append((True, "a guest with private memory passes under strace # SKIP tests/lab/swprot_kernel.sh was not run", ""))
        return False
    return r.lab("a guest with private memory", [sys.executable, here + "/../swprot/swprot_test.py", r.build,
                                                 r.build + "/exact-images/swprot/guest", "--unwatched"], 600,
                 "--kernel", kernel.stdout.strip())


def report(lists, runs, is_whole):
    """TAP. The simulator's lists add to the monitor's: there only what they add is looked for. Where
    not all guests could run, the monitor's and supervisor's rules that nobody used are no failure."""
    lines = list(runs.said)
    for name in sorted(lists.rules):
        if name in ("test", "foreign"):  # a list for tests; programs that are not ours
            continue
        used, missing = set(), []
        for call, args in sorted(runs.seen.get(name, ())):
            found = lists.find(name, call, args)
            used |= set(found)
            if not found:
                missing.append(f"{call}({', '.join(f'arg{i}={v:#x}' for i, v in args)})")
        lines.append((not missing, f"{name}: nothing is missing", "\n".join(missing)))
        rules = lists.rules[name]
        unused = [f"{os.path.basename(at)}: {text}" for i, (_, _, at, rare, text) in enumerate(rules)
                  if i not in used and not rare and ("sim" not in name or "sim" in at)]
        rare = [f"{os.path.basename(at)}: {text} [rare: {why}]" for i, (_, _, at, why, text) in enumerate(rules)
                if i not in used and why]
        if unused and not is_whole and name in ("monitor", "monitor-vcpu", "super"):
            lines.append((True, f"{name}: every rule is used # SKIP not every kind of guest ran", "",
                          "\n".join(unused)))
            continue
        lines.append((not unused, f"{name}: every rule is used, {len(used)} of {len(rules)} seen, {len(rare)} rare",
                      "\n".join(unused)))
        lines[-1] += ("\n".join(rare),)
    print(f"1..{len(lines)}")
    for n, (is_good, what, detail, *notes) in enumerate(lines, 1):
        print(f"{'ok' if is_good else 'not ok'} {n} - {what}")
        for text in [] if is_good else detail.splitlines():
            print("# " + text)
        for text in (notes[0] if notes else "").splitlines():
            print("#   not seen: " + text)
    return all(line[0] for line in lines)


def main():
    if sys.argv[1] == "--reduce":
        return reduce_main(sys.argv[2], sys.argv[3])
    if shutil.which("strace") is None or not os.access("/dev/kvm", os.R_OK | os.W_OK) or os.geteuid() != 0:
        return print("1..0 # SKIP it needs strace, /dev/kvm, and to be root")
    lists = Lists(sys.argv[2], sys.argv[3], sys.argv[4:])
    runs = Runs(os.path.abspath(sys.argv[1]), lists.width)
    is_whole = runs_make(runs)
    sys.exit(0 if report(lists, runs, is_whole) else 1)


main()
