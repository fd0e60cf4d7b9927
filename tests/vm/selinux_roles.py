#!/usr/bin/env python3
"""selinux_roles.py BUILD IMAGES: the roles that a plain guest has not, each at its work where SELinux enforces, as TAP:
ledger writer, owner's messenger, quoting helper, the relying party's broker with its own ledger writer; block devices
as disks, a program of another make behind one, and a guest's vsock streams. selinux.sh starts it in the lab, as unconfined_t. What a process is labelled is
read from its receipt. BUILD has the simulated processors.
"""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

BUILD, IMAGES = (os.path.abspath(a) for a in sys.argv[1:3])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../proc"))
import test_td_guest as td  # noqa: E402 (reads argv[1] as well)

sys.argv = [sys.argv[0], BUILD]
import test_owner_run as owner  # noqa: E402

DAEMON = "/usr/bin/qemu-storage-daemon"
CASEMATE = BUILD + "/vmm/super/casemate"
# As an operator has it: policies and keys' certificates here, images there.
FOLDER, FILES = "/etc/casemate/roles", "/var/lib/casemate/images/roles"
LABELS = "/var/lib/casemate/labels"
BOOT = "usr_t"  # what boot files are before and after
TESTS = []


def test(f):
    TESTS.append(f)
    return f


def chcon(kind, *paths):
    subprocess.run(["chcon", "-R", f"system_u:object_r:{kind}:s0", *paths], check=True)


def label(path):
    return os.getxattr(path, "security.selinux").rstrip(b"\0").decode()


def run(*argv, timeout=200):
    r = subprocess.run(argv, cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=timeout, check=False)
    return r.returncode, r.stdout.decode(errors="replace"), r.stderr.decode(errors="replace")


def wait_for(condition, what, seconds=60):
    for _ in range(seconds * 10):
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def domains(processes, want):
    """One guest's receipts: these domains, and one pair of categories for all of them."""
    labels = [p["label"].split(":", 3) for p in processes]
    assert sorted(found[2] for found in labels) == sorted(f"casemate_{name}_t" for name in want), labels
    pairs = {found[3] for found in labels}
    assert len(pairs) == 1 and re.fullmatch(r"s0:c\d+,c\d+", pairs.pop()), labels


def receipts_of_ledger(name, want):
    """Those of the last launch in the host's ledger."""
    status, out, err = run(CASEMATE, "ledger", "list", "ledger", "--json")
    assert status == 0, err
    found = [e["entry"] for e in json.loads(out)["entries"]
             if e["entry"]["event"] == "launched" and e["entry"]["guest"] == name]
    assert found, out
    domains(found[-1]["sandbox"], want)


def receipts_of_guest(name, want):
    status, out, err = run(CASEMATE, "show", name, "--json")
    assert status == 0, err
    domains(json.loads(out)["sandbox"], want)


def are_restored(*paths):
    wait_for(lambda: not os.listdir(LABELS), "labels restored", 10)
    for path, kind in paths:
        assert label(path) == f"system_u:object_r:{kind}:s0", (path, label(path))


