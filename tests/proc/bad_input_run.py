#!/usr/bin/env python3
"""casemate run with bad input, on lacking machines, and ended from outside: one cause, the status of the
CLI contract, nothing half-started left behind, no file harmed. The real programs; the guest is tiny.

usage: bad_input_run.py CASEMATE [simulator] [-- TEST...]    SHOW=1 prints the messages
"""
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_kit import NOBODY, House, Skip, descendant, has_kvm, is_root, main, mounts, need, need_private_mounts, snapshot

ARGS = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
ONLY = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
CASEMATE = os.path.abspath(ARGS[0])
HAS_SIMULATOR = len(ARGS) > 1
TESTS = []


def test(f):
    TESTS.append(f)
    return f


def on_kvm(f):
    """A test that gets as far as a virtual machine."""
    def checked(h):
        need(has_kvm(), "no /dev/kvm")
        return f(h)
    checked.__name__ = f.__name__
    return test(checked)


# ---- the policy ----------------------------------------------------------------------------------

def spoiled(h, old, new):
    h.policy()
    with open(h.path("p.jsonc"), encoding="utf-8") as f:
        text = f.read()
    assert text.count(old) == 1, old
    h.write("p.jsonc", text.replace(old, new))
    return text[:text.index(old)].count("\n") + 1


@test
def malformed_policy_is_named_by_line_and_column(h):
    for old, new, says in (
            ('"serial": 1,', '"serial": 1', ""),
            ('"serial": 1,', '"serial": 1, "serial": 1,', "serial"),
            ('"serial": 1,', '"serial": 1, "frobnicate": 1,', "frobnicate"),
            ('"serial": 1,', '"serial": "1",', "serial"),
            ('"serial": 1,', '"serial": 1.5,', ""),
            ('"serial": 1,', '"serial": 0,', "serial"),
            ('"serial": 1,', '"serial": 1e3,', ""),
            ('"serial": 1,', '"serial": 99999999999999999999999,', ""),
            ('"vcpus": 1,', '"vcpus": 1000,', "vcpus"),
            ('"memory_mib": 128', '"memory_mib": 1', "memory_mib"),
            ('"type": "none"', '"type": "tdx"', "type"),
            ('"launch-policy/1"', '"launch-policy/9"', "launch-policy"),
            ('"cmdline": "x"', '"cmdline": "a\\nb"', "cmdline"),
            ('"cmdline": "x"', '"cmdline": "\\ud800"', ""),
            ('"cmdline": "x"', '"cmdline": "' + "x" * 5000 + '"', ""),
            ('"file": "tiny.bin"', '"file": ""', "file"),
            ('"mode": "rw"', '"mode": "append"', "mode"),
            ('"rng": true', '"rng": "yes"', "rng"),
            ('"rng": true', '"rng": true,', ""),
            ('"strict"', "strict", "")):
        line = spoiled(h, old, new)
        r = h.fails(3, "run", "p.jsonc", says=says)
        # What is missing at the end of a line is missed at the beginning of the next.
        assert re.search(rf"p\.jsonc:({line}|{line + 1}):\d+: ", r.err), (new, line, r.err)


@test
def policy_that_is_no_text_is_named(h):
    h.policy()
    with open(h.path("p.jsonc"), "rb") as f:
        good = f.read()
    for data in (b"", b"\n", b"\0" * 100, b"\xef\xbb\xbf" + good, good.replace(b"\n", b"\r\n"), good + b"x",
                 good.replace(b'"x"', b'"\xff"'), b"[" * 1000, b"{" + b'"x-a":{' * 100, b'"text"', good[:-3],
                 b"// nothing but this\n", good + good):
        h.write("p.jsonc", data)
        r = h.fails(3, "run", "p.jsonc")
        assert re.search(r"p\.jsonc:\d+:\d+: ", r.err), r.err
    h.write("p.jsonc", b"// " + b"x" * 300000 + b"\n" + good)
    h.fails(3, "run", "p.jsonc", says="p.jsonc")


