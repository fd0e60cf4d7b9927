#!/usr/bin/env python3
"""broker.py BUILD [N]: guests served per second and core, beside bare TLS handshakes of the same run.

A guest is a connection, a challenge, SEV-SNP evidence judged (report, VCEK, ASK below a root made for the
run), a token, a secret sealed to its key, ledger entries for both on the disk. A handshake is a
connection to the same broker that says nothing. In turns. What is counted is processor time of the broker
and of its ledger writer; the client is Python and its time is its own. Asserts nothing about time.
"""
import os
import statistics
import sys

sys.dont_write_bytecode = True
BUILD = os.path.abspath(sys.argv[1])
N = int(sys.argv[2]) if len(sys.argv) > 2 else 10  # more meet the rates of a peer (600 requests a minute), and wait
ROUNDS = 5
HERE = os.path.dirname(os.path.abspath(__file__))
sys.argv = [sys.argv[0], *(os.path.join(BUILD, p) for p in
            ("attest/broker/casemate-broker", "attest/ledger/casemate-ledger", "tests/proc/mint-report")), "none"]
sys.path.insert(0, os.path.join(HERE, "../proc"))
from kbs_client import Http, Key  # noqa: E402
from test_kbs_client import CANARY, World  # noqa: E402


def cpu_s(pid):
    """User and system time of a process, in seconds; of all its threads, by the scheduler's clock."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(x) for x in f.read().split()]


def timed(pids, work):
    before = [cpu_s(p) for p in pids]
    for _ in range(N):
        work()
    return [(cpu_s(p) - b) / N for p, b in zip(pids, before)]


def main():
    w = World()
    keys = [Key.new("ECDH-ES+A256KW", curve) for curve in ("P-384", "P-256")]
    ledger = children(w.process.pid)[0]

    def guest(key):
        c = w.proven(key)
        assert c.resource("r/t/one") == CANARY
        c.close()

    def handshake():
        Http(("127.0.0.1", w.port), w.ca).close()

    rows = [[timed([w.process.pid, ledger], lambda k=key: guest(k)) for key in keys] + [timed([w.process.pid], handshake)]
            for _ in range(ROUNDS)]
    w.end()
    bare = statistics.median(r[2][0] for r in rows)
    print(f"{'':36} {'us':>7} {'per second and core':>20}  in handshakes")
    for name, costs in (("guest with a P-384 key", [sum(r[0]) for r in rows]), ("  of that the ledger writer", [r[0][1] for r in rows]),
                        ("guest with a P-256 key", [sum(r[1]) for r in rows]), ("bare TLS 1.3 handshake", [r[2][0] for r in rows])):
        s = statistics.median(costs)
        print(f"{name:36} {s * 1e6:7.0f} {1 / s:20.0f}  {s / bare:.1f}")


if __name__ == "__main__":
    main()
