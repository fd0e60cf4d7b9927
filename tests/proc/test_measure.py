#!/usr/bin/env python3
"""casemate measure for every kind of guest, against digests computed here from the specification. TAP.

usage: test_measure.py CASEMATE-ATTEST
"""
import hashlib
import hmac
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

ATTEST = os.path.abspath(sys.argv[1])
CMDLINE = "console=ttyS0 ro"
TESTS = []
PAGE = 4096


def test(function):
    TESTS.append(function)
    return function


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def sha384(*parts):
    return hashlib.sha384(b"".join(parts)).digest()


def guid(text):
    a, b, c, d, e = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


# --- a firmware image (kvm-cvm-abi.md, 2.13 and 4.8) --------------------------------------------------

SIZE = 0x10000
BASE = 2**32 - SIZE
RESET, HASHES = 0xFFFFA0F0, 0x80FC00
SEV_SECTIONS = [(0x800000, 0x2000, 1), (0x80D000, PAGE, 2), (0x80E000, PAGE, 3), (0x80F000, PAGE, 0x10)]
TDVF_SECTIONS = [(0x4000, SIZE - 0x4000, BASE + 0x4000, SIZE - 0x4000, 0, 1), (0, 0x4000, BASE, 0x4000, 1, 0),
                 (0, 0, 0x810000, 0x4000, 3, 0), (0, 0, 0x809000, 0x2000, 2, 0)]


def firmware(fill=0x5A, secret_gpa=None):
    image = bytearray(bytes([fill]) * SIZE)
    sev = b"ASEV" + struct.pack("<III", 16 + 12 * len(SEV_SECTIONS), 1, len(SEV_SECTIONS))
    sev += b"".join(struct.pack("<III", *s) for s in SEV_SECTIONS)
    tdvf = b"TDVF" + struct.pack("<III", 16 + 32 * len(TDVF_SECTIONS), 1, len(TDVF_SECTIONS))
    tdvf += b"".join(struct.pack("<IIQQII", *s) for s in TDVF_SECTIONS)
    tdvf = guid("e9eaf9f3-168e-44d5-a8eb-7f4d8738f6ae") + tdvf
    at_sev, at_tdvf = SIZE - 0x800, SIZE - 0x600
    image[at_sev:at_sev + len(sev)] = sev
    image[at_tdvf:at_tdvf + len(tdvf)] = tdvf
    table = b""
    if secret_gpa is not None:
        table = struct.pack("<IIH", secret_gpa, 0xC00, 26) + guid("4c2eb361-7d9b-4cc3-8081-127c90d3d294")
    for name, data in (("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", RESET)),
                       ("7255371f-3a3b-4b04-927b-1da6efa8d454", struct.pack("<II", HASHES, 0x400)),
                       ("dc886566-984a-4798-a75e-5585a7bf67cc", struct.pack("<I", SIZE - at_sev)),
                       ("e47a6535-984a-4798-865e-4685a7bf8ec2", struct.pack("<I", SIZE - at_tdvf - 16))):
        table += data + struct.pack("<H", len(data) + 18) + guid(name)
    table += struct.pack("<H", len(table) + 18) + guid("96b582de-1fb2-45f7-baea-a366c55a082d")
    image[SIZE - 32 - len(table):SIZE - 32] = table
    return bytes(image)


def kernel(fill=1):
    """A bzImage that is a PE image too: header, two sections in the wrong order, a tail, certificates."""
    b = bytearray(bytes([fill]) * 0x3000)
    b[:0x1000] = bytes(0x1000)
    b[0:2], b[0x3C:0x40] = b"MZ", struct.pack("<I", 0x80)
    b[0x1F1], b[0x202:0x206], b[0x206:0x208] = 4, b"HdrS", b"\x0f\x02"
    b[0x211], b[0x22C:0x230], b[0x236] = 1, b"\xff\xff\xff\x7f", 0x40
    optional = struct.pack("<H58xII", 0x20B, 0x1000, 0xDEADBEEF).ljust(108, b"\0") + struct.pack("<I", 6)
    optional += bytes(32) + struct.pack("<II", 0x2F00, 0x100) + bytes(8)
    sections = b"".join(struct.pack("<8sIIIIIIHHI", b".x", size, 0, size, at, 0, 0, 0, 0, 0)
                        for size, at in ((0x800, 0x2000), (0x1000, 0x1000)))
    head = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 2, 0, 0, 0, len(optional), 0) + optional + sections
    b[0x80:0x80 + len(head)] = head
    return bytes(b)