@test
def missing_keys_are_named(h):
    for key in ("schema", "name", "serial", "tee", "boot", "machine"):
        h.policy(**{key: None})
        h.fails(3, "run", "p.jsonc", says=["p.jsonc:1:1", key])


@test
def policy_that_is_not_there_or_no_file(h):
    h.fails(3, "run", "none.jsonc", says=["none.jsonc", "No such file"])
    h.fails(3, "run", h.path("none/none.jsonc"), says="none/none.jsonc")
    h.fails(3, "run", h.dir, says="no regular file")
    h.fails(3, "run", "", says="cannot open")
    os.mkfifo(h.path("fifo"))
    h.fails(3, "run", "fifo", says="no regular file")
    h.fails(3, "run", "/dev/null", says="no regular file")


@test
def policy_that_may_not_be_read(h):
    need(is_root(), "needs root to become nobody")
    h.write("secret.jsonc", b"{}", 0o600)
    h.fails(3, "run", "secret.jsonc", prefix=NOBODY, says=["secret.jsonc", "Permission denied"])


@test
def policy_out_of_its_time_is_a_no(h):
    def valid(first, last):
        now = datetime.datetime.now(datetime.timezone.utc)
        return {k: (now + datetime.timedelta(days=d)).strftime("%Y-%m-%dT00:00:00Z")
                for k, d in (("not_before", first), ("not_after", last))}
    h.policy(valid=valid(-20, -10))
    h.fails(1, "run", "p.jsonc", says=["p.jsonc", "valid"])
    h.policy(valid=valid(10, 20))
    h.fails(1, "run", "p.jsonc", says=["p.jsonc", "valid"])
    h.policy(valid=valid(20, 10))
    h.fails(3, "run", "p.jsonc", says="p.jsonc:")


# ---- what the policy names -----------------------------------------------------------------------

def special_files(h):
    """Names of what is no regular file, each with a word of its message."""
    os.mkdir(h.path("folder"))
    os.mkfifo(h.path("fifo"))
    os.symlink("disk.img", h.path("link"))
    os.mkdir(h.path("way"))
    os.symlink("way", h.path("other-way"))
    shutil.copy(h.path("disk.img"), h.path("way/disk.img"))
    s = socket.socket(socket.AF_UNIX)
    s.bind(h.path("socket"))
    s.close()
    return (("nothing", "No such file"), ("folder", "no regular file"), ("fifo", "no regular file"),
            ("link", "symbolic link"), ("other-way/disk.img", "symbolic link"), ("socket", "no regular file"),
            ("disk.img/x", "Not a directory"))


@on_kvm
def kernel_that_is_none(h):
    for name, says in special_files(h):
        h.policy(boot={"kernel": {"file": name}, "cmdline": "x"})
        h.fails(3, "run", "p.jsonc", says=["kernel: ", name, says])
    h.policy(boot={"kernel": {"file": "tiny.bin"}, "initrd": {"file": "nothing"}, "cmdline": "x"})
    h.fails(3, "run", "p.jsonc", says=["initrd: ", "nothing", "No such file"])


@on_kvm
def truncated_kernel_is_named(h):
    with open(h.path("tiny.bin"), "rb") as f:
        kernel = f.read()
    long = bytearray(kernel)
    long[0x1f4:0x1f8] = (1 << 20).to_bytes(4, "little")  # syssize: 16 MiB of which hardly any is there
    old = bytearray(kernel)
    old[0x206:0x208] = (0x200).to_bytes(2, "little")  # a protocol of 1995
    for data in (b"", b"x", kernel[:600], kernel[:0x1f1], kernel[:0x260], bytes(1 << 16), bytes(long), bytes(old),
                 b"\x7fELF" + bytes(2000), kernel[:0x202] + b"HdrX" + kernel[0x206:]):
        h.write("tiny.bin", data)
        h.policy()
        h.fails(3, "run", "p.jsonc", says=["kernel: ", "tiny.bin"])


