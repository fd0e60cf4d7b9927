#!/usr/bin/env python3
"""Real evidence, and made-up evidence with one thing wrong, through `casemate-attest` without a network. TAP.

usage: attest_vectors.py CASEMATE-ATTEST VECTORS

Each row says what is given, at which time, and what has to come out: the verdict, the exit status and the row
that says so. Every line of the collection's MANIFEST.tsv under a folder of COVERED must be in a row. The
commands run in a network namespace without interfaces. Skipped where the collection is not at hand.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

ATTEST, VECTORS = (os.path.abspath(x) for x in sys.argv[1:3])
AT_2026, AT_2025 = "2026-09-21", "2025-06-15"
COVERED = ["snp/"]
POLICY = """{
  "schema": "launch-policy/1", "name": "acme.tests/vectors", "serial": 1,
  "tee": {"type": "snp", "simulated": true, "snp": {
    "product": ["Milan", "Genoa", "Turin"], "vmpl": 0,
    "guest_policy": {"abi_major": 0, "abi_minor": 0, "smt": true, "debug": false, "migrate_ma": false,
                     "single_socket": false}%s}%s},
  "boot": {"kernel": {"file": "k", "sha384": "sha384:%s"}, "cmdline": "", "launch_digest": ["sha384:%s"]},
  "machine": {"vcpus": 1, "memory_mib": 256},
  "devices": {"disk": [], "console": "none", "rng": true},
  "audit": {"ledger": "ledger", "key": "key.pem", "origin": "log.example/tests"}
}
"""
STATUS = {"affirming": 0, "warning": 1, "contraindicated": 1}
ACCEPT, WARN, REJECT, REFUSE = "affirming", "warning", "contraindicated", "no evidence"


class Case:
    """One run. files: option -> file or files of the collection; '' is the positional argument."""

    def __init__(self, want, row=None, at=None, verb=("verify",), more=(), policy=None, **files):
        self.want, self.row, self.at, self.verb, self.more, self.policy = want, row, at, verb, more, policy
        self.files = {k: [v] if isinstance(v, str) else list(v) for k, v in files.items() if v}

    def __str__(self):
        given = ("policy " if self.policy else "") + " ".join(f"{k} {' '.join(v)}" for k, v in self.files.items())
        return f"{self.verb[-1]} {given}: {self.want}{f', row {self.row}' if self.row else ''}"

    def names(self):
        return [f for v in self.files.values() for f in v]

    def command(self, scratch):
        args = [ATTEST, *self.verb]
        for option, files in self.files.items():
            for f in files:
                args += [os.path.join(VECTORS, f)] if option == "file" else [
                    "--" + option.replace("_", "-"), os.path.join(VECTORS, f)]
        if self.verb == ("verify",):
            args += ["--json", *(["--at", self.at] if self.at else [])]
        else:
            args += ["--cache", scratch]
        if self.policy:
            args += ["--policy", os.path.join(scratch, "policy.jsonc")]
            with open(args[-1], "w", encoding="utf-8") as f:
                f.write(self.policy)
        return OFFLINE + args + list(self.more)


# --- SNP --------------------------------------------------------------------------------------------


def snp(folder, leaf, want, row=None, at=AT_2026, report="report.bin", **files):
    certs = f"snp/{folder}/{leaf}" if leaf and "/" not in leaf else leaf and "snp/" + leaf
    return Case(want, row, at, evidence=f"snp/{folder}/{report}", certs=certs, **files)


def bad(base, leaf, name, want, row=None):
    return Case(want, row, AT_2026, evidence=f"snp/bad/{base}-{name}.bin", certs=f"snp/{leaf}/vcek.der")


def made(folder, report, leaf, want, row=None, **files):
    """A folder with a root of its own."""
    f = f"snp/synthetic-{folder}"
    return Case(want, row, AT_2026, evidence=f"{f}/{report}", certs=[f"{f}/{leaf}", f"{f}/ask.der"],
                root=f"{f}/ark.der", **files)


def item(file, is_good, root=None):
    return Case(ACCEPT if is_good else REJECT, verb=("endorsements", "import"), file="snp/" + file,
                root=root and "snp/" + root)


SNP_REAL = [
    snp("genoa-v3-vcek-azure", "vcek.der", ACCEPT),
    snp("genoa-v3-vcek-ms", "vcek.der", ACCEPT),
    snp("genoa-v5-vcek-family19-modelA0", "vcek.der", ACCEPT),
    snp("milan-tsm-certtable", "certs.bin", ACCEPT),
    snp("milan-v2-azure-aci", "vcek.der", ACCEPT),
    snp("milan-v2-vcek", "vcek.der", ACCEPT),
    snp("milan-v2-vcek-authorkey", "vcek.der", ACCEPT),
    snp("milan-v2-vcek-debugpolicy", "vcek.der", WARN, "debug"),
    snp("milan-v3-vcek-aci-20250617", "vcek.der", ACCEPT),
    snp("milan-v3-vcek-dstack", "vcek.der", ACCEPT),
    snp("milan-v3-vcek-oak-cb", "vcek.der", ACCEPT),
    snp("milan-v3-wrongtcb", "vcek.der", ACCEPT),
    snp("milan-v3-wrongtcb", "vcek-older-tcb.der", REJECT, "tcb"),
    snp("milan-v5-vcek-gcp", "vcek.der", ACCEPT),
    snp("turin-v5-vcek-ms", "vcek.der", ACCEPT),
    snp("milan-v3-vlek-aws-vmpl1", "vlek.der", ACCEPT, at=AT_2025),
    snp("milan-v3-vlek-aws-vmpl1", "vlek.der", REJECT, "chain"),  # expired on 2025-12-10
    snp("milan-v2-no-vcek-azure", None, REJECT, "chain"),
    snp("milan-v2-vcek", "vcek.der", WARN, "revocation", crl="snp/amd-certs/crl_ark_milan_2022-05-09.crl"),
    snp("milan-v2-vcek", "vcek.der", ACCEPT, at="2023-04-20", crl="snp/amd-certs/crl_ark_milan_2022-05-09.crl"),
    # one that is swapped: another chip's, another product's
    snp("milan-v2-vcek", "milan-v5-vcek-gcp/vcek.der", REJECT, "signature"),
    snp("milan-v2-vcek", "genoa-v3-vcek-ms/vcek.der", REJECT, "signature"),
]
SNP_BAD = [bad(base, leaf, name, want, row)
           for base, leaf in (("milan-v2", "milan-v2-vcek"), ("milan-v5", "milan-v5-vcek-gcp"))
           for name, want, row in (
               ("bitflip-measurement", REJECT, "signature"), ("bitflip-reportdata", REJECT, "signature"),
               ("bitflip-sig-r", REJECT, "signature"), ("bitflip-sig-s", REJECT, "signature"),
               ("sig-bigendian", REJECT, "signature"), ("sig-zero", REJECT, "signature"),
               ("sigpad-r-nonzero", REJECT, "signature"), ("sigpad-tail-nonzero", REJECT, "signature"),
               ("truncated-1183", REFUSE, None), ("truncated-672", REFUSE, None), ("version-9", REFUSE, None))]
SNP_BAD += [
    snp("milan-v2-vcek", "bad/milan-v2-vcek-bitflip-sig.der", REJECT, "chain"),
    snp("milan-v2-vcek", "bad/milan-v2-vcek-hwid-changed.der", REJECT, "chip_id"),
    snp("milan-v2-vcek", "bad/trustee-vcek-invalid-legacy.der", REJECT, "chain"),
]
SNP_MADE = [made(folder, *rest) for folder in ("genoa", "turin") for rest in (
    ("report-good.bin", "vcek.der", ACCEPT),
    ("report-debug.bin", "vcek.der", WARN, "debug"),
    ("report-hwid-mismatch.bin", "vcek.der", REJECT, "chip_id"),
    ("report-maskchip.bin", "vcek.der", ACCEPT),
    ("report-otherkey.bin", "vcek.der", REJECT, "signature"),
    ("report-tcb-mismatch.bin", "vcek.der", REJECT, "tcb"),
    ("report-vlek-masked.bin", "vcek.der", REJECT, "chain"),
    ("report-vmpl3.bin", "vcek.der", ACCEPT),
    ("report-good.bin", "vcek-expired.der", REJECT, "chain"),
    ("report-good.bin", "vcek-hwid-and-csp.der", REJECT, "chain"),
    ("report-good.bin", "vcek-hwid-octetstring.der", ACCEPT),
    ("report-good.bin", "vcek-lower-tcb.der", REJECT, "tcb"),
    ("report-good.bin", "vcek-no-hwid.der", REJECT, "chain"),
    ("report-good.bin", "vcek-wrong-issuer.der", REJECT, "chain"),
    # a file that is named and holds no certificates is no input
    ("report-good.bin", "certs-overflow.bin", REFUSE),
    ("report-good.bin", "certs-offset-in-header.bin", REFUSE),
    ("report-good.bin", "certs-no-terminator.bin", REFUSE))]
SNP_MADE += [made("turin", report, "vcek.der", want, row) for report, want, row in (
    ("report-bit17clear.bin", REJECT, "policy"), ("report-policy-reserved.bin", REJECT, "policy"),
    ("report-chipid-tail.bin", REJECT, "chip_id"), ("report-iommu-bit6.bin", ACCEPT, None),
    ("report-keyinfo-vlek.bin", REJECT, "chain"), ("report-milan-cpu.bin", REJECT, "product"),
    ("report-version6.bin", REFUSE, None))]
for _p in ("genoa", "turin"):
    _f, _other = f"snp/synthetic-{_p}", f"snp/synthetic-{'turin' if _p == 'genoa' else 'genoa'}"
    _table = {"evidence": f"{_f}/report-good.bin", "certs": f"{_f}/certs.bin"}
    SNP_MADE += [
        Case(ACCEPT, None, AT_2026, root=f"{_f}/ark.der", **_table),
        Case(REJECT, "chain", AT_2026, **_table),
        Case(REJECT, "chain", AT_2026, root=f"{_other}/ark.der", **_table),
        Case(REJECT, "revocation", AT_2026, root=f"{_f}/ark.der", crl=f"{_f}/crl-ask-revoked.crl", **_table),
        Case(ACCEPT, None, AT_2026, root=f"{_f}/ark.der", crl=f"{_f}/crl-empty.crl", **_table),
        Case(ACCEPT, None, AT_2026, root=f"{_f}/ark.der", evidence=f"{_f}/report-vlek-masked.bin",
             certs=[f"{_f}/vlek.der", f"{_f}/asvk.der"]),
        Case(REJECT, "chip_id", AT_2026, root=f"{_f}/ark.der", evidence=f"{_f}/report-maskchip.bin",
             certs=[f"{_f}/vcek.der", f"{_f}/ask.der"], more=("--require", "chip_id")),
    ]
SNP_ITEMS = [item(f"amd-certs/{name}", True) for name in (
    "ark_genoa.der", "ark_milan.der", "ark_turin.der", "ask_genoa.der", "ask_milan.der", "ask_turin.der",
    "asvk_genoa.der", "asvk_milan.der", "asvk_turin.der", "crl_ark_genoa_2022-10-31.crl",
    "crl_ark_milan_2022-05-09.crl", "vcek_turin_no_report.der")]
SNP_ITEMS += [item("amd-certs/ask_genoa_old_revoked.der", False)]
SNP_ITEMS += [item(f"synthetic-{p}/{name}.der", True, f"synthetic-{p}/ark.der")
              for p in ("genoa", "turin") for name in ("ark", "ask", "asvk")]
SNP_ITEMS += [item(f"synthetic-{p}/{name}.der", False) for p in ("genoa", "turin") for name in ("ark", "ask", "asvk")]



def policy(snp_more="", tee_more=""):
    """A launch policy; the kernel's digest is not looked at where launch digests are listed."""
    return POLICY % (snp_more, tee_more, "00" * 48, "11" * 48)


