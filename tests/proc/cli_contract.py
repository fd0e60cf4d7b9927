#!/usr/bin/env python3
"""The command line's contract, verb by verb, through the front door: help, usage errors, JSON, the statuses
of answers and of bad input, one cause each, nothing on the wrong stream, no file made or changed.

usage: cli_contract.py CASEMATE MINT-REPORT [-- TEST...]    SHOW=1 prints the messages
"""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_kit import NOBODY, House, has_kvm, is_root, main, mounts, need, need_private_mounts, snapshot

ARGS = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
ONLY = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
CASEMATE, MINT = map(os.path.abspath, ARGS[:2])
TESTS = []
AT = "2026-10-01T00:00:00Z"  # within the validity of what mint-report makes

# Each verb that exists: words, and how many more arguments it takes at least.
VERBS = [(w.split(), n) for w, n in (
    ("run", 1), ("list", 0), ("show", 1), ("stop", 1), ("host check", 0), ("measure", 1), ("attest show", 1),
    ("attest measure", 1), ("policy lint", 1), ("policy hash", 1), ("policy fmt", 1), ("policy explain", 1),
    ("policy schema", 0), ("policy diff", 2), ("ledger init", 1), ("ledger verify", 1), ("ledger list", 1),
    ("ledger prove", 2),
    ("ledger check-proof", 1), ("attest verify", 0), ("broker serve", 0), ("broker secret put", 1),
    ("broker secret list", 0), ("broker secret rm", 1), ("broker policy put", 1), ("broker policy list", 0),
    ("broker policy revoke", 1), ("broker sev-session put", 1), ("broker sev-session list", 0),
    ("broker sev-session release", 1), ("broker sev-session rm", 1), ("broker store import", 1), ("broker store rekey", 1),
    ("vtpm setup", 1), ("vtpm show", 1), ("vtpm reset", 1), ("vtpm import", 1),
    ("vtpm export", 1))]
GROUPS = ("attest", "policy", "ledger", "broker", "vtpm")


def test(f):
    TESTS.append(f)
    return f


def answers(h, status, *args, says=(), **kw):
    """An answer, yes or no: on standard output."""
    before = snapshot(h.dir)
    r = h.run(*args, **kw)
    assert r.status == status, f"{args}: status {r.status}, want {status}: {r.err}"
    assert r.out, f"{args}: no answer"
    assert status == 1 or r.err == "", f"{args}: says {r.err}"
    for text in [says] if isinstance(says, str) else says:
        assert text in r.out, f"{args}: no '{text}' in: {r.out}"
    assert snapshot(h.dir) == before, f"{args}: changed the folder"
    return r.out


def object_of(h, status, *args, **kw):
    """The one JSON object that standard output is."""
    before = snapshot(h.dir)
    r = h.run(*args, **kw)
    assert r.status == status, f"{args}: status {r.status}, want {status}: {r.err}"
    o = json.loads(r.out)
    assert isinstance(o, dict) and isinstance(o.get("schema"), str) and "/" in o["schema"], o
    assert status != 0 or r.err == "", f"{args}: says {r.err}"
    assert snapshot(h.dir) == before, f"{args}: changed the folder"
    return o


# ---- every verb ----------------------------------------------------------------------------------

@test
def help_is_an_answer(h):
    for words in [[], *([g] for g in GROUPS), ["host"], *(w for w, _ in VERBS)]:
        out = answers(h, 0, *words, "--help", says="usage: casemate")
        assert len(out) < 8000 and "\033" not in out
    assert answers(h, 0, "--version").startswith("casemate ")
    front = answers(h, 0, "--help")
    for words, _ in VERBS:
        assert words[0] in front, words


@test
def unknown_verbs_are_2_and_the_known_ones_are_listed(h):
    h.fails(2, "frobnicate", says=["frobnicate", "run"])
    h.fails(2, "--frobnicate", says="frobnicate")
    h.fails(2, says="verb")
    for group, known in zip(GROUPS, ("verify", "lint", "check-proof", "serve", "reset")):
        h.fails(2, group, "frobnicate", says=["frobnicate", known])
        h.fails(2, group, says=known)
    for words in (("host", "frobnicate"), ("host",), ("broker", "secret", "frobnicate"), ("broker", "policy", "frobnicate")):
        h.fails(2, *words)


