"""Tokens, reference values, wrappers, and what else is in docs/ of the collection. Used by attest_vectors.py."""
import ast
import base64
import functools
import os
import re
import subprocess
import tempfile
import threading

from attest_case import ACCEPT, REFUSE, REJECT, WARN, Case, Made

AT = "2026-05-01"
RATS = "docs/rats-synthetic"
JWKS = f"{RATS}/jwks.json"

# --- a signer of our own, for claims that came without a signature ----------------------------------


def openssl(*args, given=None):
    return subprocess.run(["openssl", *args], input=given, capture_output=True, check=True).stdout


KEY_LOCK = threading.Lock()


def key():
    """PEM of a P-256 key, new in this run, and of its public half."""
    with KEY_LOCK:
        return key_make()


@functools.cache
def key_make():
    pem = openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout")
    return pem, openssl("pkey", "-pubout", given=pem)


def sign(data):
    """ECDSA with SHA-256: R and S, 32 bytes each."""
    with tempfile.NamedTemporaryFile() as f:
        f.write(key()[0])
        f.flush()
        der = openssl("dgst", "-sha256", "-sign", f.name, given=data)
    r_len = der[3]
    r, s = der[4:4 + r_len], der[6 + r_len:]
    return b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s))


def jwt(claims):
    def b64(b):
        return base64.urlsafe_b64encode(b).rstrip(b"=")
    text = b64(b'{"alg":"ES256"}') + b"." + b64(claims)
    return text + b"." + b64(sign(text))


def cbor(v):
    """Deterministic: the shortest heads, names in the order of their bytes. A tag is a tuple."""
    def head(major, n):
        for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
            if n < 24:
                return bytes([major << 5 | n])
            if n < 1 << 8 * size:
                return bytes([major << 5 | extra]) + n.to_bytes(size, "big")
        raise ValueError(n)
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, (bytes, str)):
        raw = v.encode() if isinstance(v, str) else v
        return head(3 if isinstance(v, str) else 2, len(raw)) + raw
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    if isinstance(v, tuple):
        return head(6, v[0]) + cbor(v[1])
    return head(5, len(v)) + b"".join(k + cbor(x) for k, x in sorted((cbor(k), x) for k, x in v.items()))


def diagnostic(text):
    """CBOR of what these examples use of the diagnostic notation (RFC 8949, 8)."""
    text = re.sub(r"h'([0-9a-fA-F]*)'", lambda m: repr(bytes.fromhex(m[1])), text.decode())
    return cbor(ast.literal_eval(re.sub(r"(\d+)(\(b'(?:[^'\\]|\\.)*'\))", r"(\1, \2)", text)))


def cwt(claims):
    protected = cbor({1: -7})
    return cbor((18, [protected, {}, claims, sign(cbor(["Signature1", protected, b"", claims]))]))


PUBLIC = Made(lambda: key()[1])

# --- tokens -----------------------------------------------------------------------------------------

GENUINE = {"signature": ACCEPT, "time": ACCEPT, "profile": ACCEPT, "vector": ACCEPT}


def token(name, want, row=None, rows=None, at=AT, keys=JWKS, **other):
    return Case(want, row, at, rows={**GENUINE, **(rows or {})} if want in (ACCEPT, WARN) else rows,
                token=name if isinstance(name, Made) or "/" in name else f"{RATS}/{name}", keys=keys, **other)


def claims(name, want=ACCEPT, row=None, rows=None):
    """A claims set without a signature: ours is put on it."""
    made = Made(lambda text: jwt(name.make(text)), *name.names) if isinstance(name, Made) else Made(jwt, name)
    return token(made, want, row, rows, keys=PUBLIC)


NO_KEYS = {"signature": "none"}
TOKENS = [token(n, ACCEPT) for n in (
    "ear-cwt61.cwt", "ear-draft.eddsa.jwt", "ear-draft.es256.jwt", "ear-draft.es384.jwt", "ear-draft.ps256.jwt",
    "ear-untagged.cwt", "ear-veraison2023.es256.jwt", "ear.es256.cwt", "ear.es384.cwt")]
