#!/usr/bin/env python3
"""suite.py BUILD [NAME]...: QEMU's launches under the preloaded simulator, printed as TAP.

Each case starts an unmodified QEMU. A good one must come to the end of its launch, with the digest
that casemate-attest predicts from the same files; some of them must come to the line that their
guest prints. A bad one must be refused, in the words that real firmware's status has in QEMU.
The environment names the files: referee.sh.
"""
import base64
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

BUILD = os.path.abspath(sys.argv[1])
ATTEST = f"{BUILD}/attest/casemate-attest"
PRELOAD = f"{BUILD}/sev/sim/casemate-sim-preload.so"
CASEMATE = f"{BUILD}/vmm/super/casemate"
MINT = f"{BUILD}/sev/sim/casemate-sim-platform"
KERNEL, INITRD = os.environ["REFEREE_KERNEL"], os.environ["REFEREE_INITRD"]
AMDSEV, OVMF = os.environ["REFEREE_AMDSEV"], os.environ["REFEREE_OVMF"]
INTELTDX, TRIXIE = os.environ.get("REFEREE_INTELTDX", ""), os.environ.get("REFEREE_TRIXIE", "")
QEMU, QEMU_SID = os.environ["REFEREE_QEMU"], os.environ.get("REFEREE_QEMU_SID", "")
CMDLINE = "console=ttyS0 quiet"
UP = re.compile(r"referee-guest: up, cpus (\d+)")
FIRMWARE_UP = re.compile(r"BdsDxe: ")  # the firmware's boot manager
LAUNCH_S, BOOT_S = 60, 150


class Failed(Exception):
    pass


def attest(*words):
    done = subprocess.run([ATTEST, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"casemate-attest {words[0]}: {done.stderr.strip()}")
    return done.stdout


# --- what QEMU is told -------------------------------------------------------------------------

def qemu_command(case, folder):
    """The command line of a case; what it takes for granted stands in Case."""
    where = QEMU_SID if case.kind == "tdx" else QEMU
    machine = f"q35,confidential-guest-support=cgs,memory-backend=ram,{case.machine}"
    command = [f"{where}/qemu-system-x86_64", "-L", f"{where}/data", "-L", "/usr/share/seabios",
               "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               "-accel", "kvm", "-cpu", case.cpu, "-smp", str(case.vcpus),
               "-object", f"memory-backend-memfd,id=ram,size={case.memory}M,share=true",
               "-machine", machine.rstrip(","), "-object", case.object_text(),
               "-bios", case.firmware, "-serial", f"file:{folder}/console"]
    if case.kernel:
        command += ["-kernel", case.kernel, "-initrd", INITRD, "-append", CMDLINE]
    return command


class Case:
    """One launch. `boots`: to the guest's own line, or to what an expression finds on its console.
    `refused`: what QEMU must print instead of launching. `differs`: the digest must
    be another than the predicted one."""

    def __init__(self, name, kind, *, firmware=AMDSEV, kernel=KERNEL, vcpus=1, cpu="EPYC-v4",
                 memory=512, owner=None, by="qemu", machine="", policy=None, options=None, boots=False, refused=None,
                 platform="plain", predict=None, host_data=None, differs=False):
        self.name, self.kind, self.firmware, self.kernel = name, kind, firmware, kernel
        self.vcpus, self.cpu, self.memory, self.machine = vcpus, cpu, memory, machine
        defaults = {"snp": 0x30000, "sev": 9, "sev-es": 13, "tdx": None}
        self.policy = defaults[kind] if policy is None else policy
        self.options = options or {}
        self.boots, self.refused, self.platform = boots, refused, platform
        self.predict = predict or {}
        self.host_data, self.differs, self.owner = host_data, differs, owner
        self.by = by
        if kind == "tdx":
            self.cpu, self.machine = "host", "kernel-irqchip=split"
            self.firmware = INTELTDX if firmware == AMDSEV else firmware
            self.platform = "td" if platform == "plain" else platform

    def object_text(self):
        types = {"snp": "sev-snp-guest", "sev": "sev-guest", "sev-es": "sev-guest",
                 "tdx": "tdx-guest"}
        words = {"id": "cgs"}
        if self.kind != "tdx":
            # QEMU compares the two with CPUID 0x8000001F, which the lab's processor lacks.
            words |= {"cbitpos": 0, "reduced-phys-bits": 1, "policy": hex(self.policy)}
            words["kernel-hashes"] = "on" if self.kernel else "off"
        options = self.options(self) if callable(self.options) else self.options
        return ",".join([types[self.kind]] + [f"{k}={v}" for k, v in (words | options).items()])

    def predicted(self):
        """What casemate-attest says of the same files."""
        words = {"mode": self.kind, "firmware": self.firmware}
        if self.kind != "tdx":
            words["vcpus"] = self.vcpus
        if self.kind in ("snp", "sev-es"):
            words["vcpu-type"] = self.cpu.split(",")[0]
        if self.kernel and self.kind != "tdx":
            words |= {"kernel": self.kernel, "initrd": INITRD, "cmdline": CMDLINE}
        command = [ATTEST, "digest"]
        for k, v in (words | self.predict).items():
            command += [f"--{k}", str(v)]
        return attest(*command[1:]).split()[0]


# --- ID blocks, as their owner makes them ------------------------------------------------------

def little(number):
    return number.to_bytes(72, "little")


def signature(key, message):
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA384())))
    return (little(r) + little(s)).ljust(512, b"\0")