@on_kvm
def file_that_the_policy_does_not_mean_is_refused(h):
    h.write("initrd", b"ramdisk")
    h.write("OVMF.fd", bytes(65536))
    other = "sha384:" + "5a" * 48

    def boot(*wrong, **files):
        b = {k: {"file": f, "sha384": other if k in wrong else h.sha384(f)} for k, f in files.items()}
        h.policy(boot=dict(b, cmdline="x"))
    names = {"kernel": "tiny.bin", "initrd": "initrd", "firmware": "OVMF.fd"}
    for files, checked in ((("kernel", "initrd"), ("kernel", "initrd")), (names, names)):
        for wrong in checked:
            boot(wrong, **{k: names[k] for k in files})
            h.fails(3, "run", "p.jsonc", says=[f"{names[wrong]}: {wrong}: differs from the policy", other[7:],
                                               h.sha384(names[wrong])[7:]])
    boot(kernel="tiny.bin", initrd="initrd")
    p = h.launch()
    p.send_signal(signal.SIGTERM)
    r = h.finish(p)
    assert r.status == 143, (r.status, r.err)


@on_kvm
def disk_that_is_none(h):
    for name, says in special_files(h):
        for mode in ("rw", "ro"):
            h.disk(name, mode)
            h.fails(3, "run", "p.jsonc", says=["disk data: ", name, says])
    for size in (0, 1000):
        h.write("disk.img", bytes(size))
        h.policy()
        h.fails(3, "run", "p.jsonc", says=["disk data: disk.img", f"{size} bytes", "512"])


@on_kvm
def path_outside_the_policy_is_found_or_refused_but_never_half(h):
    h.disk("/dev/null")
    h.fails(3, "run", "p.jsonc", says="disk")
    h.disk("/dev/kvm")
    h.fails(3, "run", "p.jsonc", says="disk")


def open_kvm(h):
    """A prefix: everybody may open this machine's /dev/kvm, in there."""
    need_private_mounts()
    st = os.stat("/dev/kvm").st_rdev
    os.mkdir(h.path("mnt"))
    return mounts(f"mount -t tmpfs none {h.dir}/mnt\nmknod -m 666 {h.dir}/mnt/kvm c {os.major(st)} {os.minor(st)}\n"
                  f"mount --bind {h.dir}/mnt/kvm /dev/kvm")


@on_kvm
def disk_that_may_not_be_read_or_written(h):
    prefix = open_kvm(h) + NOBODY
    h.write("secret.img", bytes(65536), 0o600)
    h.disk("secret.img")
    h.fails(3, "run", "p.jsonc", prefix=prefix, says=["disk data", "secret.img", "Permission denied"])
    h.disk("secret.img", "ro")
    h.fails(3, "run", "p.jsonc", prefix=prefix, says=["disk data", "secret.img", "for reading", "Permission denied"])
    h.disk("disk.img")
    h.fails(3, "run", "p.jsonc", prefix=prefix, says=["disk data", "disk.img", "for writing", "Permission denied"])


@on_kvm
def disk_in_use_is_refused_and_the_other_guest_goes_on(h):
    h.policy()
    h.disk("disk.img", "ro", policy="reader.jsonc")
    p = h.launch()
    for policy in ("p.jsonc", "reader.jsonc"):
        h.fails(3, "run", policy, "--name", h.name + "-2", says=["disk data", "disk.img", "in use by another guest"])
    assert p.poll() is None
    p.send_signal(signal.SIGTERM)
    assert h.finish(p).status == 143


@on_kvm
def name_in_use_is_a_no(h):
    h.policy()
    p = h.launch()
    h.disk("tiny.bin", "ro", policy="other.jsonc")
    h.write("other.img", bytes(512))
    h.disk("other.img", policy="other.jsonc")
    h.fails(1, "run", "other.jsonc", says=[h.name, "is running", "casemate stop"])
    p.send_signal(signal.SIGTERM)
    assert h.finish(p).status == 143


