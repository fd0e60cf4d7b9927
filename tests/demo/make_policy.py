#!/usr/bin/env python3
"""make_policy.py EXAMPLE OUT: the example policy with the digests of this run's images."""
import hashlib
import re
import sys
import time

example, out = sys.argv[1], sys.argv[2]
DATA_BYTES = 8 << 20  # root.sh: the hash tree starts there


def sha384(name):
    with open(f"{out}/payments/{name}", "rb") as f:
        return hashlib.sha384(f.read()).hexdigest()


def once(pattern, replacement, text):
    text, n = re.subn(pattern, replacement, text)
    if n != 1:
        sys.exit(f"{example}: expected one match of {pattern}, found {n}")
    return text


with open(f"{out}/payments/root.verity", encoding="ascii") as f:
    root = f.read().strip()
with open(example, encoding="utf-8") as f:
    text = f.read()
text = once(r'("file": "payments/vmlinuz",\s*"sha384": "sha384:)[0-9a-f]{96}', r"\g<1>" + sha384("vmlinuz"), text)
text = once(r'("file": "payments/initrd.img",\s*"sha384": "sha384:)[0-9a-f]{96}', r"\g<1>" + sha384("initrd.img"), text)
text = once(r'("verity_root": "sha256:)[0-9a-f]{64}', r"\g<1>" + root, text)
text = once(r"(casemate\.verity=)[0-9a-f]{64}@[0-9]+", rf"\g<1>{root}@{DATA_BYTES}", text)
now = time.time()
day = "%Y-%m-%dT00:00:00Z"
text = once(r'"not_before": "[^"]*"', f'"not_before": "{time.strftime(day, time.gmtime(now - 86400))}"', text)
text = once(r'"not_after": "[^"]*"', f'"not_after": "{time.strftime(day, time.gmtime(now + 180 * 86400))}"', text)
with open(f"{out}/payments.policy.jsonc", "w", encoding="utf-8") as f:
    f.write(text)
