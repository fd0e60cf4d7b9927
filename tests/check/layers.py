#!/usr/bin/env python3
"""Dependencies point one way: refuses an #include against the arrows of docs/processes.md ("Layers").

usage: layers.py SOURCE-ROOT
       layers.py --self-test

A folder may include its own headers, those of the folders on its row, and the single headers on its
row: messages and structures that cross a process boundary, no code. Outside libraries are listed the
same way, by the name in angle brackets. Everything that is not listed is refused, new folders too.
"""
import os
import re
import sys
import tempfile

# The plan, the supervisor's messages: fixed-size structs, no code behind them (vmm/super and its children).
PLAN = "policy/plan.h"
SUP = "vmm/super/sup_proto.h"

# folder: (folders it may include from, single headers, outside libraries)
ROWS = {
    "base":          ([], [], []),
    # For programs that link libcrypto; base itself is libc alone.
    "base/crypto":   (["base"], [], ["openssl/"]),
    "sandbox":       (["base"], [], ["seccomp.h", "selinux/"]),
    "policy":        (["base", "sandbox"], [], ["jansson.h", "openssl/"]),
    "sev":           (["base"], [], []),
    "sev/sim":       (["base", "sev"], [], ["openssl/"]),
    # The two implementations of the launch digest stay apart: of sev only its tables of structs.
    # jansson: TCB info, QE identity, tokens are JSON (docs/decisions/0004).
    "attest":        (["base", "policy"], ["sev/abi_*.h"], ["openssl/", "jansson.h"]),
    # The cache of endorsements; curl for casemate-endorse alone.
    "attest/endorse": (["base", "policy", "sandbox", "attest"], ["sev/abi_*.h"], ["openssl/", "jansson.h", "curl/"]),
    "attest/ledger": (["base", "policy", "sandbox", "attest"], ["sev/abi_*.h"], ["openssl/", "jansson.h"]),
    "attest/broker": (["base", "base/crypto", "policy", "sandbox", "attest"], ["sev/abi_*.h", "attest/ledger/ledger_proto.h"],
                      ["openssl/", "jansson.h", "jose/", "event2/", "sqlite3.h", "p11-kit/pkcs11.h"]),
    # kbs_*: the protocol that agent and broker speak, one implementation of each message for both ends.
    # sim_guest_port.h: port numbers, for casemate-agent-sim alone, which is not shipped.
    "attest/agent":  (["base", "policy", "attest"],
                      ["sev/abi_*.h", "attest/broker/kbs_*.h", "sev/sim/sim_guest_port.h"],
                      ["openssl/", "jansson.h", "jose/", "curl/", "libcryptsetup.h"]),
    "attest/owner":  (["base", "sandbox", "attest"], [SUP, "attest/broker/kbs_json.h"], ["openssl/", "jansson.h", "curl/"]),
    "vtpm":          (["base", "base/crypto", "sandbox"], [], ["openssl/", "libtpms/"]),
    "vmm/virtio":    (["base"], [], []),
    "vmm/monitor":   (["base", "sandbox", "sev", "vmm/virtio"], [PLAN, SUP, "vmm/quote/quote_proto.h", "vtpm/vtpm_proto.h"], []),
    "vmm/device":    (["base", "sandbox", "vmm/virtio"], [PLAN, SUP], []),
    "vmm/super":     (["base", "sandbox"], [PLAN, "sev/abi_*.h", "attest/ledger/ledger_proto.h", "attest/owner/owner_proto.h"], []),
    "vmm/quote":     (["base", "sandbox"], [SUP], []),
}
# One file, one header, one reason; said aloud at every run, so that the list gets shorter.
EXCEPTIONS = {}
# Not part of the product: may look everywhere, and nobody may look back.
FREE = ["tests"]
# Angle brackets without a row of their own: the C library and the kernel.
SYSTEM = re.compile(r"(?:(?:sys|linux|asm|net|netinet|arpa|bits)/)?[a-z0-9_-]+\.h$")
LIBRARIES = ["seccomp.h", "jansson.h", "sqlite3.h", "libcryptsetup.h"]  # would pass for the C library's

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.M)


def matches(name, patterns):
    """A pattern is a header, a folder ending in /, or a header with one * in its last part."""
    for p in patterns:
        if name == p or (p.endswith("/") and name.startswith(p)):
            return True
        if "*" in p and re.fullmatch(re.escape(p).replace(r"\*", r"[^/]*"), name):
            return True
    return False


