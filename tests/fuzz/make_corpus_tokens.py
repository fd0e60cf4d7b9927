#!/usr/bin/env python3
"""Write tokens that trust.c's keys and root sign, and tokens that are almost so, into the corpora of
fuzz_jws and fuzz_cose. The keys are those of RFC 7515 (A.3) and RFC 8037 (A.1): anybody's.

usage: make_corpus_tokens.py CORPUS-FOLDER
"""
import base64
import datetime
import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.x509.oid import NameOID


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def un64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


P256_JWK = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}
ED_JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
OTHER_JWK = {"kty": "EC", "crv": "P-256", "x": "6QdSp1q0WHVZOee_TqjVaYJ4Rwi09lmGMs_otptJ8Ag", "y": "ilMnxSi5EhsgkozLcdoZ2_OvuikDO-ubuEkwG6D6a_U"}
P256 = ec.derive_private_key(int.from_bytes(un64u("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"), "big"), ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.from_private_bytes(un64u("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def cert(subject, issuer, key, signer, serial, is_ca=False, until=2100, signs=True):
    """By an Ed25519 key, whose signatures are always the same."""
    usage = x509.KeyUsage(signs, False, False, not signs, False, is_ca, False, False, False)
    return (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
            .serial_number(serial).not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(until, 1, 1))
            .add_extension(x509.BasicConstraints(is_ca, None), True).add_extension(usage, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
            .sign(signer, None).public_bytes(serialization.Encoding.DER))


STRANGER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ROOT = cert("fuzz root", "fuzz root", ED, ED, 1, is_ca=True)
LEAF = cert("fuzz signer", "fuzz root", P256, ED, 2)
LATE = cert("fuzz signer", "fuzz root", P256, ED, 3, until=2021)
SEALER = cert("fuzz signer", "fuzz root", P256, ED, 4, signs=False)
STRANGE = cert("fuzz signer", "fuzz root", P256, STRANGER, 5)

EAR = {"eat_profile": "tag:ietf.org,2026:rats/ear#03", "iat": 1767225600, "exp": 4102444800, "iss": "fuzz",
       "ear_verifier_id": {"developer": "https://example.test", "build": "1"}, "eat_nonce": "MDEyMzQ1Njc",
       "submods": {"cpu0": {"ear_status": "affirming", "ear_trustworthiness_vector": {"hardware": 2}}}}


def sign(data, alg="ES256", key=None):
    if alg == "EdDSA":
        return ED.sign(data)
    r, s = utils.decode_dss_signature(P256.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


# --- JSON -----------------------------------------------------------------------------------------


def jwt(header, payload=EAR, change=lambda sig: sig):
    header = {"alg": "ES256", **header}
    text = b64u(json.dumps(header, separators=(",", ":")).encode()) + "." + b64u(json.dumps(payload, separators=(",", ":")).encode())
    return (text + "." + b64u(change(sign(text.encode(), header["alg"])))).encode()


def x5c(*certs):
    return [base64.b64encode(c).decode() for c in certs]


def dsse(payload, keyid="p", change=lambda sig: sig, kind="application/vnd.in-toto+json"):
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    sig = change(P256.sign(pae, ec.ECDSA(hashes.SHA256())))
    return json.dumps({"payloadType": kind, "payload": base64.b64encode(payload).decode(), "signatures": [{"keyid": keyid, "sig": base64.b64encode(sig).decode()}]}).encode()


def flip(sig):
    return sig[:-1] + bytes([sig[-1] ^ 1])


def old_statement(corpus):
    return base64.b64decode(json.loads((corpus / "jws/statement.dsse").read_text())["payload"])


JWS = {
    "kid": jwt({"kid": "p"}), "kid-eddsa": jwt({"kid": "ed", "alg": "EdDSA"}), "kid-none": jwt({}), "kid-unknown": jwt({"kid": "q"}), "kid-number": jwt({"kid": 3}), "kid-other-alg": jwt({"kid": "ed"}),
    "signature-short": jwt({"kid": "p"}, change=lambda s: s[:-1]), "signature-wrong": jwt({"kid": "p"}, change=flip), "signature-none": jwt({"kid": "p"}, change=lambda s: b""),
    "x5c": jwt({"x5c": x5c(LEAF, ROOT)}), "x5c-leaf": jwt({"x5c": x5c(LEAF)}), "x5c-wrong": jwt({"x5c": x5c(LEAF)}, change=flip), "x5c-late": jwt({"x5c": x5c(LATE)}), "x5c-usage": jwt({"x5c": x5c(SEALER)}), "x5c-strange": jwt({"x5c": x5c(STRANGE)}),
    "x5c-empty": jwt({"x5c": []}), "x5c-text": jwt({"x5c": "x"}), "x5c-number": jwt({"x5c": [7]}), "x5c-garbage": jwt({"x5c": ["AAAA"]}), "x5c-behind": jwt({"x5c": x5c(LEAF + b"\0")}), "x5c-many": jwt({"x5c": ["AAAA"] * 70}),
    "jwk": jwt({"jwk": P256_JWK}), "jwk-x5c": jwt({"jwk": {**P256_JWK, "x5c": x5c(LEAF)}}), "jwk-and-x5c": jwt({"jwk": P256_JWK, "x5c": x5c(LEAF, ROOT)}), "jwk-other": jwt({"jwk": OTHER_JWK}), "jwk-other-x5c": jwt({"jwk": OTHER_JWK, "x5c": x5c(LEAF)}), "jwk-broken": jwt({"jwk": {"kty": "EC"}}),
    "late": jwt({"kid": "p"}, {**EAR, "exp": 1700000000}), "early": jwt({"kid": "p"}, {**EAR, "nbf": 4000000000}), "huge-times": jwt({"kid": "p"}, {**EAR, "iat": 1 << 62, "exp": (1 << 62) + 1, "nbf": -1}),
    "issuer": jwt({"kid": "p"}, {**EAR, "iss": "another"}), "no-issuer": jwt({"kid": "p"}, {k: v for k, v in EAR.items() if k != "iss"}), "no-result": jwt({"kid": "p"}, {**EAR, "submods": {}}), "list": jwt({"kid": "p"}, [1]),
    "newlines": jwt({"kid": "p"}) + b"\r\n\n", "dsse-wrong": dsse(b"{}", change=flip), "dsse-signed": dsse(b"{}"), "dsse-type": dsse(b"{}", kind="text/plain"),
}

# --- CBOR -----------------------------------------------------------------------------------------


def head(major, n):
    for size, code in ((0, n), (1, 24), (2, 25), (4, 26)):
        if size == 0 and n < 24 or size > 0 and n < 1 << 8 * size:
            return bytes([major << 5 | code]) + (n.to_bytes(size, "big") if size else b"")


def cbor(v):
    if isinstance(v, bool):
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v)) + v.encode()
    if isinstance(v, list):
        return head(4, len(v)) + b"".join(map(cbor, v))
    return head(5, len(v)) + b"".join(cbor(k) + cbor(x) for k, x in v.items())


CWT = {1: "fuzz", 265: "tag:ietf.org,2026:rats/ear#03", 6: 1767225600, 4: 4102444800, 1004: {0: "https://example.test", 1: "1"}, 10: b"01234567",
       266: {"cpu0": {1000: 2, 1001: {3: 2}}}}
ES256, KID, CHAIN = -7, 4, 33


def cwt(protected, unprotected=None, payload=CWT, change=lambda sig: sig, tag=b"\xd2"):
    p, body = cbor({1: ES256, **protected}), payload if isinstance(payload, bytes) else cbor(payload)
    sig = sign(cbor(["Signature1", p, b"", body]))
    return tag + cbor([p, unprotected or {}, body, change(sig)])


COSE = {
    "kid": cwt({}, {KID: b"p"}), "kid-protected": cwt({KID: b"p"}), "kid-none": cwt({}), "kid-bytes": cwt({}, {KID: b"\1\2"}), "kid-text": cwt({}, {KID: "p"}), "kid-twice": cwt({KID: b"p"}, {KID: b"p"}), "kid-long": cwt({KID: b"k" * 300}),
    "wrong": cwt({KID: b"p"}, change=flip), "untagged": cwt({KID: b"p"}, tag=b""), "tag61": cwt({KID: b"p"}, tag=b"\xd8\x3d\xd2"), "crit": cwt({2: [7]}), "algorithm": cwt({1: -999}),
    "chain": cwt({CHAIN: [LEAF, ROOT]}), "chain-one": cwt({}, {CHAIN: LEAF}), "chain-wrong": cwt({CHAIN: LEAF}, change=flip), "chain-strange": cwt({CHAIN: STRANGE}), "chain-late": cwt({CHAIN: LATE}), "chain-usage": cwt({CHAIN: SEALER}),
    "chain-empty": cwt({CHAIN: []}), "chain-text": cwt({CHAIN: ["x"]}), "chain-garbage": cwt({CHAIN: b"\x30\0"}), "chain-behind": cwt({CHAIN: LEAF + b"\0"}), "chain-many": cwt({CHAIN: [b"x"] * 70}),
    "payload-list": cwt({KID: b"p"}, payload=[1]), "payload-garbage": cwt({KID: b"p"}, payload=b"\xff"), "payload-float": cwt({KID: b"p"}, payload=b"\xa1\x01\xf9\x7e\x00"), "late": cwt({KID: b"p"}, payload={**CWT, 4: 1700000000}),
}


def main():
    corpus = pathlib.Path(sys.argv[1])
    JWS["dsse-statement"] = dsse(old_statement(corpus))
    for target, suffix, files in (("jws", ".jwt", JWS), ("jws", ".cwt", COSE), ("cose", ".cwt", COSE)):
        for stem, data in files.items():
            (corpus / target / (stem + suffix)).write_bytes(data)
    print("the root of trust.c:", base64.b64encode(ROOT).decode())


if __name__ == "__main__":
    main()
