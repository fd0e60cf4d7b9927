#!/usr/bin/env python3
"""casemate-attest as people call it: answers, exit statuses, one-cause messages. TAP.

usage: test_attest_cmd.py CASEMATE-ATTEST
"""
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

ATTEST = os.path.abspath(sys.argv[1])
CMDLINE = "console=ttyS0 ro casemate.verity=2f9d"
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def run(*args):
    """Exit status, standard output, standard error."""
    p = subprocess.run([ATTEST, *args], capture_output=True, text=True, check=False, timeout=60)
    return p.returncode, p.stdout, p.stderr


def expect(status, *args, err="", out=""):
    got, stdout, stderr = run(*args)
    assert got == status, f"{args}: exit {got}, want {status}; {stderr}"
    assert err in stderr, f"{args}: no '{err}' in: {stderr}"
    assert out in stdout, f"{args}: no '{out}' in: {stdout}"
    assert status in (0, 1) or stdout == "", f"{args}: says something although it failed: {stdout}"
    return stdout


def bzimage(fill):
    """A kernel with a right setup header and 20000 bytes of protected-mode code."""
    b = bytearray(5 * 512 + 20000)
    b[5 * 512:] = bytes([fill]) * 20000
    for at, value in ((0x1F1, b"\x04"), (0x1FE, b"\x55\xaa"), (0x200, b"\xeb\x6a"), (0x202, b"HdrS"),
                      (0x206, b"\x0f\x02"), (0x211, b"\x01"), (0x22C, b"\xff\xff\xff\x7f"), (0x234, b"\x01"),
                      (0x258, struct.pack("<Q", 0x1000000)), (0x260, struct.pack("<I", 0x2000000))):
        b[at:at + len(value)] = value
    return bytes(b)


def report(version=5, measurement=b"\xD2" * 48, host_data=bytes(32)):
    """A report that nobody signed."""
    b = bytearray(1184)
    struct.pack_into("<I", b, 0, version)
    struct.pack_into("<Q", b, 8, 0x30000)
    struct.pack_into("<I", b, 0x34, 1)
    b[0x188:0x18B] = b"\x19\x01\x01"
    b[0x90:0xC0] = measurement
    b[0xC0:0xE0] = host_data
    return bytes(b)


def sha384(data):
    return "sha384:" + hashlib.sha384(data).hexdigest()


def policy(name, cmdline=CMDLINE, vcpus=2, memory=256, kernel=b"", kernel_file="vmlinuz", more=""):
    text = """{
  "schema": "launch-policy/1", "name": "acme.tests/attest", "serial": 1,
  "tee": {"type": "snp", "simulated": true, "snp": {
    "product": ["Milan"],
    "guest_policy": {"abi_major": 0, "abi_minor": 0, "smt": true, "debug": false, "migrate_ma": false,
                     "single_socket": false},
    "vmpl": 0}},
  "boot": {"kernel": {"file": "%s", "sha384": "%s"}, "initrd": {"file": "initrd", "sha384": "%s"},
           "cmdline": "%s"%s},
  "machine": {"vcpus": %d, "memory_mib": %d},
  "devices": {"disk": [], "console": "none", "rng": true},
  "audit": {"ledger": "ledger", "key": "key.pem", "origin": "log.example/tests"}
}
""" % (kernel_file, sha384(kernel or bzimage(1)), sha384(b"ramdisk"), cmdline, more, vcpus, memory)
    with open(name, "w", encoding="utf-8") as f:
        f.write(text)
    return name


def write(name, data):
    with open(name, "wb") as f:
        f.write(data)
    return name


def digest_of(name):
    return expect(0, "measure", name).strip()


@test
def measure_prints_one_digest():
    digest = digest_of(policy("p.jsonc"))
    assert len(digest) == 96 and int(digest, 16) >= 0
    assert digest == digest_of("p.jsonc")
    explained = expect(0, "measure", "p.jsonc", "--explain", out=CMDLINE)
    assert explained.startswith(digest) and "kernel" in explained and "vmsa1" in explained


@test
def measure_json_lists_the_pieces():
    j = json.loads(expect(0, "measure", policy("p.jsonc"), "--json"))
    assert j["schema"] == "casemate.attest.measure/1" and j["launch_digest"] == digest_of("p.jsonc")
    names = [p["name"] for p in j["pieces"]]
    assert names == ["kernel", "initrd", "boot-parameters", "cmdline", "gdt", "cc-blob", "acpi", "secrets",
                     "cpuid", "vmsa0", "vmsa1"], names
    piece = {p["name"]: p for p in j["pieces"]}
    assert piece["kernel"]["gpa"] == "0x1000000" and piece["kernel"]["length"] == 20000
    assert "sha384:" + piece["initrd"]["sha384"] == sha384(b"ramdisk")
    assert "sha384" not in piece["secrets"]


