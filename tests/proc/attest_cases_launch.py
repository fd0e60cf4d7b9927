"""Launch digests, ID blocks, SEV's measurements and certificates of the collection. Used by attest_vectors.py."""
import base64
import hashlib
import json
import os
import sys

from attest_case import ACCEPT, REFUSE, REJECT, WARN, Case, Made

NAPLES = "sev-legacy/naples"
SEV_MODES = {"SEV_SNP": "snp", "SEV_ES": "sev-es", "SEV": "sev"}


def published(name):
    """The collection's list of that name; empty where it is not at hand."""
    path = os.path.join(sys.argv[2] if len(sys.argv) > 2 else "", "launch", name)
    if not os.path.isfile(path):
        return []
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def digest_case(v):
    """One of launch_digests.json: inputs and digest, or that the inputs contradict one another."""
    want = v["expected"]
    more = ["--vcpus", str(v["vcpus"]), "--mode", SEV_MODES[v["mode"]], "--vmm", v["vmm"].lower()]
    if v["mode"] != "SEV":
        more += ["--vcpu-type", v["vcpu_type"], "--features", hex(v["guest_features"])]
    if v["kernel"]:
        more += ["--cmdline", v["append"] or ""]
    files = {k: f"launch/{v[k]}" for k in ("kernel", "initrd") if v[k]}
    return Case(ACCEPT if want else REFUSE, verb=("digest",), more=more, firmware=f"launch/{v['ovmf']}", **files,
                beside=["launch/launch_digests.json"],
                check=lambda answer, _: "" if answer["digest"] == want else f"{answer['digest']}, want {want}")


TEES = {"SEV_SNP": {"type": "snp", "snp": {"product": ["Milan"], "guest_policy": {"smt": True}}},
        "SEV_ES": {"type": "sev-es", "sev": {"policy": "0xd"}}, "SEV": {"type": "sev", "sev": {"policy": "0x9"}},
        "TDX": {"type": "tdx", "tdx": {"attributes": {}}}}


def launch_policy(mode, firmware, kernel=None, initrd=None, cmdline=""):
    """A policy that names files of the collection where they are."""
    def file(name):
        return {"file": os.path.abspath(os.path.join(sys.argv[2], "launch", name))}
    boot = {"firmware": file(firmware)}
    if kernel:
        boot.update(kernel=file(kernel), cmdline=cmdline, **({"initrd": file(initrd)} if initrd else {}))
    return json.dumps({
        "schema": "launch-policy/1", "name": "a/b", "serial": 1, "tee": TEES[mode], "boot": boot,
        "machine": {"vcpus": 1, "memory_mib": 256},
        "devices": {"disk": [{"id": "d", "file": "d", "mode": "ro", "integrity": "none"}]},
        "audit": {"ledger": "l", "key": "k", "origin": "o"}}).encode()


def measured_case(v):
    """The same through `measure` and a policy."""
    want = v["expected"]
    more = ["--vcpus", str(v["vcpus"]), "--vmm", v["vmm"].lower()]
    if v["mode"] != "SEV":
        more += ["--cpu", v["vcpu_type"], "--features", hex(v["guest_features"])]
    text = launch_policy(v["mode"], v["ovmf"], v["kernel"], v["initrd"], v["append"] or "")
    return Case(ACCEPT if want else REFUSE, verb=("measure",), more=more,
                file=Made(lambda _: text, "launch/launch_digests.json"),
                check=lambda answer: "" if answer["launch_digest"] == want else f"{answer['launch_digest']}, want {want}")


def measured_mrtd_case(v):
    text = launch_policy("TDX", f"mrtd/{v['firmware']}")
    return Case(ACCEPT, verb=("measure",), file=Made(lambda _: text, "launch/mrtd/mrtd.json"),
                check=lambda answer: "" if answer["launch_digest"] == v["single_pass"] else answer["launch_digest"])


def mrtd_case(v):
    def check(answer, _):
        got = (answer["digest"], answer["digest_two_pass"])
        return "" if got == (v["single_pass"], v["two_pass"]) else f"{got}"
    return Case(ACCEPT, verb=("digest",), more=("--mode", "tdx"), firmware=f"launch/mrtd/{v['firmware']}",
                beside=["launch/mrtd/mrtd.json"], check=check)


