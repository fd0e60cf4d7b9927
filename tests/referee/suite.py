#!/usr/bin/env python3
"""suite.py BUILD [NAME]...: QEMU's launches under the preloaded simulator, printed as TAP.

Each case starts an unmodified QEMU. A good one must come to the end of its launch, with the digest
that casemate-attest predicts from the same files; some of them must come to the line that their
guest prints. A bad one must be refused, in the words that real firmware's status has in QEMU.
The environment names the files: referee.sh.
"""
import base64
import os
import re
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
MINT = f"{BUILD}/sev/sim/casemate-sim-platform"
KERNEL, INITRD = os.environ["REFEREE_KERNEL"], os.environ["REFEREE_INITRD"]
AMDSEV, OVMF = os.environ["REFEREE_AMDSEV"], os.environ["REFEREE_OVMF"]
INTELTDX = os.environ.get("REFEREE_INTELTDX", "")
QEMU, QEMU_SID = os.environ["REFEREE_QEMU"], os.environ.get("REFEREE_QEMU_SID", "")
CMDLINE = "console=ttyS0 quiet"
UP = re.compile(r"referee-guest: up, cpus (\d+)")
LAUNCH_S, BOOT_S = 60, 150


class Failed(Exception):
    pass


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
    """One launch. `refused`: what QEMU must print instead of launching. `differs`: the digest must
    be another than the predicted one."""

    def __init__(self, name, kind, *, firmware=AMDSEV, kernel=KERNEL, vcpus=1, cpu="EPYC-v4",
                 memory=512, machine="", policy=None, options=None, boots=False, refused=None,
                 platform="plain", predict=None, host_data=None, differs=False):
        self.name, self.kind, self.firmware, self.kernel = name, kind, firmware, kernel
        self.vcpus, self.cpu, self.memory, self.machine = vcpus, cpu, memory, machine
        defaults = {"snp": 0x30000, "sev": 1, "sev-es": 5, "tdx": None}
        self.policy = defaults[kind] if policy is None else policy
        self.options = options or {}
        self.boots, self.refused, self.platform = boots, refused, platform
        self.predict = predict or {}
        self.host_data, self.differs = host_data, differs

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
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]


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
    if not wait_for(process, BOOT_S, lambda: UP.search(read(console)) is not None):
        raise Failed(f"the guest does not come up: {tail(console)} | {tail(folder + '/stderr')}")
    cpus = int(UP.search(read(console)).group(1))
    if cpus != case.vcpus:
        raise Failed(f"the guest has {cpus} CPUs, not {case.vcpus}")


def run(case, folder):
    env = {"PATH": os.environ["PATH"], "CASEMATE_SIM_PLATFORM": f"{TOP}/{case.platform}",
           "CASEMATE_SIM_LOG": f"{folder}/launches",
           "OPENSSL_ia32cap": os.environ.get("OPENSSL_ia32cap", "")}
    env["QEMU_PRELOAD" if case.kind == "tdx" else "LD_PRELOAD"] = PRELOAD
    with open(f"{folder}/stderr", "w", encoding="utf-8") as err:
        process = subprocess.Popen(qemu_command(case, folder), env=env, stdin=subprocess.DEVNULL,
                                   stdout=err, stderr=err)
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

    Case("sev", "sev", boots=True, vcpus=2, options={"legacy-vm-type": "off"}),
    Case("sev-legacy", "sev"),
    Case("sev-firmware-alone", "sev", kernel=None, firmware=OVMF),
    Case("sev-es", "sev-es", boots=True, options={"legacy-vm-type": "off"}),
    Case("sev-es-8-vcpus", "sev-es", vcpus=8, options={"legacy-vm-type": "off"}),
    Case("sev-es-milan", "sev-es", vcpus=2, cpu="EPYC-Milan", options={"legacy-vm-type": "off"}),
    # KVM_SEV_ES_INIT leaves the FPU's part of the VMSA empty: casemate never asks for it.
    Case("sev-es-of-old-kernels", "sev-es", vcpus=2, differs=True, options={"legacy-vm-type": "on"}),
]


# --- TAP ---------------------------------------------------------------------------------------

def judge(case, folder):
    os.mkdir(folder)
    try:
        run(case, folder)
    except Failed as e:
        return f"not ok %d - {case.name}\n# {e}"
    return f"ok %d - {case.name}"


def make_platforms():
    for name, words in {"plain": [], "stops": ["--seed", "7"], 
                        "fault": ["--fault", "SNP_LAUNCH_UPDATE 5 INVALID_PAGE_STATE"]}.items():
        subprocess.run([MINT, "create", f"{TOP}/{name}", "--ark-dir", f"{TOP}/certificates"] + words,
                       check=True)


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


with tempfile.TemporaryDirectory() as TOP:
    main()
