"""A key broker that is not ours: the published protocol (CoCo KBS, /kbs/v0) with a JOSE of its own, and
every way to get it wrong. Standard library and python3-cryptography; nothing of the code under test.
"""
import base64
import datetime
import hashlib
import json
import os
import socket
import ssl
import struct
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
ERRORS = "https://github.com/confidential-containers/kbs/errors/"


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64u_bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jcs(value):
    """RFC 8785 for what the protocol binds: objects of strings."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def report_data(nonce, key):
    bound = {"additional-evidence": "", "nonce": nonce, "tee-pubkey": key}
    return hashlib.sha384(jcs(bound)).digest() + bytes(16)


# --- JWE ------------------------------------------------------------------------------------------


def concat_kdf(z):
    """NIST SP 800-56A as RFC 7518 4.6.2 uses it, for 256 bits; party infos are empty."""
    name = b"ECDH-ES+A256KW"
    other = struct.pack(">I", len(name)) + name + bytes(8) + struct.pack(">I", 256)
    return hashlib.sha256(struct.pack(">I", 1) + z + other).digest()


def ec_wrap(key, cek, header):
    curve = CURVES[key["crv"]]()
    size = (curve.key_size + 7) // 8
    point = ec.EllipticCurvePublicNumbers(*(int.from_bytes(b64u_bytes(key[i]), "big") for i in "xy"), curve)
    own = ec.generate_private_key(curve)
    numbers = own.public_key().public_numbers()
    header["epk"] = {"kty": "EC", "crv": key["crv"], "x": b64u(numbers.x.to_bytes(size, "big")),
                     "y": b64u(numbers.y.to_bytes(size, "big"))}
    return keywrap.aes_key_wrap(concat_kdf(own.exchange(ec.ECDH(), point.public_key())), cek)


def rsa_wrap(key, cek, is_old):
    numbers = rsa.RSAPublicNumbers(*(int.from_bytes(b64u_bytes(key[i]), "big") for i in "en"))
    sha = hashes.SHA256()
    how = padding.PKCS1v15() if is_old else padding.OAEP(padding.MGF1(sha), sha, None)
    return numbers.public_key().encrypt(cek, how)


def seal(key, secret, alg=None, more=None):
    """The secret for a public JWK, flattened JSON, as a dict that a test may spoil."""
    cek, iv = os.urandom(32), os.urandom(12)
    header = {"alg": alg or key["alg"], "enc": "A256GCM", **(more or {})}
    wrapped = ec_wrap(key, cek, header) if key["kty"] == "EC" else rsa_wrap(key, cek, alg == "RSA1_5")
    protected = b64u(json.dumps(header).encode())
    sealed = AESGCM(cek).encrypt(iv, secret, protected.encode())
    return {"protected": protected, "encrypted_key": b64u(wrapped), "iv": b64u(iv), "ciphertext": b64u(sealed[:-16]),
            "tag": b64u(sealed[-16:])}


# --- certificates ---------------------------------------------------------------------------------


def pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def certificate(folder, name):
    """A self-signed certificate for name; paths of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime(2026, 1, 1)
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False).sign(key, hashes.SHA256()))
    paths = [os.path.join(folder, name + end) for end in (".pem", ".key")]
    for path, data in zip(paths, (cert.public_bytes(serialization.Encoding.PEM), pem_key(key))):
        with open(path, "wb") as f:
            f.write(data)
    return paths


# --- the server -----------------------------------------------------------------------------------


class Answer:
    """status, body (dict: JSON; bytes: as it is), headers; raw: everything, in pieces with pauses."""

    def __init__(self, status=200, body=b"", headers=(), raw=None, pause=0.0):
        self.status, self.headers, self.raw, self.pause = status, list(headers), raw, pause
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def error(status, kind, detail):
    return Answer(status, {"type": ERRORS + kind, "detail": detail})


