#!/usr/bin/env python3
"""casemate-vtpm as an operator uses it: setup, show, reset; and every file that is not as it should be.
usage: test_vtpm_cmd.py PROGRAM. TAP."""
import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(sys.argv[1])
TESTS = []
SLOT = 512 << 10
F_OFD_SETLK = 37


def test(f):
    TESTS.append(f)
    return f


class House:
    def __init__(self, folder):
        self.dir = folder
        os.mkdir(self.path("ca"))
        self.write("key", os.urandom(32), 0o600)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data, mode=0o644):
        with open(self.path(name), "wb") as f:
            f.write(data)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def run(self, verb, *args, name="bank/payments", key="key", state="s.tpm"):
        words = [PROGRAM, verb, name, "--state", state, "--key", key, *args]
        if verb in ("setup", "reset") and "--ca" not in args:
            words += ["--ca", "ca"]
        return subprocess.run(words, cwd=self.dir, capture_output=True, text=True, check=False)

    def good(self, verb, *args, **kw):
        r = self.run(verb, *args, **kw)
        assert r.returncode == 0, (r.returncode, r.stderr)
        return r.stdout

    def fails(self, status, says, verb, *args, **kw):
        before = sorted(os.listdir(self.dir))
        r = self.run(verb, *args, **kw)
        assert r.returncode == status, (r.returncode, r.stderr)
        errors = [line for line in r.stderr.splitlines() if "info:" not in line]
        assert len(errors) == 1 and says in errors[0], r.stderr
        assert r.stdout == "", r.stdout
        assert sorted(os.listdir(self.dir)) == before, "something was left"


@test
def setup_then_show(h):
    assert h.good("setup") == ""
    assert os.stat(h.path("s.tpm")).st_mode & 0o777 == 0o600
    assert os.stat(h.path("ca/ca.key")).st_mode & 0o777 == 0o600
    before = h.read("s.tpm")
    o = json.loads(h.good("show", "--json"))
    assert o["schema"] == "casemate/vtpm/1" and o["name"] == "bank/payments" and not o["one_slot"], o
    assert [k["key"] for k in o["keys"]] == ["RSA 2048", "ECC P-256", "ECC P-384"], o
    digests = [k[d] for k in o["keys"] for d in ("public_sha256", "certificate_sha256")]
    assert len(set(digests)) == 6 and all(re.fullmatch("[0-9a-f]{64}", d) for d in digests), o
    text = h.good("show")
    assert o["instance"] in text and all(d in text for d in digests), text
    assert h.read("s.tpm") == before, "looking changed it"
    assert json.loads(h.good("show", "--json")) == o


@test
def nothing_secret_is_in_the_file(h):
    h.good("setup")
    assert b"casemate TPM CA" not in h.read("s.tpm"), "a certificate in clear"


@test
def setup_is_once(h):
    h.good("setup")
    before = h.read("s.tpm")
    h.fails(1, "has a TPM already", "setup")
    assert h.read("s.tpm") == before


@test
def reset_is_another_tpm(h):
    h.good("setup")
    old = json.loads(h.good("show", "--json"))
    h.fails(2, "--yes", "reset")
    h.good("reset", "--yes")
    new = json.loads(h.good("show", "--json"))
    assert new["instance"] != old["instance"]
    assert not {k["public_sha256"] for k in new["keys"]} & {k["public_sha256"] for k in old["keys"]}
    h.fails(3, "No such file", "reset", "--yes", state="none")


@test
def two_tpms_are_two_identities(h):
    h.good("setup")
    a = h.read("s.tpm")
    os.unlink(h.path("s.tpm"))
    h.good("setup")
    assert a != h.read("s.tpm")


@test
def keys_in_hexadecimal(h):
    h.write("hex", h.read("key").hex().encode() + b"\n", 0o600)
    h.good("setup")
    h.good("show", key="hex")