@test
def diff_of_equal_launches_is_yes():
    digest = digest_of(policy("p.jsonc"))
    expect(0, "measure", "p.jsonc", "--diff", digest, out="launch digest agrees")


@test
def diff_of_a_digest_names_the_input():
    other = digest_of(policy("q.jsonc", cmdline=CMDLINE + " init=/bin/sh"))
    policy("p.jsonc")
    expect(1, "measure", "p.jsonc", "--diff", other,
           out="launch digest differs: command line differs ('init=/bin/sh' added); kernel and initrd agree")
    other = digest_of(policy("q.jsonc", vcpus=4))
    expect(1, "measure", "p.jsonc", "--diff", other, out="number of vCPUs differs (4, this launch has 2)")
    other = digest_of(policy("q.jsonc", memory=512))
    expect(1, "measure", "p.jsonc", "--diff", other, out="memory size differs (512, this launch has 256)")


@test
def diff_uses_what_is_suspected():
    write("other", bzimage(2))
    other = digest_of(policy("q.jsonc", cmdline=CMDLINE + " zzz=1", kernel=bzimage(2), kernel_file="other"))
    policy("p.jsonc")
    expect(1, "measure", "p.jsonc", "--diff", other, out="none of")
    write("line", (CMDLINE + " zzz=1\n").encode())
    said = expect(1, "measure", "p.jsonc", "--diff", other, "--candidate-kernel", "other",
                  "--candidate-cmdline", "@line")
    assert "kernel differs" in said and "'zzz=1' added" in said and "initrd agrees" in said, said


@test
def diff_of_a_measurement_names_every_input():
    write("other", bzimage(2))
    write("m.json", expect(0, "measure", policy("q.jsonc", cmdline="whatever", vcpus=1, kernel=bzimage(2),
                                                kernel_file="other"), "--json").encode())
    j = json.loads(expect(1, "measure", policy("p.jsonc"), "--diff", "m.json", "--json"))
    assert j["schema"] == "casemate.attest.diff/1" and j["equal"] is False
    assert j["changed"] == ["kernel", "cmdline", "vcpus"], j
    assert j["expected"] == digest_of("p.jsonc") and j["actual"] == digest_of("q.jsonc")


@test
def diff_reads_reports():
    write("r.bin", report())
    expect(1, "measure", policy("p.jsonc"), "--diff", "r.bin", out="host data name no policy")
    same = bytes.fromhex(digest_of("p.jsonc"))
    with open("p.jsonc", "rb") as f:
        own = hashlib.sha256(f.read()).digest()
    write("r.bin", report(measurement=same, host_data=own))
    expect(0, "measure", "p.jsonc", "--diff", "r.bin", out="launch digest agrees\n")
    write("r.bin", report(measurement=same, host_data=own[:-1] + bytes([own[-1] ^ 1])))
    expect(1, "measure", "p.jsonc", "--diff", "r.bin",
           out="launch digest agrees; the report's host data name another policy")
    j = json.loads(expect(1, "measure", "p.jsonc", "--diff", "r.bin", "--json"))
    assert j["equal"] is False and j["changed"] == ["policy"] and j["expected"] == j["actual"], j


@test
def measure_refuses_what_is_not_there_or_not_meant():
    policy("p.jsonc", kernel_file="missing")
    expect(3, "measure", "p.jsonc", err="missing")
    policy("p.jsonc", kernel=b"another")
    expect(1, "measure", "p.jsonc", err="is not the file the policy names")
    expect(1, "verify", "--evidence", write("r.bin", report()), "--policy", "p.jsonc",
           err="is not the file the policy names")
    write("text", b"not a kernel")
    policy("p.jsonc", kernel=b"not a kernel", kernel_file="text")
    expect(3, "measure", "p.jsonc", err="no bzImage")
    write("bad.jsonc", b"{")
    expect(3, "measure", "bad.jsonc", err="bad.jsonc:")
    expect(3, "measure", "nosuch", err="nosuch")
    expect(3, "measure", policy("p.jsonc"), "--diff", "nosuch", err="nosuch")
    expect(3, "measure", "p.jsonc", "--diff", write("j.json", b'{"schema": "other"}'), err="measurement")


@test
def a_listed_digest_has_to_be_the_computed_one():
    digest = digest_of(policy("p.jsonc"))
    policy("q.jsonc", more=', "launch_digest": ["sha384:%s"]' % digest)
    expect(0, "measure", "q.jsonc", out=digest)
    policy("q.jsonc", more=', "launch_digest": ["sha384:%s"]' % ("00" * 48))
    expect(1, "measure", "q.jsonc", err="boot.launch_digest")


