#!/usr/bin/env python3
"""The cache of endorsements as people use it, and fetching from a service that behaves, or does not. TAP.

usage: test_endorsements.py CASEMATE-ATTEST CASEMATE-ENDORSE MINT-REPORT VECTORS

The service is here: it plays AMD's and a caching service for Intel's. Its SNP material is minted for the test
(a root of our own); the TDX tests need the collection of real evidence and are skipped without it.
"""
import base64
import contextlib
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse

ATTEST, ENDORSE, MINT, VECTORS = (os.path.abspath(x) for x in sys.argv[1:5])
NOW = "2026-09-21T14:13:20Z"  # what mint-report makes is valid around it
HWID, LEVELS = "c1" * 64, "bl04_tee00_snp24_ucode219"
VCEK = f"snp/Milan/{HWID}/{LEVELS}.der"
TDX = os.path.join(VECTORS, "tdx", "v4-phala-uptodate")
TDX_AT = "2025-07-01"
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Skip(Exception):
    """Why a test cannot be run here."""


def run(program, *args, env=None, timeout=60):
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, check=False, timeout=timeout,
                          env=env)


def expect(status, *args, err="", out="", program=None, **options):
    p = run(program or ATTEST, *args, **options)
    assert p.returncode == status, f"{args}: exit {p.returncode}, want {status}; {p.stderr}"
    assert err in p.stderr, f"{args}: no '{err}' in: {p.stderr}"
    assert out in p.stdout, f"{args}: no '{out}' in: {p.stdout}"
    return p


def read(name):
    with open(name, "rb") as f:
        return f.read()


def write(name, data):
    with open(name, "wb") as f:
        f.write(data)
    return name


def tree(folder):
    return {os.path.relpath(os.path.join(d, f), folder): read(os.path.join(d, f))
            for d, _, files in os.walk(folder) for f in files}


def pem(der, what="CERTIFICATE"):
    name = "X509 CRL" if what == "CRL" else what
    p = subprocess.run(["openssl", "crl" if what == "CRL" else "x509", "-inform", "DER"], input=der,
                       capture_output=True, check=True)
    assert name.encode() in p.stdout
    return p.stdout


# --- a service --------------------------------------------------------------------------------------


class Service(http.server.BaseHTTPRequestHandler):
    """answers: path without query -> bytes, or a function of the handler that answers by itself."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def do_GET(self):
        self.server.paths.append(self.path)
        answer = self.server.answers.get(self.path.split("?")[0])
        if callable(answer):
            answer(self)
        elif answer is None:
            self.send(404)
        else:
            self.send(200, answer)


@contextlib.contextmanager
def service(answers, tls=None):
    """A base URL; the paths asked for."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that hangs up is what some tests are about
    server.answers, server.paths = answers, []
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls + ".pem", tls + ".key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", server.paths
    finally:
        server.shutdown()
        server.server_close()


def amd(**changes):
    """What AMD's service has for the minted platform."""
    answers = {"cert_chain": pem(read("m/ask")) + pem(read("m/ark")), "crl": read("m/crl"), HWID: read("m/vcek")}
    answers.update(changes)
    return {"/vcek/v1/Milan/" + k: v for k, v in answers.items()}


def fetch(status, url, *more, evidence="m/report", **options):
    return expect(status, "endorsements", "fetch", "--evidence", evidence, "--from", url, "--cache", "c", "--root",
                  "m/ark", *more, **options)


def verify(status, *more, cache="c"):
    return expect(status, "verify", "--evidence", "m/report", "--root", "m/ark", "--endorsements", cache, "--at", NOW,
                  *more)


# --- files ------------------------------------------------------------------------------------------


@test
def import_sorts_files_into_the_cache():
    expect(0, "endorsements", "import", "m/vcek", "m/crl", "m", "--root", "m/ark", "--cache", "c", err="stored r-")
    names = sorted(tree("c"))
    realm = names[0].split("/")[0]
    assert names == sorted(f"{realm}/{n}" for n in ("snp/Milan/ark.der", "snp/Milan/ask.der", "snp/Milan/crl.der",
                                                    VCEK)), names
    verify(0)
    expect(0, "endorsements", "import", "m", "--root", "m/ark", "--cache", "c", err="unchanged")