def public_key(key):
    q = key.public_key().public_numbers()
    return ((2).to_bytes(4, "little") + little(q.x) + little(q.y)).ljust(0x404, b"\0")


def id_options(case, *, digest=None, policy=None, spoil=None, author=False):
    """QEMU's options for an ID block over the predicted digest, with what is to be wrong in it."""
    key, author_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    block = bytes.fromhex(digest or case.predicted()) + b"family".ljust(16, b"\0")
    block += b"image".ljust(16, b"\0") + (1).to_bytes(4, "little") + (7).to_bytes(4, "little")
    block += (case.policy if policy is None else policy).to_bytes(8, "little")
    auth = bytearray(4096)
    auth[0:4] = (1).to_bytes(4, "little")
    auth[0x40:0x240] = signature(key, block)
    auth[0x240:0x644] = public_key(key)
    if author:
        auth[4:8] = (1).to_bytes(4, "little")
        auth[0x680:0x880] = signature(author_key, public_key(key))
        auth[0x880:0xc84] = public_key(author_key)
    if spoil is not None:
        auth[spoil] ^= 1
    options = {"id-block": base64.b64encode(block).decode(), "id-auth": base64.b64encode(auth).decode()}
    return options | ({"author-key-enabled": "on"} if author else {})


# --- the owner of a SEV guest ------------------------------------------------------------------

class Monitor:
    """QEMU's control socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.file = self.sock.makefile("rw", encoding="utf-8")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}))
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")


def with_monitor(case, folder, work):
    """A stopped QEMU for `case`, and what work(monitor, process) gives."""
    process = start(case, folder, "-S", "-qmp", f"unix:{folder}/qmp,server=on,wait=off")
    try:
        if not wait_for(process, LAUNCH_S, lambda: os.path.exists(f"{folder}/qmp")):
            raise Failed(f"no control socket: {tail(folder + '/stderr')}")
        return work(Monitor(f"{folder}/qmp"), process)
    finally:
        process.kill()
        process.wait()


def owner_session(case, folder):
    """The owner, offline: a session for the platform that QEMU describes."""
    os.makedirs(f"{folder}/probe")
    probe = Case("probe", "sev", kernel=None, firmware=OVMF)
    told = with_monitor(probe, f"{folder}/probe", lambda m, _: m.ask("query-sev-capabilities"))
    with open(f"{folder}/platform", "wb") as f:
        f.write(base64.b64decode(told["pdh"]) + base64.b64decode(told["cert-chain"]))
    ca = f"{TOP}/certificates/sev-ca.cert"
    attest("sev-session", "--certs", f"{folder}/platform", "--certs", ca, "--root", ca,
           "--policy", hex(case.policy), "--out", folder)
    case.options = case.options | {"session-file": f"{folder}/session.b64",
                                   "dh-cert-file": f"{folder}/godh.b64"}


def spoil_base64(path, offset):
    with open(path, encoding="ascii") as f:
        data = bytearray(base64.b64decode(f.read()))
    data[offset] ^= 1
    with open(path, "w", encoding="ascii") as f:
        f.write(base64.b64encode(data).decode())


def owner_secret(case, folder, monitor):
    """Judge the measurement, send a secret."""
    measured = base64.b64decode(monitor.ask("query-sev-launch-measure")["data"])
    state = monitor.ask("query-sev")
    with open(f"{folder}/measure", "wb") as f:
        f.write(measured)
    with open(f"{folder}/secret", "wb") as f:
        f.write(b"the owner's secret")
    attest("sev-secret", "--keys", folder, "--measure", f"{folder}/measure", "--sev-api",
           f"{state['api-major']}.{state['api-minor']}.{state['build-id']}", "--sev-policy",
           hex(case.policy), "--sev-digest", case.predicted(), "--secret",
           f"736869e5-84f0-4973-92ec-06879ce3da0b:{folder}/secret", "--out", folder)
    if case.owner == "bad-secret":
        spoil_base64(f"{folder}/secret-header.b64", 30)
    monitor.ask("sev-inject-launch-secret", **{"packet-header": read(f"{folder}/secret-header.b64"),
                                               "secret": read(f"{folder}/secret.b64")})


def run_owned(case, folder):
    """A launch that its owner attests before it may run."""
    owner_session(case, folder)
    if case.owner == "bad-session":
        spoil_base64(f"{folder}/session.b64", 70)
        process = start(case, folder)
        try:
            check_refused(case, folder, process)
        finally:
            process.kill()
            process.wait()
        return

    def work(monitor, process):
        try:
            owner_secret(case, folder, monitor)
        except Failed as e:
            if case.refused is None or case.refused not in str(e):
                raise
            return
        if case.refused is not None:
            raise Failed("a spoilt secret is accepted")
        monitor.ask("cont")
        if not wait_for(process, LAUNCH_S, lambda: launch_line(folder) is not None):
            raise Failed(f"no launch: {tail(folder + '/stderr')}")
        check_launch(case, launch_line(folder))

    with_monitor(case, folder, work)


# --- one run -----------------------------------------------------------------------------------

def tail(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = [line for line in f.read().splitlines() if "doesn't support requested" not in line]
    return " | ".join(lines[-6:])


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def wait_for(process, seconds, found):
    """found() until it is true; False when the process ended or the time is over before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found():
            return True
        if process.poll() is not None:
            return found()
        time.sleep(0.05)
    return False


