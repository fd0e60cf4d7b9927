#!/usr/bin/env python3
"""The broker, for real and in its sandbox, against a client of another make (kbs_client.py).

usage: test_kbs_client.py BROKER LEDGER MINT-REPORT VECTORS [TEST...]
"""
import base64
import ctypes
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives import serialization
    from kbs_client import Client, Http, Key, Refused, b64u_decode, jcs, report_data, snp_evidence
except ImportError as e:
    print(f"1..0 # SKIP {e}")
    sys.exit(0)

BROKER, LEDGER, MINT, VECTORS = (os.path.abspath(p) for p in sys.argv[1:5])
DIGEST = "d2" * 48
CANARY = b"canary-5b1f4c7e9a"
TESTS = []


def test(f):
    TESTS.append(f)
    return f


def policy(name="a/b", serial=1, tenant=None, paths=("r/t/one",), **release):
    p = {"schema": "launch-policy/1", "name": name, "serial": serial,
         "tee": {"type": "snp", "simulated": True, "snp": {"product": ["Milan"], "guest_policy": {"smt": True}}},
         "audit": {"ledger": "l", "key": "k", "origin": "o"}, "boot": {"kernel": {"file": "k"}, "cmdline": ""},
         "machine": {"vcpus": 1, "memory_mib": 128}, "devices": {},
         "keys": [{"id": f"k{i}", "source": "kbs:///" + path, "purpose": "p",
                   "release": {"require": ["attestation:affirming"], "max_age_s": 600, "once_per_boot": False, **release}}
                  for i, path in enumerate(paths)]}
    if tenant:
        p["labels"] = {"tenant": tenant}
    return json.dumps(p).encode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class World:
    """One broker, its platform, its administrators."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="casemate-test-")
        self.log = open(self.path("log"), "wb")
        self.port, self.admin_port = free_port(), free_port()
        self.ca = self.path("broker.pem")
        for name in ("broker", "alice", "bob", "reader", "nobody", "root"):
            self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                         "-subj", "/CN=casemate-" + name, "-addext", "subjectAltName=DNS:casemate-broker",
                         "-keyout", self.path(name + ".key"), "-out", self.path(name + ".pem"))
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path("token.key"))
        self.write("kek", os.urandom(32).hex().encode() + b"\n")
        os.mkdir(self.path("platform"))
        self.mint = subprocess.Popen([MINT, self.path("platform"), "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.report(bytes(64), bytes(32))  # the files are there now
        os.mkdir(self.path("ledger"), 0o700)
        self.run(LEDGER, "init", self.path("ledger"), "--origin", "test/kbs", "--key", self.path("ledger.key"))
        self.write("platform/junk", b"no certificate")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.path("notify"))
        self.notify.settimeout(20)
        self.config = {
            "listen": "broker.sock", "listen_tcp": f"127.0.0.1:{self.port}", "store": "store", "store_key": {"file": "kek"},
            "roots": ["platform/ark"], "certificates": ["platform/ask"], "legacy_rsa1_5": False,
            "tls": {"certificate": "broker.pem", "key": "broker.key"},
            "ledger": {"folder": "ledger", "key": "ledger.key", "origin": "test/kbs"},
            "token": {"key": "token.key", "issuer": "https://broker.example", "duration_s": 300},
            "rate": {"peer": 100000, "all": 100000},
            "admin": {"listen_tcp": f"127.0.0.1:{self.admin_port}"}, "admins": [self.spki("root")],
            "tenants": [{"name": "alpha", "namespaces": ["alpha"], "admins": [self.spki("alice")], "readers": [self.spki("reader")]},
                        {"name": "beta", "namespaces": ["beta"], "admins": [self.spki("bob")]}]}
        self.configure()
        self.secret_put("r/t/one", CANARY)
        self.hash = self.policy_put(policy())
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def spki(self, name):
        cert = x509.load_pem_x509_certificate(self.read(name + ".pem"))
        return hashlib.sha256(cert.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    def configure(self, **changes):
        self.config.update(changes)
        self.write("config.new", json.dumps(self.config).encode())
        os.rename(self.path("config.new"), self.path("config"))

    def run(self, *args, data=None):
        return subprocess.run(args, input=data, stdout=subprocess.PIPE, stderr=self.log, check=True).stdout

    def broker(self, *args, data=None):
        return self.run(BROKER, *args, "--config", self.path("config"), data=data)

    def secret_put(self, path, data, *more):
        self.broker("secret", "put", path, *more, data=data)

    def policy_put(self, text, *more):
        self.write("policy.jsonc", text)
        got = self.broker("policy", "put", self.path("policy.jsonc"), "--launch-digest", DIGEST, *more).decode().strip()
        assert got == hashlib.sha256(text).hexdigest()
        return bytes.fromhex(got)

    def start(self):
        env = {**os.environ, "NOTIFY_SOCKET": self.path("notify")}
        self.process = subprocess.Popen([BROKER, "serve", "--config", self.path("config")], stderr=self.log, env=env)
        assert self.told() == "READY=1"

    def told(self):
        return self.notify.recv(256).decode()

    def notify_waits(self, seconds):
        return bool(select.select([self.notify], [], [], seconds)[0])

    def stop(self):
        self.process.terminate()
        assert self.told() == "STOPPING=1"
        assert self.process.wait() == 0

    def reload(self):
        self.process.send_signal(signal.SIGHUP)
        assert self.told().startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert self.told() == "READY=1"

    def log_text(self):
        return self.read("log").decode()

    def report(self, data, host_data, boot=b"\x11" * 32):
        self.mint.stdin.write(f"{data.hex()} {host_data.hex()} {boot.hex()}\n")
        self.mint.stdin.flush()
        return bytes.fromhex(self.mint.stdout.readline())

    def evidence(self, client, host_data=None, additional="", **kw):
        r = self.report(report_data(client.nonce, client.key.jwk(), additional), host_data or self.hash, **kw)
        return snp_evidence(r, [("VCEK", self.read("platform/vcek"))])

    def client(self, key=None):
        return Client(("127.0.0.1", self.port), self.ca, key or Key.new("ECDH-ES+A256KW", "P-256"))

    def proven(self, key=None, host_data=None, **kw):
        c = self.client(key)
        c.auth()
        c.attest(self.evidence(c, host_data, **kw))
        return c

    def admin(self, name):
        return Http(("127.0.0.1", self.admin_port), self.ca, cert=(self.path(name + ".pem"), self.path(name + ".key")))

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.mint.stdin.close()
        self.mint.wait()
        self.log.close()
        shutil.rmtree(self.folder)


def refused(status, kind, f, *args, says="", **kw):
    try:
        f(*args, **kw)
    except Refused as e:
        assert (e.status, e.kind) == (status, kind) and says in e.detail, e
        return e
    raise AssertionError(f"not refused: {kind}")


# ---- what holds ------------------------------------------------------------------------------------

@test
def every_kind_of_key_gets_its_secret(w):
    for alg, curve in (("RSA-OAEP-256", None), ("ECDH-ES+A256KW", "P-256"), ("ECDH-ES+A256KW", "P-384"), ("ECDH-ES+A256KW", "P-521")):
        c = w.proven(Key.new(alg, curve))
        assert c.resource("r/t/one") == CANARY
        assert c.resource("r/t/one", bearer=True) == CANARY  # on the same connection: kept alive
        c.close()


@test
def a_unix_socket_serves_the_same(w):
    c = Client(w.path("broker.sock"), w.ca, Key.new("ECDH-ES+A256KW", "P-384"))
    c.auth()
    c.attest(w.evidence(c))
    assert c.resource("r/t/one") == CANARY


@test
def no_devices_may_be_an_empty_map(w):
    c = w.client()
    c.auth()
    c.attest(w.evidence(c, additional="{}"), additional="{}")
    assert c.resource("r/t/one") == CANARY
    c.auth()
    refused(401, "AttestationFailed", c.attest, w.evidence(c), additional="{}", says="report_data")


@test
def the_token_is_an_ear_that_others_can_check(w):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    c = w.proven()
    head, payload, sig = c.token.split(".")
    h, claims = json.loads(b64u_decode(head)), json.loads(b64u_decode(payload))
    _, jwks = c.json("GET", "/.well-known/jwks.json")
    jwk = next(k for k in jwks["keys"] if k["kid"] == h["kid"])
    assert h["alg"] == "ES256" and "d" not in jwk
    n = [int.from_bytes(b64u_decode(jwk[x]), "big") for x in "xy"]
    raw = b64u_decode(sig)
    ec.EllipticCurvePublicNumbers(*n, ec.SECP256R1()).public_key().verify(
        encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
        f"{head}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    assert claims["eat_profile"] == "tag:github.com,2024:confidential-containers/Trustee"
    assert claims["iss"] == "https://broker.example" and claims["exp"] - claims["iat"] == 300
    cpu = claims["submods"]["cpu0"]
    assert "snp" in cpu["ear.veraison.annotated-evidence"]
    assert cpu["ear.veraison.annotated-evidence"]["runtime_data_claims"]["tee-pubkey"] == c.key.jwk()
    assert claims["tee-pubkey"] == c.key.jwk()


@test
def a_token_outlives_the_process(w):
    c = w.proven()
    w.stop()
    w.start()
    again = w.client(c.key)
    again.token = c.token
    assert again.resource("r/t/one", bearer=True) == CANARY
    again.cookie = c.cookie
    refused(401, "UnAuthenticatedCookie", again.resource, "r/t/one")


@test
def the_published_conversation(w):
    folder = os.path.join(VECTORS, "docs/kbs-synthetic")
    if not os.path.isdir(folder):
        return "no vectors here"
    vector = lambda name: json.load(open(os.path.join(folder, name), encoding="utf-8"))
    for name, alg in (("ec256", "ECDH-ES+A256KW"), ("ec521", "ECDH-ES+A256KW"), ("rsa", "RSA-OAEP-256")):
        key = Key.of_jwk(vector(f"tee-key-{name}.private.jwk.json"), alg)
        runtime = vector(f"runtime-data-{name}.json")
        assert key.jwk() == runtime["tee-pubkey"]
        assert report_data(runtime["nonce"], runtime["tee-pubkey"]).hex() == \
            open(os.path.join(folder, f"runtime-data-{name}.reportdata.hex"), encoding="utf-8").read().strip()
        c = w.client(key)
        assert set(vector("challenge.json")) == {"nonce", "extra-params"}
        c.auth(vector("request.json"))
        c.attest(w.evidence(c))
        assert c.resource("r/t/one") == CANARY
    c = w.client()
    refused(400, "UnsupportedTee", c.auth, vector("bad-request-tee.json"), says="toaster")
    refused(400, "ProtocolVersion", c.auth, vector("bad-request-version.json"), says="0.4.0")
    refused(401, "TokenNotFound", c.json, "GET", "/kbs/v0/resource/r/t/one")
    # a nonce of another conversation, with the report data that belongs to it
    c.auth()
    c.nonce = vector("challenge.json")["nonce"]
    refused(401, "AttestationFailed", c.attest, w.evidence(c), says="nonce")


@test
def init_data_stands_for_the_policy(w):
    body = 'version = "0.1.0"\nalgorithm = "sha384"\n\n[data]\n"aa.toml" = "x"\n'
    w.write("initdata.toml", body.encode())
    w.policy_put(policy("a/init", paths=("r/t/one",)), "--init-data", w.path("initdata.toml"))
    digest = hashlib.sha384(body.encode()).digest()[:32]
    c = w.client()
    c.auth()
    c.attest(w.evidence(c, digest), **{"init-data": {"format": "toml", "body": body}})
    assert c.resource("r/t/one") == CANARY
    c.auth()
    refused(401, "AttestationFailed", c.attest, w.evidence(c, digest), says="init-data",
            **{"init-data": {"format": "toml", "body": body + "#"}})
    c.auth()
    refused(400, "InvalidRequest", c.attest, w.evidence(c, digest), says="algorithm",
            **{"init-data": {"format": "toml", "body": "[data]\nalgorithm = 'sha384'\n"}})


# ---- what is refused -------------------------------------------------------------------------------

@test
def tokens_of_others_are_refused(w):
    c = w.proven()
    good = c.token
    head, payload, sig = good.split(".")
    other = w.proven(Key.new("ECDH-ES+A256KW", "P-256")).token.split(".")
    no_alg = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for token in ("", "x", head + "." + payload + ".", f"{head}.{other[1]}.{sig}", f"{no_alg}.{payload}.", f"{no_alg}.{payload}.{sig}",
                  good + "x", good[:-8], "A" * 20000):
        c.token = token
        refused(401, "TokenNotFound", c.resource, "r/t/one", bearer=True)
    # the fixture's token, signed by somebody else
    path = os.path.join(VECTORS, "docs/kbs-synthetic/token.jwt")
    if os.path.exists(path):
        c.token = open(path, encoding="utf-8").read().strip()
        refused(401, "TokenNotFound", c.resource, "r/t/one", bearer=True)


@test
def a_token_is_no_use_without_its_key(w):
    c = w.proven()
    thief = w.client(Key.new("ECDH-ES+A256KW", "P-256"))
    thief.token = c.token
    try:
        thief.resource("r/t/one", bearer=True)
    except (InvalidTag, Exception) as e:  # pylint: disable=broad-except
        assert not isinstance(e, Refused), e
    else:
        raise AssertionError("a stolen token was enough")


@test
def a_token_ends(w):
    w.stop()
    w.configure(token={"key": "token.key", "issuer": "https://broker.example", "duration_s": 1})
    w.start()
    c = w.proven()
    time.sleep(1.1)
    refused(401, "TokenNotFound", c.resource, "r/t/one", bearer=True, says="expired")
    assert c.resource("r/t/one") == CANARY  # the session still holds
    w.stop()
    w.configure(token={"key": "token.key", "issuer": "https://other.example", "duration_s": 300})
    w.start()
    again = w.client(c.key)
    again.token = c.token
    refused(401, "TokenNotFound", again.resource, "r/t/one", bearer=True)
    w.stop()
    w.configure(token={"key": "token.key", "issuer": "https://broker.example", "duration_s": 300})
    w.start()


@test
def evidence_that_does_not_fit_is_refused(w):
    c = w.client()
    good = lambda: (c.auth(), w.evidence(c))[1]
    e = good()
    e["attestation_report"]["measurement"][0] ^= 1
    refused(401, "AttestationFailed", c.attest, e)
    c.auth()
    stale = w.evidence(c)
    c.auth()
    refused(401, "AttestationFailed", c.attest, stale)  # bound to another nonce
    refused(401, "UnAuthenticatedCookie", c.attest, stale)  # and the nonce is spent
    e = good()
    c.key, mine = Key.new("ECDH-ES+A256KW", "P-256"), c.key
    refused(401, "AttestationFailed", c.attest, e, says="report_data")
    c.key = mine
    c.auth()
    refused(401, "AttestationFailed", c.attest, w.evidence(c, bytes(32)), says="host_data")
    refused(400, "InvalidRequest", c.attest, good(), says="additional_evidence", additional='{"nvidia": {}}')
    refused(400, "InvalidRequest", c.attest, {"quote": "AAAA"} if c.auth() else None)
    for tee in ("sgx", "cca", "csv", "se", "nvidia", "sample", "SNP", ""):
        refused(400, "UnsupportedTee", c.auth, {"version": "0.4.0", "tee": tee, "extra-params": ""})
    for tee, evidence in (("tdx", {"quote": base64.b64encode(bytes(5000)).decode()}), ("tdx", {"quote": 7}), ("tdx", {}),
                          ("az-snp-vtpm", {"version": 1}), ("az-tdx-vtpm", {}), ("tpm", {"quote": "x"})):
        c.auth({"version": "0.4.0", "tee": tee, "extra-params": {"id": w.hash.hex()}})
        try:
            c.attest(evidence)
        except Refused as e:
            assert e.status in (400, 401), (tee, e)
        else:
            raise AssertionError(tee)


@test
def real_quotes_for_another_nonce_are_refused_by_name(w):
    path = os.path.join(VECTORS, "tdx")
    if not os.path.isdir(path):
        return "no vectors here"
    c = w.client()
    for name in sorted(os.listdir(path))[:4]:
        quote = os.path.join(path, name, "quote.bin")
        if os.path.exists(quote):
            c.auth({"version": "0.4.0", "tee": "tdx", "extra-params": ""})
            refused(401, "AttestationFailed", c.attest,
                    {"quote": base64.b64encode(open(quote, "rb").read()).decode(), "cc_eventlog": None}, says="host_data")
    azure = os.path.join(VECTORS, "tpm/azure-snp-genoa/evidence.json")
    if os.path.exists(azure):
        c.auth({"version": "0.4.0", "tee": "az-snp-vtpm", "extra-params": ""})
        refused(401, "AttestationFailed", c.attest, json.load(open(azure, encoding="utf-8")), says="extra-params")
        c.auth({"version": "0.4.0", "tee": "az-snp-vtpm", "extra-params": json.dumps({"id": w.hash.hex()})})
        refused(401, "AttestationFailed", c.attest, json.load(open(azure, encoding="utf-8")), says="registers")
    # policies they could fit but for the nonce: the whole verification runs, in the sandbox
    for name, tee, kind in (("azure-snp-genoa", "az-snp-vtpm", "snp"), ("azure-tdx", "az-tdx-vtpm", "tdx")):
        p = json.loads(policy("a/" + kind))
        p["tee"] = {"type": kind, "snp": {"product": ["Genoa"], "guest_policy": {"smt": True}}, "tpm": {"pcrs": [
            {"index": 4, "sha256": ["00" * 32]}]}} if kind == "snp" else {
                "type": kind, "tdx": {"attributes": {}}, "tpm": {"pcrs": [{"index": 4, "sha256": ["00" * 32]}]}}
        h = w.policy_put(json.dumps(p).encode())
        for folder in sorted(x for x in os.listdir(os.path.join(VECTORS, "tpm")) if x.startswith(name)):
            file = os.path.join(VECTORS, "tpm", folder, "evidence.json")
            if os.path.exists(file):
                c.auth({"version": "0.4.0", "tee": tee, "extra-params": {"id": h.hex()}})
                refused(401, "AttestationFailed", c.attest, json.load(open(file, encoding="utf-8")))
                assert w.process.poll() is None


@test
def old_padding_only_where_the_operator_says_so(w):
    c = w.client(Key.new("RSA1_5"))
    c.auth()
    refused(400, "InvalidRequest", c.attest, w.evidence(c), says="RSA")
    w.configure(legacy_rsa1_5=True)
    w.reload()
    c.auth()
    c.attest(w.evidence(c))
    assert c.resource("r/t/one") == CANARY
    w.configure(legacy_rsa1_5=False)
    w.reload()
    c.auth()
    refused(400, "InvalidRequest", c.attest, w.evidence(c), says="RSA")


@test
def once_a_boot_by_cookie_or_token(w):
    h = w.policy_put(policy("a/once", once_per_boot=True))
    c = w.proven(host_data=h, boot=b"\x21" * 32)
    assert c.resource("r/t/one", bearer=True) == CANARY
    refused(403, "PolicyDeny", c.resource, "r/t/one", says="already")
    refused(403, "PolicyDeny", c.resource, "r/t/one", bearer=True, says="already")
    assert w.proven(host_data=h, boot=b"\x22" * 32).resource("r/t/one") == CANARY


@test
def serials_roll_forward_only(w):
    old, new = w.policy_put(policy("a/roll", 4)), w.policy_put(policy("a/roll", 5))
    c = w.proven(host_data=old)
    assert c.resource("r/t/one") == CANARY
    w.broker("policy", "revoke", "a/roll", "--below", "5")
    refused(403, "PolicyDeny", c.resource, "r/t/one", says="below the minimum")
    refused(403, "PolicyDeny", c.resource, "r/t/one", bearer=True)
    c.auth()
    refused(401, "AttestationFailed", c.attest, w.evidence(c, old), says="below the minimum")
    d = w.proven(host_data=new)
    assert d.resource("r/t/one") == CANARY
    w.broker("policy", "revoke", "a/roll", "--serial", "5")
    refused(403, "PolicyDeny", d.resource, "r/t/one", says="revoked")


@test
def a_session_may_not_ask_for_ever(w):
    c = w.proven()
    for _ in range(60):
        c.resource("r/t/one")
    refused(429, "TooManyRequests", c.resource, "r/t/one")
    w.configure(rate={"peer": 5, "all": 100000})
    w.reload()
    c = w.client()
    for _ in range(5):
        try:
            c.auth()
        except Refused:
            break
    refused(429, "TooManyRequests", c.auth)
    local = Client(w.path("broker.sock"), w.ca, c.key)  # another peer: this process
    for _ in range(5):
        local.auth()
    refused(429, "TooManyRequests", local.auth)
    w.configure(rate={"peer": 100000, "all": 100000})
    w.reload()
    c.auth()


@test
def peers_behind_one_socket_are_told_apart(w):
    before = json.loads(json.dumps(w.config))
    w.stop()
    w.configure(listen_tcp=f"[::]:{w.port}", rate={"peer": 5, "all": 100000})  # takes IPv4 too
    w.start()
    key = Key.new("ECDH-ES+A256KW", "P-256")
    one, two = (Client(("127.0.0.1", w.port), w.ca, key, source=(f"127.0.0.{i}", 0)) for i in (2, 3))
    for _ in range(5):
        try:
            one.auth()
        except Refused:
            break
    refused(429, "TooManyRequests", one.auth)
    two.auth()
    w.stop()
    w.configure(**before)
    w.start()


# ---- tenants and administrators ---------------------------------------------------------------------

def policy_body(text):
    return {"policy": base64.b64encode(text).decode(), "launch_digests": [DIGEST]}


@test
def administrators_see_their_tenant_alone(w):
    alice, bob, root = w.admin("alice"), w.admin("bob"), w.admin("root")
    for a, secret in ((alice, b"of alpha"), (bob, b"of beta"), (root, b"of none")):
        a.json("POST", "/kbs/v0/resource/x/y/z", secret)
    pa, pb = policy("alpha/g", paths=("x/y/z", "r/t/one")), policy("beta/g", paths=("x/y/z", "alpha/y/z"))
    _, put = alice.json("POST", "/kbs/v0/launch-policy", policy_body(pa))
    assert put == {"hash": hashlib.sha256(pa).hexdigest(), "name": "alpha/g", "serial": 1}
    bob.json("POST", "/kbs/v0/launch-policy", policy_body(pb))
    a, b = w.proven(host_data=hashlib.sha256(pa).digest()), w.proven(host_data=hashlib.sha256(pb).digest())
    assert a.resource("x/y/z") == b"of alpha" and b.resource("x/y/z") == b"of beta"
    refused(404, "ResourceNotFound", a.resource, "r/t/one")  # named by the policy, but of no tenant
    refused(404, "ResourceNotFound", b.resource, "alpha/y/z")
    # whose it is decides, not who asks
    refused(403, "PolicyDeny", bob.json, "POST", "/kbs/v0/launch-policy", policy_body(policy("alpha/evil")))
    refused(403, "PolicyDeny", bob.json, "POST", "/kbs/v0/launch-policy", policy_body(policy("beta/x", tenant="alpha")))
    refused(403, "PolicyDeny", bob.json, "POST", "/kbs/v0/launch-policy", policy_body(policy("free/x", tenant="alpha")))
    refused(404, "ResourceNotFound", bob.json, "POST", "/kbs/v0/launch-policy/revoke", {"hash": put["hash"]})
    bob.json("POST", "/kbs/v0/launch-policy/minimum", {"name": "alpha/g", "serial": 99})
    assert a.resource("x/y/z") == b"of alpha"
    names = [p["name"] for p in bob.json("GET", "/kbs/v0/launch-policy")[1]["policies"]]
    assert names == ["beta/g"], names
    assert bob.json("GET", "/kbs/v0/resources")[1]["secrets"] == ["x/y/z"]
    bob.json("DELETE", "/kbs/v0/resource/x/y/z")
    assert a.resource("x/y/z") == b"of alpha"
    refused(404, "ResourceNotFound", b.resource, "x/y/z")
    alice.json("POST", "/kbs/v0/launch-policy/revoke", {"hash": put["hash"]})
    refused(403, "PolicyDeny", a.resource, "x/y/z", says="revoked")


@test
def administrators_of_an_authority(w):
    w.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=admins",
              "-keyout", w.path("ca.key"), "-out", w.path("ca.pem"))
    w.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=carol",
              "-keyout", w.path("carol.key"), "-out", w.path("carol.csr"))
    w.openssl("x509", "-req", "-in", w.path("carol.csr"), "-CA", w.path("ca.pem"), "-CAkey", w.path("ca.key"), "-days", "30",
              "-out", w.path("carol.pem"))
    before = w.config["admin"], w.config["admins"]
    w.stop()
    w.configure(admin={**before[0], "ca": "ca.pem"}, admins=[w.spki("carol"), w.spki("root")])
    w.start()
    assert "policies" in w.admin("carol").json("GET", "/kbs/v0/launch-policy")[1]
    try:
        w.admin("root").json("GET", "/kbs/v0/launch-policy")  # its key is known, its certificate is nobody's
    except (ssl.SSLError, ConnectionError, http_error()):
        pass
    else:
        raise AssertionError("a self-signed certificate was enough")
    w.stop()
    w.configure(admin=before[0], admins=before[1])
    w.start()


@test
def refusals_do_not_fill_the_ledger(w):
    lines = lambda: w.run(LEDGER, "list", w.path("ledger"), "--json").count(b'"refused"')
    before, c = lines(), w.client()
    for _ in range(130):  # within two minutes of the clock at most
        c.auth()
        refused(401, "AttestationFailed", c.attest, w.evidence(c, bytes(32)))
    assert lines() - before <= 120
    w.stop()
    last = w.run(LEDGER, "list", w.path("ledger"), "--json").decode()
    assert "refusals before this one were not written" in last
    w.start()


@test
def readers_and_strangers_change_nothing(w):
    reader = w.admin("reader")
    assert "policies" in reader.json("GET", "/kbs/v0/launch-policy")[1]
    for method, path in (("POST", "/kbs/v0/resource/q/q/q"), ("DELETE", "/kbs/v0/resource/x/y/z"), ("POST", "/kbs/v0/launch-policy"),
                         ("POST", "/kbs/v0/launch-policy/revoke"), ("POST", "/kbs/v0/launch-policy/minimum")):
        refused(403, "PolicyDeny", reader.json, method, path, b"x", says="only read")
        refused(403, "PolicyDeny", w.admin("nobody").json, method, path, b"x", says="nothing here")
    for name in ("nobody", "reader", "alice"):  # of all tenants
        refused(403, "PolicyDeny", w.admin(name).json, "GET", "/metrics")
    try:
        Http(("127.0.0.1", w.admin_port), w.ca).raw("GET", "/metrics")
    except (ssl.SSLError, ConnectionError, http_error()):
        pass
    else:
        raise AssertionError("no certificate was needed")
    # the guests' side has none of it
    c = w.client()
    for path in ("/metrics", "/kbs/v0/launch-policy", "/kbs/v0/resources"):
        refused(404, "InvalidRequestPath", c.json, "GET", path)
    refused(404, "InvalidRequestPath", c.json, "POST", "/kbs/v0/resource/a/b/c", b"x")


def http_error():
    import http.client
    return http.client.HTTPException


@test
def administrators_make_mistakes(w):
    root = w.admin("root")
    for path, body in (("launch-policy", b"{"), ("launch-policy", {"policy": 7}), ("launch-policy", {"policy": "!!"}),
                       ("launch-policy", policy_body(b"{}")), ("launch-policy", {**policy_body(policy()), "launch_digests": ["00"]}),
                       ("launch-policy", {**policy_body(policy()), "launch_digests": [7]}),
                       ("launch-policy", {**policy_body(policy()), "launch_digests": [DIGEST] * 33}),
                       ("launch-policy", {**policy_body(policy()), "init_data": "no algorithm"}),
                       ("launch-policy", {**policy_body(policy()), "launch_digests": DIGEST}),
                       ("launch-policy", {**policy_body(policy()), "launch_digest": [DIGEST]}),
                       ("launch-policy", {**policy_body(policy()), "init_data": 7}),
                       ("launch-policy/revoke", {"hash": "00" * 32, "name": "a/b", "serial": 1}),
                       ("launch-policy/revoke", {"hash": 5, "name": "a/b", "serial": 1}),
                       ("launch-policy/revoke", {"name": "a/b", "serial": 1, "below": 2}),
                       ("launch-policy/revoke", {"name": "a" * 300, "serial": 1}),
                       ("launch-policy/revoke", {"hash": "xx"}), ("launch-policy/revoke", {}), ("launch-policy/revoke", {"name": "a"}),
                       ("launch-policy/minimum", {"name": "a", "serial": -1}), ("launch-policy/minimum", {"serial": 1}),
                       ("resource/a/b", b"x"), ("resource/a/b/../c", b"x"), ("resource/a/b/c", b""), ("resource/a/b/c", bytes(20000))):
        refused(400, "InvalidRequest", root.json, "POST", "/kbs/v0/" + path, body)
    refused(404, "InvalidRequestPath", root.json, "GET", "/kbs/v0/nothing")


# ---- operations -------------------------------------------------------------------------------------

@test
def files_are_taken_over_while_it_runs(w):
    carol = w.admin("nobody")
    refused(403, "PolicyDeny", carol.json, "GET", "/kbs/v0/launch-policy")
    before = json.loads(json.dumps(w.config))
    w.config["tenants"].append({"name": "gamma", "admins": [w.spki("nobody")]})
    w.configure()
    w.reload()
    assert carol.json("GET", "/kbs/v0/launch-policy")[1] == {"policies": []}
    for bad in ({"roots": ["platform/junk"]}, {"roots": ["none"]}, {"tenants": [{"name": ""}]}, {"x": 1}):
        w.configure(**{**before, **bad})
        w.reload()
        assert "going on with what was there" in w.log_text()
        assert w.proven().resource("r/t/one") == CANARY
        assert carol.json("GET", "/kbs/v0/launch-policy")[1] == {"policies": []}
        w.config.pop("x", None)
    w.configure(**{**before, "roots": []})
    w.reload()
    c = w.client()
    c.auth()
    refused(401, "AttestationFailed", c.attest, w.evidence(c), says="chain")
    w.configure(**before)
    w.reload()
    assert w.proven().resource("r/t/one") == CANARY
    refused(403, "PolicyDeny", carol.json, "GET", "/kbs/v0/launch-policy")
    w.configure(store="elsewhere")
    w.reload()
    assert '"store" has changed' in w.log_text()
    w.configure(**before)
    w.reload()


@test
def reloads_may_come_at_once(w):
    for i in range(200):  # some arrive while the files are on their way
        w.process.send_signal(signal.SIGHUP)
        time.sleep(0.0001 * (i % 20))
    while w.told() != "READY=1" or w.notify_waits(0.5):
        pass
    w.configure(legacy_rsa1_5=True)
    w.reload()
    w.proven(Key.new("RSA1_5"))
    w.configure(legacy_rsa1_5=False)
    w.reload()
    assert "is gone" not in w.log_text()


@test
def guests_do_not_keep_administrators_out(w):
    crowd = [socket.create_connection(("127.0.0.1", w.port)) for _ in range(80)]
    time.sleep(0.3)  # all places are taken, the rest waits
    before = time.monotonic()
    assert w.admin("root").json("GET", "/healthz")[1] == {"status": "ok"}
    assert time.monotonic() - before < 5  # silent connections end after ten
    for s in crowd:
        s.close()


@test
def a_store_in_use_is_no_failure(w):
    c = w.proven()
    other = sqlite3.connect(w.path("store/store.db"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refused(503, "StoreBusy", c.resource, "r/t/one")
    refused(503, "StoreBusy", w.admin("root").json, "POST", "/kbs/v0/resource/r/t/one", b"other")
    other.execute("ROLLBACK")
    other.close()
    assert c.resource("r/t/one") == CANARY


@test
def an_old_store_is_taken_over_and_rekeyed(w):
    old, text = w.path("old"), policy("a/old")
    h = hashlib.sha256(text).hexdigest()
    for name, data in (("secrets/o/l/d", CANARY), ("secrets/o/l/d.new", b"half"), (f"policies/{h}.jsonc", text),
                       (f"policies/{h}.digests", DIGEST.encode() + b"\n"), (f"policies/{h}.revoked", b""), ("released/" + "ab" * 32, b"")):
        os.makedirs(os.path.dirname(os.path.join(old, name)), 0o700, exist_ok=True)
        w.write(os.path.join("old", name), data)
    conf = lambda name, **kek: w.write(name, json.dumps({**w.config, "store": "new", "store_key": kek}).encode())
    broker = lambda *args, config="c1": w.run(BROKER, *args, "--config", w.path(config)).decode()
    conf("c1", file="kek")
    broker("store", "import", old)
    assert broker("secret", "list") == "o/l/d\n"
    assert "revoked" in broker("policy", "list") and h in broker("policy", "list")
    w.write("kek2", b"k" * 32)
    conf("c2", file="kek2")
    broker("store", "rekey", w.path("c1"), config="c2")
    assert broker("secret", "list", config="c2") == "o/l/d\n"
    for args in (("secret", "list", "--config", w.path("c1")), ("store", "rekey", w.path("c1"), "--config", w.path("c2")),
                 ("store", "import", w.path("ledger"), "--config", w.path("c2")), ("secret", "put", "a/b/c", "--store", old)):
        p = subprocess.run([BROKER, *args], input=b"x", capture_output=True, check=False)
        assert p.returncode in (1, 3) and p.stderr.count(b"\n") == 1, (args, p)
    shutil.rmtree(old)


@test
def metrics_count(w):
    root = w.admin("root")
    status, head, text = root.raw("GET", "/metrics")
    values = dict(x.split(" ") for x in text.decode().splitlines() if not x.startswith("#"))
    assert status == 200 and head["Content-Type"].startswith("text/plain")
    assert int(values["casemate_broker_proven_total"]) > 0 and int(values["casemate_broker_released_total"]) > 0
    assert int(values["casemate_broker_reloads_failed_total"]) > 0 and int(values["casemate_broker_sessions"]) > 0
    w.proven()
    after = dict(x.split(" ") for x in root.raw("GET", "/metrics")[2].decode().splitlines() if not x.startswith("#"))
    assert int(after["casemate_broker_proven_total"]) == int(values["casemate_broker_proven_total"]) + 1
    assert root.json("GET", "/healthz")[1] == {"status": "ok"}


@test
def the_secret_is_nowhere_but_with_the_guest(w):
    root, seen = w.admin("root"), b""
    w.secret_put("r/t/two", CANARY + b"-two")
    root.json("POST", "/kbs/v0/resource/r/t/three", CANARY + b"-three")
    for path in ("r/t/one", "../" + CANARY.decode(), "r/t/" + "x" * 70):
        try:
            c = w.proven()
            c.resource(path)
        except Refused as e:
            seen += str(e).encode()
    seen += root.raw("GET", "/metrics")[2] + root.raw("GET", "/kbs/v0/resources")[2]
    w.stop()
    seen += w.run(LEDGER, "list", w.path("ledger"), "--json")
    for folder, _, files in os.walk(w.folder):
        for path in (os.path.join(folder, name) for name in files):
            if os.path.isfile(path):  # no sockets
                with open(path, "rb") as f:
                    seen += f.read()
    # "../canary" was a name a client sent; the secret itself never is
    for form in (CANARY + b"-two", CANARY + b"-three", base64.b64encode(CANARY)[:18], CANARY.hex().encode()):
        assert form not in seen, form
    assert seen.count(CANARY) == seen.count(b"../" + CANARY)
    w.start()


@test
def http_is_1_1_and_refuses_the_rest(w):
    context = ssl.create_default_context(cafile=w.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", w.port)) as raw, context.wrap_socket(raw, server_hostname="casemate-broker") as s:
        assert s.selected_alpn_protocol() != "h2" and s.version() == "TLSv1.3"


def has_landlock():
    return ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1) > 0  # landlock_create_ruleset: its version


@test
def files_of_another_folder_wait_for_a_restart(w):
    if not has_landlock():
        return "no Landlock"
    before = json.loads(json.dumps(w.config))
    elsewhere = tempfile.mkdtemp(prefix="casemate-test-")
    shutil.copy(w.path("platform/ark"), elsewhere + "/ark")
    os.symlink(elsewhere + "/ark", w.path("platform/link"))
    shutil.copy(w.path("platform/ark"), w.path("platform/ark-new"))
    for path, is_read in ((elsewhere + "/ark", False), ("platform/link", False), ("platform/ark-new", True)):
        w.configure(roots=[path])
        at = len(w.log_text())
        w.reload()
        log = w.log_text()[at:]
        assert ("reloaded: 1 roots" in log) == is_read, log
        assert is_read or f"{os.path.basename(path)}: Permission denied; going on with what was there" in log, log
    for path in (elsewhere + "/ark", "platform/link"):
        w.configure(roots=[path])
        w.stop()
        w.start()
        w.reload()
        assert w.proven().resource("r/t/one") == CANARY
    w.configure(**before)
    w.stop()
    w.start()
    os.unlink(w.path("platform/link"))
    shutil.rmtree(elsewhere)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


@test
def broker_and_reader_are_confined(w):
    if os.geteuid() != 0:
        return "only root may look"
    pid = w.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        readers = [int(c) for c in f.read().split() if status_of(c)["Name"] == "casemate-broker"]
    assert len(readers) == 1
    for p in (pid, readers[0]):
        s = status_of(p)
        assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2" and s.get("Seccomp_filters", "2") == "2", s
        assert all(int(s[c], 16) == 0 for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")), s
    # The socket to the broker and the log; no listener, store or key.
    assert sorted(map(int, os.listdir(f"/proc/{readers[0]}/fd"))) == [0, 1, 2, 3]
    assert os.readlink(f"/proc/{readers[0]}/fd/3").startswith("socket:")
    with open(BROKER, "rb") as f:
        if b"__asan_init" in f.read():
            return  # it reserves terabytes of addresses
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        space = next(line for line in f if line.startswith("Max address space")).split()
    assert space[3:5] == [str(1 << 30)] * 2, space


@test
def ledger_writer_that_does_not_start_says_why(w):
    folder = tempfile.mkdtemp(prefix="casemate-test-")
    shutil.copy(BROKER, folder + "/casemate-broker")
    os.chmod(folder, 0o755)
    w.stop()
    for writer, text in (("/etc/hostname", "casemate-ledger: cannot execute the program: Exec format error"),
                         ("/bin/false", "it ended with status 1")):
        shutil.copy(writer, folder + "/casemate-ledger")
        os.chmod(folder + "/casemate-ledger", 0o755)
        p = subprocess.run([folder + "/casemate-broker", "serve", "--config", w.path("config")], capture_output=True,
                           text=True, check=False, timeout=60)
        assert p.returncode == 5 and f"the ledger writer did not start: {text}" in p.stderr, (p.returncode, p.stderr)
    shutil.rmtree(folder)
    w.start()


def main():
    only = sys.argv[5:]
    tests = [f for f in TESTS if not only or f.__name__ in only]
    w = World()
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for i, f in enumerate(tests, 1):
        name, skipped = f.__name__.replace("_", " "), None
        try:
            skipped = f(w)
            result = "ok"
        except Exception:  # pylint: disable=broad-except
            result, failed = "not ok", failed + 1
            for line in traceback.format_exc().splitlines()[-6:]:
                print("# " + line)
        print(f"{result} {i} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
    if failed:
        for line in w.log_text().splitlines()[-20:]:
            print("# log: " + line)
    w.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