TOKENS += [
    # genuine; what they say of the guest is a warning
    token("ear-trustee2024.es256.jwt", WARN, "result"),
    Case(WARN, "result", AT, rows=GENUINE, token="docs/kbs-synthetic/token.jwt", keys=JWKS),
    token("ear-draft.es256.jwt", REJECT, "signature", keys="docs/ear/pkey.json"),
    token("docs/ear/testJWT.jwt", ACCEPT, keys="docs/ear/pkey.json"),
    token("docs/ear/testJWT.jwt", REJECT, "signature"),  # the key that it carries counts for nothing
    token("docs/tokens/azure-maa-snp.jwt", REJECT, "time", {"signature": REJECT}),
    token("docs/tokens/azure-maa-snp.jwt", REJECT, "signature", {"time": ACCEPT, "result": ACCEPT},
          at="2023-03-30T14:00:00Z"),
    *(token(f"bad-{n}", want, row) for n, want, row in (
        ("alg-confusion.jwt", REJECT, "signature"), ("alg-none.jwt", REJECT, "signature"),
        ("alg-unprotected.cwt", REJECT, "signature"), ("base64-padding.jwt", REFUSE, None),
        ("crit.jwt", REJECT, "signature"), ("der-signature.jwt", REJECT, "signature"),
        ("duplicate-claim.jwt", REFUSE, None), ("expired.jwt", REJECT, "time"), ("iat-future.jwt", REJECT, "time"),
        ("indefinite-bomb.cwt", REFUSE, None), ("jwk-in-header.jwt", REJECT, "signature"), ("nesting.cwt", REFUSE, None),
        ("no-submods.jwt", REJECT, "result"), ("otherkey.cwt", REJECT, "signature"), ("otherkey.jwt", REJECT, "signature"),
        ("payload-edited.jwt", REJECT, "signature"), ("profile.jwt", REJECT, "profile"), ("sig.cwt", REJECT, "signature"),
        ("status-inconsistent.jwt", REJECT, "vector"), ("truncated.cwt", REFUSE, None), ("two-parts.jwt", REFUSE, None),
        ("unknown-kid.jwt", REJECT, "signature"), ("vector-range.jwt", REJECT, "vector"))),
    claims(f"{RATS}/ear-draft.json"),
    claims(f"{RATS}/ear-veraison2023.json"),
    claims(f"{RATS}/ear-trustee2024.json", WARN, "result"),
    claims("docs/trustee/example.token.json", REJECT, "result"),
    claims("docs/ear/ear-claims.json", rows={"vector": "none"}),
    claims("docs/ear/ear-claims-tv-ok.json"),
    claims("docs/ear/ear-claims-key-attestation-ko.json", REJECT, "result"),
    claims(Made(lambda text: text.replace(b"contraindicated", b"affirming").replace(b"96", b"2"),
                "docs/ear/ear-claims-key-attestation-ko.json"), REJECT, "result", {"vector": ACCEPT}),
    claims("docs/draft-ear/ear-json-2.diag"),
    claims("docs/draft-ear/ext-teep-json-1.diag", REJECT, "result", GENUINE),
    claims("docs/draft-ear/ext-veraison-json-1.diag", REJECT, "result", GENUINE),
    token(Made(lambda text: cwt(diagnostic(text)), "docs/draft-ear/ear-cbor-1.diag"), REJECT, "result", GENUINE,
          keys=PUBLIC),
    token(Made(cwt, f"{RATS}/ear.cwt.payload.cbor"), ACCEPT, keys=PUBLIC),
    # keys as others write them: read, and none of them signed this
    *(token("ear-draft.es256.jwt", REJECT, "signature", keys=f"docs/trustee/{n}") for n in (
        "cert-chain.pem", "expected-jwks.json", "scenario01-jwk.json")),
    token("ear-draft.es256.jwt", REJECT, "signature", keys="docs/trustee/scenario01-jwk.json",
          root="docs/trustee/scenario01-trust.pem"),
]

# --- reference values and wrappers ------------------------------------------------------------------

REFVALUES = ("refvalues", "show")
CORIM = """comid/comid-1 comid/comid-2 comid/comid-3 comid/comid-5 comid/comid-7 comid/comid-cond-endorse-series
comid/comid-domain-dep comid/comid-firmware-cd comid/comid-integrity-registers comid/comid-raw-value corim/corim-1
corim/corim-design-cd corim/corim-roles corim/signed-example-corim corim/unsigned-corim-with-extensions
corim/unsigned-good-corim coev/ce-evidence coev/ce-pce-evidence coev/ce-seam-evidence sevsnp/corim-sevsnp-valid
tdx-profile/comid_qe_refval""".split()
COSERV = """discovery-unsigned example-class-selector example-instance-selector rv-class-simple-results
rv-class-stateful sample_key"""


def value_fault(answer):
    """The one reference value of corim-unsigned.cbor and of its signed twin."""
    (value,) = answer["values"]
    return "" if value["value"][0][1].startswith("baded4103002034e") else f"{value}"


def refvalues(name, want, keys=None, at=None, check=None):
    return Case(want, at=at, verb=REFVALUES, file=name, keys=keys, check=check)


