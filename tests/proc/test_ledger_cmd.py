#!/usr/bin/env python3
"""casemate-ledger as a person or script sees it: verbs, exit statuses, JSON; and a second, independent
reader of its ledgers (hashlib and the openssl command), which must agree.

usage: test_ledger_cmd.py CASEMATE-LEDGER LEDGER-GROW
"""
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

LEDGER, GROW = sys.argv[1:3]
ORIGIN = "example.com/cmd"
work = tempfile.mkdtemp(prefix="casemate-test-")
results = []


def run(*args):
    p = subprocess.run([LEDGER, *args], capture_output=True, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def path(name):
    return os.path.join(work, name)


def expect(status, *args, err=""):
    """Run; the status must be this, and standard error must hold this text (one line of it)."""
    got, out, text = run(*args)
    assert got == status, f"{args}: status {got}, want {status}: {text}"
    assert err in text, f"{args}: want '{err}' in '{text}'"
    assert (status == 0) == (text == ""), f"{args}: standard error: '{text}'"
    return out


def test(f):
    try:
        f()
        results.append((True, f.__name__, ""))
    except Exception as e:  # a failed test must not hide the others
        results.append((False, f.__name__, repr(e)))
    return f


def make(name, entries):
    vkey = expect(0, "init", path(name), "--origin", ORIGIN, "--key", path("key.pem")).strip()
    subprocess.run([GROW, path(name), path("key.pem"), ORIGIN, str(entries)], check=True, timeout=120)
    return vkey


def make_other_key():
    return expect(0, "init", path("other"), "--origin", ORIGIN, "--key", path("other.pem")).strip()


def files(ledger):
    return [os.path.join(d, n) for d, _, names in os.walk(path(ledger)) for n in names]


# --- the second reader -------------------------------------------------------------------------------

def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def mth(leaves):
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node(mth(leaves[:k]), mth(leaves[k:]))


def read(*names):
    with open(os.path.join(work, *names), "rb") as f:
        return f.read()


def ed25519_holds(public, signature, text):
    der = bytes.fromhex("302a300506032b6570032100") + public
    for name, data in (("pub.der", der), ("sig", signature), ("text", text)):
        with open(path(name), "wb") as f:
            f.write(data)
    p = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", path("pub.der"),
                        "-rawin", "-in", path("text"), "-sigfile", path("sig")], capture_output=True)
    return p.returncode == 0