@test
def import_refuses_what_no_trusted_root_vouches_for():
    p = expect(1, "endorsements", "import", "m/vcek", "m/ask", "m/ark", "m/crl", "--cache", "c")
    assert p.stderr.count("refused: ") == 4, p.stderr
    assert tree("c") == {}
    bad = bytearray(read("m/vcek"))
    bad[-1] ^= 1
    write("bad", bytes(bad))
    expect(1, "endorsements", "import", "bad", "m/ask", "--root", "m/ark", "--cache", "c", err="does not fit")
    assert not [n for n in tree("c") if HWID in n]


@test
def import_takes_pem_tables_and_nothing_else():
    write("chain.pem", pem(read("m/ask")) + pem(read("m/ark")) + pem(read("m/vcek")))
    expect(0, "endorsements", "import", "chain.pem", "--root", "m/ark", "--cache", "c")
    assert len(tree("c")) == 3
    write("junk", b"hello")
    expect(3, "endorsements", "import", "junk", "--cache", "c", err="junk")
    expect(3, "endorsements", "import", "missing", "--cache", "c", err="missing")
    expect(3, "endorsements", "import", "m/report", "--cache", "c", err="m/report")
    os.mkdir("empty")
    expect(3, "endorsements", "import", "empty", "--cache", "c", err="no endorsement")
    expect(2, "endorsements", "import", "--cache", "c")
    expect(2, "endorsements", "imprt")


@test
def import_follows_no_links_of_the_cache():
    os.makedirs("c")
    os.makedirs("elsewhere")
    expect(0, "endorsements", "import", "m", "--root", "m/ark", "--cache", "c2")
    (realm,) = os.listdir("c2")
    os.symlink("../elsewhere", f"c/{realm}")
    expect(3, "endorsements", "import", "m", "--root", "m/ark", "--cache", "c", err="no folder")
    assert tree("elsewhere") == {}


@test
def imports_at_the_same_time_all_succeed():
    for i in range(4):
        command = [ATTEST, "endorsements", "import", "m", "--root", "m/ark", "--cache", f"c{i}"]
        running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
        for p in running:
            err = p.communicate(timeout=60)[1]
            assert p.returncode == 0, err
        assert len(tree(f"c{i}")) == 4


@test
def junk_in_the_cache_is_said_and_passed_over():
    expect(0, "endorsements", "import", "m", "--root", "m/ark", "--cache", "c")
    realm = os.listdir("c")[0]
    crl = bytearray(read(f"c/{realm}/snp/Milan/crl.der"))
    crl[-1] ^= 1
    os.makedirs("c/snp/Milan")
    write(f"c/{realm}/snp/Milan/crl.der", bytes(crl))  # a forged one would make the verdict worse
    write("c/snp/Milan/crl.der", b"junk")
    os.symlink("/dev/zero", "c/snp/Milan/ark.der")
    os.symlink(".", "c/snp/loop")
    p = expect(0, "endorsements", "list", "--cache", "c", "--root", "m/ark", "--at", NOW, "--json")
    items = {i["name"]: i for i in json.loads(p.stdout)["items"]}
    assert items["snp/Milan/crl.der"]["state"] == "wrong" and items["snp/Milan/ark.der"]["state"] == "wrong"
    assert items[f"{realm}/snp/Milan/crl.der"]["state"] == "wrong" and items[f"{realm}/{VCEK}"]["state"] == "good"
    rows = {r["row"]: r for r in json.loads(verify(0, "--json").stdout)["rows"]}
    assert rows["revocation"]["status"] == "none" and rows["chain"]["status"] == "affirming"


@test
def list_says_until_when():
    expect(0, "endorsements", "import", "m", "--root", "m/ark", "--cache", "c")
    listing = ("endorsements", "list", "--cache", "c", "--root", "m/ark")
    expect(0, *listing, "--at", NOW, out="good until 2026-09-22T14:13:20Z")
    expect(0, *listing, "--at", "2026-10-01", out="EXPIRED since 2026-09-22")
    j = json.loads(expect(0, *listing, "--at", NOW, "--json").stdout)
    assert j["schema"] == "casemate.attest.endorsements/1" and len(j["items"]) == 4
    (platform,) = j["platforms"]
    assert platform["good_until"] == "2026-09-22T14:13:20Z" and not platform["expired"] and not platform["missing"]
    assert {i["trust_class"] for i in j["items"]} == {"simulated"}
    expect(3, "endorsements", "list", "--cache", "nowhere", err="nowhere")