VALUES = [refvalues(f"docs/corim/{n}.cbor", ACCEPT) for n in CORIM]
VALUES += [refvalues("docs/trustee/unsigned-example-corim.cbor", ACCEPT)]
VALUES += [refvalues(f"docs/corim/sevsnp/corim-sevsnp-{n}.cbor", REFUSE) for n in ("bad-refval-no-key", "bad-ta-no-vendor")]
# questions to a service and its answers; we ask none
VALUES += [refvalues(f"docs/corim/coserv/{n}.cbor", REFUSE) for n in COSERV.split()]
VALUES += [
    refvalues(f"{RATS}/corim-unsigned.cbor", ACCEPT, check=value_fault),
    refvalues(f"{RATS}/corim-unsigned.cbor", REJECT, keys=JWKS, at=AT),
    refvalues(f"{RATS}/corim-signed.cbor", ACCEPT, keys=JWKS, at=AT, check=value_fault),
    refvalues(f"{RATS}/bad-corim-edited.cbor", REJECT, keys=JWKS, at=AT),
    refvalues(f"{RATS}/bad-corim-otherkey.cbor", REJECT, keys=JWKS, at=AT),
]


def notation_fault(_, diag, binary):
    with open(diag, "rb") as a, open(binary, "rb") as b:
        return "" if diagnostic(a.read()) == b.read() else "the notation is not of this document"


CMW = "docs/cmw"
WRAPPERS = [
    Case(ACCEPT, verb=("show",), file=f"{CMW}/collection-ok.json"),
    Case(ACCEPT, verb=("show",), file=f"{CMW}/collection-cbor-ok.cbor"),
    Case(ACCEPT, verb=("show",), file=Made(diagnostic, f"{CMW}/collection-cbor-ok.diag")),
    Case(ACCEPT, verb=("show",), file=f"{CMW}/x509-cert+cbor-cmw.der"),
    Case(ACCEPT, verb=("show",), file="docs/ra-tls/gramine-cert.pem"),
    *(Case(REFUSE, at=AT, evidence=n) for n in (
        f"{CMW}/collection-ok.json", f"{CMW}/collection-cbor-ok.cbor", f"{CMW}/x509-cert+cbor-cmw.der",  # none inside
        "docs/ra-tls/gramine-cert.pem",  # an enclave's
        "docs/trustee/evidence.json",  # the sample TEE's: nothing vouches for it
        "docs/trustee/parse_tdx_claims_expected.json",  # of what another verifier read
        "docs/trustee/kbs.yaml", "docs/veraison-evidence/sevsnp-ratsd-claims.json", "docs/corim/sevsnp/comid-sevsnp-ta.json")),
]

# --- what the command has no say in: test -> file -> how the test names it ---------------------------

KBS = "docs/kbs-synthetic"
ELSEWHERE = {
    "tests/unit/test_kbs.c": {
        **{f"{KBS}/{n}.json": f'"{n}.json"' for n in (
            "response-ecdh-ec256", "response-ecdh-ec521", "response-rsa-oaep-256", "response-rsa1_5", "bad-response-tag",
            "bad-response-protected", "bad-response-epk-offcurve")},
        **{f"{KBS}/{before}{k}{after}": f'"{before}%s{after}"' for k in ("ec256", "ec521", "rsa") for before, after in (
            ("runtime-data-", ".json"), ("runtime-data-", ".reportdata.hex"), ("tee-key-", ".private.jwk.json"))},
        # what is hashed on the way from the one to the other
        **{f"{KBS}/runtime-data-{k}.canonical.json": '"runtime-data-%s.reportdata.hex"' for k in ("ec256", "ec521", "rsa")},
        f"{KBS}/resource.plain": '"resource.plain"',
    },
    "tests/unit/test_broker_evidence.c": {
        f"{KBS}/initdata.toml": f'"{KBS}/initdata.toml"',
        f"{KBS}/initdata.expected.json": f'"{KBS}/initdata.expected.json"',
    },
    "tests/proc/test_kbs_client.py": {
        f"{KBS}/request.json": '"request.json"', f"{KBS}/challenge.json": '"challenge.json"',
        f"{KBS}/bad-request-tee.json": '"bad-request-tee.json"', f"{KBS}/error-401.json": '401, "TokenNotFound"',
        f"{KBS}/bad-request-version.json": '"bad-request-version.json"',
    },
    "tests/unit/test_attest_launch.c": {
        f"launch/vmsa/{n}.bin": f'"vmsa/{n}.bin"' for n in (
            "sev_es-qemu-EPYC-Milan-features0-ap", "sev_es-qemu-EPYC-Milan-features0-bsp",
            "sev_snp-ec2-EPYC-v4-features1-ap", "sev_snp-ec2-EPYC-v4-features1-bsp",
            "sev_snp-qemu-EPYC-v4-features1-ap", "sev_snp-qemu-EPYC-v4-features1-bsp")
    },
    "tests/unit/test_attest_tpm.c": {
        f"tpm/credential/{n}": f'"{n}"' for n in (
            "ak.tpmt_public", "credential.json", "credential-bad.json", "go-tpm-rsa.json", "ek-ec.private.pem",
            "ek-rsa.private.pem")
    },
}

CASES = TOKENS + VALUES + WRAPPERS