def strict(folder, row, want=REJECT, leaf="vcek.der", report="report.bin", at=AT_2026, more=None, **files):
    """Under a policy that fits none of them in measurement and host data; the row is what counts."""
    case = snp(folder, leaf, REJECT, row, at, report, policy=more or policy(), **files)
    case.row_want = want
    return case


DENY = ', "endorsements": {"deny_chips": ["%s"]}'
MILAN_CHIP = ("d49554ec717f4e5b0fe6b143bcf0405bd7ae304727edf46603f2a76aef6a3abc"
              "15d7af38db757039029f0efacfd08e244324884738c72b082e2f87a44d541eb6")
OLD_CRL = {"crl": "snp/amd-certs/crl_ark_milan_2022-05-09.crl", "at": "2023-05-19"}
SNP_STRICT = [
    strict("milan-v2-vcek-debugpolicy", "debug"),
    strict("milan-v2-vcek", "debug", ACCEPT),
    strict("milan-v3-vlek-aws-vmpl1", "vmpl", leaf="vlek.der", at=AT_2025),
    strict("milan-v2-vcek", "vmpl", ACCEPT),
    strict("milan-v2-vcek", "host_data"),
    strict("milan-v2-vcek", "measurement"),
    strict("milan-v2-vcek", "chip_id", more=policy(tee_more=DENY % MILAN_CHIP)),
    strict("milan-v2-azure-aci", "chip_id", ACCEPT, more=policy(tee_more=DENY % MILAN_CHIP)),
    strict("milan-v3-vlek-aws-vmpl1", "chip_id", leaf="vlek.der", at=AT_2025, more=policy(tee_more=DENY % MILAN_CHIP)),
    strict("milan-v2-vcek", "revocation", more=policy(tee_more=', "endorsements": {"crl": "require"}')),
    strict("milan-v2-vcek", "revocation", WARN, more=policy(tee_more=', "endorsements": {"max_age_days": 10}'), **OLD_CRL),
    strict("milan-v2-vcek", "revocation", more=policy(tee_more=', "endorsements": {"max_age_days": 9}'), **OLD_CRL),
]
for _p in ("genoa", "turin"):
    _mine = {"root": f"snp/synthetic-{_p}/ark.der", "leaf": "certs.bin"}
    SNP_STRICT += [
        strict(f"synthetic-{_p}", "debug", report="report-debug.bin", **_mine),
        strict(f"synthetic-{_p}", "vmpl", report="report-vmpl3.bin", **_mine),
        strict(f"synthetic-{_p}", "trust", ACCEPT, report="report-good.bin", **_mine),
    ]