@test
def verbs_of_later_versions_say_so(h):
    for words in (("policy", "sign"), ("policy", "verify")):
        h.fails(2, *words, says="not in this version")


@test
def unknown_options_are_2_and_named(h):
    for words, n in VERBS:
        for option in ("--frobnicate", "--frobnicate=x", "-x"):
            h.fails(2, *words, *["x"] * n, option, says=option.split("=")[0])


@test
def missing_and_surplus_arguments_are_2(h):
    for words, n in VERBS:
        if n > 0:
            h.fails(2, *words)
        if words[:2] not in (["broker", "serve"], ["attest", "verify"]):
            h.fails(2, *words, *["x"] * (n + 2))
    h.fails(2, "attest", "verify", says="--evidence")
    h.fails(2, "broker", "serve", says="--config")
    h.fails(2, "run", "x", "--name", says="--name")
    h.fails(2, "run", "x", "--name", "a", "--name", "b", says="--name")
    h.fails(2, "run", "x", "--plan=yes", says="--plan")
    h.fails(2, "run", "x", "--json", says="--plan")
    h.fails(2, "run", "x", "--log-level", "loud", says="loud")
    h.fails(2, "stop", "..", says="name")
    h.fails(2, "show", "a+b", says="name")
    h.fails(2, "ledger", "prove", "x", "first", says="first")
    h.fails(2, "ledger", "check-proof", "x", says="--key")
    h.fails(2, "ledger", "init", "x", says="--origin")
    h.fails(2, "host", "check", "--tee", "sgx", says="sgx")


@test
def answers_that_reach_nobody_are_none(h):
    h.policy()
    for words in (("--help",), ("--version",), ("list",), ("list", "--json"), ("host", "check"), ("run", "p.jsonc", "--plan"),
                  ("policy", "hash", "p.jsonc"), ("policy", "explain", "p.jsonc"), ("policy", "schema"), ("policy", "fmt", "p.jsonc"),
                  ("policy", "--help"), ("attest", "--help"), ("ledger", "--help"), ("broker", "--help"), ("run", "--help"),
                  ("attest", "show", "--help"), ("ledger", "list", "--help"), ("broker", "serve", "--help"),
                  ("policy", "lint", "--help")):
        with open("/dev/full", "wb") as full:
            r = h.finish(h.start(*words, stdout=full))
        assert r.status == 5 and len(r.complaints()) == 1, (words, r.status, r.err)


# ---- guests, host --------------------------------------------------------------------------------

@test
def lists_of_guests(h):
    assert "guests" in object_of(h, 0, "list", "--json")
    answers(h, 0, "list")
    h.fails(1, "show", h.name, says=[h.name, "casemate list"])
    h.fails(1, "show", h.name, "--json", says=h.name)
    h.fails(1, "stop", h.name, says=h.name)
    need(has_kvm(), "no /dev/kvm")
    h.policy()
    p = h.launch()
    try:
        mine = [g for g in object_of(h, 0, "list", "--json")["guests"] if g["name"] == h.name]
        assert mine and mine[0]["state"] == "running" and mine[0]["pid"] == p.pid
        assert object_of(h, 0, "show", h.name, "--json")["guest"]["name"] == h.name
        answers(h, 0, "show", h.name, says=["p.jsonc", h.name])
        answers(h, 0, "list", says=h.name)
    finally:
        p.terminate()
        assert h.finish(p).status == 143


@test
def host_check_has_a_fix_beside_every_no(h):
    for tee in ("none", "sw", "sev", "sev-es", "snp", "tdx"):
        r = h.run("host", "check", "--tee", tee)
        o = object_of(h, r.status, "host", "check", "--tee", tee, "--json")
        assert o["ready"] == (r.status == 0) == all(x["ok"] or not x["needed"] for x in o["rows"])
        assert all(x["ok"] or x["fix"] for x in o["rows"]), o
        assert all(x["ok"] == (x["state"] == "yes") and x["state"] in ("yes", "no", "unknown") for x in o["rows"]), o
        assert all(x["observed"] and x["wanted"] and x["source"] for x in o["rows"]), o
        assert o["schema"] == "casemate/host/2" and len({x["id"] for x in o["rows"]}) == len(o["rows"])
        assert r.out.count("needed") >= sum(not x["ok"] for x in o["rows"])
        assert r.status in (0, 1) and r.err == ""