def write(name, text):
    with open(os.path.join(FOLDER, name), "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())


# ---- launches with a simulated processor -----------------------------------------------------------------


def policy_of(w, **more):
    return owner.policy(w.port, w.digest, **more).replace('"ca": "tls.pem"', '"ca": "ca.pem"')


@test
def sev_launch_has_its_owner_s_answer(w):
    """casemate_owner_t over TCP to casemate_broker_t; the host's ledger and the owner's."""
    os.link(w.path("amd.platform"), w.path("platform"))
    w.make()
    chcon("casemate_store_t", w.path("store"))
    chcon("casemate_ledger_data_t", *map(w.path, ("ledger", "ledger.pem", "owners", "owners.pem")))
    chcon("casemate_content_t", w.path("amd.platform"), w.path("tdx.platform"))
    shutil.copy(w.path("tls.pem"), w.path("ca.pem"))  # what a guest gets is relabelled; the broker reads its own
    chcon(BOOT, w.path("fw.bin"), w.path("disk.img"), w.path("ca.pem"))
    write("broker.log", "")
    chcon("casemate_log_t", w.path("broker.log"))
    w.serve(CASEMATE, "broker")
    kinds = [open(f"/proc/{pid}/attr/current").read().split(":")[2]
             for pid in [w.broker.pid, *open(f"/proc/{w.broker.pid}/task/{w.broker.pid}/children").read().split()]]
    assert kinds[0] == "casemate_broker_t" and "casemate_ledger_t" in kinds, kinds
    w.session(policy_of(w))
    chcon(BOOT, w.path("session"))
    out, err, status = w.launch()
    assert status == owner.SECRET[0], (status, out, err, open(w.path("broker.log")).read())
    receipts_of_ledger("bank/cards", ["ledger", "dev_blk", "owner", "monitor"])
    owners = w.run(owner.LEDGER, "list", "owners", want=None)[0]
    assert "proven" in owners and "released" in owners, owners
    are_restored((w.path("disk.img"), BOOT), (w.path("fw.bin"), BOOT), (w.path("session/session.bin"), BOOT))


@test
def broker_reads_its_configuration_again(w):
    assert w.broker.poll() is None, "the broker has ended"
    w.broker.send_signal(signal.SIGHUP)
    wait_for(lambda: "reloaded: " in open(w.path("broker.log")).read(), "a line in its log")
    w.session(policy_of(w, serial=7))
    chcon(BOOT, w.path("session"))
    out, err, status = w.launch()
    assert status == owner.SECRET[0], (status, out, err, open(w.path("broker.log")).read())
    w.broker.terminate()
    assert w.broker.wait(20) == 0, open(w.path("broker.log")).read()
    w.broker = None


def simulated(kind, tee, firmware):
    """A launch with firmware alone: its command."""
    write(f"{kind}.fd", firmware)
    chcon(BOOT, os.path.join(FOLDER, f"{kind}.fd"))
    write(f"{kind}.jsonc", json.dumps({
        "schema": "launch-policy/1", "name": f"test.roles/{kind}", "serial": 1, "tee": {"type": kind, "simulated": True,
                                                                                     **tee},
        "boot": {"firmware": {"file": f"{kind}.fd"}}, "machine": {"vcpus": 1, "memory_mib": 128},
        "devices": {"console": "virtio", "rng": True, "disk": [{"id": "d", "file": "disk.img", "mode": "ro",
                                                              "integrity": "none"}]},
        "host": {"mac_label": {"selinux": "required"}},
        "audit": {"ledger": "ledger", "key": "ledger.pem", "origin": "test/host"}}))
    return [CASEMATE, "run", f"{kind}.jsonc", "--simulator", "tdx.platform" if kind == "tdx" else "amd.platform"]


@test
def snp_launch_runs(w):
    p = subprocess.Popen(simulated("snp", {"snp": {"product": ["Milan"], "guest_policy": {"smt": True}}}, td.maker.firmware(0xF4)), cwd=FOLDER, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: p.poll() is not None or '"running"' in run(CASEMATE, "list", "--json")[1], "a guest that runs")
        assert p.poll() is None, p.stderr.read()
        receipts_of_guest("test.roles/snp", ["ledger", "dev_blk", "dev_console", "dev_rng", "monitor"])
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait(40)
    assert p.returncode == 128 + signal.SIGTERM, p.stderr.read()
    are_restored((w.path("disk.img"), BOOT), (w.path("snp.fd"), BOOT))


@test
def td_asks_the_quoting_service(w):
    """casemate_quote_t between the monitor and a service of the host."""
    command = simulated("tdx", {"tdx": {"attributes": {}, "quoting": "/run/tdx-qgs/qgs.socket"}},
                        td.firmware(td.QUOTE))
    os.mkdir("/run/tdx-qgs")
    chcon("var_run_t", "/run/tdx-qgs")
    with subprocess.Popen([BUILD + "/sev/sim/casemate-sim-qgs", w.path("tdx.platform"), "--socket",
                           "/run/tdx-qgs/qgs.socket"], stdout=subprocess.PIPE, text=True) as qgs:
        try:
            assert qgs.stdout.readline() == "ready\n"
            status, _, err = run(*command)
        finally:
            qgs.kill()
    assert status == td.NO_REPORT and "no quote, code 0x12003" in err, (status, err)
    receipts_of_ledger("test.roles/tdx", ["ledger", "dev_blk", "dev_console", "dev_rng", "quote", "monitor"])
    are_restored((w.path("tdx.fd"), BOOT))


# ---- Linux guests ----------------------------------------------------------------------------------------


def linux(name, devices):
    write(f"{name}.jsonc", json.dumps({
        "schema": "launch-policy/1", "name": f"test.roles/{name}", "serial": 1, "tee": {"type": "none"},
        "boot": {"kernel": {"file": f"{FILES}/vmlinuz"}, "initrd": {"file": f"{FILES}/initrd.img"},
                 "cmdline": f"console=ttyS0 quiet panic=-1 casemate.test={name}"},
        "machine": {"vcpus": 1, "memory_mib": 256}, "devices": {"console": "serial", **devices},
        "host": {"mac_label": {"selinux": "required"}}}))
    return subprocess.Popen([CASEMATE, "run", f"{name}.jsonc"], cwd=FOLDER, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ends_well(p):
    out, err = (text.decode(errors="replace") for text in p.communicate(timeout=150))
    assert p.returncode == 0, (p.returncode, out, err)
    return out


@test
def block_devices_are_disks(w):
    """Their nodes are relabelled, and get their label back."""
    images = [f"{FILES}/first.img", f"{FILES}/second.img"]
    for path, size in zip(images, (8 << 20, 65536)):
        with open(path, "wb") as f:
            f.truncate(size)
    disks = [subprocess.run(["losetup", "--find", "--show", path], capture_output=True, text=True, check=True)
             .stdout.strip() for path in images]
    chcon("fixed_disk_device_t", *disks)
    try:
        p = linux("disk", {"disk": [
            {"id": "first", "file": disks[0], "mode": "rw", "discard": True, "integrity": "none"},
            {"id": "second", "file": disks[1], "mode": "ro", "integrity": "none"}]})
        wait_for(lambda: p.poll() is not None or "casemate_content_t" in label(disks[1]), "labels of nodes")
        kinds = [label(disk) for disk in disks]
        out = ends_well(p)
        assert re.fullmatch(r"system_u:object_r:casemate_image_t:s0:c\d+,c\d+", kinds[0]), kinds
        assert kinds[1] == "system_u:object_r:casemate_content_t:s0", kinds
        are_restored(*((disk, "fixed_disk_device_t") for disk in disks))
    finally:
        subprocess.run(["losetup", "-d", *disks], check=False)
    assert "disk 16384 ro 1" in out and "discarded" in out, out
    with open(images[0], "rb") as f:
        assert f.read(1 << 20) == b"casemate\n" * ((1 << 20) // 9) + b"casemate\n"[:(1 << 20) % 9]


@test
def program_of_another_make_serves_a_disk(w):
    """casemate_foreign_t, from its sandbox to the last request of qemu-storage-daemon."""
    if not os.access(DAEMON, os.X_OK):
        return f"no {DAEMON} (package qemu-system-common)"
    images = [f"{FILES}/foreign.img", f"{FILES}/own.img"]
    for path, size in zip(images, (8 << 20, 65536)):
        with open(path, "wb") as f:
            f.truncate(size)
    os.chown(images[0], 4711, 4711)
    chcon(BOOT, *images)
    p = linux("disk", {"disk": [
        {"id": "first", "file": images[0], "mode": "rw", "discard": True, "integrity": "none",
         "backend": "qemu-storage-daemon"},
        {"id": "second", "file": images[1], "mode": "ro", "integrity": "none"}]})
    wait_for(lambda: p.poll() is not None or '"running"' in run(CASEMATE, "list", "--json")[1], "a guest that runs")
    if p.poll() is None:
        receipts_of_guest("test.roles/disk", ["foreign", "dev_blk", "monitor"])
        kinds = {open(f"/proc/{pid}/comm").read().strip(): open(f"/proc/{pid}/attr/current").read()
                 for pid in open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()}
        assert ":casemate_foreign_t:s0:c" in kinds["qemu-storage-da"], kinds
        assert label(images[0]).startswith("system_u:object_r:casemate_image_t:s0:c"), label(images[0])
    out = ends_well(p)
    assert "disk 16384 ro 1" in out and "discarded" in out, out
    with open(images[0], "rb") as f:
        assert f.read(1 << 20) == b"casemate\n" * ((1 << 20) // 9) + b"casemate\n"[:(1 << 20) % 9]
    are_restored(*((path, BOOT) for path in images))
    return None


@test
def vsock_streams_reach_a_service(w):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("/run/service")
    listener.listen()
    chcon("var_run_t", "/run/service")

    def serve():
        peer, _ = listener.accept()
        text = b""
        while chunk := peer.recv(100):
            text += chunk
        peer.sendall(text.upper())
        peer.close()
    threading.Thread(target=serve, daemon=True).start()
    p = linux("vsock", {"vsock": {"cid": 5, "ports": [{"port": 7001, "socket": "/run/service"}]}})
    assert "answer FROM THE GUEST" in ends_well(p)


# ---- --------------------------------------------------------------------------------------------------------


def denials():
    """Of our domains, since the last call."""
    out = subprocess.run(["dmesg", "-c"], capture_output=True, check=False).stdout.decode(errors="replace")
    # The supervisor looks at a process that has ended meanwhile: the kernel then asks for CAP_SYS_PTRACE over the host,
    # which it has not and needs not.
    late = re.compile(r"\{ sys_ptrace \} .*comm=\"casemate\" .*:casemate_t:.*tclass=capability ")
    return [line for line in out.splitlines() if re.search(r"avc: *denied", line) and
            re.search(r":casemate_\w*t:", line) and not late.search(line)]


@test
def nothing_was_denied(w):
    assert not w.denied, "\n".join(w.denied)


def main():
    with open("/sys/fs/selinux/enforce", encoding="ascii") as f:
        assert f.read() == "1", "SELinux does not enforce"
    for folder in (FOLDER, FILES):
        os.makedirs(folder)
    subprocess.run(["cp", "-r", *glob.glob(IMAGES + "/roles/*"), FOLDER], check=True)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(f"{IMAGES}/6.1/{name}", FILES)
    chcon(BOOT, *glob.glob(FILES + "/*"))
    w = owner.World(FOLDER)
    w.denied = []
    failed = 0
    print(f"1..{len(TESTS)}", flush=True)
    for n, f in enumerate(TESTS, 1):
        try:
            skipped = f(w)
            print(f"ok {n} - {f.__name__}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except Exception as e:  # a test must not hide the others
            failed = 1
            print(f"not ok {n} - {f.__name__}\n# " + f"{type(e).__name__}: {e}".replace("\\n", "\n").replace("\n", "\n# "),
                  flush=True)
        found = denials()
        for line in found:
            print("# " + line, flush=True)
        w.denied += found
    if w.broker is not None:
        w.broker.terminate()
    return failed


sys.exit(main())
