#!/usr/bin/env python3
"""count.py FAILED LOG...: one line from meson's test logs, exit status 0 or 1; before it, what failed.

A TAP program counts by its subtests, any other test as one. FAILED is 1 when something failed
that is no test (a process left behind); it counts as one failure then, unless a test failed too.
"""
import json
import re
import sys


def tally(test):
    """(passed, failed, skipped) of one line of testlog.json."""
    results = re.findall(r"^(ok|not ok)\b([^\n]*)", test.get("stdout", ""), re.M)
    passed = sum(1 for r, rest in results if r == "ok" and not re.search(r"# *skip", rest, re.I))
    skipped = sum(1 for r, rest in results if r == "ok" and re.search(r"# *skip", rest, re.I))
    failed = sum(1 for r, _ in results if r == "not ok")
    if test["result"] == "SKIP":
        return 0, 0, max(skipped, 1)
    if test["result"] not in ("OK", "EXPECTEDFAIL"):
        return passed, max(failed, 1), skipped
    return (passed, failed, skipped) if results else (1, 0, 0)


def complain(test):
    """Name a failed test, how it ended, its failed cases and the end of what it said."""
    cases = re.findall(r"^not ok\b[^\n]*", test.get("stdout", ""), re.M)
    said = (test.get("stdout", "") + test.get("stderr", "")).splitlines()
    print(f"failed: {test['name']}: {test['result']}, status {test.get('returncode')}, "
          f"{test.get('duration', 0):.0f} s")
    for line in cases[:10] + ["the end of its output:"] + said[-12:]:
        print(f"    {line[:200]}")


total = [0, 0, 0]
for log in sys.argv[2:]:
    with open(log, encoding="utf-8") as f:
        for line in f:
            test = json.loads(line)
            counts = tally(test)
            total = [a + b for a, b in zip(total, counts)]
            if counts[1]:
                complain(test)
if sys.argv[1] != "0" and total[1] == 0:
    total[1] = 1
print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
sys.exit(1 if total[1] else 0)
