#!/usr/bin/env python3
"""Real evidence, and made-up evidence with one thing wrong, through `casemate-attest` without a network. TAP.

usage: attest_vectors.py CASEMATE-ATTEST VECTORS

attest_cases_*.py say what is given, at which time, and what has to come out: the verdict, the exit status and the row
that says so. Every line of the collection's MANIFEST.tsv must be in a case, or in a test that attest_cases_docs.ELSEWHERE
names. The commands run in a network namespace without interfaces. Skipped where the collection is not at hand.
"""
import concurrent.futures
import os
import sys
import tempfile

import attest_case
import attest_cases_docs
import attest_cases_launch
import attest_cases_snp
import attest_cases_tdx
import attest_cases_tpm

ATTEST, VECTORS = (os.path.abspath(x) for x in sys.argv[1:3])
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CASES = [c for m in (attest_cases_snp, attest_cases_tdx, attest_cases_tpm, attest_cases_launch, attest_cases_docs)
         for c in m.CASES]


def fault_of(case):
    with tempfile.TemporaryDirectory() as scratch:
        return case.fault(ATTEST, VECTORS, scratch)


def elsewhere():
    """File -> the test that names it; a test that does not counts for nothing."""
    found = {}
    for test, files in attest_cases_docs.ELSEWHERE.items():
        with open(os.path.join(SOURCES, test), encoding="utf-8") as f:
            text = f.read()
        for name, said in files.items():
            if said in text:
                found[name] = test
    return found


def uncovered():
    """Files of the list that no case names, and no test elsewhere."""
    named = {n.rstrip("/") for c in CASES for n in c.names()} | set(elsewhere())
    folders = tuple(n + "/" for n in named)
    with open(os.path.join(VECTORS, "MANIFEST.tsv"), encoding="utf-8") as f:
        files = [line.split("\t")[0] for line in f][1:]
    return [f for f in files if f not in named and not f.startswith(folders)]


def main():
    if not os.path.isfile(os.path.join(VECTORS, "MANIFEST.tsv")):
        print(f"1..0 # SKIP no collection of real evidence at '{VECTORS}'")
        return 0
    print(f"1..{len(CASES) + 2}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for n, (case, fault) in enumerate(zip(CASES, pool.map(fault_of, CASES)), 1):
            failed += bool(fault)
            print(f"{'not ' if fault else ''}ok {n} - {case}" + (f"\n# {fault}" if fault else ""))
    missing = uncovered()
    print("\n".join(f"# nothing for {f}" for f in missing) or "# every file has a case")
    print(f"{'not ' if missing else ''}ok {len(CASES) + 1} - each file of the collection is in a case")
    print(f"ok {len(CASES) + 2} - without a network"
          + ("" if attest_case.OFFLINE else " # SKIP no network namespaces here"))
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
