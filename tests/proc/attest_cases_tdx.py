"""TDX quotes of the collection and their collateral: what has to come out. Used by attest_vectors.py."""
from attest_case import ACCEPT, REFUSE, REJECT, WARN, Case

AT = "2026-04-01"  # of the made-up platform
SIGNED = {"signature": ACCEPT, "chain": ACCEPT, "revocation": ACCEPT, "collateral": ACCEPT, "qe": ACCEPT}


def real(folder, at, status, want, row=None, rows=None, later=False, **files):
    """Genuine, and of this level of Intel's; rows: which differ from SIGNED."""
    f = f"tdx/{folder}"
    level = ACCEPT if status == "UpToDate" else REJECT
    return Case(want, row, at, rows={**SIGNED, "tcb": (level, status), **(rows or {})}, trust="hardware",
                evidence=f"{f}/quote.bin", certs=f"{f}/pck_chain.pem",
                collateral=f"{f}/collateral" + ("-later" if later else ""), **files)


STALE = {"collateral": REJECT, "revocation": WARN}  # the CRLs of its time had ended before TCB info and QE identity came
REAL = [
    real("v4-azure-automata", "2025-06-20", "NotSupported", REJECT, "tcb"),
    real("v4-cmc-c0806f", "2026-03-20", "OutOfDate", REJECT, "tcb"),
    real("v4-debug-50806f", "2026-03-20", "OutOfDate", REJECT, "tcb", {"debug": WARN}),
    real("v4-dstack-00806f", "2025-10-25", "UpToDate", ACCEPT),
    real("v4-dstack-00806f", "2025-12-25", "UpToDate", REJECT, "collateral", STALE),
    real("v4-gcp-cos113", "2024-09-15", "UpToDate", REJECT, "collateral",
         {**STALE, "event_log": ACCEPT, "report_data": ACCEPT}, event_log="eventlog/ccel-cos-113.bin",
         report_data="tdx/v4-gcp-cos113/nonce.dat"),
    real("v4-gcp-cos113", "2026-02-10", "OutOfDate", REJECT, "tcb", later=True),
    real("v4-gcp-cos113", "2026-02-10", "OutOfDate", REJECT, "report_data", later=True,
         report_data="docs/kbs-synthetic/resource.plain"),
    real("v4-gcp-cos113", "2026-02-10", "OutOfDate", REJECT, "event_log", later=True,
         event_log="eventlog/ccel-trustee-grub.bin"),
    real("v4-phala-uptodate", "2025-07-01", "UpToDate", ACCEPT),
    real("v4-spr-e4-notsupported", "2023-06-25", "NotSupported", REJECT, "tcb"),
    real("v4-teekit-b0c06f", "2025-08-06", "NotSupported", REJECT, "tcb"),
    real("v4-trailing-oasis", "2024-09-25", "UpToDate", REJECT, "collateral", STALE),
    real("v4-trailing-oasis", "2026-03-20", "OutOfDate", REJECT, "tcb", later=True),
    # its PCK certificate is younger than the first collateral
    real("v5-td15-uptodate", "2025-03-01", "UpToDate", REJECT, "chain",
         {"chain": REJECT}),
    real("v5-td15-uptodate", "2026-02-10", "UpToDate", ACCEPT, later=True),
    # that collateral, and its signer, have ended by then
    real("v5-td15-uptodate", "2026-02-10", "", REJECT, "collateral",
         {"collateral": REJECT, "revocation": WARN, "tcb": "none", "qe": "none"}),
    Case(REJECT, "chain", "2025-07-01", rows={"event_log": WARN, "trust": REJECT}, trust="host",
         evidence="tdx/v4-sbx-untrusted-root/quote.bin", certs="tdx/v4-sbx-untrusted-root/pck_chain.pem",
         event_log="eventlog/ccel-cctrusted.bin"),
    Case(REJECT, "qe", "2026-02-10", trust="simulated",
         rows={"signature": ACCEPT, "chain": ACCEPT, "tcb": REJECT, "qe": (REJECT, "QeIdentityMismatch")},
         evidence="tdx/intel-qvl-sample/quote.dat", root="tdx/intel-qvl-sample/trustedRootCaCert.pem",
         certs=["tdx/intel-qvl-sample/pckCert.pem", "tdx/intel-qvl-sample/pckSignChain.pem"],
         collateral=[f"tdx/intel-qvl-sample/{n}" for n in (
             "tcbInfo.json", "qeIdentity.json", "tcbSignChain.pem", "intermediateCaCrl.der", "rootCaCrl.der")]),
    # nobody says whether the platform is patched
    Case(WARN, "collateral", "2025-07-01", rows={"signature": ACCEPT, "chain": ACCEPT},
         evidence="tdx/v4-phala-uptodate/quote.bin"),
    # another platform's
    Case(REJECT, "collateral", "2025-07-01", rows={"signature": ACCEPT}, evidence="tdx/v4-phala-uptodate/quote.bin",
         collateral="tdx/v4-azure-automata/collateral"),
]