def measure_case(v, want=WARN, row="migration", rows=None, pdh="pdh", trust=None, **changed):
    """One of sev_launch_measure.json, as if Naples had made it; none of these guests may not be sent away. pdh: whose
    session it was, by the name of a certificate; None: nobody knows."""
    v = {**v, **changed}
    listed = "launch/sev_launch_measure.json"
    return Case(want, row, rows=rows or HOLDS, evidence=Made(lambda _: bytes.fromhex(v["expected"] + v["mnonce"]), listed),
                tik=Made(lambda _, *certs: b"".join([bytes.fromhex(v["tik"]),
                                                     *(hashlib.sha256(c[:1044]).digest() for c in certs)]),
                         listed, *([f"{NAPLES}/{pdh}.cert"] if pdh else [])), trust=trust,
                certs=[f"{NAPLES}/{c}.cert" for c in ("ark", "ask", "cek", "oca", "pek", "pdh")],
                more=("--sev-api", f"{v['api_major']}.{v['api_minor']}.{v['build']}", "--sev-policy", hex(v["policy"]),
                      "--sev-digest", v["digest"]))


HOLDS = {"signature": ACCEPT, "chain": ACCEPT, "owner": ACCEPT, "measurement": ACCEPT}
FAILS = {"signature": REJECT, "measurement": "none"}
MEASURES = published("sev_launch_measure.json")
OTHER = {"tik": "00" * 16, "mnonce": "11" * 16, "digest": "22" * 32, "policy": 0x30, "build": 99}
SEV = [measure_case(v, trust="hardware") for v in MEASURES]
SEV += [measure_case(v, WARN, "owner", {**HOLDS, "owner": WARN}, pdh=None) for v in MEASURES]
SEV += [measure_case(v, REJECT, "owner", {**HOLDS, "owner": REJECT}, pdh="pek", trust="host") for v in MEASURES]
SEV += [measure_case(MEASURES[2], REJECT, "signature", FAILS, **{k: v}) for k, v in OTHER.items() if MEASURES]
SEV += [
    Case(ACCEPT, "chain", evidence=f"{NAPLES}/pdh.cert", trust="hardware",
         certs=[f"{NAPLES}/{c}.cert" for c in ("ark", "ask", "cek", "oca", "pek")]),
    Case(REJECT, "chain", evidence=f"{NAPLES}/pdh.cert", certs=[f"{NAPLES}/{c}.cert" for c in ("cek", "oca")]),
    Case(REJECT, "chain", evidence=f"{NAPLES}/ark.cert.bad",
         certs=[f"{NAPLES}/{c}.cert" for c in ("ask", "cek", "oca", "pek", "pdh")]),
    Case(REFUSE, evidence=f"{NAPLES}/pdh.cert", certs=f"{NAPLES}/ark.cert.bad"),
]

# --- ID blocks --------------------------------------------------------------------------------------


def key_digest(pem):
    """SHA-384 of the key as the ID authentication page has it: curve 2, X and Y little endian in 72 bytes each."""
    with open(pem, encoding="ascii") as f:
        der = base64.b64decode("".join(line for line in f if not line.startswith("-")))
    x, y = der[-96:-48], der[-48:]
    page = (2).to_bytes(4, "little") + x[::-1].ljust(72, b"\0") + y[::-1].ljust(72, b"\0")
    return hashlib.sha384(page.ljust(0x404, b"\0")).hexdigest()


def keys_fault(answer, expected, id_pem, author_pem):
    with open(expected, encoding="utf-8") as f:
        want = json.load(f)
    for name, pem in (("id_key_digest", id_pem), ("author_key_digest", author_pem)):
        if not answer["claims"][name] == want[name] == key_digest(pem):
            return f"{name} is {answer['claims'][name]}, want {want[name]}"
    return ""


BLOCK = "launch/idblock"
ID_BLOCKS = [
    Case(ACCEPT, verb=("id-block",), file=[f"{BLOCK}/id_block.bin", f"{BLOCK}/id_auth.bin"], check=keys_fault,
         beside=[f"{BLOCK}/{n}" for n in ("expected.json", "id_key_pub.pem", "author_key_pub.pem")]),
    Case(REJECT, verb=("id-block",), file=[f"{BLOCK}/id_block-edited.bin", f"{BLOCK}/id_auth.bin"]),
    Case(REFUSE, verb=("id-block",), file=[f"{BLOCK}/id_auth.bin", f"{BLOCK}/id_auth.bin"]),
]

CASES = [digest_case(v) for v in published("launch_digests.json")]
CASES += [measured_case(v) for v in published("launch_digests.json")]
CASES += [measured_mrtd_case(v) for v in published("mrtd/mrtd.json")]
CASES += [mrtd_case(v) for v in published("mrtd/mrtd.json")] + SEV + ID_BLOCKS
