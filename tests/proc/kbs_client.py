"""A client of the key-broker protocol, written from the protocol's documents alone: its own JCS, JOSE and
evidence encoding. Only the standard library, and cryptography for the primitives.
"""
import base64
import hashlib
import http.client
import json
import socket
import ssl
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

CURVES = {"P-256": (ec.SECP256R1, 32), "P-384": (ec.SECP384R1, 48), "P-521": (ec.SECP521R1, 66)}


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64u_decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(n, size):
    return b64u(n.to_bytes(size, "big"))


def jcs(value):
    """RFC 8785 for what occurs here: objects and strings of ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Key:
    """A guest's key: tee-pubkey, and how replies to it are opened."""

    def __init__(self, private, alg):
        self.private, self.alg = private, alg

    @classmethod
    def new(cls, alg, curve=None):
        if alg == "ECDH-ES+A256KW":
            return cls(ec.generate_private_key(CURVES[curve][0]()), alg)
        return cls(rsa.generate_private_key(65537, 2048), alg)

    @classmethod
    def of_jwk(cls, jwk, alg):
        n = {k: int.from_bytes(b64u_decode(v), "big") for k, v in jwk.items() if k in ("n", "e", "d", "p", "q", "dp", "dq", "qi")}
        if jwk["kty"] == "RSA":
            return cls(rsa.RSAPrivateNumbers(n["p"], n["q"], n["d"], n["dp"], n["dq"], n["qi"],
                                             rsa.RSAPublicNumbers(n["e"], n["n"])).private_key(), alg)
        return cls(ec.derive_private_key(n["d"], CURVES[jwk["crv"]][0]()), alg)

    def jwk(self):
        p = self.private.public_key().public_numbers()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return {"kty": "RSA", "alg": self.alg, "n": number(p.n, (p.n.bit_length() + 7) // 8), "e": number(p.e, 3)}
        crv, size = next((name, row[1]) for name, row in CURVES.items() if row[0].name == self.private.curve.name)
        return {"kty": "EC", "alg": self.alg, "crv": crv, "x": number(p.x, size), "y": number(p.y, size)}

    def content_key(self, header, wrapped):
        if self.alg == "RSA-OAEP-256":
            return self.private.decrypt(wrapped, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        if self.alg == "RSA1_5":
            return self.private.decrypt(wrapped, padding.PKCS1v15())
        epk = header["epk"]
        peer = ec.EllipticCurvePublicNumbers(int.from_bytes(b64u_decode(epk["x"]), "big"),
                                             int.from_bytes(b64u_decode(epk["y"]), "big"),
                                             CURVES[epk["crv"]][0]()).public_key()
        z = self.private.exchange(ec.ECDH(), peer)
        alg = b"ECDH-ES+A256KW"
        other = struct.pack(">I", len(alg)) + alg + struct.pack(">III", 0, 0, 256)
        return aes_key_unwrap(hashlib.sha256(struct.pack(">I", 1) + z + other).digest(), wrapped)

    def open(self, jwe):
        header = json.loads(b64u_decode(jwe["protected"]))
        assert header["alg"] == self.alg and header["enc"] == "A256GCM", header
        cek = self.content_key(header, b64u_decode(jwe["encrypted_key"]))
        aad = jwe["protected"] + ("." + jwe["aad"] if jwe.get("aad") else "")
        return AESGCM(cek).decrypt(b64u_decode(jwe["iv"]), b64u_decode(jwe["ciphertext"]) + b64u_decode(jwe["tag"]), aad.encode())


def report_data(nonce, jwk, additional=""):
    bound = {"additional-evidence": additional, "nonce": nonce, "tee-pubkey": jwk}
    return hashlib.sha384(jcs(bound)).digest().ljust(64, b"\0")


def tcb(b):
    return {"fmc": None, "bootloader": b[0], "tee": b[1], "snp": b[6], "microcode": b[7]}


def version(b):
    return {"major": b[2], "minor": b[1], "build": b[0]}


def snp_evidence(r, certs):
    """A report the way serde writes the sev crate's structure, and certificates as lists of numbers."""
    u = lambda at, size: int.from_bytes(r[at:at + size], "little")
    listed = lambda at, size: list(r[at:at + size])
    v = u(0, 4)
    return {"attestation_report": {
        "version": v, "guest_svn": u(4, 4), "policy": u(8, 8), "family_id": listed(0x10, 16), "image_id": listed(0x20, 16),
        "vmpl": u(0x30, 4), "sig_algo": u(0x34, 4), "current_tcb": tcb(r[0x38:0x40]), "plat_info": u(0x40, 8),
        "key_info": u(0x48, 4), "report_data": listed(0x50, 64), "measurement": listed(0x90, 48),
        "host_data": listed(0xC0, 32), "id_key_digest": listed(0xE0, 48), "author_key_digest": listed(0x110, 48),
        "report_id": listed(0x140, 32), "report_id_ma": listed(0x160, 32), "reported_tcb": tcb(r[0x180:0x188]),
        "cpuid_fam_id": r[0x188] if v >= 3 else None, "cpuid_mod_id": r[0x189] if v >= 3 else None,
        "cpuid_step": r[0x18A] if v >= 3 else None, "chip_id": listed(0x1A0, 64), "committed_tcb": tcb(r[0x1E0:0x1E8]),
        "current": version(r[0x1E8:]), "committed": version(r[0x1EC:]), "launch_tcb": tcb(r[0x1F0:0x1F8]),
        "launch_mit_vector": u(0x1F8, 8) if v >= 5 else None, "current_mit_vector": u(0x200, 8) if v >= 5 else None,
        "signature": {"r": listed(0x2A0, 72), "s": listed(0x2E8, 72)}},
        "cert_chain": [{"cert_type": kind, "data": list(der)} for kind, der in certs]}


class Refused(Exception):
    def __init__(self, status, kind, detail):
        super().__init__(f"{status} {kind}: {detail}")
        self.status, self.kind, self.detail = status, kind, detail


class Http:
    """One HTTPS connection, kept alive; to (host, port) or to a Unix socket by its path."""

    def __init__(self, where, ca, name="casemate-broker", cert=None, source=None):
        context = ssl.create_default_context(cafile=ca)
        if cert:
            context.load_cert_chain(*cert)
        if isinstance(where, str):
            raw = socket.socket(socket.AF_UNIX)
            raw.connect(where)
        else:
            raw = socket.create_connection(where, source_address=source)
        self.c = http.client.HTTPConnection(name)
        self.c.sock = context.wrap_socket(raw, server_hostname=name)

    def raw(self, method, path, body=None, headers=None):
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        self.c.request(method, path, data, headers or {})
        r = self.c.getresponse()
        return r.status, r.headers, r.read()

    def json(self, method, path, body=None, headers=None):
        status, head, text = self.raw(method, path, body, headers)
        j = json.loads(text)
        if status != 200:
            prefix = "https://github.com/confidential-containers/kbs/errors/"
            assert set(j) == {"type", "detail"} and j["type"].startswith(prefix), j
            raise Refused(status, j["type"][len(prefix):], j["detail"])
        return head, j

    def close(self):
        self.c.close()


class Client(Http):
    """One guest: auth, attest, resource."""

    def __init__(self, where, ca, key, **kw):
        super().__init__(where, ca, **kw)
        self.key, self.cookie, self.token, self.nonce = key, None, None, None

    def auth(self, request=None):
        head, j = self.json("POST", "/kbs/v0/auth", request or {"version": "0.4.0", "tee": "snp", "extra-params": ""})
        assert j["extra-params"] == "" and len(base64.b64decode(j["nonce"])) == 32
        cookie = head["Set-Cookie"]
        assert cookie.startswith("kbs-session-id=") and "HttpOnly" in cookie
        self.cookie, self.nonce = cookie.split(";")[0], j["nonce"]
        return self.nonce

    def attest(self, evidence, **more):
        body = {"runtime-data": {"nonce": self.nonce, "tee-pubkey": self.key.jwk()},
                "tee-evidence": {"primary_evidence": evidence, "additional_evidence": more.pop("additional", "")}, **more}
        _, j = self.json("POST", "/kbs/v0/attest", body, {"Cookie": self.cookie})
        self.token = j["token"]
        return self.token

    def resource(self, path, bearer=False):
        headers = {"Authorization": "Bearer " + self.token} if bearer else {"Cookie": self.cookie}
        _, j = self.json("GET", "/kbs/v0/resource/" + path, None, headers)
        return self.key.open(j)