# ---- the machine ---------------------------------------------------------------------------------

@test
def no_kvm_says_how_to_get_it(h):
    need_private_mounts()
    h.policy()
    os.mkdir(h.path("mnt"))
    bare = mounts(f"mount -t tmpfs none {h.dir}/mnt\nmknod -m 666 {h.dir}/mnt/null c 1 3\n"
                  f"mknod -m 666 {h.dir}/mnt/urandom c 1 9\nmount --bind {h.dir}/mnt /dev")
    h.fails(4, "run", "p.jsonc", prefix=bare, says=["/dev/kvm", "virtualisation"])
    r = h.run("host", "check", prefix=bare)
    assert r.status == 1 and "NO   kvm" in r.out and "modprobe" in r.out, r.out
    if has_kvm():
        h.fails(4, "run", "p.jsonc", prefix=mounts("mount --bind /dev/null /dev/kvm"), says="/dev/kvm")


@on_kvm
def kvm_of_others_says_how_to_join(h):
    need(is_root(), "needs root to become nobody")
    h.policy()
    shut = open_kvm(h)
    shut[4] = shut[4].replace("666", "660", 1)
    h.fails(4, "run", "p.jsonc", prefix=shut + NOBODY, says=["/dev/kvm", "usermod -aG kvm"])


def own_namespace(uid, limit=None):
    """In a user namespace of its own, with one uid; limit: of further ones."""
    lower = "" if limit is None else f"echo {limit} >/proc/sys/user/max_user_namespaces\n"
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "unshare", "-U", "--map-current-user",
            "--keep-caps", "sh", "-ec", lower + 'exec "$@"', "sh"]


@test
def no_user_namespaces_says_how_to_allow_them(h):
    need(is_root(), "needs root to become nobody")
    h.policy()
    prefix = own_namespace(65534, limit=0)
    p = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    need(p.returncode == 0, "user namespaces cannot be limited here")
    h.fails(4, "run", "p.jsonc", prefix=prefix, says=["namespaces", "user.max_user_namespaces"])
    r = h.run("host", "check", prefix=prefix)
    assert r.status == 1 and "NO   user-namespaces" in r.out, r.out


@test
def container_with_one_uid_says_so(h):
    need(is_root(), "needs root to make one")
    h.policy()
    h.fails(4, "run", "p.jsonc", prefix=own_namespace(0), says=["uid", "container"])


@on_kvm
def huge_pages_that_are_not_there(h):
    free = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
    need(os.path.exists(free), "no huge pages in this kernel")
    with open(free, encoding="ascii") as f:
        need(int(f.read()) < 1024, "this machine has huge pages")
    h.policy(machine={"vcpus": 1, "memory_mib": 2048, "hugepages": "2M"})
    h.fails(4, "run", "p.jsonc", says=["huge pages", "nr_hugepages"])


# ---- SNP and the simulator -----------------------------------------------------------------------

@on_kvm
def snp_without_a_processor_says_what_is_missing(h):
    need(not os.path.exists("/dev/sev"), "this machine has a secure processor")
    h.snp()
    h.fails(4, "run", "p.jsonc", says=["SEV-SNP", "host check --tee snp"])
    r = h.run("host", "check", "--tee", "snp")
    assert r.status == 1 and "not ready" in r.out, r.out


@test
def simulator_needs_a_policy_that_accepts_it(h):
    h.write("platform", b"x")
    h.snp(simulated=False)
    h.fails(1, "run", "p.jsonc", "--simulator", "platform", says=["--simulator", "simulated"])
    h.fails(1, "run", "p.jsonc", "--simulator", "platform", "--plan", says=["--simulator", "simulated"])
    h.policy()
    h.fails(1, "run", "p.jsonc", "--simulator", "platform", says=["--simulator", "tee none"])