@test
def plan_is_an_answer(h):
    h.policy()
    o = object_of(h, 0, "run", "p.jsonc", "--plan", "--json")
    assert o["name"] == h.name and len(o["policy_hash"]) == 64
    answers(h, 0, "run", "p.jsonc", "--plan", says="casemate-monitor")


# ---- policy --------------------------------------------------------------------------------------

@test
def policy_verbs(h):
    h.policy()
    h.write("bad.jsonc", b'{"schema": "launch-policy/1",\n "serial": "x"}')
    h.write("cut.jsonc", b"{")
    digest = answers(h, 0, "policy", "hash", "p.jsonc").strip()
    assert object_of(h, 0, "policy", "hash", "p.jsonc", "--json")["sha256"] == digest
    answers(h, 0, "policy", "explain", "p.jsonc")
    assert object_of(h, 0, "policy", "diff", "p.jsonc", "p.jsonc", "--json")["overall"] == "same"
    object_of(h, 0, "policy", "explain", "p.jsonc", "--json")
    r = h.run("policy", "lint", "p.jsonc")
    assert object_of(h, r.status, "policy", "lint", "p.jsonc", "--json")["errors"] == (r.status == 1)
    assert json.loads(answers(h, 0, "policy", "schema"))["$schema"].startswith("http")
    for verb in ("hash", "explain", "fmt"):
        h.fails(3, "policy", verb, "bad.jsonc", says="bad.jsonc:2:12: ")
        h.fails(3, "policy", verb, "cut.jsonc", says="cut.jsonc:1:")
        h.fails(3, "policy", verb, "none.jsonc", says=["none.jsonc", "No such file"])
        h.fails(3, "policy", verb, ".", says=[".", "directory"])
    # Lint answers with findings, on standard output, also for what is no policy; and says 3.
    r = h.run("policy", "lint", "bad.jsonc")
    assert r.status == 3 and "bad.jsonc:2:12: " in r.out, (r.status, r.out)
    assert object_of(h, 3, "policy", "lint", "bad.jsonc", "--json")["errors"] == 1
    h.fails(3, "policy", "lint", "none.jsonc", says="none.jsonc")
    h.fails(2, "policy", "lint", "p.jsonc", "--at", "yesterday", says="yesterday")
    h.fails(2, "policy", "lint", "p.jsonc", "--format", "xml", says="--format")


@test
def policy_fmt_writes_whole_files_or_none(h):
    h.policy()
    r = h.run("policy", "fmt", "p.jsonc")
    assert r.status == 0
    with open(h.path("p.jsonc"), encoding="utf-8") as f:
        is_same = f.read() == r.out
    before = snapshot(h.dir)
    assert h.run("policy", "fmt", "--check", "p.jsonc").status == (0 if is_same else 1)
    assert snapshot(h.dir) == before
    need_private_mounts()
    full = mounts(f"mkdir {h.dir}/m\nmount -t tmpfs -o size=16k none {h.dir}/m\ncp {h.dir}/p.jsonc {h.dir}/m/\n"
                  f"! dd if=/dev/zero of={h.dir}/m/fill bs=1k 2>/dev/null\ncd {h.dir}/m")
    before = h.run("policy", "hash", "p.jsonc").out
    r = h.run("policy", "fmt", "--write", "p.jsonc", prefix=full[:4] + [full[4].replace('exec "$@"', '"$@" && exit 9\n'
              f"[ $? = 4 ] && {CASEMATE} policy hash p.jsonc && ls")] + full[5:])
    assert r.status == 0, (r.status, r.err)
    assert r.out == before + "fill\np.jsonc\n" and len(r.complaints()) == 1, (r.out, r.err)