@test
def usage_errors_are_2():
    expect(2)
    expect(2, "frobnicate", err="frobnicate")
    expect(2, "measure", err="missing")
    expect(2, "verify", err="--evidence")
    expect(2, "verify", "--evidence", "x", "--kind", "y", err="--kind")
    expect(2, "verify", "--evidence", "x", "--at", "yesterday", err="--at")
    expect(2, "verify", "--evidence", "x", "--require", "nosuchrow", err="nosuchrow")
    expect(2, "verify", "--evidence", "x", "--report-data", "xyz", err="--report-data")
    expect(2, "measure", policy("p.jsonc"), "--nosuch", err="--nosuch")


@test
def help_lists_every_option():
    for command in ("show", "verify", "measure"):
        assert "--json" in expect(0, command, "--help")
    expect(0, "--help", out="measure")


@test
def bytes_that_are_no_evidence_are_3():
    expect(3, "verify", "--evidence", write("e", b""), err="no evidence")
    expect(3, "verify", "--evidence", write("e", report()[:-1]), err="1183")
    expect(3, "verify", "--evidence", write("e", report(9)), err="version 9")
    expect(3, "verify", "--evidence", "nosuch", err="nosuch")
    expect(3, "verify", "--evidence", write("e", report()), "--certs", write("c", b"noise"), err="c:")
    expect(3, "verify", "--evidence", "e", "--root", "nosuch", err="nosuch")
    expect(3, "verify", "--evidence", "e", "--kind", "tdx", err="TDX quote")
    expect(3, "verify", "--evidence", "e", "--kind", "sev", err="LAUNCH_MEASURE")
    expect(3, "verify", "--evidence", "e", "--kind", "tpm", err="TPM")
    quote = bytes([4, 0, 2, 0, 0x81]) + bytes(700)
    expect(3, "verify", "--evidence", write("e", quote), err="TDX quote")
    expect(3, "show", "e", err="TDX quote")
    expect(3, "show", "c", err="neither")


@test
def pipes_are_read_to_their_end():
    os.mkfifo("pipe")
    expect(3, "verify", "--evidence", "pipe", err="pipe: 0 bytes")  # nobody writes to it, nobody waits
    expect(3, "verify", "--evidence", "/dev/zero", err="/dev/zero is longer")
    os.mkdir("none")
    for option in ("--pcrs", "--ak", "--signature", "--ima", "--tee", "--tik", "--event-log", "--collateral"):
        expect(3, "verify", "--evidence", write("e", report(3)), option, "pipe", err="pipe is empty")
    for option in ("--event-log", "--collateral"):
        expect(3, "verify", "--evidence", "e", option, "none", err="none is empty")
    out, into = os.pipe()
    p = subprocess.Popen(["sh", "-c", "sleep 0.3; head -c 600 e; sleep 0.3; tail -c +601 e"], stdout=into,
                         cwd=os.path.dirname(os.path.abspath(write("e", report(3)))))
    os.close(into)
    shown = subprocess.run([ATTEST, "show", f"/dev/fd/{out}", "--json"], pass_fds=[out], capture_output=True, check=False)
    os.close(out)
    assert p.wait() == 0 and json.loads(shown.stdout)["claims"]["version"] == 3, shown


@test
def cut_evidence_is_no_other_evidence():
    for version in (2, 3, 5):
        whole = report(version)
        for length in range(0, len(whole), 37):
            if length != 48:  # as long as a SEV measurement
                expect(3, "verify", "--evidence", write("e", whole[:length]), err="e: ")


@test
def a_report_nobody_signed_is_a_no():
    write("e", report())
    j = json.loads(expect(1, "verify", "--evidence", "e", "--json"))
    assert j["verdict"] == "contraindicated" and j["trust_class"] == "host" and j["kind"] == "snp"
    rows = {r["row"]: r for r in j["rows"]}
    assert rows["chain"]["status"] == "contraindicated" and rows["signature"]["status"] == "none"
    expect(1, "verify", "--evidence", "e", out="verdict: contraindicated", err="chain")
    expect(1, "verify", "--evidence", "e", "--policy", policy("p.jsonc"), "--accept-warning",
           out="launch digest differs")


@test
def show_decodes_without_judging():
    write("e", report(3))
    j = json.loads(expect(0, "show", "e", "--json"))
    assert j["claims"]["version"] == 3 and j["claims"]["measurement"] == "d2" * 48
    expect(0, "show", "e", out="decoded, not verified")


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for number, function in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            write("vmlinuz", bzimage(1))
            write("initrd", b"ramdisk")
            try:
                function()
                print(f"ok {number} - {function.__name__}")
            except AssertionError as e:
                print(f"not ok {number} - {function.__name__}\n# " + str(e).replace("\n", "\n# "))
                failed += 1
            os.chdir("/")
    return 1 if failed else 0


sys.exit(main())