CASES = SNP_REAL + SNP_BAD + SNP_MADE + SNP_ITEMS + SNP_STRICT


# --- running ----------------------------------------------------------------------------------------


def offline():
    """A prefix that leaves a command without any network interface."""
    for prefix in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if shutil.which("unshare") and subprocess.run(
                prefix + ["true"], capture_output=True, check=False).returncode == 0:
            return prefix
    return []


def fault_of(case):
    """What is wrong with the answer, or an empty string."""
    with tempfile.TemporaryDirectory() as scratch:
        p = subprocess.run(case.command(scratch), capture_output=True, text=True, check=False, timeout=60)
    if case.want == REFUSE:
        return "" if p.returncode == 3 and p.stdout == "" and p.stderr else f"exit {p.returncode}, want 3"
    if p.returncode != STATUS[case.want]:
        return f"exit {p.returncode}, want {STATUS[case.want]}: {p.stderr.strip()}"
    if case.verb != ("verify",):
        return ""
    answer = json.loads(p.stdout)
    rows = {r["row"]: r for r in answer["rows"]}
    if answer["verdict"] != case.want:
        return f"verdict {answer['verdict']}: {p.stderr.strip()}"
    if case.row and rows[case.row]["status"] != getattr(case, "row_want", case.want):
        return f"row {case.row} is {rows[case.row]['status']}"
    if case.want == ACCEPT and answer["trust_class"] != ("simulated" if "root" in case.files else "hardware"):
        return f"trust class {answer['trust_class']}"
    return ""