def bad(base, folder, at, later, name, want, row=None):
    return Case(want, row, at, evidence=f"tdx/bad/{base}-{name}.bin", collateral=f"tdx/{folder}/collateral{later}")


BAD = [bad(*base, *rest)
       for base in (("v4", "v4-phala-uptodate", "2025-07-01", ""), ("v5", "v5-td15-uptodate", "2026-02-10", "-later"))
       for rest in (
           ("bitflip-attkey", REJECT, "signature"), ("bitflip-mrtd", REJECT, "signature"),
           ("bitflip-qeauth", REJECT, "qe"), ("bitflip-qereport", REJECT, "qe"), ("bitflip-qesig", REJECT, "qe"),
           ("bitflip-quotesig", REJECT, "signature"), ("bitflip-reportdata", REJECT, "signature"),
           ("pck-bitflip", REJECT, "chain"), ("pem-broken", REFUSE), ("truncated-body", REFUSE),
           ("truncated-cert", REFUSE), ("truncated-sig", REFUSE))]
PHALA = "tdx/v4-phala-uptodate/collateral"
BAD += [Case(REJECT, "collateral", "2025-07-01", rows={"signature": ACCEPT}, evidence="tdx/v4-phala-uptodate/quote.bin",
             collateral=[f"tdx/bad/v4-phala-{edited}-edited.json",
                         *(f"{PHALA}/{n}" for n in (good, "tcb_signing_chain.pem", "pck_crl.der", "root_ca_crl.der",
                                                    "pck_crl_issuer_chain.pem", "qe_identity_signing_chain.pem"))])
        for edited, good in (("tcb_info", "qe_identity.json"), ("qe_identity", "tcb_info.json"))]

MADE_COLLATERAL = {"tcb": "tcb_info.json", "qe": "qe_identity.json", "signer": "tcb_signing_chain.pem",
                   "pck_crl": "pck_crl.der", "root_crl": "root_ca_crl.der"}


def made(want, row=None, rows=None, quote="good-v4", at=AT, root="root_ca.pem", trust="simulated", more=(), **other):
    """A platform of the collection's own, other: which piece of collateral is another one."""
    f = "tdx/synthetic-tdx"
    return Case(want, row, at, rows=rows, trust=trust, more=more, evidence=f"{f}/quote-{quote}.bin",
                certs=f"{f}/pck_chain.pem", root=f"{f}/{root}" if root else None,
                collateral=[f"{f}/{n}" for n in {**MADE_COLLATERAL, **other}.values()])


def level(quote, status, want):
    return made(want, "tcb", {**SIGNED, "tcb": (want, status)}, quote)


MADE = [level(quote, "UpToDate", ACCEPT) for quote in (
    "good-v4", "good-v4-nul", "good-v4-trailing", "good-v5-bt2", "good-v5-bt3", "module1-ok")]
MADE += [level(quote, status, WARN) for quote, status in (
    ("config", "ConfigurationNeeded"), ("relaunch", "TDRelaunchAdvised"), ("swhardening", "SWHardeningNeeded"))]
MADE += [level(quote, status, REJECT) for quote, status in (
    ("module1-outofdate", "OutOfDate"), ("notsupported", "NotSupported"), ("outofdate", "OutOfDate"),
    ("revoked-tcb", "Revoked"))]
