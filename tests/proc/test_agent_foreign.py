#!/usr/bin/env python3
"""casemate-agent against a broker that is not ours (foreign_kbs.py): what works with one that keeps to the
published protocol, and what an agent must not take. The evidence comes from a guest's configfs of pipes. TAP.

usage: test_agent_foreign.py CASEMATE-AGENT
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

try:
    import foreign_kbs
    from foreign_kbs import Answer, Broker, Tsm, b64u, b64u_bytes, certificate, error, seal
except ImportError as e:
    print(f"1..0 # SKIP {e}: python3-cryptography is not here")
    sys.exit(0)

AGENT = os.path.abspath(sys.argv[1])
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class World:
    """A guest, a broker, one folder."""

    def __init__(self, provider="sev_guest", **how):
        self.folder = tempfile.TemporaryDirectory(prefix="casemate-test-")
        self.root = os.path.join(self.folder.name, "root")
        self.tsm = Tsm(self.root, provider)
        self.broker = Broker(self.folder.name, **how)

    def __enter__(self):
        self.broker.start()
        return self

    def __exit__(self, *_):
        self.broker.stop()
        self.folder.cleanup()

    def get(self, *args, path="default/key/one", ca=None):
        """Exit status, what came, what was said, seconds."""
        began = time.monotonic()
        p = subprocess.run([AGENT, "get", "--sysroot", self.root, "--broker", self.broker.where(), "--host",
                            self.broker.host, "--ca", ca or self.broker.ca, *args, path], capture_output=True, check=False,
                           timeout=60)
        return p.returncode, p.stdout, p.stderr.decode(), time.monotonic() - began

    def works(self, *args):
        status, out, err, _ = self.get(*args)
        assert status == 0 and out == self.broker.secret, f"exit {status}, {out}: {err} {self.broker.faults}"
        return err

    def fails(self, status, part, *args, **how):
        got, out, err, seconds = self.get(*args, **how)
        assert got == status, f"exit {got}, want {status}: {err}"
        assert out == b"", f"says {out}"
        assert part in err, f"no '{part}' in: {err}"
        assert not self.broker.secret or self.broker.secret.decode() not in err
        return seconds

    def count(self, path):
        return sum(1 for x in self.broker.seen if x[1] == "/kbs/v0" + path)


# --- what works -----------------------------------------------------------------------------------


@test
def a_secret_comes_as_published():
    with World() as w:
        w.works()
        method, path, headers, body = w.broker.seen[0]
        assert (method, path) == ("POST", "/kbs/v0/auth")
        assert json.loads(body) == {"version": "0.4.0", "tee": "snp", "extra-params": ""}
        assert headers["content-type"] == "application/json"
        key = json.loads(w.broker.seen[1][3])["runtime-data"]["tee-pubkey"]
        assert sorted(key) == ["alg", "crv", "kty", "x", "y"] and key["crv"] == "P-384", key
        assert "cookie" in w.broker.seen[2][2] and "authorization" not in w.broker.seen[2][2]


@test
def every_kind_of_key_opens():
    for kind in ("P-256", "P-384", "P-521", "RSA"):
        with World() as w:
            w.works("--teekey", kind)
            key = json.loads(w.broker.seen[1][3])["runtime-data"]["tee-pubkey"]
            assert key.get("crv", "RSA") == kind
            assert "d" not in key and "p" not in key


@test
def a_tdx_quote_comes_as_published():
    with World(provider="tdx_guest") as w:
        log = os.path.join(w.root, "sys/firmware/acpi/tables/data")
        os.makedirs(log)
        with open(os.path.join(log, "CCEL"), "wb") as f:
            f.write(b"boot log" * 100)
        w.works()
        assert json.loads(w.broker.seen[0][3])["tee"] == "tdx"
        primary = json.loads(w.broker.seen[1][3])["tee-evidence"]["primary_evidence"]
        assert sorted(primary) == ["cc_eventlog", "quote"]
        assert base64.b64decode(primary["cc_eventlog"]) == b"boot log" * 100


@test
def a_token_serves_where_the_cookie_does_not():
    with World() as w:
        real = w.broker.resource
        w.broker.resource = lambda headers, path: real({k: v for k, v in headers.items() if k != "cookie"}, path)
        token = os.path.join(w.folder.name, "token")
        w.works("--token-out", token)
        assert w.count("/auth") == 1
        assert w.broker.seen[-1][2]["authorization"].startswith("Bearer ")
        with open(token, encoding="ascii") as f:
            assert f.read() == next(iter(w.broker.sessions.values()))["token"]


@test
def a_forgotten_session_is_proven_again_once():
    with World() as w:
        w.broker.token = lambda session: ""
        real, left = w.broker.resource, [1]

        def forget(headers, path):
            if left[0] > 0:
                left[0] -= 1
                w.broker.sessions.clear()
            return real(headers, path)
        w.broker.resource = forget
        w.works()
        assert w.count("/auth") == 2
        left[0] = 100
        w.broker.seen.clear()
        w.fails(1, "Attestation Token not found")
        assert w.count("/auth") == 2 and w.count("/attest") == 2


@test
def connections_may_end_after_each_answer():
    for is_tcp in (False, True):
        with World(is_tcp=is_tcp) as w:
            w.broker.closes = True
            w.works()


@test
def a_broker_that_comes_late_is_waited_for():
    with World() as w:
        w.broker.stop()
        os.unlink(w.broker.path)
        w.fails(5, "broker: ")
        threading.Timer(0.8, w.broker.start).start()
        w.works("--tries", "5")
    with World() as w:
        real, left = w.broker.auth, [2]

        def busy(request):
            left[0] -= 1
            return error(503, "Busy", "come back") if left[0] >= 0 else real(request)
        w.broker.auth = busy
        w.works("--tries", "3")
        left[0] = 3
        w.fails(5, "come back", "--tries", "2")


@test
def a_null_aad_is_no_aad():
    with World() as w:
        w.broker.sealed = lambda key: {**seal(key, w.broker.secret), "aad": None}
        w.works()


# --- what does not --------------------------------------------------------------------------------


@test
def error_bodies_are_said():
    cases = [
        (error(401, "TokenNotFound", "Attestation Token not found"), 1, "(401): Attestation Token not found"),
        (error(403, "PolicyDeny", "denied by resource policy"), 1, "(403): denied by resource policy"),
        (error(404, "ResourceNotFound", "nothing there"), 5, "(404): nothing there"),
        (Answer(403, {"type": foreign_kbs.ERRORS + "PolicyDeny"}), 1, "(403): PolicyDeny"),
        (Answer(403, b"<html>no</html>"), 1, "(403): its policy does not allow it"),
        (Answer(500, b""), 5, "(500): it has trouble of its own"),
        (Answer(302, b"", ["Location: https://foreign.example/kbs/v0/resource/default/key/one"]), 5, "redirect"),
        (Answer(404, b'{"detail": "a", "detail": "b"}'), 5, "it has no such thing"),
        (Answer(403, {"detail": "x\x1b[31m\ny"}), 1, "x?[31m?y"),
    ]
    for answer, status, part in cases:
        with World() as w:
            w.broker.resource = lambda headers, path, answer=answer: answer
            w.fails(status, part)


@test
def another_version_is_said():
    with World() as w:
        w.broker.auth = lambda request: error(401, "ProtocolVersion", "expected version: 0.2.0")
        w.fails(3, "does not take the protocol's version 0.4.0")


@test
def refused_evidence_is_said_and_not_repeated():
    with World() as w:
        w.broker.attest = lambda headers, request: error(401, "AttestationFailed", "measurement is unknown")
        w.fails(1, "measurement is unknown")
        assert w.count("/auth") == 1 and w.count("/resource/default/key/one") == 0


def spoil(part):
    def change(jwe):
        data = bytearray(b64u_bytes(jwe[part]))
        data[0] ^= 1
        jwe[part] = b64u(bytes(data))
    return change


def protect(**members):
    def change(jwe):
        header = {**json.loads(b64u_bytes(jwe["protected"])), **members}
        jwe["protected"] = b64u(json.dumps(header).encode())
    return change


def off_curve(jwe):
    header = json.loads(b64u_bytes(jwe["protected"]))
    header["epk"]["y"] = b64u(bytes(47) + b"\x05")
    jwe["protected"] = b64u(json.dumps(header).encode())


@test
def spoiled_answers_do_not_open():
    cases = [(spoil("tag"), 1, "JWE"), (spoil("iv"), 1, "JWE"), (spoil("ciphertext"), 1, "JWE"),
             (spoil("encrypted_key"), 1, "JWE"), (off_curve, 1, "JWE"),
             (protect(alg="ECDH-ES"), 3, "alg ECDH-ES"), (protect(enc="A128GCM"), 3, "enc A128GCM"),
             (protect(zip="DEF"), 3, "zip"), (protect(crit=["x"], x=1), 3, "header"), (protect(alg="none"), 3, "alg"),
             (lambda j: j.pop("tag"), 3, "tag"), (lambda j: j.update(header={"alg": "dir"}), 3, "members"),
             (lambda j: j.update(tag=""), 1, "JWE"), (lambda j: j.update(protected="!"), 3, "protected")]
    for change, status, part in cases:
        with World() as w:
            def sealed(key, change=change):
                jwe = seal(key, w.broker.secret)
                change(jwe)
                return jwe
            w.broker.sealed = sealed
            w.fails(status, part)


@test
def the_header_is_bound_to_the_contents():
    with World() as w:
        # The same header with another blank in it: every member is right, the AAD is not.
        w.broker.sealed = lambda key: (lambda j: {**j, "protected": b64u(b64u_bytes(j["protected"]) + b" ")})(
            seal(key, w.broker.secret))
        w.fails(1, "JWE")


@test
def old_rsa_padding_is_refused():
    with World() as w:
        w.broker.sealed = lambda key: seal(key, w.broker.secret, alg="RSA1_5")
        w.fails(3, "RSA1_5", "--teekey", "RSA")


@test
def a_secret_for_another_key_does_not_open():
    with World() as w:
        other = foreign_kbs.ec.generate_private_key(foreign_kbs.ec.SECP384R1()).public_key().public_numbers()
        key = {"kty": "EC", "crv": "P-384", "alg": "ECDH-ES+A256KW", "x": b64u(other.x.to_bytes(48, "big")),
               "y": b64u(other.y.to_bytes(48, "big"))}
        w.broker.sealed = lambda _: seal(key, w.broker.secret)
        w.fails(1, "not sealed to this key")


@test
def bad_challenges_are_refused():
    for body in (b"", b"[]", b'{"nonce": 5}', b'{"nonce": "short"}', b'{"nonce": "AAAAAAAAAAAAAAAAAAAAAAA\\n"}',
                 b'{"nonce": "' + b"A" * 200 + b'"}', b'{"nonce": "AAAAAAAAAAAAAAAAAAAAAAAA", "nonce": "B"}',
                 b'{"a":' * 100, b"\xff\xfe", b'{"nonce": "AAAAAAAAAAAAAAAAAAAAAAAA\\u0000"}'):
        with World() as w:
            w.broker.auth = lambda request, body=body: Answer(200, body)
            w.fails(3, "")
            assert w.count("/attest") == 0


@test
def a_token_is_no_header():
    for token in ("a\r\nX-Evil: 1", "a b", "é", "a\u0000b"):
        with World() as w:
            w.broker.token = lambda session, token=token: token
            w.fails(3, "answer to the proof: ")
            assert w.count("/resource/default/key/one") == 0


@test
def long_answers_are_cut_off():
    with World() as w:
        w.broker.resource = lambda headers, path: Answer(200, b" " * (1 << 20))
        w.fails(3, "more than")
    with World() as w:
        endless = [b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"] + [b"4000\r\n" + b" " * 0x4000 + b"\r\n"] * 64
        w.broker.auth = lambda request: Answer(raw=endless)
        w.fails(3, "more than")


@test
def slow_answers_are_given_up():
    with World() as w:
        drip = [b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n"] + [b" "] * 1000
        w.broker.auth = lambda request: Answer(raw=drip, pause=0.2)
        assert w.fails(5, "broker: ", "--timeout", "1") < 10
    with World() as w:
        w.broker.auth = lambda request: Answer(raw=[b"HTTP/1.1 200 X\r\nX: "] + [b"y"] * 1000, pause=0.2)
        assert w.fails(5, "broker: ", "--timeout", "1") < 10


@test
def broken_answers_are_refused():
    for raw in ([b""], [b"SSH-2.0\r\n"], [b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\n{"]):
        with World() as w:
            w.broker.auth = lambda request, raw=raw: Answer(raw=raw)
            w.fails(5, "broker: ")


@test
def a_stranger_is_not_spoken_to():
    with World() as w:
        other, _ = certificate(w.folder.name, "other.example")
        w.fails(5, "broker: ", ca=other)
        w.broker.host = "other.example"
        w.fails(5, "broker: ")
        assert not w.broker.seen
    with World(tls="TLSv1_2") as w:
        w.fails(5, "broker: ")
        assert not w.broker.seen


@test
def what_is_no_secret_is_refused():
    for body in (b"", b"secret", b"[]", b"{}", b'{"protected": 1}'):
        with World() as w:
            w.broker.resource = lambda headers, path, body=body: Answer(200, body)
            w.fails(3, "")
    with World(secret=b"") as w:
        w.fails(1, "JWE")


@test
def command_lines_are_checked():
    with World() as w:
        for args, part in ((["--teekey", "P-192"], "--teekey"), (["--evidence", "x" * 40], "--evidence"),
                           (["--timeout", "0"], "--timeout"), (["--pin", "12"], "--pin"), (["--nothing"], "--nothing")):
            w.fails(2, part, *args)
        w.fails(2, "want repository/type/tag", path="../etc/passwd")
        w.fails(2, "crystal-ball is no source", "--evidence", "crystal-ball")
        w.fails(4, "sev-guest", "--evidence", "sev-guest")
        assert not w.broker.seen


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for i, function in enumerate(TESTS, 1):
        try:
            function()
            print(f"ok {i} - {function.__name__}", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {i} - {function.__name__}\n# {type(e).__name__}: {e}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