@test
def files_that_may_not_be_read_are_3(h):
    need(is_root(), "needs root to become nobody")
    for name in ("p.jsonc", "report", "proof"):
        h.write(name, b"{}", 0o600)
    os.mkdir(h.path("ledger"), 0o700)
    os.mkdir(h.path("store"), 0o700)
    for args in (("policy", "lint", "p.jsonc"), ("policy", "hash", "p.jsonc"), ("measure", "p.jsonc"), ("attest", "show", "report"),
                 ("attest", "verify", "--evidence", "report"), ("ledger", "verify", "ledger"), ("ledger", "list", "ledger"),
                 ("ledger", "prove", "ledger", "0"), ("ledger", "check-proof", "proof", "--key", "p.jsonc"),
                 ("broker", "serve", "--config", "p.jsonc"), ("broker", "secret", "list", "--store", "store"),
                 ("broker", "policy", "list", "--config", "p.jsonc")):
        h.fails(3, *args, prefix=NOBODY, says="Permission denied")


# ---- measure and attest --------------------------------------------------------------------------

@test
def measure_answers(h):
    h.snp()
    digest = answers(h, 0, "measure", "p.jsonc").strip()
    assert len(digest) == 96
    o = object_of(h, 0, "measure", "p.jsonc", "--json")
    assert o["launch_digest"] == digest
    answers(h, 0, "measure", "p.jsonc", "--explain", says=digest)
    answers(h, 0, "measure", "p.jsonc", "--diff", digest)
    answers(h, 1, "measure", "p.jsonc", "--diff", "00" * 48, says="differs")
    object_of(h, 1, "measure", "p.jsonc", "--diff", "00" * 48, "--json")
    h.fails(3, "measure", "p.jsonc", "--diff", "00" * 47, says="0000")
    h.fails(3, "measure", "none.jsonc", says="none.jsonc")
    with open(h.path("tiny.bin"), "ab") as f:
        f.write(b"x")
    h.fails(1, "measure", "p.jsonc", says="tiny.bin")
    os.unlink(h.path("tiny.bin"))
    h.fails(3, "measure", "p.jsonc", says=["tiny.bin", "No such file"])
    h.policy()
    h.fails(3, "measure", "p.jsonc", says="plain guest")


@test
def evidence_is_judged(h):
    subprocess.run([MINT, h.dir], check=True)
    good = ["attest", "verify", "--evidence", "report", "--certs", "vcek", "--certs", "ask", "--root", "ark", "--at", AT]
    answers(h, 0, *good, says="verdict: affirming")
    o = object_of(h, 0, *good, "--json")
    assert o["verdict"] == "affirming" and o["trust_class"] == "simulated"
    answers(h, 0, *good, "--report-data", "d1" * 64)
    # Another nonce, another time, nobody's root, no certificates, a row that must be answered and is not.
    for more, row in ((["--report-data", "d2" * 64], "report_data"), (["--require", "revocation"], "revocation")):
        r = h.run(*good, *more)
        assert r.status == 1 and len(r.complaints()) == 1 and row in r.err, (r.status, r.err)
        rows = {x["row"]: x for x in object_of(h, 1, *good, *more, "--json")["rows"]}
        assert rows[row]["status"] == "contraindicated" and rows[row]["why"], rows[row]
    for args in (good[:-2], good[:-4] + good[-2:], good[:4] + good[8:]):
        r = h.run(*args, *([] if args is good[:-2] else []), "--at", "2036-01-01" if args == good[:-2] else AT) \
            if "--at" not in args else h.run(*args)
        assert r.status == 1 and len(r.complaints()) == 1 and "verdict: contraindicated" in r.out, (args, r.status, r.err)
    with open(h.path("report"), "r+b") as f:
        f.seek(0x90)
        f.write(b"\0")
    r = h.run(*good)
    assert r.status == 1 and "signature" in r.err, r.err


