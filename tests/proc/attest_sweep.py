#!/usr/bin/env python3
"""Real evidence, damaged in every way that files are damaged, through `casemate-attest verify`. TAP.

usage: attest_sweep.py CASEMATE-ATTEST VECTORS [SEED]

Whatever is given: the exit status is 1 or 3, no signal, no hang; a refusal is one line that names the file. A yes is
taken for one only where the damage touched nothing that counts (white space in JSON, what a boot log says beside its
digests): then every row and claim has to be as before. Skipped where the collection is not at hand.
"""
import concurrent.futures
import json
import os
import random
import stat
import subprocess
import sys
import tempfile

ATTEST, VECTORS = (os.path.abspath(x) for x in sys.argv[1:3])
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 20261121
TIMEOUT_S = 20
NOBODY = 65534
MIB = 1 << 20
NAPLES, PHALA, GCE = "sev-legacy/naples", "tdx/v4-phala-uptodate", "tpm/gce-cos-85-nonce9009"
FLASHBOTS, LATER = "tpm/azure-tdx-flashbots-2025", "tdx/v5-td15-uptodate/collateral-later"
COLLATERAL = ("tcb_info.json", "qe_identity.json", "tcb_signing_chain.pem", "pck_crl.der", "root_ca_crl.der")

# name, status, further arguments, what is given: the evidence first.
SETS = [
    ("snp", 0, ("--at", "2026-09-21"), [
        ("evidence", "snp/milan-v5-vcek-gcp/report.bin"), ("certs", "snp/milan-v5-vcek-gcp/vcek.der")]),
    ("snp-table", 0, ("--at", "2026-09-21"), [
        ("evidence", "snp/milan-tsm-certtable/report.bin"), ("certs", "snp/milan-tsm-certtable/certs.bin")]),
    ("snp-made", 0, ("--at", "2026-09-21"), [
        ("evidence", "snp/synthetic-turin/report-good.bin"), ("certs", "snp/synthetic-turin/vcek.der"),
        ("certs", "snp/synthetic-turin/ask.der"), ("root", "snp/synthetic-turin/ark.der"),
        ("crl", "snp/synthetic-turin/crl-empty.crl")]),
    ("snp-reference", 1, ("--at", "2026-05-01"), [
        ("evidence", "snp/milan-v5-vcek-gcp/report.bin"), ("certs", "snp/milan-v5-vcek-gcp/vcek.der"),
        ("reference", "docs/rats-synthetic/corim-signed.cbor"), ("keys", "docs/rats-synthetic/jwks.json")]),
    ("tdx", 0, ("--at", "2025-07-01"), [
        ("evidence", f"{PHALA}/quote.bin"), *(("collateral", f"{PHALA}/collateral/{n}") for n in COLLATERAL)]),
    ("tdx-log", 1, ("--at", "2026-02-10"), [
        ("evidence", "tdx/v4-gcp-cos113/quote.bin"), ("event-log", "eventlog/ccel-cos-113.bin"),
        *(("collateral", f"tdx/v4-gcp-cos113/collateral-later/{n}") for n in COLLATERAL)]),
    ("tpm", 0, ("--at", "2026-09-21", "--report-data", "9009"), [
        ("evidence", f"{GCE}/quote-sha256.attest"), ("signature", f"{GCE}/quote-sha256.sig"), ("ak", f"{GCE}/ak_pub.tpmt"),
        ("pcrs", f"{GCE}/pcrs.json"), ("event-log", f"{GCE}/eventlog.bin")]),
    ("tpm-protobuf", 0, ("--at", "2026-09-21"), [
        ("evidence", f"{GCE}/attestation.pb"), ("root", "tpm/gce-ca/tpm_ek_root_1.cer"),
        ("certs", "tpm/gce-ca/tpm_ek_intermediate_2.crt")]),
    ("tpm-in-snp", 0, ("--at", "2026-09-21"), [("evidence", "tpm/azure-snp-v1/evidence.json")]),
    ("tpm-in-tdx", 0, ("--at", "2026-02-10"), [
        ("evidence", f"{FLASHBOTS}/quote.attest"), ("signature", f"{FLASHBOTS}/quote.sig"),
        ("pcrs", f"{FLASHBOTS}/pcrs.json"), ("tee", f"{FLASHBOTS}/hcl_report.bin"),
        ("tee-quote", f"{FLASHBOTS}/td_quote.bin"), *(("collateral", f"{LATER}/{n}") for n in COLLATERAL)]),
    ("event-log", 1, (), [("evidence", f"{GCE}/eventlog.bin")]),
    ("old-event-log", 1, (), [("evidence", "eventlog/tpm-debian-10.bin")]),
    ("ima", 1, (), [("evidence", "ima/keylime-log-sha384.txt")]),
    ("hcl", 0, ("--at", "2026-09-21"), [
        ("evidence", "tpm/azure-snp-v1/hcl_report.bin"), ("certs", "tpm/azure-snp-v1/vcek.der")]),
    ("sev", 0, (), [("evidence", f"{NAPLES}/pdh.cert"),
                    *(("certs", f"{NAPLES}/{c}.cert") for c in ("ark", "ask", "cek", "oca", "pek"))]),
    ("jwt", 0, ("--at", "2026-05-01"), [
        ("token", "docs/rats-synthetic/ear-draft.es256.jwt"), ("keys", "docs/rats-synthetic/jwks.json")]),
    ("cwt", 0, ("--at", "2026-05-01"), [
        ("token", "docs/rats-synthetic/ear.es256.cwt"), ("keys", "docs/rats-synthetic/jwks.json")]),
]
# Options whose folder is an answer: the files in it.
FOLDERS = ("certs", "collateral")