def launch_line(folder):
    """The simulator's word on the finished launch: kind, digest, {policy, host-data}."""
    words = read(f"{folder}/launches").split()
    return (words[0], words[1], dict(w.split("=") for w in words[2:])) if words else None


def check_launch(case, line):
    kind, digest, rest = line
    predicted = case.predicted()
    if kind != case.kind:
        raise Failed(f"launched as {kind}")
    if (digest != predicted) != case.differs:
        raise Failed(f"digest {digest}, predicted {predicted}")
    if case.policy is not None and int(rest["policy"], 16) != case.policy:
        raise Failed(f"policy {rest['policy']}")
    if rest["host-data"] != (case.host_data or bytes(32)).hex():
        raise Failed(f"host data {rest['host-data']}")


def check_refused(case, folder, process):
    if not wait_for(process, LAUNCH_S, lambda: process.poll() is not None):
        raise Failed("QEMU goes on instead of being refused")
    said = read(f"{folder}/stderr")
    if case.refused not in said:
        raise Failed(f"not refused with '{case.refused}': {tail(folder + '/stderr')}")
    if launch_line(folder) is not None:
        raise Failed("the launch was finished all the same")


def check_boot(case, folder, process):
    console = f"{folder}/console"
    want = UP if case.boots is True else case.boots
    if not wait_for(process, BOOT_S, lambda: want.search(read(console)) is not None):
        raise Failed(f"the guest does not come up: {tail(console)} | {tail(folder + '/stderr')}")
    if want is not UP:
        return
    cpus = int(UP.search(read(console)).group(1))
    if cpus != case.vcpus:
        raise Failed(f"the guest has {cpus} CPUs, not {case.vcpus}")


def start(case, folder, *more):
    env = {"PATH": os.environ["PATH"], "CASEMATE_SIM_PLATFORM": f"{TOP}/{case.platform}",
           "CASEMATE_SIM_LOG": f"{folder}/launches",
           "OPENSSL_ia32cap": os.environ.get("OPENSSL_ia32cap", "")}
    env["QEMU_PRELOAD" if case.kind == "tdx" else "LD_PRELOAD"] = PRELOAD
    with open(f"{folder}/stderr", "w", encoding="utf-8") as err:
        return subprocess.Popen(qemu_command(case, folder) + list(more), env=env,
                                stdin=subprocess.DEVNULL, stdout=err, stderr=err)


def run(case, folder):
    process = start(case, folder)
    try:
        if case.refused is not None:
            check_refused(case, folder, process)
            return
        if not wait_for(process, LAUNCH_S, lambda: launch_line(folder) is not None):
            raise Failed(f"no launch: {tail(folder + '/stderr')}")
        check_launch(case, launch_line(folder))
        if case.boots:
            check_boot(case, folder, process)
    finally:
        process.kill()
        process.wait()


# --- casemate's own launch of the same ---------------------------------------------------------

