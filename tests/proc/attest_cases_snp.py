"""SNP reports of the collection: what has to come out, row by row. Used by attest_vectors.py."""
from attest_case import ACCEPT, REFUSE, REJECT, WARN, Case

AT_2026, AT_2025 = "2026-09-21", "2025-06-15"
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
    # another product's list says nothing of this one
    snp("milan-v2-vcek", "vcek.der", WARN, "revocation", crl="snp/amd-certs/crl_ark_genoa_2022-10-31.crl"),
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
for _c in CASES:
    if _c.want == ACCEPT and _c.verb == ("verify",):
        _c.trust = "simulated" if "root" in _c.files else "hardware"