@on_kvm
def simulated_platform_that_is_none(h):
    need(HAS_SIMULATOR, "built without the simulator")
    h.with_ledger()
    h.snp()
    h.fails(3, "run", "p.jsonc", "--simulator", "nothing", says=["nothing", "No such file"])
    for data in (b"", b"x", b"CMSIMPLT", b"CMSIMPLT" + bytes(1000)):
        h.write("platform", data)
        h.fails(3, "run", "p.jsonc", "--simulator", "platform", says="platform")
    os.mkdir(h.path("folder"))
    h.fails(3, "run", "p.jsonc", "--simulator", "folder", says="folder")
    os.mkfifo(h.path("fifo"))
    h.fails(3, "run", "p.jsonc", "--simulator", "fifo", says="fifo")


# ---- the ledger ----------------------------------------------------------------------------------

@on_kvm
def ledger_that_is_none(h):
    h.with_ledger()
    os.mkdir(h.path("empty"))
    h.write("file", b"x")
    os.symlink("ledger", h.path("link"))
    for folder, says in (("nothing", "No such file"), ("file", "no folder"), ("link", "symbolic link"),
                         ("empty", "casemate-ledger init")):
        h.with_ledger(folder=folder, init=False)
        h.fails(3, "run", "p.jsonc", says=["ledger", says])


@on_kvm
def ledger_key_that_is_none(h):
    h.with_ledger()
    h.write("garbage.pem", b"key")
    h.write("empty.pem", b"")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", h.path("other.pem")], check=True,
                   capture_output=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                    h.path("ec.pem")], check=True, capture_output=True)
    for key, says in (("nothing.pem", "No such file"), ("garbage.pem", "key"), ("empty.pem", "key"),
                      ("ec.pem", "Ed25519"), ("ledger", "no regular file")):
        h.with_ledger(key=key, init=False)
        h.fails(3, "run", "p.jsonc", says=["key", says])
    h.with_ledger(key="other.pem", init=False)
    h.fails(1, "run", "p.jsonc", says=["ledger", "checkpoint", "not signed by test.cli/log"])
    h.with_ledger(origin="test.cli/other", init=False)
    h.fails(1, "run", "p.jsonc", says=["ledger", "checkpoint", "not signed by test.cli/other"])


@on_kvm
def damaged_ledger_is_not_written(h):
    h.with_ledger()
    p = h.launch()
    p.send_signal(signal.SIGTERM)
    assert h.finish(p).status == 143
    tree = snapshot(h.path("ledger"))
    for name in (n for n, v in tree.items() if v[3] > 0 and v[5]):
        with open(h.path("ledger/" + name), "r+b") as f:
            byte = f.read(1)
            f.seek(0)
            f.write(bytes([byte[0] ^ 1]))
            f.flush()
            r = h.run("ledger", "verify", "ledger")
            assert r.status in (1, 3) and name.split("/")[0] in r.err, (name, r.status, r.err)
            f.seek(0)
            f.write(byte)
    assert h.run("ledger", "verify", "ledger").status == 0
    h.write("ledger/checkpoint", b"x")
    h.fails(3, "run", "p.jsonc", says=["ledger", "checkpoint"])


def on_small_disk(h, setup):
    """Run in a namespace where the ledger is on a file system of 64 KiB; setup spoils that, in shell."""
    need_private_mounts()
    h.with_ledger()
    os.mkdir(h.path("small"))
    return mounts(f"mount -t tmpfs -o size=64k,mode=755 none {h.dir}/small\ncp -a {h.dir}/ledger {h.dir}/small/\n{setup}\n"
                  f"mount --bind {h.dir}/small/ledger {h.dir}/ledger")