MADE += [
    made(REJECT, "module", {"tcb": (REJECT, "TdxModuleMismatch"), "signature": ACCEPT}, "module9-unknown"),
    made(REJECT, "tcb", {"tcb": (REJECT, "OutOfDate")}, "qe-svn3"),
    made(REJECT, "qe", {"tcb": (REJECT, "QeIdentityMismatch"), "signature": ACCEPT}, "qe-prodid"),
    made(WARN, "debug", {"tcb": (ACCEPT, "UpToDate")}, "debug"),
    made(REJECT, "qe", {"signature": REJECT}, "qe-bind", trust="host"),
    made(REJECT, "qe", {"signature": REJECT}, "qe-sig", trust="host"),
    made(REJECT, "signature", {}, "quote-sig", trust="host"),
    made(REJECT, "qe", {"tcb": ACCEPT}, "vendor"),
    made(REJECT, "chain", {}, "root-swapped", trust="host"),
    made(REJECT, "chain", {}, root=None, trust="host"),
    *(made(REFUSE, quote=quote) for quote in ("akt3", "authlen-overflow", "certlen-overflow", "siglen-overflow", "v6")),
    made(REJECT, "collateral", pck_crl="pck_crl_expired.der"),
    made(REJECT, "revocation", pck_crl="pck_crl_revoking_pck.der"),
    made(REJECT, "revocation", pck_crl="pck_crl_wrong_issuer.der"),
    made(REJECT, "revocation", root_crl="root_ca_crl_revoking_platform_ca.der"),
    made(REJECT, "collateral", root_crl="root_ca_crl_revoking_tcb_signing.der"),
    made(REJECT, "collateral", qe="qe_identity_id_qe.json"),
    made(REJECT, "qe", qe="qe_identity_othersigner.json"),
    made(REJECT, "collateral", tcb="tcb_info_expired.json"),
    made(ACCEPT, None, SIGNED, tcb="tcb_info_expired.json", at="2026-02-01"),
    made(REJECT, "collateral", tcb="tcb_info_id_sgx.json"),
    made(REJECT, "collateral", tcb="tcb_info_otherfmspc.json"),
    made(REJECT, "collateral", tcb="tcb_info_reserialised.json"),
    made(REJECT, "collateral", tcb="tcb_info_wrongkey.json"),
    made(ACCEPT, None, SIGNED, tcb="tcb_info_eval12.json"),  # nobody asked for a newer one
]

POLICY = """{
  "schema": "launch-policy/1", "name": "acme.tests/vectors", "serial": 1,
  "tee": {"type": "tdx", "simulated": true, "tdx": {"attributes": {"debug": false}%s}},
  "boot": {"kernel": {"file": "k", "sha384": "sha384:%s"}, "cmdline": "", "launch_digest": ["sha384:%s"]},
  "machine": {"vcpus": 1, "memory_mib": 256},
  "devices": {"disk": [], "console": "none", "rng": true},
  "audit": {"ledger": "ledger", "key": "key.pem", "origin": "log.example/tests"}
}
"""


def strict(row, want, tdx="", **other):
    """Under a policy that fits none of them in measurement and host data; the row is what counts."""
    case = made(REJECT, None, {row: want}, **other)
    case.policy = POLICY % (tdx, "00" * 48, "11" * 48)
    return case


GRACE = '}, "endorsements": {"max_age_days": %d'
EVAL_17 = ', "tcb": {"min_eval_number": 17}'
STRICT = [
    strict("collateral", WARN, GRACE % 60, tcb="tcb_info_expired.json"),  # it ended 46 days before
    strict("collateral", REJECT, GRACE % 45, tcb="tcb_info_expired.json"),
    strict("debug", REJECT, quote="debug"),
    strict("debug", ACCEPT),
    strict("measurement", REJECT),
    strict("host_data", REJECT),
    strict("tcb", REJECT, EVAL_17, tcb="tcb_info_eval12.json"),
    strict("tcb", ACCEPT, EVAL_17),
    strict("tcb", REJECT, quote="swhardening"),
    strict("tcb", ACCEPT, ', "tcb": {"accept": ["SWHardeningNeeded"]}', quote="swhardening"),
    strict("tcb", REJECT, ', "tcb": {"accept": ["SWHardeningNeeded"], "advisories_deny": ["INTEL-SA-00615"]}',
           quote="swhardening"),
]

CASES = REAL + BAD + MADE + STRICT