def judge(path, ours, outside):
    """What is wrong with one include of a file, or None."""
    folder = os.path.dirname(path)
    if folder.split("/")[0] in FREE:
        return None
    if folder not in ROWS:
        return f"folder {folder} has no row in layers.py"
    folders, headers, libraries = ROWS[folder]
    if outside is not None:
        if matches(outside, libraries) or (SYSTEM.match(outside) and outside not in LIBRARIES):
            return None
        return f"<{outside}> is not for {folder}"
    if os.path.dirname(ours) in [folder, *folders] or matches(ours, headers):
        return None
    if "/" not in ours:
        return f'"{ours}" is not written from the root'
    return f'"{ours}" is against the arrows: {folder} may include {", ".join([folder, *folders, *headers])}'


def check(root):
    wrong = []
    n = 0
    unused = dict(EXCEPTIONS)
    for top in sorted({row.split("/")[0] for row in ROWS} | set(FREE)):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if not name.endswith((".c", ".h")):
                    continue
                n += 1
                path = os.path.relpath(os.path.join(folder, name), root)
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    text = f.read()
                for m in INCLUDE.finditer(text):
                    why = judge(path, m.group(1), m.group(2))
                    if why is not None and unused.pop((path, m.group(1) or m.group(2)), None) is not None:
                        print(f"exception: {path}: {why}: {EXCEPTIONS[path, m.group(1) or m.group(2)]}")
                    elif why is not None:
                        wrong.append(f"{path}:{text.count(chr(10), 0, m.start()) + 1}: {why}")
    return n, wrong


GOOD = [
    ("vmm/monitor/mon_x.c", "sev/guest.h", None), ("vmm/monitor/mon_x.c", "policy/plan.h", None),
    ("vmm/device/dev_x.c", "vmm/super/sup_proto.h", None), ("attest/x.c", "sev/abi_snp.h", None),
    ("vmm/super/sup_x.c", "attest/ledger/ledger_proto.h", None), ("vmm/super/sup_x.c", "sev/abi_psp.h", None), ("base/x.c", None, "sys/epoll.h"),
    ("attest/x.c", None, "openssl/evp.h"), ("attest/x.c", None, "jansson.h"), ("tests/unit/x.c", "sev/sim/sim_host.h", None),
]
BAD = [
    ("base/x.c", "sandbox/role.h", None), ("sandbox/x.c", "policy/plan.h", None),
    ("sev/x.c", "attest/digest_snp.h", None), ("attest/x.c", "sev/guest.h", None),
    ("attest/x.c", "sev/sim/abi_x.h", None), ("attest/x.c", None, "curl/curl.h"),
    ("vmm/super/sup_x.c", "sev/guest.h", None), ("vmm/super/sup_x.c", "vmm/virtio/mem.h", None),
    ("vmm/super/sup_x.c", "policy/policy.h", None), ("vmm/super/sup_x.c", None, "jansson.h"),
    ("vmm/monitor/mon_x.c", "vmm/super/sup_plan.h", None), ("vmm/monitor/mon_x.c", None, "openssl/evp.h"),
    ("vmm/device/dev_x.c", "sev/fw.h", None), ("vmm/device/dev_x.c", "vmm/monitor/mon_bus.h", None),
    ("vmm/virtio/x.c", "sandbox/child.h", None), ("vmm/new/x.c", "base/rd.h", None),
    ("base/x.c", "rd.h", None), ("vtpm/x.c", "attest/cert.h", None), ("attest/agent/x.c", "sev/sim/sim_host.h", None),
    ("attest/broker/x.c", "attest/ledger/ledger.h", None), ("sev/x.c", "sev/sim/sim_host.h", None),
]


def self_test():
    wrong = [f"accepts {case}" for case in BAD if judge(*case) is None]
    wrong += [f"refuses {case}: {judge(*case)}" for case in GOOD if judge(*case) is not None]
    with tempfile.TemporaryDirectory() as root:  # found in a file, with its line, too
        os.makedirs(os.path.join(root, "base"))
        with open(os.path.join(root, "base", "x.c"), "w", encoding="utf-8") as f:
            f.write('#include <stdio.h>\n#  include "sev/guest.h"\n')
        n, found = check(root)
        if n != 1 or len(found) != 1 or not found[0].startswith("base/x.c:2: "):
            wrong.append(f"in a file: {n} files, {found}")
    return wrong


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        wrong = self_test()
        n = len(GOOD) + len(BAD) + 1
    else:
        n, wrong = check(sys.argv[1])
        if n == 0:
            wrong.append(f"no source file below {sys.argv[1]}")
    for line in wrong:
        print(line)
    print(f"{n} looked at, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


main()