@test
def expired_policy_makes_evidence_a_no(h):
    subprocess.run([MINT, h.dir], check=True)
    h.snp()
    with open(h.path("p.jsonc"), encoding="utf-8") as f:
        p = json.load(f)
    p["valid"] = {"not_before": "2020-01-01T00:00:00Z", "not_after": "2020-12-31T00:00:00Z"}
    h.write("p.jsonc", json.dumps(p))
    o = object_of(h, 1, "attest", "verify", "--evidence", "report", "--certs", "vcek", "--certs", "ask", "--root", "ark", "--at", AT,
                  "--policy", "p.jsonc", "--json")
    assert any("expired" in x["why"] and x["status"] == "contraindicated" for x in o["rows"]), o["rows"]


@test
def bytes_that_are_no_evidence_are_3(h):
    subprocess.run([MINT, h.dir], check=True)
    with open(h.path("report"), "rb") as f:
        report = f.read()
    for data in (b"", b"x" * 1184, report[:-1], report + b"x", bytes(1184), b"\x63" + report[1:], os.urandom(5000)):
        h.write("e", data)
        h.fails(3, "attest", "verify", "--evidence", "e", says="e: ")
        h.fails(3, "attest", "show", "e", says="e: ")
    h.fails(3, "attest", "verify", "--evidence", "none", says=["none", "No such file"])
    h.fails(3, "attest", "verify", "--evidence", ".", says=[".", "directory"])
    h.fails(3, "attest", "verify", "--evidence", "report", "--certs", "disk.img", says="disk.img")
    h.fails(3, "attest", "verify", "--evidence", "report", "--root", "none", says="none")
    h.fails(3, "attest", "verify", "--evidence", "report", "--report-data", "@none", says="none")
    h.fails(3, "attest", "verify", "--evidence", "report", "--policy", "none", says="none")
    for option, value in (("--kind", "sgx"), ("--at", "now"), ("--require", "everything"), ("--report-data", "0"),
                          ("--report-data", "00" * 65)):
        h.fails(2, "attest", "verify", "--evidence", "report", option, value, says=option)
    assert object_of(h, 0, "attest", "show", "report", "--json")["claims"]["version"] == 5
    answers(h, 0, "attest", "show", "report", says="not verified")
    object_of(h, 0, "attest", "show", "vcek", "--json")


# ---- ledger --------------------------------------------------------------------------------------

@test
def ledger_verbs(h):
    vkey = h.run("ledger", "init", "ledger", "--origin", "test.cli/log", "--key", "key.pem").out.strip()
    assert vkey.startswith("test.cli/log+")
    answers(h, 0, "ledger", "verify", "ledger", says="good")
    answers(h, 0, "ledger", "verify", "ledger", "--key", vkey)
    assert object_of(h, 0, "ledger", "verify", "ledger", "--json")["valid"] is True
    assert object_of(h, 0, "ledger", "list", "ledger", "--json")["entries"] == []
    h.fails(1, "ledger", "prove", "ledger", "0", says="ledger")
    h.fails(1, "ledger", "init", "ledger", "--origin", "test.cli/log", "--key", "key.pem", says="already")
    other = h.run("ledger", "init", "other", "--origin", "test.cli/log", "--key", "other.pem").out.strip()
    h.fails(1, "ledger", "verify", "ledger", "--key", other, says="not the one asked for")
    h.fails(3, "ledger", "verify", "ledger", "--key", "nonsense", says="nonsense")
    h.fails(3, "ledger", "verify", "ledger", "--key", "key.pem", says="key.pem")
    for verb in (("verify",), ("list",), ("prove", "0")):
        for folder, says in (("none", "No such file"), ("disk.img", "Not a directory"), (".", "casemate-ledger init")):
            h.fails(3, "ledger", verb[0], folder, *verb[1:], says=says)
    h.fails(3, "ledger", "check-proof", "none", "--key", vkey, says="none")
    h.fails(3, "ledger", "check-proof", "disk.img", "--key", vkey, says="disk.img")
    with open(h.path("ledger/checkpoint"), "r+b") as f:
        f.seek(-5, 2)
        f.write(b"AAA")
    r = h.run("ledger", "verify", "ledger", "--json")
    assert r.status in (1, 3) and json.loads(r.out)["valid"] is False and len(r.complaints()) == 1, (r.status, r.err)