def bundles(ledger, size):
    entries = []
    for n in range((size + 255) // 256):
        width = min(size - n * 256, 256)
        data = read(ledger, "tile/entries", f"{n:03}" + ("" if width == 256 else f".p/{width}"))
        for _ in range(width):
            length = int.from_bytes(data[:2], "big")
            entries.append(data[2:2 + length])
            data = data[2 + length:]
        assert data == b""
    return entries


@test
def second_reader_agrees_with_a_ledger_of_two_tiles():
    vkey = make("two", 300)
    name, key_id, material = vkey.split("+", 2)
    material = base64.b64decode(material)
    assert name == ORIGIN and material[0] == 1
    assert hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex() == key_id
    text, signature = read("two", "checkpoint").split(b"\n\n")
    origin, size, root = (text + b"\n").decode().splitlines()
    assert (origin, size) == (ORIGIN, "300")
    dash, signer, sig = signature.decode().split()
    sig = base64.b64decode(sig)
    assert (dash, signer) == ("\u2014", ORIGIN) and sig[:4].hex() == key_id
    assert ed25519_holds(material[1:], sig[4:], text + b"\n")
    assert not ed25519_holds(material[1:], sig[4:], text)
    entries = bundles("two", 300)
    leaves = [hashlib.sha256(b"\x00" + e).digest() for e in entries]
    assert mth(leaves) == base64.b64decode(root)
    assert read("two", "tile/0/000") == b"".join(leaves[:256])
    assert read("two", "tile/0/001.p/44") == b"".join(leaves[256:])
    assert read("two", "tile/1/000.p/1") == mth(leaves[:256])
    keys = ["schema", "time", "event", "guest", "serial", "policy_sha256", "launch_digest", "evidence_sha256",
            "resource", "text"]
    for e in entries:
        o = json.loads(e)
        assert list(o) == keys and o["schema"] == "casemate/ledger-entry/1"


@test
def second_reader_agrees_with_a_proof():
    expect(0, "prove", path("two"), "299", "--out", path("p"))
    lines = read("p").decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1" and lines[2] == "index 299"
    h = hashlib.sha256(b"\x00" + base64.b64decode(lines[1].removeprefix("extra "))).digest()
    end = lines.index("", 3)
    fn, sn = 299, 299
    for line in lines[3:end]:
        p = base64.b64decode(line)
        if fn & 1 or fn == sn:
            h = node(p, h)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            h = node(h, p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0 and h == base64.b64decode(lines[end + 3])
    assert "\n".join(lines[end + 1:]).encode() == read("two", "checkpoint")


# --- verbs ---------------------------------------------------------------------------------------------

@test
def yes_is_status_0():
    vkey = read("two", "vkey").decode().strip()
    assert "300" in expect(0, "verify", path("two"))
    assert "--key" in expect(0, "verify", path("two"))
    assert "--key" not in expect(0, "verify", path("two"), "--key", vkey)
    expect(0, "verify", path("two"), "--key", os.path.join(path("two"), "vkey"))
    assert len(expect(0, "list", path("two")).splitlines()) >= 300
    proof = expect(0, "prove", path("two"), "7")
    with open(path("p7"), "w") as f:
        f.write(proof)
    assert "300" in expect(0, "check-proof", path("p7"), "--key", vkey)
    for verb in ([], ["init"], ["verify"], ["list"], ["prove"], ["check-proof"]):
        assert "usage" in expect(0, *verb, "--help")


@test
def json_is_one_object_with_a_schema():
    vkey = read("two", "vkey").decode().strip()
    v = json.loads(expect(0, "verify", path("two"), "--json"))
    assert v["schema"] == "casemate/ledger-verify/1" and v["valid"] is True and v["size"] == 300
    assert v["key_given"] is False and v["key"] == vkey and len(v["root"]) == 64
    o = json.loads(expect(0, "list", path("two"), "--json"))
    assert o["schema"] == "casemate/ledger-list/1" and o["valid"] is True and o["size"] == 300
    assert [e["index"] for e in o["entries"]] == list(range(300))
    p = json.loads(expect(0, "check-proof", path("p7"), "--key", vkey, "--json"))
    assert p["schema"] == "casemate/ledger-proof-check/1" and p["valid"] is True
    assert p["index"] == 7 and p["entry"] == o["entries"][7]["entry"]


@test
def no_is_status_1_and_names_the_place():
    vkey = make("bad", 5)
    other = make_other_key()
    expect(1, "verify", path("bad"), "--key", other, err="not the one asked for")
    expect(1, "check-proof", path("p7"), "--key", other, err="not signed by")
    expect(1, "prove", path("bad"), "5", err="no entry 5: the ledger has 5")
    expect(1, "init", path("bad"), "--origin", ORIGIN, "--key", path("key.pem"), err="a ledger already")
    name = os.path.join(path("bad"), "tile/entries/000.p/5")
    data = bytearray(read(name))
    at = data.index(b"entry 3")
    data[at] ^= 1
    with open(name, "wb") as f:
        f.write(data)
    expect(1, "verify", path("bad"), "--key", vkey, err="entry 3 (tile/entries/000.p/5, byte ")
    expect(1, "list", path("bad"), err="entry 3")
    status, out, _ = run("verify", path("bad"), "--json")
    v = json.loads(out)
    assert status == 1 and v["valid"] is False and v["problem"]["entry"] == 3
    assert v["problem"]["file"] == "tile/entries/000.p/5"
    status, out, _ = run("list", path("bad"), "--json")
    o = json.loads(out)
    assert status == 1 and o["valid"] is False and [e["index"] for e in o["entries"]] == [0, 1, 2]
    proof = read("p7").decode().replace("index 7", "index 8")
    with open(path("p8"), "w") as f:
        f.write(proof)
    own = read("two", "vkey").decode().strip()
    expect(1, "check-proof", path("p8"), "--key", own, err="do not lead from entry 8")


@test
def wrong_command_line_is_status_2():
    verbs = "init, verify, list, prove, check-proof"
    expect(2, err=verbs)
    expect(2, "export", path("two"), err=verbs)
    expect(2, "verify", err="missing")
    expect(2, "verify", path("two"), "more", err="too many")
    expect(2, "verify", path("two"), "--strict", err="--strict")
    expect(2, "prove", path("two"), err="missing")
    expect(2, "prove", path("two"), "one", err="one")
    expect(2, "prove", path("two"), "-1", err="-1")
    expect(2, "check-proof", path("p7"), err="--key")
    expect(2, "init", path("new"), "--key", path("key.pem"), err="--origin")
    expect(2, "init", path("new"), "--origin", ORIGIN, err="--key")
    expect(2, "init", path("new"), "--origin", "two words", "--key", path("key.pem"), err="two words")
    assert not os.path.exists(path("new"))


@test
def unreadable_or_malformed_input_is_status_3():
    own = read("two", "vkey").decode().strip()
    with open(path("junk"), "w") as f:
        f.write("junk\n")
    expect(3, "verify", path("none"), err="none")
    expect(3, "verify", path("junk"), err="junk")
    expect(3, "verify", work, err="vkey")
    expect(3, "verify", path("two"), "--key", path("none"), err="none")
    expect(3, "verify", path("two"), "--key", path("junk"), err="junk")
    expect(3, "check-proof", path("junk"), "--key", own, err="line 1")
    expect(3, "check-proof", path("none"), "--key", own, err="none")
    expect(3, "init", path("new"), "--origin", ORIGIN, "--key", path("junk"), err="junk")
    expect(3, "init", path("new"), "--origin", ORIGIN, "--key", work)
    make("cut", 3)
    os.truncate(os.path.join(path("cut"), "tile/entries/000.p/3"), 100)
    expect(3, "verify", path("cut"), err="tile/entries/000.p/3, byte 0")
    os.unlink(os.path.join(path("cut"), "tile/entries/000.p/3"))
    expect(3, "verify", path("cut"), err="tile/entries/000.p/3")


@test
def private_key_is_its_owners_alone():
    assert os.stat(path("key.pem")).st_mode & 0o777 == 0o600
    assert "PRIVATE" not in read("two", "vkey").decode()


@test
def nothing_changes_what_it_reads():
    before = {p: (os.stat(p).st_mtime_ns, os.stat(p).st_size) for p in files("two")}
    for args in (["verify", path("two")], ["list", path("two")], ["prove", path("two"), "1"]):
        expect(0, *args)
    assert before == {p: (os.stat(p).st_mtime_ns, os.stat(p).st_size) for p in files("two")}


shutil.rmtree(work)
print(f"1..{len(results)}")
for number, (is_good, name, why) in enumerate(results, 1):
    print(f"{'ok' if is_good else 'not ok'} {number} - {name}" + (f"\n# {why}" if why else ""))
sys.exit(0 if all(r[0] for r in results) else 1)
