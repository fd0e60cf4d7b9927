#!/usr/bin/env python3
"""casemate-quote and the simulated quoting service: a report goes in, what comes back is verified. TAP.

usage: test_quote_qgs.py SIM-PLATFORM SIM-QGS CASEMATE-ATTEST TEST-QUOTE-ROLE
"""
import os
import subprocess
import sys
import tempfile

from test_sim_qgs import MRTD, Service, verdict

ROLE = sys.argv[4]


def ask(folder, report):
    with open(folder + "/report", "wb") as f:
        f.write(report)
    p = subprocess.run([ROLE, "--ask", folder + "/qgs", folder + "/report"], capture_output=True, check=False, timeout=60)
    return p.returncode, p.stdout


def test_its_quote_is_affirmed_as_simulated(folder):
    with Service(folder) as q:
        status, quote = ask(folder, q.report)
    assert status == 0, quote
    status, said = verdict(folder, quote)
    assert status == 0 and said["verdict"] == "affirming" and said["trust_class"] == "simulated", said
    assert MRTD.hex() in str(said)


def test_a_refusal_of_the_service_is_told(folder):
    with Service(folder, "--fault", "QUOTE 1 0x12002") as q:
        assert ask(folder, q.report) == (1, b"errno 121\n")  # EREMOTEIO
        assert ask(folder, q.report)[0] == 0
        bad = bytearray(q.report)
        bad[600] ^= 1
        assert ask(folder, bytes(bad)) == (1, b"errno 121\n")


def test_a_service_that_is_gone_is_told(folder):
    with Service(folder) as q:
        report = q.report
    assert ask(folder, report) == (1, b"errno 107\n")  # ENOTCONN


def main():
    tests = [(k[5:], v) for k, v in globals().items() if k.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for i, (name, run) in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                run(folder)
                print(f"ok {i} - {name}")
            except (AssertionError, OSError, KeyError, ValueError, TypeError) as e:
                failed = 1
                print(f"not ok {i} - {name}: {e!r}"[:2000])
    return failed


if __name__ == "__main__":
    os.umask(0o77)
    sys.exit(main())