def authenticode(b):
    checksum, security = 0x80 + 24 + 64, 0x80 + 24 + 112 + 32
    return sha384(b[:checksum], b[checksum + 4:security], b[security + 8:0x1000], b[0x1000:0x2000], b[0x2000:0x2800],
                  b[0x2800:0x2F00])


# --- what is measured -------------------------------------------------------------------------------

def hash_table(kernel_bytes, initrd, cmdline):
    t = guid("9438d606-4f22-4cc9-b479-a793d411fd21") + struct.pack("<H", 168)
    for name, data in (("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", cmdline.encode() + b"\0"),
                       ("44baf731-3a2f-4bd7-9af1-41e29169781d", initrd),
                       ("4de79437-abd2-427f-b835-d5b172d2045b", kernel_bytes)):
        t += guid(name) + struct.pack("<H", 50) + sha256(data)
    return t.ljust(176, b"\0")


def vmsa(is_bsp, rdx, features, change=None):
    """QEMU's and ours (kvm-cvm-abi.md, 2.9)."""
    p = bytearray(PAGE)
    eip = 0xFFFFFFF0 if is_bsp else RESET

    def segment(at, selector, attribute, limit, base):
        struct.pack_into("<HHIQ", p, at, selector, attribute, limit, base)
    for at in (0, 0x20, 0x30, 0x40, 0x50):
        segment(at, 0, 0x93, 0xFFFF, 0)
    segment(0x10, 0xF000, 0x9B, 0xFFFF, eip & 0xFFFF0000)
    for at, attribute in ((0x60, 0), (0x70, 0x82), (0x80, 0), (0x90, 0x8B)):
        segment(at, 0, attribute, 0xFFFF, 0)
    for at, v in ((0xD0, 0x1000), (0x148, 0x40), (0x158, 0x10), (0x160, 0x400), (0x168, 0xFFFF0FF0), (0x170, 2),
                  (0x178, eip & 0xFFFF), (0x268, 0x0007040600070406), (0x310, rdx), (0x3B0, features), (0x3E8, 1)):
        struct.pack_into("<Q", p, at, v)
    struct.pack_into("<I", p, 0x408, 0x1F80)
    struct.pack_into("<H", p, 0x410, 0x37F)
    if change:
        change(p)
    return bytes(p)


class Snp:
    def __init__(self):
        self.ld = bytes(48)

    def add(self, kind, gpa, page=None):
        contents = sha384(page) if page is not None else bytes(48)
        self.ld = sha384(self.ld, contents, struct.pack("<HBBIQ", 0x70, kind, 0, 0, gpa))

    def add_all(self, gpa, data):
        for at in range(0, len(data), PAGE):
            self.add(1, gpa + at, data[at:at + PAGE])


def snp_digest(rdx=0, vcpus=2, features=1, initrd=b"ramdisk", cmdline=CMDLINE, has_kernel=True):
    d = Snp()
    d.add_all(BASE, firmware())
    for gpa, size, kind in SEV_SECTIONS:
        if kind == 0x10 and has_kernel:
            page = bytearray(PAGE)
            page[HASHES % PAGE:HASHES % PAGE + 176] = hash_table(kernel(), initrd, cmdline)
            d.add(1, gpa, bytes(page))
            continue
        for at in range(0, size, PAGE):
            d.add({1: 3, 2: 5, 3: 6, 0x10: 3}[kind], gpa + at)
    for i in range(vcpus):
        d.add(2, 0xFFFFFFFFF000, vmsa(i == 0, rdx, features))
    return d.ld