def read(name):
    with open(os.path.join(VECTORS, name), "rb") as f:
        return f.read()


class Run:
    """A set with one of its inputs replaced: by bytes, or by a path to something that is no file."""

    def __init__(self, name, index, what, data=None, path=None, user=None):
        self.name, self.index, self.what, self.data, self.path, self.user = name, index, what, data, path, user

    def __str__(self):
        return f"{self.name} {self.what}"

    def execute(self, scratch):
        _, _, more, given = BY_NAME[self.name]
        path = self.path
        if self.data is not None:
            fd, path = tempfile.mkstemp(prefix="in-", dir=scratch)
            with os.fdopen(fd, "wb") as f:
                f.write(self.data)
            if self.user is not None:
                os.chmod(path, 0)
        args = [ATTEST, "verify", "--json", *more]
        for i, (option, file) in enumerate(given):
            args += ["--" + option, path if i == self.index else os.path.join(VECTORS, file)]
        try:
            p = subprocess.run(args, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S,
                               stdin=subprocess.DEVNULL, user=self.user)
        except subprocess.TimeoutExpired:
            return f"no answer after {TIMEOUT_S} s"
        finally:
            if self.data is not None:
                os.unlink(path)
        return self.fault(p, path)

    def fault(self, p, path):
        lines = p.stderr.strip().split("\n")
        if p.returncode == 3 or (p.returncode == 1 and p.stdout == ""):
            named = os.path.basename(path.rstrip("/")) if path else ""
            ok = p.stdout == "" and len(lines) == 1 and named in lines[0]
            return "" if ok else f"a refusal that does not name {named} in one line: {p.stderr}{p.stdout}"
        if p.returncode not in (0, 1):
            return f"exit {p.returncode}: {p.stderr}"
        answer = json.loads(p.stdout)
        if (answer["verdict"] == "affirming") != (p.returncode == 0):
            return f"exit {p.returncode}, verdict {answer['verdict']}"
        changed = difference(essence(answer), BASE.get(self.name, {})) if p.returncode == 0 else {}
        return f"a yes, but another one: {changed}" if changed and not self.may_change(changed) else ""

    def may_change(self, changed):
        option, file = BY_NAME[self.name][3][self.index]
        # certificates of a platform have no order: each of them is the evidence, the others lie beside it
        if self.name == "sev" and option == "evidence":
            return list(changed) == ["chain"]
        # another good piece of collateral instead of a CRL: no CRL was given
        return "crl" in file and option == "collateral" and "is --" in self.what and set(changed) <= {
            "revocation", "claims"} and changed["revocation"][0][0] == "none"


def essence(answer):
    """What is believed. A key's name is of more than the key that signs: a scheme, a policy for its use."""
    return {**{r["row"]: (r["status"], r["expected"], r["actual"]) for r in answer["rows"]},
            "claims": {k: v for k, v in answer["claims"].items() if k != "tpm_ak_name"}}