@test
def a_bundle_carries_the_cache():
    expect(0, "endorsements", "import", "m", "--root", "m/ark", "--cache", "c")
    expect(0, "endorsements", "export", "b.tar", "--root", "m/ark", "--cache", "c", err="4 items")
    with tarfile.open("b.tar") as t:
        assert t.getnames()[0] == "MANIFEST.sha256" and len(t.getnames()) == 5
        os.mkdir("out")
        t.extractall("out")
    subprocess.run(["sha256sum", "--quiet", "-c", "MANIFEST.sha256"], cwd="out", check=True)
    expect(0, "endorsements", "import", "b.tar", "--root", "m/ark", "--cache", "c2")
    assert tree("c") == tree("c2")
    verify(0, cache="c2")
    expect(1, "endorsements", "import", "b.tar", "--cache", "c3", err="refused")  # without the root
    whole = read("b.tar")
    for at in (600, len(whole) // 2):
        write("b2.tar", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        expect(3, "endorsements", "import", "b2.tar", "--root", "m/ark", "--cache", "c4", err="transfer it again")
    write("b2.tar", whole[:len(whole) - 2048])
    expect(3, "endorsements", "import", "b2.tar", "--root", "m/ark", "--cache", "c4", err="transfer it again")
    os.mkdir("none")
    expect(3, "endorsements", "export", "b3.tar", "--cache", "none", err="empty")


@test
def evidence_in_a_wrapper_finds_its_endorsements():
    expect(0, "endorsements", "import", "m", "--root", "m/ark", "--cache", "c")
    text = base64.urlsafe_b64encode(read("m/report")).rstrip(b"=").decode()
    cmw = write("cmw", json.dumps(["application/x-report", text]).encode())
    asked = ("--root", "m/ark", "--endorsements", "c", "--at", NOW)
    expect(0, "verify", "--evidence", cmw, *asked)
    der = "0c82%04x" % len(read("cmw")) + read("cmw").hex()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", "tls.key", "-out", "tls.pem", "-subj", "/CN=x", "-addext",
                    "1.3.6.1.5.5.7.1.35=DER:" + der], check=True, capture_output=True)
    rows = json.loads(expect(1, "verify", "--evidence", "tls.pem", *asked, "--json").stdout)["rows"]
    status = {r["row"]: r["status"] for r in rows}
    assert status["chain"] == status["signature"] == "affirming" and status["binding"] == "contraindicated", status


@test
def the_verifier_has_no_network_code():
    libraries = subprocess.run(["ldd", ATTEST], capture_output=True, text=True, check=True).stdout
    assert "curl" not in libraries and "libssl" not in libraries, libraries


# --- fetching ---------------------------------------------------------------------------------------


@test
def fetch_stores_what_it_verified():
    with service(amd()) as (url, paths):
        fetch(0, url, err="stored")
        assert f"/vcek/v1/Milan/{HWID}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219" in paths, paths
        assert len(tree("c")) == 4
        verify(0)
        fetch(0, url, err="does not change")  # a VCEK is asked for once
        assert sum(HWID in p for p in paths) == 1
        shutil.rmtree("c")
        expect(0, "endorsements", "fetch", "--product", "Milan", "--hwid", HWID, "--tcb", LEVELS, "--from", url,
               "--cache", "c", "--root", "m/ark")
        assert len(tree("c")) == 4


@test
def fetch_over_tls_with_a_named_authority_only():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    "tls.key", "-out", "tls.pem", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    with service(amd(), tls="tls") as (url, _):
        fetch(4, url, err="certificate")
        assert tree("c") == {}
        fetch(0, url, "--cacert", "tls.pem")
        assert len(tree("c")) == 4