@on_kvm
def full_disk_below_the_ledger(h):
    full = on_small_disk(h, f"! dd if=/dev/zero of={h.dir}/small/fill bs=4k 2>/dev/null")
    h.fails(4, "run", "p.jsonc", prefix=full, says=["ledger", "No space left"])
    # What is there then is a whole ledger still, and a launch is recorded when there is room again.
    show = f'"$@" >/dev/null 2>&1 && exit 9\n{CASEMATE} ledger verify {h.dir}/ledger\n'
    p = subprocess.run(full[:4] + [full[4].replace('exec "$@"', show + f"rm {h.dir}/small/fill\n" + show.split("\n")[1] +
                       f"\ntimeout -s TERM 2 {CASEMATE} run {h.dir}/p.jsonc || [ $? = 124 ]\n{CASEMATE} ledger list {h.dir}/ledger")]
                       + ["sh", CASEMATE, "run", h.path("p.jsonc")], capture_output=True, text=True, check=False)
    assert p.returncode == 0, p.stderr
    assert p.stdout.count("entries  0") == 2 and "launched" in p.stdout and "ended" in p.stdout, p.stdout


@on_kvm
def read_only_file_system_below_the_ledger(h):
    shut = on_small_disk(h, f"mount -o remount,ro {h.dir}/small")
    h.fails(4, "run", "p.jsonc", prefix=shut, says=["ledger", "Read-only file system"])


@on_kvm
def two_guests_write_one_ledger(h):
    h.with_ledger()
    p = h.launch()
    h.with_ledger("other.jsonc", init=False, devices={"disk": [], "console": "serial"})
    q = h.launch("other.jsonc", "--name", h.name + "-2")
    for guest in (q, p):
        guest.send_signal(signal.SIGTERM)
    assert h.finish(p).status == 143 and h.finish(q).status == 143
    r = h.run("ledger", "verify", "ledger")
    assert r.status == 0 and "entries  4" in r.out, r.out + r.err
    assert h.run("ledger", "list", "ledger").out.count(h.name + "-2") == 2


# ---- the plan ------------------------------------------------------------------------------------

@test
def plan_lists_every_process_with_its_descriptors(h):
    h.policy(audit={"ledger": "ledger", "key": "key.pem", "origin": "test.cli/log"},
             devices={"disk": [{"id": "data", "file": "disk.img", "mode": "rw", "integrity": "none"},
                               {"id": "root", "file": "root.img", "mode": "ro", "integrity": "none"}],
                      "console": "serial", "rng": True, "vsock": {"cid": 5, "ports": [{"port": 7001, "socket": "s"}]}})
    before = snapshot(h.dir)
    r = h.run("run", "p.jsonc", "--plan", "--json")
    assert r.status == 0 and r.err == "", r.err
    plan = json.loads(r.out)
    held = {(p["program"], p["id"]): [d.get("path", d["what"]) for d in p["descriptors"]] for p in plan["processes"]}
    chan, vhost = "channel to the supervisor", "vhost-user socket"
    assert held == {
        ("casemate-policy", ""): [chan, "p.jsonc"],
        ("casemate-ledger", ""): [chan, "ledger", "key.pem"],
        ("casemate-dev-blk", "data"): [chan, vhost, "disk.img"],
        ("casemate-dev-blk", "root"): [chan, vhost, "root.img"],
        ("casemate-dev-rng", ""): [chan, vhost],
        ("casemate-dev-vsock", ""): [chan, vhost, "s"],
        ("casemate-monitor", ""): [chan, "/dev/kvm", "guest memory, a sealed memfd", "tiny.bin"] + [vhost] * 4,
    }, held
    text = h.run("run", "p.jsonc", "--plan").out
    for (program, _), names in held.items():
        assert program in text and all(n in text for n in names), text
    assert snapshot(h.dir) == before