def difference(a, b):
    return {k: (a.get(k), b.get(k)) for k in {**a, **b} if a.get(k) != b.get(k)}


def cuts(data, n):
    """The ends of the first words, and places all over."""
    some = [0, 1, 2, 4, 8, 16, 32, 47, 48, 49, 64, len(data) - 1, len(data) - 2, len(data) - 16]
    some += [len(data) * i // n for i in range(n)]
    return sorted({c for c in some if 0 <= c < len(data)})


def flip(rng, data, bits):
    out = bytearray(data)
    for _ in range(bits):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def runs(odd):
    """All damage to all inputs. odd: what is no file, by name."""
    rng = random.Random(SEED)
    for name, _, _, given in SETS:
        for i, (option, file) in enumerate(given):
            data = read(file)
            what = f"--{option} {file}"
            n = 60 if i == 0 else 10
            for c in cuts(data, n if i == 0 else 4):
                yield Run(name, i, f"{what} cut to {c} bytes", data[:c])
            for k in range(n):
                yield Run(name, i, f"{what} flipped {k}", flip(rng, data, 1 if k % 3 else 8))
            yield Run(name, i, f"{what} garbage", rng.randbytes(len(data)))
            yield Run(name, i, f"{what} and 1 MiB", data + bytes(MIB))
            yield Run(name, i, f"{what} twice", data + data)
            yield Run(name, i, f"{what} unreadable", data, user=NOBODY if os.geteuid() == 0 else None)
            for k, (other, its) in enumerate(given):
                if k != i and its != file:
                    yield Run(name, i, f"{what} is --{other}'s", read(its))
            swapped = next(s for s in SETS if s[0] != name and len(s[3]) >= 1 and s[3][0][1] != file)
            yield Run(name, i, f"{what} is {swapped[0]}'s evidence", read(swapped[3][0][1]))
            for kind, path in odd.items():
                if not (kind == "folder" and option in FOLDERS):
                    yield Run(name, i, f"{what} is a {kind}", path=path)


def odd_files(scratch):
    fifo, folder, loop = (os.path.join(scratch, n) for n in ("fifo", "folder", "loop"))
    os.mkfifo(fifo, stat.S_IRUSR | stat.S_IWUSR)
    os.mkdir(folder)
    os.symlink("loop", loop)
    return {"pipe": fifo, "folder": folder, "link to itself": loop, "device": "/dev/zero", "null device": "/dev/null",
            "missing file": os.path.join(scratch, "none")}


BY_NAME = {s[0]: s for s in SETS}
BASE = {}


def base_fault(name, status, more, given):
    args = [ATTEST, "verify", "--json", *more]
    for option, file in given:
        args += ["--" + option, os.path.join(VECTORS, file)]
    p = subprocess.run(args, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if p.returncode != status:
        return f"exit {p.returncode}, want {status}: {p.stderr.strip()}"
    BASE[name] = essence(json.loads(p.stdout))
    return ""


def report(number, ok, what, details=()):
    print(f"{'' if ok else 'not '}ok {number} - {what}" + "".join(f"\n# {d}" for d in details))
    return not ok


def main():
    if not os.path.isfile(os.path.join(VECTORS, "MANIFEST.tsv")):
        print(f"1..0 # SKIP no collection of real evidence at '{VECTORS}'")
        return 0
    print(f"1..{2 * len(SETS)}")
    failed = 0
    faults = {s[0]: [] for s in SETS}
    counts = {s[0]: 0 for s in SETS}
    for n, s in enumerate(SETS, 1):
        fault = base_fault(*s)
        failed += report(n, not fault, f"{s[0]}: the whole set gives exit {s[1]}", [fault] if fault else [])
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        os.chmod(scratch, 0o755)
        todo = list(runs(odd_files(scratch)))
        for run, fault in zip(todo, pool.map(lambda r: r.execute(scratch), todo)):
            counts[run.name] += 1
            if fault:
                faults[run.name].append(f"{run}: {fault}")
    for n, s in enumerate(SETS, len(SETS) + 1):
        bad = faults[s[0]]
        failed += report(n, not bad, f"{s[0]}: {counts[s[0]]} damaged sets, none is a yes (seed {SEED})", bad[:20])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