@test
def fetch_refuses_what_nobody_signed():
    other = bytearray(read("m/vcek"))
    other[-1] ^= 1
    with service(amd(**{HWID: bytes(other)})) as (url, _):
        fetch(1, url, err="not stored")
    with service(amd(**{HWID: read("m/vcek")[:-1]})) as (url, _):
        fetch(1, url, err="not stored")
    with service(amd(**{HWID: b"<html>captive portal</html>"})) as (url, _):
        fetch(1, url, err="not stored")
    assert not [n for n in tree("c") if HWID in n]
    shutil.rmtree("c")
    with service(amd()) as (url, _):  # our own root, which nobody gave
        expect(1, "endorsements", "fetch", "--evidence", "m/report", "--from", url, "--cache", "c", err="not stored")
    assert tree("c") == {}


@test
def fetch_is_no_success_with_another_chips_certificate():
    other = "c2" * 64
    with service(amd(**{other: read("m/vcek")})) as (url, _):
        expect(1, "endorsements", "fetch", "--product", "Milan", "--hwid", other, "--tcb", LEVELS, "--from", url,
               "--cache", "c", "--root", "m/ark", err="another platform's VCEK")


@test
def fetch_says_what_the_service_says():
    with service(amd(**{HWID: None})) as (url, _):
        fetch(1, url, err="no such VCEK (404)")
    with service(amd(**{HWID: lambda h: h.send(500)})) as (url, _):
        fetch(4, url, err="answers 500")
    with service(amd(**{HWID: lambda h: h.send(429, Retry_After="600")})) as (url, paths):
        started = time.monotonic()
        fetch(4, url, err="asks for a pause of 600 s")
        assert time.monotonic() - started < 20 and sum(HWID in p for p in paths) == 1
    turns = iter([429, 503])

    def busy(h):
        status = next(turns, None)
        h.send(200, read("m/vcek")) if status is None else h.send(status, Retry_After="1")

    with service(amd(**{HWID: busy})) as (url, paths):
        fetch(0, url, err="trying again in 1 s")
        assert sum(HWID in p for p in paths) == 3


@test
def fetch_is_bounded():
    def huge(h):
        h.send_response(200)
        h.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                h.wfile.write(b"0" * 65536)

    def slow(h):
        h.send_response(200)
        h.send_header("Content-Length", "100000")
        h.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(60):
                h.wfile.write(b"0")
                time.sleep(0.5)

    def cut(h):
        h.send_response(200)
        h.send_header("Content-Length", "100000")
        h.end_headers()
        h.wfile.write(read("m/vcek"))
        h.close_connection = True

    with service(amd(**{HWID: huge})) as (url, _):
        fetch(1, url, err="longer than")
    with service(amd(**{HWID: lambda h: h.send(200, b"0" * 300000)})) as (url, _):
        fetch(1, url, err="longer than")
    with service(amd(**{HWID: slow})) as (url, _):
        fetch(4, url, "--timeout", "2")
    with service(amd(**{HWID: cut})) as (url, _):
        fetch(4, url)
    with service(amd(**{HWID: lambda h: h.send(302, Location=h.path)})) as (url, paths):
        fetch(4, url, err="redirect")
        assert sum(HWID in p for p in paths) == 4, paths
    assert not [n for n in tree("c") if HWID in n]


@test
def fetch_follows_no_surprises():
    with service(amd()) as (url, paths):
        proxy = dict(os.environ, http_proxy=url, https_proxy=url, all_proxy=url)
        expect(4, "endorsements", "fetch", "--evidence", "m/report", "--from", "http://127.0.0.1:1", "--cache", "c",
               env=proxy)
        assert paths == []
        with service(amd(**{HWID: lambda h: h.send(302, Location="file:///etc/passwd")})) as (other, _):
            fetch(4, other)
        with service(amd(**{HWID: lambda h: h.send(302, Location=url + h.path)})) as (other, _):
            fetch(0, other)  # a mirror may send elsewhere: signatures count
    for words in ((), ("--evidence", "m/report", "--product", "Milan"), ("--product", "Rome"), ("--fmspc", "00"),
                  ("--product", "Milan", "--hwid", HWID), ("--fmspc", "b0c06f000000"),
                  ("--product", "Milan", "--hwid", "c1", "--tcb", LEVELS),
                  ("--product", "Milan", "--hwid", HWID, "--tcb", "bl4"),
                  ("--evidence", "m/report", "--from", "ftp://x")):
        expect(2, "endorsements", "fetch", "--cache", "c", *words)
    expect(3, "endorsements", "fetch", "--evidence", "m/vcek", "--cache", "c")