@test
def ledger_of_a_guest_is_proven(h):
    need(has_kvm(), "no /dev/kvm")
    h.with_ledger()
    p = h.launch()
    p.terminate()
    assert h.finish(p).status == 143
    with open(h.path("ledger/vkey"), encoding="ascii") as f:
        vkey = f.read().strip()
    assert len(object_of(h, 0, "ledger", "list", "ledger", "--json")["entries"]) == 2
    assert h.run("ledger", "prove", "ledger", "0", "--out", "proof").status == 0
    answers(h, 0, "ledger", "check-proof", "proof", "--key", vkey, says=["launched", h.name])
    assert object_of(h, 0, "ledger", "check-proof", "proof", "--key", vkey, "--json")["valid"] is True
    h.fails(1, "ledger", "prove", "ledger", "2", says="2")
    with open(h.path("proof"), "r+b") as f:
        data = f.read()
        f.seek(0)
        f.write(data[:-9] + (b"B" if data[-9:-8] == b"A" else b"A") + data[-8:])  # within the signature
    r = h.run("ledger", "check-proof", "proof", "--key", vkey, "--json")
    assert r.status in (1, 3) and json.loads(r.out)["valid"] is False and len(r.complaints()) == 1, (r.status, r.err)


@test
def ledger_init_leaves_nothing_half_made(h):
    h.write("garbage.pem", b"x")
    h.fails(3, "ledger", "init", "new", "--origin", "test.cli/log", "--key", "garbage.pem", says="garbage.pem")
    h.fails(2, "ledger", "init", "new", "--origin", "has space", "--key", "key.pem", says="space")
    h.fails(3, "ledger", "init", "none/new", "--origin", "test.cli/log", "--key", "key.pem", says="none/new")
    h.fails(3, "ledger", "init", "new", "--origin", "test.cli/log", "--key", "none/key.pem", says="none/key.pem")
    h.fails(3, "ledger", "init", "disk.img", "--origin", "test.cli/log", "--key", "key.pem", says="disk.img")
    need_private_mounts()
    os.mkdir(h.path("m"))
    full = mounts(f"mount -t tmpfs -o size=8k none {h.dir}/m\n! dd if=/dev/zero of={h.dir}/m/fill bs=1k 2>/dev/null\ncd {h.dir}/m")
    r = h.fails(4, "ledger", "init", "new", "--origin", "test.cli/log", "--key", "key.pem", prefix=full, says="No space left")
    assert "entry" not in r.err


# ---- broker --------------------------------------------------------------------------------------

def broker_config(h, **changes):
    c = {"listen": "broker.sock", "store": "store", "roots": [], "tls": {"certificate": "tls.pem", "key": "tls.key"},
         "ledger": {"folder": "ledger", "key": "key.pem", "origin": "test.cli/log"}}
    c.update(changes)
    return h.write("broker.jsonc", json.dumps({k: v for k, v in c.items() if v is not None}, indent=1))


