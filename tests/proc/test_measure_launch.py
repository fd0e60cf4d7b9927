#!/usr/bin/env python3
"""What `casemate measure` predicts and what a launch gives are the same digest: every kind of guest, with firmware of
the test's own and a simulated processor, which says the digest of each launch that it finished. TAP.

usage: test_measure_launch.py CASEMATE-ATTEST BUILD
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import test_measure as maker

ATTEST, BUILD = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PROGRAMS = ["vmm/super/casemate", "vmm/monitor/casemate-monitor-sim", "policy/casemate-policy",
            "attest/ledger/casemate-ledger"]
CASES = [
    ("snp", {}), ("snp", {"cpu": "EPYC-Milan", "vcpus": 3}), ("snp", {"initrd": None, "cpu": "EPYC-v4"}),
    ("snp", {"boot": {"firmware": {"file": "OVMF.fd"}}}), ("snp", {"features": "0x20"}),
    ("sev", {}), ("sev", {"boot": {"firmware": {"file": "OVMF.fd"}}}),
    ("sev-es", {}), ("sev-es", {"cpu": "EPYC-Rome", "vcpus": 4}), ("sev-es", {"cmdline": "another line"}),
    ("tdx", {}), ("tdx", {"vcpus": 2, "memory": 512}), ("tdx", {"boot": {"firmware": {"file": "other.fd"}}}),
]
# A file that is not the policy's: who predicts says no, who launches does not begin.
FILES = {"firmware": "OVMF.fd", "kernel": "vmlinuz", "initrd": "initrd"}


def policy(tee, features=None, **inputs):
    maker.policy(tee, **inputs)
    with open("p.jsonc", encoding="utf-8") as f:
        p = json.load(f)
    p["tee"]["simulated"] = True
    p["name"] = f"test.measure/guest-{os.getpid()}"
    p["audit"] = {"ledger": "ledger", "key": "key.pem", "origin": "test.measure/log"}
    if features:
        p["tee"]["snp"]["vmsa_features"] = features
    maker.write("p.jsonc", json.dumps(p).encode())


def launched(platform, folder):
    """The digest that the processor gave, and the guest's end."""
    env = {"XDG_RUNTIME_DIR": folder, "PATH": os.environ["PATH"]}
    p = subprocess.Popen([os.path.join(folder, "casemate"), "run", "p.jsonc", "--simulator", platform], env=env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said, found = "", None
    for line in p.stderr:
        said += line
        found = re.search(r"simulator: launched, digest ([0-9a-f]+)", line)
        if found:
            break
    p.send_signal(signal.SIGTERM)
    p.stderr.read()
    p.wait(timeout=60)
    assert found, f"no launch: {said}"
    return found.group(1)


def check(tee, inputs, folder):
    policy(tee, **inputs)
    want = subprocess.run([ATTEST, "measure", "p.jsonc"], capture_output=True, text=True, check=True).stdout.split()[0]
    got = launched(platform_of(tee), folder)
    # The digest of SEV and SEV-ES is SHA-256; the simulator's has zeros behind.
    assert got == want.ljust(96, "0"), f"launched {got}, predicted {want}"


def platform_of(tee):
    return "tdx.platform" if tee == "tdx" else "amd.platform"


def check_other_file(tee, other, folder):
    boot = {k: {"file": f, "sha384": "sha384:" + maker.sha384(open(f, "rb").read()).hex()} for k, f in FILES.items()}
    boot["cmdline"] = maker.CMDLINE
    check(tee, {"boot": boot}, folder)
    boot[other]["sha384"] = "sha384:" + "5a" * 48
    policy(tee, boot=boot)
    r = subprocess.run([ATTEST, "measure", "p.jsonc"], capture_output=True, text=True, check=False)
    assert r.returncode == 1 and "is not the file the policy names" in r.stderr, (r.returncode, r.stderr)
    r = subprocess.run([os.path.join(folder, "casemate"), "run", "p.jsonc", "--simulator", platform_of(tee)],
                       env={"XDG_RUNTIME_DIR": folder, "PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, check=False)
    assert r.returncode == 3, (r.returncode, r.stderr)
    assert f"{FILES[other]}: {other}: differs from the policy" in r.stderr and "5a" * 48 in r.stderr, r.stderr
    assert "simulator: launched" not in r.stderr, r.stderr


def prepare(folder):
    os.chmod(folder, 0o755)
    for program in PROGRAMS:
        shutil.copy(os.path.join(BUILD, program), folder)
    for name, more in (("amd", ["--memlock", "1048576"]), ("tdx", ["--product", "TDX"])):
        os.mkdir(name)
        subprocess.run([os.path.join(BUILD, "sev/sim/casemate-sim-platform"), "create", f"{name}.platform", "--ark-dir",
                        name, *more], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem"], check=True,
                   stderr=subprocess.DEVNULL)
    os.mkdir("ledger")
    subprocess.run(["./casemate-ledger", "init", "ledger", "--key", "key.pem", "--origin", "test.measure/log"], check=True,
                   stdout=subprocess.DEVNULL)
    for name, data in (("OVMF.fd", maker.firmware(0xF4)), ("other.fd", maker.firmware(0x90)),
                       ("vmlinuz", maker.kernel()), ("initrd", b"ramdisk"), ("d", bytes(4096))):
        maker.write(name, data)
    for name in os.listdir("."):
        if os.path.isfile(name) and not name.startswith("casemate"):
            os.chmod(name, 0o644)
    shutil.copy(os.path.join(BUILD, "vmm/device/casemate-dev-blk"), folder)


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("1..0 # SKIP no /dev/kvm: nothing can be launched")
        return 0
    failed = False
    with tempfile.TemporaryDirectory(prefix="casemate-measure-") as folder:
        os.chdir(folder)
        prepare(folder)
        cases = [(f"{tee} {json.dumps(inputs)}".replace("#", ""), check, tee, inputs) for tee, inputs in CASES]
        cases += [(f"{tee}, another {other} than the policy's", check_other_file, tee, other)
                  for tee in ("snp", "tdx") for other in FILES]
        print(f"1..{len(cases)}")
        for n, (name, run, *args) in enumerate(cases, 1):
            try:
                run(*args, folder)
                print(f"ok {n} - {name}")
            except Exception as e:  # each case reports its own failure
                failed = True
                print(f"not ok {n} - {name}\n# {e}".rstrip().replace("\n\n", "\n"))
        os.chdir("/")
    return failed


sys.exit(main())