@test
def plan_opens_nothing(h):
    need(shutil.which("strace"), "no strace")
    h.with_ledger()
    before = snapshot(h.dir)
    trace = h.path("trace")
    p = subprocess.run(["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,creat,connect,execve,execveat", "-o", trace,
                        CASEMATE, "run", "p.jsonc", "--plan"], cwd=h.dir, capture_output=True, text=True, check=False)
    if "casemate-monitor" not in p.stdout:
        assert h.run("run", "p.jsonc", "--plan").status == 0
        raise Skip(f"strace cannot trace here: {p.stderr.strip()}")
    with open(trace, encoding="utf-8", errors="replace") as f:
        text = f.read()
    os.unlink(trace)
    assert "p.jsonc" in text and "casemate-policy" in text, text
    for name in ("/dev/kvm", "/dev/sev", "tiny.bin", "disk.img", "key.pem", '"ledger"', "casemate-monitor", "casemate-dev"):
        assert name not in text, [x for x in text.splitlines() if name in x]
    assert snapshot(h.dir) == before


@test
def plan_does_not_look_for_what_the_policy_names(h):
    h.policy()
    os.unlink(h.path("tiny.bin"))
    os.unlink(h.path("disk.img"))
    before = snapshot(h.dir)
    r = h.run("run", "p.jsonc", "--plan")
    assert r.status == 0 and "disk.img" in r.out, r.err
    assert snapshot(h.dir) == before


# ---- the end -------------------------------------------------------------------------------------

@on_kvm
def signal_ends_it_with_128_and_its_number(h):
    for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        h.with_ledger(init=not os.path.exists(h.path("ledger")))
        p = h.launch()
        p.send_signal(n)
        r = h.finish(p)
        assert r.status == 128 + n and r.complaints() == [f"casemate: ended by signal {n}"], (r.status, r.err)
    assert h.run("ledger", "list", "ledger").out.count("stopped by signal") == 3


@on_kvm
def stop_ends_it_with_143(h):
    h.policy()
    p = h.launch()
    r = h.run("stop", h.name)
    assert r.status == 0 and r.out == "" and r.err == "", (r.status, r.out, r.err)
    r = h.finish(p)
    assert r.status == 143 and r.complaints() == ["casemate: ended by signal 15"], (r.status, r.err)
    h.fails(1, "stop", h.name, says="no guest named")


@on_kvm
def forced_stop_kills_it_and_nothing_is_left(h):
    h.policy()
    p = h.launch()
    assert h.run("stop", h.name, "--force").status == 0
    r = h.finish(p)
    assert r.status == -signal.SIGKILL, r.status
    wait_orphans()


def wait_orphans():
    """The processes of a killed supervisor are ours now, and dead or dying."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


@on_kvm
def killed_process_ends_the_guest_with_5_and_is_named(h):
    h.with_ledger()
    for program, label in (("casemate-dev-blk", "dev-blk data"), ("casemate-dev-rng", "dev-rng"),
                           ("casemate-monitor", "monitor"), ("casemate-ledger", "ledger")):
        p = h.launch()
        os.kill(descendant(p.pid, program), signal.SIGKILL)
        r = h.finish(p)
        assert r.status == 5, (program, r.status, r.err)
        assert len(r.complaints()) == 1 and f"casemate: {label} was killed by signal 9" in r.err, r.err
    assert h.run("ledger", "verify", "ledger").status == 0


@on_kvm
def start_cut_short_leaves_nothing(h):
    h.with_ledger()
    for ms in (1, 3, 5, 8, 12, 20):
        before = snapshot(h.dir)
        p = h.start("run", "p.jsonc")
        try:
            p.wait(ms / 1000)
        except subprocess.TimeoutExpired:
            pass
        p.send_signal(signal.SIGTERM)
        r = h.finish(p)
        assert r.status in (143, -signal.SIGTERM), (r.status, r.err)
        h.check_notes()
        if "launched" not in h.run("ledger", "list", "ledger").out:
            assert snapshot(h.dir) == before
    assert h.run("ledger", "verify", "ledger").status == 0


@on_kvm
def standard_output_that_is_gone_harms_nothing(h):
    h.policy()
    with open("/dev/full", "wb") as full:
        p = h.start("run", "p.jsonc", stdout=full)
        descendant(p.pid, "casemate-monitor")
        p.send_signal(signal.SIGTERM)
        assert h.finish(p).status == 143


main(TESTS, CASEMATE, ONLY)