TEES = {
    "snp": {"product": ["Milan"],
            "guest_policy": {"abi_major": 0, "abi_minor": 0, "smt": True, "debug": False,
                             "migrate_ma": False, "single_socket": False}},
    "sev": {"policy": "0x9"},
    "sev-es": {"policy": "0xd"},
    "tdx": {"attributes": {}},
}


def pinned(path):
    with open(path, "rb") as f:
        return {"file": path, "sha384": "sha384:" + hashlib.sha384(f.read()).hexdigest()}


def write_policy(case, folder):
    tee = {"type": case.kind, "simulated": True,
           "tdx" if case.kind == "tdx" else case.kind[:3]: TEES[case.kind]}
    boot = {"firmware": pinned(case.firmware)} if case.firmware else {}
    if case.kernel:
        boot |= {"kernel": pinned(case.kernel), "initrd": pinned(INITRD), "cmdline": CMDLINE}
    cpu = {} if case.kind == "tdx" else {"cpu": case.cpu}
    policy = {"schema": "launch-policy/1", "name": f"test.referee/{case.name}", "serial": 1,
              "labels": {"env": "dev", "data_class": "none"}, "tee": tee, "boot": boot,
              "machine": {"vcpus": case.vcpus, "memory_mib": case.memory} | cpu,
              "devices": {"console": "serial"}, "host": {"seccomp": "strict", "core_dump": "forbid"},
              "audit": {"ledger": "ledger", "key": "ledger.pem", "origin": "log.test/referee"}}
    with open(f"{folder}/policy.jsonc", "w", encoding="utf-8") as f:
        json.dump(policy, f)