@test
def keys_that_are_none(h):
    h.good("setup")
    for name, data, mode, says in (("open", h.read("key"), 0o640, "others"), ("short", b"x" * 31, 0o600, "32 bytes"),
                                   ("long", b"x" * 33, 0o600, "32 bytes"), ("empty", b"", 0o600, "32 bytes"),
                                   ("nohex", b"g" * 64, 0o600, "32 bytes"), ("other", b"x" * 32, 0o600, "another key")):
        h.write(name, data, mode)
        h.fails(3, says, "show", key=name)
    h.fails(3, "nowhere", "show", key="nowhere")
    os.symlink("key", h.path("link"))
    h.fails(3, "link", "show", key="link")


@test
def states_that_are_none(h):
    h.fails(3, "s.tpm", "show")
    h.good("setup")
    h.fails(3, "another guest's", "show", name="bank/other")
    good = h.read("s.tpm")
    for data, says in ((b"", "holds no state"), (b"\0" * 2 * SLOT, "holds no state"), (os.urandom(4096), "damaged"),
                       (good[:100], "damaged"), (b"x" * (2 * SLOT + 1), "s.tpm")):
        h.write("s.tpm", data)
        h.fails(3, says, "show")
    later = bytearray(good)
    for at in (16, SLOT + 16):
        later[at:at + 4] = struct.pack("<I", 2)
    h.write("s.tpm", bytes(later))
    h.fails(3, "later version", "show")
    h.write("real", good)
    os.unlink(h.path("s.tpm"))
    os.symlink("real", h.path("s.tpm"))
    h.fails(3, "s.tpm", "show")


@test
def one_damaged_slot_is_said(h):
    h.good("setup")
    data = bytearray(h.read("s.tpm"))
    data[300] ^= 1
    h.write("s.tpm", bytes(data))
    assert json.loads(h.good("show", "--json"))["one_slot"] is True
    assert "one slot of two" in h.good("show")


@test
def a_running_guest_keeps_its_tpm(h):
    h.good("setup")
    with open(h.path("s.tpm"), "r+b") as f:
        fcntl.fcntl(f, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        h.fails(1, "its guest runs", "reset", "--yes")
        h.good("show")
    h.good("reset", "--yes")


@test
def an_interrupted_setup_is_no_obstacle(h):
    h.write("s.tpm.new", b"half of one")
    h.good("setup")
    assert not os.path.exists(h.path("s.tpm.new"))


@test
def cas_that_are_none(h):
    h.fails(3, "none", "setup", "--ca", "none")
    h.write("ca/ca.pem", b"nonsense")
    h.fails(3, "ca.key", "setup")
    h.write("ca/ca.key", b"nonsense", 0o600)
    h.fails(3, "ca.key", "setup")
    for name in ("ca.key", "ca.pem"):
        os.unlink(h.path("ca/" + name))
    h.good("setup")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                    "-keyout", h.path("ca/ca.key"), "-out", h.path("other.pem")], check=True, capture_output=True)
    h.fails(3, "not of its ca.key", "reset", "--yes")
    os.rename(h.path("other.pem"), h.path("ca/ca.pem"))
    h.good("reset", "--yes")


def swtpm_make(h, folder, *options):
    """A TPM of swtpm's own making."""
    os.mkdir(h.path(folder))
    subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", h.path(folder), "--create-ek-cert", "--pcr-banks", "sha256", *options],
                   check=True, capture_output=True)
    return f"{folder}/tpm2-00.permall"


def swtpm_ek(h, folder, *options):
    """SHA-256 of the public area of the RSA key, as swtpm and tpm2-tools tell it: the end of its name."""
    port = 20000 + os.getpid() % 20000
    server = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + h.path(folder), "--server", f"type=tcp,port={port}",
                               "--ctrl", f"type=tcp,port={port + 1}", "--flags", "not-need-init,startup-clear", *options])
    try:
        for _ in range(100):
            r = subprocess.run(["tpm2_readpublic", "-T", f"swtpm:port={port}", "-c", "0x81010001"], capture_output=True, text=True,
                               check=False)
            if r.returncode == 0:
                return re.search("name: 000b([0-9a-f]{64})", r.stdout)[1]
            time.sleep(0.05)
        raise AssertionError(r.stderr)
    finally:
        server.kill()
        server.wait()