def uncovered():
    """Files of the list that no row names."""
    named = {f for c in CASES for f in c.names()}
    with open(os.path.join(VECTORS, "MANIFEST.tsv"), encoding="utf-8") as f:
        files = [line.split("\t")[0] for line in f]
    return [f for f in files if f.startswith(tuple(COVERED)) and f not in named]


def main():
    if not os.path.isfile(os.path.join(VECTORS, "MANIFEST.tsv")):
        print(f"1..0 # SKIP no collection of real evidence at '{VECTORS}'")
        return 0
    print(f"1..{len(CASES) + 2}")
    failed = 0
    for n, case in enumerate(CASES, 1):
        fault = fault_of(case)
        failed += bool(fault)
        print(f"{'not ' if fault else ''}ok {n} - {case}" + (f"\n# {fault}" if fault else ""))
    missing = uncovered()
    print("\n".join(f"# no row for {f}" for f in missing[:20]) or "# every file has a row")
    print(f"{'not ' if missing else ''}ok {len(CASES) + 1} - each file of {', '.join(COVERED)} is in a row")
    print(f"ok {len(CASES) + 2} - without a network" + ("" if OFFLINE else " # SKIP no network namespaces here"))
    return 1 if failed or missing else 0


OFFLINE = offline()
if __name__ == "__main__":
    sys.exit(main())