@test
def broker_store_verbs(h):
    h.write("secret", b"a key")
    at = ("--store", "store")
    for words in (("secret", "list"), ("secret", "rm", "a/b/c"), ("policy", "list"), ("policy", "revoke", "00" * 32)):
        h.fails(3, "broker", *words, *at, says=["store store", "there is none"])
    assert h.run("broker", "secret", "put", "a/b/d", "--file", "secret", *at).status == 0
    assert h.run("broker", "secret", "rm", "a/b/d", *at).status == 0
    assert object_of(h, 0, "broker", "secret", "list", *at, "--json")["secrets"] == []
    assert object_of(h, 0, "broker", "policy", "list", *at, "--json")["policies"] == []
    h.fails(2, "broker", "secret", "list", says="--store")
    h.fails(3, "broker", "secret", "list", "--store", "none", says="none")
    h.fails(3, "broker", "secret", "list", "--store", "disk.img", says="disk.img")
    h.fails(3, "broker", "secret", "list", "--config", "none", says="none")
    h.fails(1, "broker", "secret", "rm", "a/b/c", *at, says="a/b/c")
    h.fails(3, "broker", "secret", "put", "a/b/c", "--file", "none", *at, says="none")
    for path in ("a", "a/b", "a/b/c/d", "../b/c", "a//c", "/a/b/c"):
        r = h.run("broker", "secret", "put", path, "--file", "secret", *at)
        assert r.status in (2, 3) and len(r.complaints()) == 1 and path in r.err, (path, r.status, r.err)
    h.fails(3, "broker", "policy", "put", "none", *at, says="none")
    h.write("bad.jsonc", b'{\n"x": 1}')
    h.fails(3, "broker", "policy", "put", "bad.jsonc", *at, says="bad.jsonc:2:1: ")
    h.fails(2, "broker", "policy", "put", "bad.jsonc", "--launch-digest", "00", *at, says="--launch-digest")
    h.fails(2, "broker", "policy", "revoke", "00", *at, says="00")
    h.fails(1, "broker", "policy", "revoke", "00" * 32, *at, says="0000")
    for what in ("secret", "policy"):
        words = ("broker", what, "list", *at, "--json")
        assert object_of(h, 0, *words)[{"secret": "secrets", "policy": "policies"}[what]] == [], "something is in the store"
    h.snp()
    r = h.run("broker", "policy", "put", "p.jsonc", "--launch-digest", "00" * 48, *at, "--json")
    assert r.status == 0 and len(json.loads(r.out)["hash"]) == 64, r.err
    r = h.run("broker", "secret", "put", "a/b/c", "--file", "secret", *at)
    assert r.status == 0 and r.out == "" and r.err == "", (r.status, r.err)
    answers(h, 0, "broker", "secret", "list", *at, says="a/b/c")
    answers(h, 0, "broker", "policy", "list", *at, says="active")
    assert object_of(h, 0, "broker", "secret", "list", *at, "--json")["secrets"] == ["a/b/c"]


@test
def broker_that_cannot_serve_says_why(h):
    h.run("ledger", "init", "ledger", "--origin", "test.cli/log", "--key", "key.pem")
    h.write("secret", b"a key")
    assert h.run("broker", "secret", "put", "a/b/c", "--file", "secret", "--store", "store").status == 0
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=casemate-broker", "-keyout", h.path("tls.key"), "-out", h.path("tls.pem")], check=True, capture_output=True)
    serve = ("broker", "serve", "--config", "broker.jsonc")
    h.fails(3, *serve, says="broker.jsonc")
    for text, says in (("{", "broker.jsonc:1:"), ('{"listen": 7}', "broker.jsonc:1:12"), ('{"x": 1}', '"x"'), ("[]", "broker.jsonc:1:1")):
        h.write("broker.jsonc", text)
        h.fails(3, *serve, says=says)
    for change, says in (({"store": "none"}, "none"), ({"store": "disk.img"}, "disk.img"), ({"roots": ["none"]}, "none"),
                         ({"roots": ["disk.img"]}, "disk.img"), ({"listen": "none/sock"}, "none/sock"), ({"listen": None}, "listen"),
                         ({"listen": "disk.img"}, "disk.img"), ({"listen": "x" * 120}, "xxx"),
                         ({"listen": None, "listen_tcp": "nowhere"}, "nowhere"),
                         ({"tls": {"certificate": "none", "key": "tls.key"}}, "none"), ({"tls": {"certificate": "tls.pem", "key": "key.pem"}}, "key.pem"),
                         ({"tls": {"certificate": "disk.img", "key": "tls.key"}}, "disk.img"),
                         ({"ledger": {"folder": "none", "key": "key.pem", "origin": "test.cli/log"}}, "none"),
                         ({"ledger": {"folder": "store", "key": "key.pem", "origin": "test.cli/log"}}, "casemate-ledger init"),
                         ({"ledger": {"folder": "ledger", "key": "tls.key", "origin": "test.cli/log"}}, "key")):
        broker_config(h, **change)
        h.fails(3, *serve, says=says)
    broker_config(h, ledger={"folder": "ledger", "key": "key.pem", "origin": "test.cli/other"})
    h.fails(1, *serve, says="not signed by test.cli/other")


main(TESTS, CASEMATE, ONLY)