def prepare_casemate(case, folder):
    write_policy(case, folder)
    for command in (["openssl", "genpkey", "-algorithm", "ed25519", "-out", "ledger.pem"],
                    [CASEMATE, "ledger", "init", "ledger", "--origin", "log.test/referee", "--key",
                     "ledger.pem"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)


def start_casemate(case, folder):
    with open(f"{folder}/stderr", "w", encoding="utf-8") as err, \
            open(f"{folder}/console", "w", encoding="utf-8") as out:
        return subprocess.Popen([CASEMATE, "run", "--simulator", f"{TOP}/{case.platform}", "policy.jsonc"],
                                cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)


def end_casemate(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def casemate_digest(folder):
    found = re.search(r"simulator: launched, digest ([0-9a-f]{96})", read(f"{folder}/stderr"))
    return found.group(1) if found else None


def run_casemate(case, folder):
    """The digest of casemate's launch, of its `measure`, and of QEMU's prediction are one."""
    prepare_casemate(case, folder)
    measured = attest("measure", f"{folder}/policy.jsonc").split()[0]
    if measured != case.predicted():
        raise Failed(f"measure says {measured}, digest says {case.predicted()}")
    process = start_casemate(case, folder)
    try:
        if not wait_for(process, LAUNCH_S, lambda: casemate_digest(folder) is not None):
            raise Failed(f"no launch: {tail(folder + '/stderr')}")
        if casemate_digest(folder) != measured.ljust(96, "0"):
            raise Failed(f"digest {casemate_digest(folder)}, predicted {measured}")
        if case.boots:
            check_boot(case, folder, process)
    finally:
        end_casemate(process)


# --- the cases ---------------------------------------------------------------------------------

DATA = bytes(range(32))
CASES = [
    Case("snp", "snp", boots=True, vcpus=2),
    Case("snp-1-vcpu", "snp"),
    Case("snp-8-vcpus", "snp", vcpus=8),
    Case("snp-milan", "snp", cpu="EPYC-Milan"),
    Case("snp-firmware-alone", "snp", kernel=None),
    Case("snp-host-data", "snp", host_data=DATA,
         options={"host-data": base64.b64encode(DATA).decode()}),
    Case("snp-early-stops", "snp", platform="stops"),
    Case("snp-id-block", "snp", options=id_options),
    Case("snp-id-block-author", "snp", options=lambda c: id_options(c, author=True)),
    Case("snp-id-block-of-another-digest", "snp", refused="fw_error=11 'Bad measurement'",
         options=lambda c: id_options(c, digest="00" * 48)),
    Case("snp-id-block-of-another-policy", "snp", refused="fw_error=7 'Policy is not allowed'",
         options=lambda c: id_options(c, policy=0xb0000)),
    Case("snp-id-block-signature", "snp", refused="fw_error=10 'Bad signature'",
         options=lambda c: id_options(c, spoil=0x50)),
    Case("snp-id-block-author-signature", "snp", refused="fw_error=10 'Bad signature'",
         options=lambda c: id_options(c, spoil=0x690, author=True)),
    Case("snp-policy-without-bit-17", "snp", policy=0x10000, refused="SNP_LAUNCH_START ret=-22"),
    Case("snp-policy-migration", "snp", policy=0x70000, refused="SNP_LAUNCH_START ret=-22"),
    Case("snp-policy-newer-firmware", "snp", policy=0x3ff00,
         refused="fw_error=7 'Policy is not allowed'"),
    Case("snp-policy-no-smt", "snp", policy=0x20000,
         refused="fw_error=7 'Policy is not allowed'"),
    Case("snp-firmware-fault", "snp", platform="fault", refused="fw_error=26"),
    Case("snp-broken-platform", "snp", platform="broken",
         refused="Could not access KVM kernel module"),

    Case("sev", "sev", boots=True, vcpus=2, options={"legacy-vm-type": "off"}),
    Case("sev-legacy", "sev"),
    Case("sev-firmware-alone", "sev", kernel=None, firmware=OVMF),
    Case("sev-es", "sev-es", boots=True, options={"legacy-vm-type": "off"}),
    Case("sev-es-8-vcpus", "sev-es", vcpus=8, options={"legacy-vm-type": "off"}),
    Case("sev-es-milan", "sev-es", vcpus=2, cpu="EPYC-Milan", options={"legacy-vm-type": "off"}),
    # KVM_SEV_ES_INIT leaves the FPU's part of the VMSA empty: casemate never asks for it.
    Case("sev-es-of-old-kernels", "sev-es", vcpus=2, differs=True, options={"legacy-vm-type": "on"}),
    Case("sev-owner", "sev", owner="secret"),
    Case("sev-es-owner", "sev-es", owner="secret", options={"legacy-vm-type": "off"}),
    Case("sev-owner-session-of-another", "sev", owner="bad-session", refused="fw_error=11"),
    Case("sev-owner-secret-of-another", "sev", owner="bad-secret",
         refused="fw_error=11 'Bad measurement'"),

    # The Secure Boot of this firmware starts no kernel without a shim.
    Case("tdx", "tdx", boots=FIRMWARE_UP),
    Case("tdx-ovmf-of-trixie", "tdx", firmware=TRIXIE),
    Case("tdx-8-vcpus", "tdx", vcpus=8),
    Case("tdx-identities", "tdx", options={k: base64.b64encode(bytes(range(48))).decode()
                                           for k in ("mrconfigid", "mrowner", "mrownerconfig")}),
    Case("tdx-no-key-left", "tdx", platform="td-without-keys", refused="No space left on device"),

    Case("casemate-snp", "snp", by="casemate", vcpus=2),
    Case("casemate-snp-8-vcpus-milan", "snp", by="casemate", vcpus=8, cpu="EPYC-Milan"),
    Case("casemate-sev", "sev", by="casemate", vcpus=2),
    Case("casemate-sev-es", "sev-es", by="casemate", vcpus=2),
    Case("casemate-tdx", "tdx", by="casemate", vcpus=2),
]


# --- TAP ---------------------------------------------------------------------------------------

def judge(case, folder):
    os.mkdir(folder)
    try:
        if case.kind == "tdx" and not (QEMU_SID and case.firmware):
            return f"ok %d - {case.name} # SKIP sid's QEMU or the firmware cannot be had here"
        how = run_casemate if case.by == "casemate" else run_owned if case.owner else run
        how(case, folder)
    except Failed as e:
        return f"not ok %d - {case.name}\n# {e}"
    return f"ok %d - {case.name}"


def make_platforms():
    for name, words in {"plain": ["--memlock", str(4 << 20)],
                        "stops": ["--seed", "7"],
                        "td": ["--product", "TDX", "--seed", "0"],
                        "td-without-keys": ["--product", "TDX", "--tdx-keys", "0"],
                        "fault": ["--fault", "SNP_LAUNCH_UPDATE 5 INVALID_PAGE_STATE"]}.items():
        subprocess.run([MINT, "create", f"{TOP}/{name}", "--ark-dir",
                        f"{TOP}/certificates{'' if name == 'plain' else '-' + name}"] + words,
                       check=True)
    with open(f"{TOP}/broken", "wb") as f:
        f.write(b"no platform file")


def main():
    cases = [c for c in CASES if not sys.argv[2:] or any(n in c.name for n in sys.argv[2:])]
    make_platforms()
    print(f"1..{len(cases)}", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda c: judge(c, f"{TOP}/{c.name}"), cases)
        good = True
        for number, text in enumerate(results, 1):
            print(text % number, flush=True)
            good = good and text.startswith("ok")
    sys.exit(not good)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as TOP:
        main()