@test
def from_swtpm_and_back(h):
    h.write("hex", os.urandom(32).hex().encode() + b"\n", 0o600)
    for n, options in enumerate(((), ("--keyfile", h.path("hex"), "--cipher", "aes-256-cbc"))):
        state = swtpm_make(h, f"from{n}", *options)
        key = ("--swtpm-key", "hex") if options else ()
        h.good("import", "--from", state, *key, state=f"{n}.tpm")
        mine = json.loads(h.good("show", "--json", state=f"{n}.tpm"))["keys"][0]["public_sha256"]
        swtpm_key = ("--key", f"file={h.path('hex')},format=hex,mode=aes-256-cbc") if options else ()
        assert mine == swtpm_ek(h, f"from{n}", *swtpm_key)
        os.mkdir(h.path(f"to{n}"))
        h.good("export", "--to", f"to{n}/tpm2-00.permall", *(key or ("--unencrypted",)), state=f"{n}.tpm")
        assert os.stat(h.path(f"to{n}/tpm2-00.permall")).st_mode & 0o777 == 0o600
        assert mine == swtpm_ek(h, f"to{n}", *swtpm_key)
        h.fails(1, "exists", "export", "--to", f"to{n}/tpm2-00.permall", *(key or ("--unencrypted",)), state=f"{n}.tpm")
        h.fails(1, "has a TPM already", "import", "--from", state, *key, state=f"{n}.tpm")


@test
def states_of_swtpm_that_are_none(h):
    h.write("hex", os.urandom(32).hex().encode(), 0o600)
    good = h.read(swtpm_make(h, "plain"))
    h.write("plain/locked", h.read(swtpm_make(h, "locked", "--keyfile", h.path("hex"), "--cipher", "aes-256-cbc")))
    h.write("hex128", os.urandom(16).hex().encode(), 0o600)
    h.write("plain/weak", h.read(swtpm_make(h, "weak", "--keyfile", h.path("hex128"))))
    h.write("plain/blob", good[:4] + b"\0\4" + good[6:])
    h.write("plain/later", b"\3\3" + good[2:])
    h.write("plain/state", good[:20] + b"x" * 40 + good[60:])
    for file, says, key in (("none", "none", ()), ("plain/locked", "its key is needed", ()),
                            ("plain/locked", "another key", ("--swtpm-key", "key")), ("plain/weak", "128 bits", ("--swtpm-key", "key")),
                            ("plain/blob", "migration", ()), ("plain/later", "later swtpm", ()), ("plain/state", "does not take", ()),
                            ("key", "no state of swtpm's", ())):
        h.fails(3, says, "import", "--from", file, *key)
    for cut in (0, 5, 9, 10, 15, 16, 100, len(good) - 1):
        h.write("plain/cut", good[:cut])
        h.fails(3, "swtpm's", "import", "--from", "plain/cut")
    h.fails(2, "--from", "import")


@test
def export_says_how(h):
    h.good("setup")
    h.fails(2, "--to", "export", "--unencrypted")
    h.fails(2, "--swtpm-key", "export", "--to", "x")
    h.fails(2, "--swtpm-key", "export", "--to", "x", "--unencrypted", "--swtpm-key", "key")
    with open(h.path("s.tpm"), "r+b") as f:
        fcntl.fcntl(f, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        h.fails(1, "its guest runs", "export", "--to", "x", "--unencrypted")


@test
def names_that_are_none(h):
    for name in ("", "/", "a/", "/a", "a/b/c", "../x", "a/../b", "a b", "a\nb", "x" * 96, "a/.b", ".a"):
        r = h.run("setup", name=name)
        assert r.returncode == 2 and "name" in r.stderr, (name, r.returncode, r.stderr)
    h.good("setup", name="A-tenant_1/" + "x" * 80)


def main():
    print(f"1..{len(TESTS)}")
    for n, f in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory(prefix="casemate-vtpm-") as folder:
            try:
                f(House(folder))
                print(f"ok {n} - {f.__name__.replace('_', ' ')}", flush=True)
            except AssertionError as e:
                line = e.__traceback__.tb_next.tb_lineno
                print(f"not ok {n} - {f.__name__.replace('_', ' ')}\n# line {line}: {e}", flush=True)


main()