# --- TDX --------------------------------------------------------------------------------------------


def collateral(name):
    path = os.path.join(TDX, "collateral", name)
    if not os.path.isfile(path):
        raise Skip("no collection of real evidence")
    return read(path)


def intel():
    def chained(header, body, chain):
        return lambda h: h.send(200, body, **{header: urllib.parse.quote(chain)})

    signing = collateral("tcb_signing_chain.pem")
    return {
        "/tdx/certification/v4/tcb": chained("TCB_Info_Issuer_Chain", collateral("tcb_info.json"), signing),
        "/tdx/certification/v4/qe/identity": chained("SGX_Enclave_Identity_Issuer_Chain",
                                                     collateral("qe_identity.json"), signing),
        "/sgx/certification/v4/pckcrl": chained("SGX_PCK_CRL_Issuer_Chain", collateral("pck_crl.der"),
                                                collateral("pck_crl_issuer_chain.pem")),
        "/sgx/certification/v4/rootcacrl": collateral("root_ca_crl.der").hex().encode(),
    }


def tdx_fetch(status, answers, **options):
    with service(answers) as (url, paths):
        expect(status, "endorsements", "fetch", "--evidence", os.path.join(TDX, "quote.bin"), "--from", url, "--cache",
               "c", **options)
        return paths


@test
def collateral_of_a_quote_is_fetched_and_used():
    paths = tdx_fetch(0, intel())
    assert "/tdx/certification/v4/tcb?fmspc=b0c06f000000" in paths and "/sgx/certification/v4/pckcrl?ca=platform" \
        "&encoding=der" in paths, paths
    quote = ("verify", "--evidence", os.path.join(TDX, "quote.bin"), "--endorsements", "c")
    expect(0, *quote, "--at", TDX_AT, out="verdict: affirming")
    expect(1, *quote, "--at", "2025-12-01")
    j = json.loads(expect(0, "endorsements", "list", "--cache", "c", "--at", TDX_AT, "--json").stdout)
    (platform,) = j["platforms"]
    assert platform["good_until"] == "2025-07-19T10:00:35Z" and not platform["missing"], platform
    expect(0, "endorsements", "export", "b.tar", "--cache", "c")
    expect(0, "endorsements", "import", "b.tar", "--cache", "c2")
    assert tree("c") == tree("c2")


@test
def collateral_that_is_wrong_is_not_stored():
    answers = intel()
    answers["/tdx/certification/v4/tcb"] = collateral("tcb_info.json").replace(b'"version":3', b'"version":4')
    tdx_fetch(1, answers, err="not stored")
    answers["/tdx/certification/v4/tcb"] = lambda h: h.send(200, collateral("tcb_info.json"),
                                                            TCB_Info_Issuer_Chain="%00%")
    tdx_fetch(1, answers, err="cannot be decoded")
    answers["/tdx/certification/v4/tcb"] = lambda h: h.send(200, collateral("tcb_info.json"),
                                                            TCB_Info_Issuer_Chain="A" * 40000)
    tdx_fetch(1, answers, err="longer than")
    assert not [n for n in tree("c") if "tcb_info" in n]


@test
def older_collateral_does_not_come_back():
    tdx_fetch(0, intel())
    before = tree("c")
    older = os.path.join(VECTORS, "tdx", "v4-gcp-cos113", "collateral")
    expect(0, "endorsements", "import", older, "--cache", "c", err="as new is")
    after = tree("c")
    assert all(after[n] == before[n] for n in before)


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as base:
        os.mkdir(os.path.join(base, "m"))
        subprocess.run([MINT, os.path.join(base, "m")], check=True)
        for n, function in enumerate(TESTS, 1):
            name = function.__name__.replace("_", " ")
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(os.path.join(base, "m"), os.path.join(folder, "m"))
                os.chdir(folder)
                try:
                    function()
                    print(f"ok {n} - {name}", flush=True)
                except Skip as why:
                    print(f"ok {n} - {name} # SKIP {why}", flush=True)
                except Exception as e:  # pylint: disable=broad-except
                    failed += 1
                    print(f"not ok {n} - {name}\n# {type(e).__name__}: " + str(e).replace("\n", "\n# "), flush=True)
                finally:
                    os.chdir(home)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