class Broker:
    """One broker: sessions, evidence looked at, secrets sealed. A test replaces methods of it."""

    def __init__(self, folder, secret=b"a foreign secret", tls="TLSv1_3", host="foreign.example", is_tcp=False):
        self.secret, self.is_tcp, self.host = secret, is_tcp, host
        self.sessions, self.seen, self.faults, self.closes = {}, [], [], False
        self.ca, key = certificate(folder, host)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.ca, key)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.maximum_version = getattr(ssl.TLSVersion, tls)
        self.path = os.path.join(folder, "kbs.sock")
        self.listener = None

    def where(self):
        return f"tcp:127.0.0.1:{self.listener.getsockname()[1]}" if self.is_tcp else "unix:" + self.path

    def start(self):
        self.listener = socket.socket(socket.AF_INET if self.is_tcp else socket.AF_UNIX)
        self.listener.bind(("127.0.0.1", 0) if self.is_tcp else self.path)
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def stop(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            with self.context.wrap_socket(connection, server_side=True) as s:
                f = s.makefile("rb")
                while self.one(s, f):
                    pass
        except OSError:
            connection.close()

    def one(self, s, f):
        """One request and its answer; False: the connection is over."""
        line = f.readline(8192).split()
        if len(line) != 3:
            return False
        headers = {}
        while (h := f.readline(8192).strip()):
            name, _, value = h.partition(b":")
            headers[name.decode().lower()] = value.strip().decode()
        body = f.read(int(headers.get("content-length", "0")))
        answer = self.answer(line[0].decode(), line[1].decode(), headers, body)
        if answer.raw is not None:
            for piece in answer.raw:
                s.sendall(piece)
                time.sleep(answer.pause)
            return False
        head = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(answer.body)}", "Content-Type: application/json",
                *answer.headers, *(["Connection: close"] if self.closes else [])]
        s.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + answer.body)
        return not self.closes

    def answer(self, method, path, headers, body):
        self.seen.append((method, path, headers, body))
        if method == "POST" and path == "/kbs/v0/auth":
            return self.auth(json.loads(body))
        if method == "POST" and path == "/kbs/v0/attest":
            return self.attest(headers, json.loads(body))
        if method == "GET" and path.startswith("/kbs/v0/resource/"):
            return self.resource(headers, path[len("/kbs/v0/resource/"):])
        return error(404, "NotFound", "no such thing")

    # The three requests, as published.

    def auth(self, request):
        if request["version"] != "0.4.0":
            return error(401, "ProtocolVersion", f"version {request['version']} is not supported")
        session = b64u(os.urandom(16))
        self.sessions[session] = {"nonce": base64.b64encode(os.urandom(32)).decode(), "tee": request["tee"]}
        return Answer(200, {"nonce": self.sessions[session]["nonce"], "extra-params": ""},
                      [f"Set-Cookie: kbs-session-id={session}; HttpOnly; Path=/; Max-Age=300"])

    def session(self, headers):
        cookie = dict(x.strip().split("=", 1) for x in headers.get("cookie", "").split(";") if "=" in x)
        return self.sessions.get(cookie.get("kbs-session-id"))

    def attest(self, headers, request):
        session = self.session(headers)
        if session is None:
            return error(401, "InvalidCookie", "cookie is missing or unknown")
        runtime = request["runtime-data"]
        fault = self.evidence_fault(session, runtime, request["tee-evidence"])
        if fault or runtime["nonce"] != session["nonce"]:
            self.faults.append(fault or "another nonce")
            return error(401, "AttestationFailed", fault or "another nonce")
        session["key"] = runtime["tee-pubkey"]
        return Answer(200, {"token": self.token(session)})

    def token(self, session):
        session["token"] = ".".join(b64u(x) for x in (b'{"alg":"ES256"}', os.urandom(24), os.urandom(64)))
        return session["token"]

    def evidence_fault(self, session, runtime, evidence):
        """None, or what is wrong with the evidence: does it say what nonce and key are?"""
        want = report_data(runtime["nonce"], runtime["tee-pubkey"])
        if evidence["additional_evidence"] != "":
            return "additional_evidence"
        primary = evidence["primary_evidence"]
        if session["tee"] == "snp":
            got = bytes(primary["attestation_report"]["report_data"])
            if primary["attestation_report"]["policy"] != 0x30000:
                return "policy"
        elif session["tee"] == "tdx":
            got = base64.b64decode(primary["quote"])[568:632]
        else:
            return "tee " + session["tee"]
        return None if got == want else "report data"

    def resource(self, headers, path):
        session = self.session(headers)
        bearer = headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            session = next((s for s in self.sessions.values() if s.get("token") == bearer[7:]), None)
        if session is None or "key" not in session:
            return error(401, "TokenNotFound", "Attestation Token not found")
        if path != "default/key/one":
            return error(404, "ResourceNotFound", f"{path} not found")
        return Answer(200, self.sealed(session["key"]))

    def sealed(self, key):
        return seal(key, self.secret)


# --- a guest's configfs ---------------------------------------------------------------------------


class Tsm:
    """The kernel's side of a configfs-tsm entry in a folder of pipes: answers inblob with outblob."""

    ENTRY = "sys/kernel/config/tsm/report/casemate"

    def __init__(self, folder, provider="sev_guest"):
        self.root, self.provider, self.generation = folder, provider, 0
        os.makedirs(self.at(""))
        self.put("provider", provider + "\n")
        self.put("generation", "0\n")
        os.mkfifo(self.at("inblob"))
        os.mkfifo(self.at("outblob"))
        threading.Thread(target=self.serve, daemon=True).start()

    def at(self, name):
        return os.path.join(self.root, self.ENTRY, name)

    def put(self, name, text):
        with open(self.at("." + name), "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.at("." + name), self.at(name))

    def serve(self):
        while True:
            with open(self.at("inblob"), "rb") as f:
                asked = f.read()
            self.generation += 1
            self.put("generation", f"{self.generation}\n")
            try:
                with open(self.at("outblob"), "wb") as f:
                    f.write(self.evidence(asked))
            except BrokenPipeError:
                pass

    def evidence(self, asked):
        if self.provider == "tdx_guest":
            quote = bytearray(5000)
            struct.pack_into("<HHI", quote, 0, 4, 2, 0x81)
            quote[568:632] = asked
            return bytes(quote)
        report = bytearray(1184)
        struct.pack_into("<I", report, 0, 5)
        struct.pack_into("<Q", report, 8, 0x30000)
        report[0x50:0x90] = asked
        return bytes(report)