def mrtd(is_two_pass=False):
    image, stream = firmware(), b""
    for offset, _, gpa, size, _, attributes in TDVF_SECTIONS:
        adds, extends = [], []
        for at in range(0, size, PAGE):
            adds.append(b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q", gpa + at).ljust(112, b"\0"))
            chunks = b""
            for c in range(at, at + PAGE, 256) if attributes & 1 else ():
                chunks += b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q", gpa + c).ljust(112, b"\0")
                chunks += image[offset + c:offset + c + 256]
            extends.append(chunks)
        stream += b"".join(adds + extends) if is_two_pass else b"".join(a + e for a, e in zip(adds, extends))
    return sha384(stream)


def register(*digests):
    value = bytes(48)
    for d in digests:
        value = sha384(value, d)
    return value


CALL, SEPARATOR = sha384(b"Calling EFI Application from Boot Option"), sha384(bytes(4))
LEAVE = (sha384(b"Exit Boot Services Invocation"), sha384(b"Exit Boot Services Returned with Success"))


def hob(memory_mib):
    low, all_bytes = min(memory_mib << 20, 3 << 30), memory_mib << 20
    ranges, at = [], 0
    for gpa, size in ((0x809000, 0x2000), (0x810000, 0x4000)):
        ranges += [(7, at, gpa - at), (0, gpa, size)]
        at = gpa + size
    ranges.append((7, at, low - at))
    if all_bytes > low:
        ranges.append((7, 2**32, all_bytes - low))
    length = 56 + 48 * len(ranges)
    b = struct.pack("<HHIII", 1, 56, 0, 9, 0) + bytes(32) + struct.pack("<Q", 0x809000 + length + 8)
    for kind, start, size in ranges:
        b += struct.pack("<HHI16xIIQQ", 3, 48, 0, kind, 7, start, size)
    return b


# --- running ----------------------------------------------------------------------------------------

TEES = {"snp": {"snp": {"product": ["Milan"], "guest_policy": {"smt": True}}},
        "sev": {"sev": {"policy": "0x9"}}, "sev-es": {"sev": {"policy": "0xd"}},
        "tdx": {"tdx": {"attributes": {}}}, "sw": {}}


def write(name, data):
    with open(name, "wb") as f:
        f.write(data)
    return name


def policy(tee, initrd="initrd", cmdline=CMDLINE, vcpus=2, memory=256, boot=None, **machine):
    files = {"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "vmlinuz"}, "cmdline": cmdline}
    if initrd:
        files["initrd"] = {"file": initrd}
    p = {"schema": "launch-policy/1", "name": "a/b", "serial": 1, "tee": {"type": tee, **TEES[tee]},
         "boot": files if boot is None else boot,
         "machine": {"vcpus": vcpus, "memory_mib": memory, **machine},
         "devices": {"disk": [{"id": "d", "file": "d", "mode": "ro", "integrity": "none"}]},
         "audit": {"ledger": "l", "key": "k", "origin": "o"}}
    return write("p.jsonc", json.dumps(p).encode())


def expect(status, *args, err="", out=""):
    p = subprocess.run([ATTEST, "measure", "p.jsonc", *args], capture_output=True, text=True, check=False, timeout=60)
    assert p.returncode == status, f"{args}: exit {p.returncode}, want {status}; {p.stdout} {p.stderr}"
    assert err in p.stderr and out in p.stdout, f"{args}: no '{err}', '{out}' in: {p.stderr} {p.stdout}"
    assert status in (0, 1) or p.stdout == "", p.stdout
    return p.stdout


def digest(*args):
    return expect(0, *args).split()[0]


# --- SNP --------------------------------------------------------------------------------------------

@test
def snp_from_firmware_is_as_computed_here():
    policy("snp")
    assert digest() == snp_digest().hex()
    assert digest("--vmm", "qemu", "--cpu", "EPYC-Milan") == snp_digest(rdx=0xA00F11).hex()
    assert digest("--vcpus", "64", "--features", "0x21") == snp_digest(vcpus=64, features=0x21).hex()
    policy("snp", cpu="EPYC-v4")
    assert digest() == digest("--vmm", "qemu") == snp_digest(rdx=0x800F12).hex()
    assert digest("--cpu", "host") == snp_digest().hex()
    policy("snp", initrd=None)
    assert digest() == snp_digest(initrd=b"").hex()
    policy("snp", boot={"firmware": {"file": "OVMF.fd"}})
    assert digest() == snp_digest(has_kernel=False).hex()
    assert digest("--vmm", "gce") != digest("--vmm", "ec2") != digest("--vmm", "krun")


@test
def every_piece_is_listed():
    policy("snp")
    j = json.loads(expect(0, "--json"))
    assert (j["tee"], j["boot"], j["inputs"]["vmm"]) == ("snp", "firmware", "casemate"), j
    pieces = {p["name"]: p for p in j["pieces"]}
    assert pieces["firmware"]["sha384"] == hashlib.sha384(firmware()).hexdigest()
    assert pieces["kernel"]["sha256"] == hashlib.sha256(kernel()).hexdigest()
    assert pieces["cmdline"]["sha256"] == sha256(CMDLINE.encode() + b"\0").hex()
    assert pieces["vmsa1"]["sha384"] == sha384(vmsa(False, 0, 1)).hex()
    assert "sha384" not in pieces["secrets"] and pieces["sec-mem"]["pages"] == 2
    expect(0, "--explain", out="kernel-hashes")


@test
def the_differing_input_is_named_for_snp():
    policy("snp", cpu="EPYC-Milan")
    base = digest()
    write("base.json", expect(0, "--json").encode())
    for change, text in (({"cpu": "EPYC-Genoa"}, "CPU model differs (EPYC-Milan, this launch has EPYC-Genoa)"),
                         ({"cpu": "EPYC-Milan", "vcpus": 5}, "number of vCPUs differs (2, this launch has 5)"),
                         ({"cpu": "EPYC-Milan", "cmdline": CMDLINE + " debug"}, "command line differs ('debug' removed)")):
        policy("snp", **change)
        expect(1, "--diff", base, out="launch digest differs: " + text)
        expect(1, "--diff", "base.json", out="launch digest differs: " + text)
    policy("snp", cpu="EPYC-Milan", initrd="other")
    expect(1, "--diff", base, out="none of")
    expect(1, "--diff", base, "--candidate-initrd", "initrd", out="initrd differs (it is one of --candidate-initrd)")
    policy("snp", cpu="EPYC-Milan", boot={"firmware": {"file": "other.fd"}, "kernel": {"file": "vmlinuz"},
                                           "initrd": {"file": "initrd"}, "cmdline": CMDLINE})
    expect(1, "--diff", base, "--candidate-firmware", "OVMF.fd", out="firmware differs (it is one of")
    j = json.loads(expect(1, "--diff", "base.json", "--json"))
    assert j["changed"] == ["firmware"], j
    policy("snp", cpu="EPYC-Milan")
    expect(0, "--diff", base, out="launch digest agrees")
    expect(1, "--diff", snp_digest(rdx=0x600).hex(), out="none of")
    expect(1, "--vmm", "gce", "--diff", base, out="VMM differs (qemu, this launch is of gce)")


# --- SEV, SEV-ES ------------------------------------------------------------------------------------

@test
def sev_and_sev_es_are_as_computed_here():
    table = hash_table(kernel(), b"ramdisk", CMDLINE)
    policy("sev")
    assert digest() == sha256(firmware(), table).hex()
    policy("sev-es", cpu="EPYC-Rome")
    es = sha256(firmware(), table, vmsa(True, 0x830F10, 0), vmsa(False, 0x830F10, 0)).hex()
    assert digest() == es
    expect(0, "--diff", es, out="launch digest agrees")
    expect(0, "--diff", write("r.bin", bytes(16) + bytes.fromhex(es) + bytes(160)), out="agrees")
    policy("sev-es", cpu="EPYC-Rome", vcpus=4)
    expect(1, "--diff", es, out="number of vCPUs differs (2, this launch has 4)")
    expect(3, "--diff", "00" * 48, err="neither 64 hexadecimal digits nor a file")
    policy("sev", boot={"firmware": {"file": "OVMF.fd"}})
    assert digest() == sha256(firmware()).hex()


@test
def verify_computes_the_expected_digest_from_the_files():
    policy("sev")
    tik, nonce = bytes(range(16)), bytes([9]) * 16
    d = sha256(firmware(), hash_table(kernel(), b"ramdisk", CMDLINE))
    for digest_bytes, row in ((d, "affirming"), (sha256(b"other"), "contraindicated")):
        message = bytes([4, 1, 49, 6]) + struct.pack("<I", 9) + digest_bytes + nonce
        write("measure.bin", hmac.digest(tik, message, "sha256") + nonce)
        write("tik.bin", tik)
        p = subprocess.run([ATTEST, "verify", "--evidence", "measure.bin", "--tik", "tik.bin", "--sev-api", "1.49.6",
                            "--policy", "p.jsonc", "--json"], capture_output=True, text=True, check=False, timeout=60)
        rows = {r["row"]: r["status"] for r in json.loads(p.stdout)["rows"]}
        assert rows["measurement"] == row, (p.stdout, p.stderr)


# --- TDX --------------------------------------------------------------------------------------------

@test
def tdx_registers_are_as_computed_here():
    policy("tdx")
    assert digest() == mrtd().hex()
    j = json.loads(expect(0, "--json"))
    r = {x["rtmr"]: x for x in j["registers"]}
    assert not r[0]["predicted"] and "ACPI" in r[0]["why"] and r[0]["values"] == []
    k = authenticode(kernel())
    assert [v["sha384"] for v in r[1]["values"]] == [register(k, CALL, SEPARATOR, *LEAVE).hex(),
                                                     register(k, CALL, *LEAVE).hex()]
    rd = sha384(b"ramdisk")
    options = [("initrd=initrd " + CMDLINE + "\0").encode("utf-16le"), (CMDLINE + " initrd=initrd\0").encode("utf-16le")]
    assert [v["sha384"] for v in r[2]["values"]] == [register(sha384(o), rd).hex() for o in options]
    assert all(v["when"] for v in r[1]["values"] + r[2]["values"])
    events = {e["name"]: e for e in j["events"]}
    assert events["hand-off list (TdxTable)"]["sha384"] == sha384(hob(256)).hex()
    assert events["configuration volume"]["sha384"] == sha384(firmware()[:0x4000]).hex()
    assert "not_predicted" in events["ACPI tables"] and "sha384" not in events["ACPI tables"]
    policy("tdx", memory=8192)
    j = json.loads(expect(0, "--json"))
    assert j["events"][0]["sha384"] == sha384(hob(8192)).hex()
    policy("tdx", initrd=None)
    j = json.loads(expect(0, "--json"))
    want = register(sha384((CMDLINE + "\0").encode("utf-16le"))).hex()
    assert [v["sha384"] for v in j["registers"][2]["values"]] == [want]


@test
def qemu_writes_into_the_kernel_of_a_td():
    policy("tdx", memory=4096)
    b = bytearray(kernel())
    top = 0x80000000 - 0x28000 - 1  # 2 GiB below the hole of a q35 with 4 GiB
    b[0x210], b[0x211] = 0xB0, b[0x211] | 0x80
    b[0x224:0x22C] = struct.pack("<II", 0x20000 - 0x10000 - 0x200, 0x20000)
    b[0x218:0x220] = struct.pack("<II", (top - len(b"ramdisk")) & ~0xFFF, len(b"ramdisk"))
    j = json.loads(expect(0, "--vmm", "qemu", "--json"))
    got = j["registers"][1]["values"][0]["sha384"]
    assert got == register(authenticode(bytes(b)), CALL, SEPARATOR, *LEAVE).hex()


def policy_hash():
    with open("p.jsonc", "rb") as f:
        return hashlib.sha256(f.read()).digest()


def quote(mrtd_value, rtmrs, mrconfigid=b""):
    """Version 4, nobody's signature: what --diff reads of it."""
    body = bytearray(584)
    body[136:184] = mrtd_value
    body[184:184 + len(mrconfigid)] = mrconfigid
    for i, r in enumerate(rtmrs):
        body[328 + 48 * i:376 + 48 * i] = r
    head = struct.pack("<HHI", 4, 2, 0x81) + bytes(4) + bytes.fromhex("939a7233f79c4ca9940a0db3957f0607") + bytes(20)
    pem = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
    certs = struct.pack("<HI", 5, len(pem)) + pem
    qe = bytes(384) + bytes(64) + struct.pack("<H", 0) + certs
    signature = bytes(64) + bytes(64) + struct.pack("<HI", 6, len(qe)) + qe
    return head + bytes(body) + struct.pack("<I", len(signature)) + signature


@test
def the_differing_register_is_named_for_tdx():
    policy("tdx", cmdline=CMDLINE + " quiet")
    k = authenticode(kernel())
    older = register(k, CALL, *LEAVE)
    rtmr2 = register(sha384(("initrd=initrd " + CMDLINE + "\0").encode("utf-16le")), sha384(b"ramdisk"))
    was = policy_hash()
    policy("tdx")
    same = [bytes(48), older, rtmr2, bytes(48)]
    write("q.bin", quote(mrtd(), same, policy_hash()))
    agrees = "MRTD agrees; RTMR 1 agrees; RTMR 2 agrees; RTMR 0 is not predicted"
    assert expect(0, "--diff", "q.bin") == agrees + "\n"
    # The same launch of another policy, or of none, is not this policy's.
    for other, who in ((was, "another"), (b"", "no")):
        write("other.bin", quote(mrtd(), same, other))
        expect(1, "--diff", "other.bin", out=f"{agrees}; the quote's MRCONFIGID names {who} policy")
        j = json.loads(expect(1, "--diff", "other.bin", "--json"))
        assert j["equal"] is False and j["changed"] == ["policy"] and f"names {who} policy" in j["why"], j
    policy("tdx", cmdline=CMDLINE + " quiet")
    expect(1, "--diff", "q.bin", out="MRTD agrees; RTMR 1 agrees; RTMR 2 differs: command line differs ('quiet' removed)")
    expect(1, "--diff", "q.bin", out="RTMR 0 is not predicted")
    expect(1, "--diff", "q.bin", out="MRCONFIGID names another policy")
    policy("tdx", boot={"firmware": {"file": "other.fd"}, "kernel": {"file": "other-kernel"}, "initrd": {"file": "initrd"},
                        "cmdline": CMDLINE})
    said = expect(1, "--diff", "q.bin", "--candidate-firmware", "OVMF.fd", "--candidate-kernel", "vmlinuz")
    assert "MRTD differs: firmware differs" in said and "RTMR 1 differs: kernel differs" in said, said
    policy("tdx")
    expect(1, "--diff", mrtd(True).hex(), out="VMM differs (one that adds whole sections")
    policy("snp")
    expect(3, "--diff", "q.bin", err="a quote of TDX; the policy is for snp")


@test
def measurements_of_tds_differ_where_their_registers_do():
    policy("tdx")
    write("m.json", expect(0, "--json").encode())
    expect(0, "--diff", "m.json", out="MRTD agrees; RTMR 0 is not predicted; RTMR 1 agrees; RTMR 2 agrees")
    policy("tdx", cmdline=CMDLINE + " quiet")
    said = expect(1, "--diff", "m.json")
    assert "RTMR 1 agrees; RTMR 2 differs: command line differs ('quiet' removed)" in said, said
    policy("tdx", initrd=None)
    expect(1, "--diff", "m.json", out="RTMR 2 differs: initrd differs")
    policy("tdx", boot={"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "other-kernel"}, "initrd": {"file": "initrd"},
                        "cmdline": CMDLINE})
    expect(1, "--diff", "m.json", out="RTMR 1 differs; RTMR 2 agrees: kernel differs")
    policy("tdx", boot={"firmware": {"file": "OVMF.fd"}})  # boots a disk: the other's registers say no
    expect(1, "--diff", "m.json", out="RTMR 1 differs; RTMR 2 differs")
    policy("tdx", boot={"firmware": {"file": "other.fd"}, "kernel": {"file": "other-kernel"}, "initrd": {"file": "initrd"},
                        "cmdline": CMDLINE})
    said = expect(1, "--diff", "m.json")
    assert "MRTD differs: firmware differs, kernel differs" in said and "RTMR 1 differs" in said, said


def event_log(events):
    """A crypto-agile log with SHA-384 alone; (register, type, digest)."""
    spec = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, 1) + struct.pack("<HH", 12, 48) + b"\0"
    b = struct.pack("<II20sI", 1, 3, bytes(20), len(spec)) + spec
    for reg, kind, d in events:
        b += struct.pack("<IIIH", reg, kind, 1, 12) + d + struct.pack("<I", 4) + b"data"
    return b


@test
def rtmr0_is_taken_from_a_reviewed_event_log():
    policy("tdx")
    handoff, own = sha384(hob(256)), [sha384(b"PK"), sha384(b"ACPI")]
    write("log.bin", event_log([(1, 0x8000000B, handoff), (1, 0x8000000A, sha384(firmware()[:0x4000])),
                                (1, 0x0000000A, own[0]), (1, 0x0000000A, own[1]), (2, 0x80000003, sha384(b"k"))]))
    want = register(handoff, sha384(firmware()[:0x4000]), *own)
    j = json.loads(expect(0, "--event-log", "log.bin", "--json"))
    r = j["registers"][0]
    assert r["predicted"] and r["values"][0]["sha384"] == want.hex(), r
    assert "2 of its 4 events are as predicted" in r["values"][0]["when"], r
    said = expect(0, "--event-log", "log.bin", "--explain")
    assert said.count("  as predicted\n") + said.count(" as predicted\n") >= 2 and "RTMR 1   EV_" in said, said
    k = authenticode(kernel())
    rtmr2 = register(sha384(("initrd=initrd " + CMDLINE + "\0").encode("utf-16le")), sha384(b"ramdisk"))
    write("q.bin", quote(mrtd(), [want, register(k, CALL, *LEAVE), rtmr2, bytes(48)], policy_hash()))
    expect(0, "--event-log", "log.bin", "--diff", "q.bin", out="RTMR 0 is that of the event log")
    write("q.bin", quote(mrtd(), [bytes(48), register(k, CALL, *LEAVE), rtmr2, bytes(48)], policy_hash()))
    expect(1, "--event-log", "log.bin", "--diff", "q.bin", out="RTMR 0 is not that of the event log")
    expect(3, "--event-log", "q.bin", err="q.bin")
    policy("snp")
    expect(2, "--event-log", "log.bin", err="for guests of type tdx")


# --- Cloud Hypervisor -------------------------------------------------------------------------------

def igvm(headers, data):
    """headers: (type, payload) with offsets into data, which starts behind them."""
    def lay(base):
        out = b""
        for kind, payload in headers:
            p = payload(base)
            out += (struct.pack("<II", kind, len(p)) + p).ljust(8 + (len(p) + 7) // 8 * 8, b"\0")
        return out
    variable = lay(24 + len(lay(0)))
    head = struct.pack("<4sIIII", b"IGVM", 1, 24, len(variable), 24 + len(variable) + len(data))
    crc = zlib.crc32(head + bytes(4) + variable)
    return head + struct.pack("<I", crc) + variable + data


def page_data(gpa, at, kind=0, flags=0):
    return (0x302, lambda base: struct.pack("<QIIIHH", gpa, 1, 0 if at is None else base + at, flags, kind, 0))


def context_page():
    p = bytearray(vmsa(True, 0, 0x21))
    struct.pack_into("<HHIQ", p, 0x10, 0xF000, 0x9B, 0xFFFF, 0xFFFF0000)
    struct.pack_into("<Q", p, 0xD0, 0)
    struct.pack_into("<Q", p, 0x148, 0)
    struct.pack_into("<Q", p, 0x1F8, 0x1234)
    struct.pack_into("<Q", p, 0x268, 0)  # not taken over: KVM has its own
    return bytes(p)


def igvm_file():
    data = bytes([7]) * PAGE + context_page()
    return igvm([(0x1, lambda _: struct.pack("<IBBHQ", 1, 0, 2, 0, 0)), (0x101, lambda _: struct.pack("<QII", 0x30000, 1, 0)),
                 (0x301, lambda _: struct.pack("<QII", 2 * PAGE, 0, 0)), page_data(0xFFFFF000, 0),
                 page_data(0x10000, None), page_data(0x11000, None, flags=2), page_data(0x12000, None, kind=1),
                 page_data(0x13000, None, kind=2), (0x303, lambda _: struct.pack("<QII", 0x20000, 1, 0)),
                 (0x30C, lambda _: struct.pack("<II", 0, 0)),
                 (0x304, lambda base: struct.pack("<QIIHH", 0xFFFFFFFFF000, 1, base + PAGE, 0, 0))], data)


@test
def an_igvm_file_is_measured_as_cloud_hypervisor_launches_it():
    write("ch.igvm", igvm_file())

    def native(p):
        for at in (0, 0x20, 0x30, 0x40, 0x50):
            struct.pack_into("<H", p, at + 2, 0x92)
        struct.pack_into("<H", p, 0x12, 0x9A)
        struct.pack_into("<H", p, 0x92, 0x83)
        struct.pack_into("<IQ", p, 0x14, 0xFFFF, 0xFFFF0000)
        struct.pack_into("<Q", p, 0x178, 0xFFF0)
    for has_kernel in (False, True):
        boot = {"firmware": {"file": "ch.igvm"}}
        if has_kernel:
            boot.update(kernel={"file": "vmlinuz"}, cmdline=CMDLINE)
        policy("snp", boot=boot)
        d = Snp()
        d.add(1, 0xFFFFF000, bytes([7]) * PAGE)
        if has_kernel:
            d.add(1, 0x10000, (bytes(0xC00) + hash_table(kernel(), b"", CMDLINE)).ljust(PAGE, b"\0"))
        else:
            d.add(3, 0x10000)
        for kind, gpa in ((4, 0x11000), (5, 0x12000), (6, 0x13000), (4, 0x20000), (4, 0x21000)):
            d.add(kind, gpa)
        d.add(2, 0xFFFFFFFFF000, vmsa(True, 0, 0x21, lambda p: struct.pack_into("<Q", p, 0x1F8, 0x1234)))
        d.add(2, 0xFFFFFFFFF000, vmsa(False, 0x600, 0x21, native))
        assert digest("--vmm", "cloud-hypervisor") == d.ld.hex(), has_kernel
    expect(3, err="casemate does not")
    policy("snp")
    expect(3, "--vmm", "cloud-hypervisor", err="Cloud Hypervisor launches IGVM files")
    write("bad.igvm", igvm_file()[:-1] + b"x")
    for at, err in ((30, "checksum"), (4, "version")):
        b = bytearray(igvm_file())
        b[at] ^= 0x40
        policy("snp", boot={"firmware": {"file": write("bad.igvm", bytes(b))}})
        expect(3, "--vmm", "cloud-hypervisor", err=err)


# --- what is refused --------------------------------------------------------------------------------

@test
def options_that_make_no_sense_are_refused():
    policy("snp")
    expect(2, "--vmm", "xen", err="--vmm: want casemate, qemu")
    expect(2, "--cpu", "Opteron", err="--cpu")
    expect(2, "--vcpus", "0", err="--vcpus")
    expect(2, "--vmm", "qemu", err="measures the CPU model")
    policy("snp", boot={"kernel": {"file": "vmlinuz"}, "cmdline": CMDLINE})
    expect(2, "--vmm", "qemu", "--cpu", "EPYC", err="only casemate boots a kernel so")
    policy("tdx")
    for vmm in ("ec2", "gce", "krun", "cloud-hypervisor"):
        expect(2, "--vmm", vmm, err="launches a TD is not known here")
    policy("sw")
    expect(3, err="nothing is measured")
    policy("tdx", boot={"kernel": {"file": "vmlinuz"}, "cmdline": CMDLINE})
    expect(3, err="boot.firmware is missing")


@test
def an_owner_needs_firmware_with_a_place_for_the_secret():
    def owned(file):
        policy("sev", boot={"firmware": {"file": file}, "kernel": {"file": "vmlinuz"}, "cmdline": CMDLINE})
        with open("p.jsonc", encoding="utf-8") as f:
            p = json.load(f)
        p["tee"]["sev"].update(session={"dh_cert": "dh", "session": "s"},
                               owner={"url": "https://broker.example", "ca": "ca.pem", "wait_s": 9})
        write("p.jsonc", json.dumps(p).encode())
    write("owned.fd", firmware(secret_gpa=0x811000))
    write("zero.fd", firmware(secret_gpa=0))
    for file in ("OVMF.fd", "zero.fd"):
        owned(file)
        expect(3, err="this firmware has no place for the owner's secret")
        expect(0, "--vmm", "qemu")
    owned("owned.fd")
    expect(0)


@test
def files_that_are_not_meant_are_an_answer_of_no():
    for name in ("firmware", "kernel", "initrd"):
        boot = {"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "vmlinuz"}, "initrd": {"file": "initrd"},
                "cmdline": CMDLINE}
        boot[name]["sha384"] = "sha384:" + "00" * 48
        policy("snp", boot=boot)
        expect(1, err="is not the file the policy names")
    policy("snp", boot={"firmware": {"file": "vmlinuz"}, "kernel": {"file": "vmlinuz"}, "cmdline": CMDLINE})
    expect(3, err="this firmware has no SEV metadata: it is not built for SEV-SNP")
    expect(3, "--vmm", "gce", err="vCPUs start")
    policy("sev-es", boot={"firmware": {"file": "vmlinuz"}, "kernel": {"file": "vmlinuz"}, "cmdline": CMDLINE})
    expect(3, err="this firmware does not say where vCPUs start")
    boot = {"firmware": {"file": "OVMF.fd"}, "kernel": {"file": "vmlinuz"}, "cmdline": CMDLINE,
            "launch_digest": ["00" * 48]}
    policy("tdx", boot=boot)
    expect(1, err="boot.launch_digest")
    boot["launch_digest"] = [mrtd().hex()]
    policy("tdx", boot=boot)
    expect(0)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write("OVMF.fd", firmware())
        write("other.fd", firmware(0x33))
        write("vmlinuz", kernel())
        write("other-kernel", kernel(9))
        write("initrd", b"ramdisk")
        write("other", b"another ramdisk")
        print(f"1..{len(TESTS)}")
        failed = False
        for i, t in enumerate(TESTS, 1):
            try:
                t()
                print(f"ok {i} - {t.__name__}")
            except Exception as e:  # each test reports its own failure
                failed = True
                print(f"not ok {i} - {t.__name__}")
                for line in str(e).splitlines() or [repr(e)]:
                    print("#", line)
        os.chdir("/")
    sys.exit(failed)


if __name__ == "__main__":
    main()
