#!/usr/bin/env python3
"""attest.py BUILD [SECONDS]: verifications of SNP reports and TDX quotes per second on one core.

Beside them the signature checks that a verification asks of libcrypto, alone, in turns in the same
process: as many of each kind, with the keys at hand. The ratio is what everything else costs:
certificates, JSON, comparing, the verdict. Cold is the first verification of a process. Processor
time, not wall time; medians. Evidence of ../shared/vectors where that is there, else made for the run
(its root is not built in, so its certificates are parsed every time). Asserts nothing about time.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "../../../shared/vectors")
COLLATERAL = [("collateral", "collateral/" + name) for name in (
    "tcb_info.json", "qe_identity.json", "tcb_signing_chain.pem", "pck_crl.der", "root_ca_crl.der")]
NOW = "1790000000"  # when the evidence that is made here is valid


def first(folder, *names):
    """The arguments of a piece of real evidence, or None where a file is missing."""
    args = [f"{part}={os.path.join(VECTORS, folder, name)}" for part, name in names]
    return args if all(os.path.exists(a.split("=", 1)[1]) for a in args) else None


def cases(build, folder):
    subprocess.run([os.path.join(build, "tests/libattest_evidence"), folder], check=True)
    yield "SNP, Milan, made here", NOW, [f"evidence={folder}/report", f"cert={folder}/leaf.der",
                                         f"cert={folder}/ask.der", f"root={folder}/ark.der"]
    for name, at, found in (
            ("SNP, Milan, real", "1780000000",
             first("snp/milan-v2-vcek", ("evidence", "report.bin"), ("cert", "vcek.der"))),
            ("SNP, Genoa, real", "1780000000",
             first("snp/genoa-v5-vcek-family19-modelA0", ("evidence", "report.bin"), ("cert", "vcek.der"))),
            ("TDX, version 4, real", "1751328000",
             first("tdx/v4-phala-uptodate", ("evidence", "quote.bin"), *COLLATERAL)),
            ("TDX, version 5, real", "1770681600",
             first("tdx/v5-td15-uptodate", ("evidence", "quote.bin"),
                   *((part, name.replace("/", "-later/")) for part, name in COLLATERAL)))):
        if found:
            yield name, at, found


def run(build, at, seconds, args):
    p = subprocess.run([os.path.join(build, "tests/attest_verify"), at, str(seconds), *args], check=True,
                       capture_output=True, text=True)
    return json.loads(p.stdout)


def main():
    build = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':24} {'verdict':12} {'cold us':>8} {'warm us':>8} {'per second':>10} {'checks us':>9} "
              f"{'ratio':>5}  checks")
        for name, at, args in cases(build, folder):
            cold = statistics.median(run(build, at, 0, args)["first_us"] for _ in range(9))
            r = run(build, at, seconds, args)
            checks = " ".join(f"{n} {kind}" for kind, n in r["checks"].items() if n)
            print(f"{name:24} {r['verdict']:12} {cold:8.0f} {r['warm_us']:8.0f} {1e6 / r['warm_us']:10.0f} "
                  f"{r['raw_us']:9.0f} {r['warm_us'] / r['raw_us']:5.2f}  {checks}")


if __name__ == "__main__":
    main()
