#!/usr/bin/env python3
"""launch.py BUILD [RUNS]: what a launch measures, and how long it takes, beside QEMU's.

For each boot path: the bytes whose contents are in the launch digest, and all bytes handed to the
firmware of the processor (casemate-attest measure --explain). Then casemate and an unmodified QEMU
take turns over the same simulator in the lab: seconds from exec to the end of the launch and to the
guest's first line (of TDs the former only); medians, and ratios. Asserts nothing about time. BUILD has the simulator.
Where tests/referee would be skipped, this is.
"""
import json
import math
import os
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REFEREE = os.path.join(os.path.dirname(HERE), "referee")
if "REFEREE_KERNEL" not in os.environ:
    os.environ["REFEREE_SUITE"] = os.path.abspath(__file__)
    os.execv(f"{REFEREE}/referee.sh", ["referee.sh"] + sys.argv[1:])

sys.path.insert(0, REFEREE)
import suite  # noqa: E402

CONTENTS = ("normal", "vmsa", "data", "extended")  # types of pieces whose contents are measured


def bytes_of(case, folder):
    """(bytes whose contents are measured, bytes of all pages of the launch)."""
    suite.write_policy(case, folder)
    told = json.loads(suite.attest("measure", f"{folder}/policy.jsonc", "--explain", "--json"))
    pages = [p for p in told["pieces"] if p.get("pages", 0) > 0]
    return sum(p["length"] for p in pages if p["type"] in CONTENTS), sum(p["length"] for p in pages)


def timed(case, folder):
    """Seconds from exec to the end of the launch, and to the guest's first line."""
    os.mkdir(folder)
    if case.by == "casemate":
        suite.prepare_casemate(case, folder)
    begin = time.monotonic()
    process = (suite.start_casemate if case.by == "casemate" else suite.start)(case, folder)
    is_launched = suite.casemate_digest if case.by == "casemate" else suite.launch_line
    try:
        if not suite.wait_for(process, suite.LAUNCH_S, lambda: is_launched(folder) is not None):
            raise suite.Failed(f"{case.name}: no launch: {suite.tail(folder + '/stderr')}")
        launched = time.monotonic() - begin
        if case.kind == "tdx":
            return launched, math.nan
        suite.check_boot(case, folder, process)
        return launched, time.monotonic() - begin
    finally:
        suite.end_casemate(process)


def pair(kind, vmm, firmware):
    name = f"{kind}-{vmm}"
    options = {"legacy-vm-type": "off"} if kind in ("sev", "sev-es") else {}
    return suite.Case(name, kind, by=vmm, vcpus=1, firmware=firmware, options=options, boots=True)


def main():
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    suite.make_platforms()
    print(f"{'':16}{'measured, bytes':>16}{'launched, bytes':>16}", flush=True)
    for kind, firmware in (("snp", None), ("snp", suite.AMDSEV), ("sev", suite.AMDSEV),
                           ("sev-es", suite.AMDSEV), ("tdx", suite.TRIXIE)):
        case = pair(kind, "casemate", firmware)
        case.firmware = firmware
        measured, launched = bytes_of(case, suite.TOP)
        print(f"{kind + (' OVMF' if firmware else ' direct'):16}{measured:16}{launched:16}", flush=True)
    print(f"\n{'':16}{'launch, s':>12}{'guest, s':>12}   median of {runs}")
    for kind in ("snp", "sev", "sev-es", "tdx"):
        median, firmware = {}, suite.TRIXIE if kind == "tdx" else suite.AMDSEV
        for vmm in ("casemate", "qemu"):
            case = pair(kind, vmm, firmware)
            rows = [timed(case, f"{suite.TOP}/{case.name}.{n}") for n in range(runs)]
            median[vmm] = [statistics.median(r[i] for r in rows) for i in (0, 1)]
            print(f"{case.name:16}{median[vmm][0]:12.2f}{median[vmm][1]:12.2f}", flush=True)
        a, b = median["casemate"], median["qemu"]
        print(f"{kind + ' ratio':16}{a[0] / b[0]:12.2f}{a[1] / b[1]:12.2f}", flush=True)


with tempfile.TemporaryDirectory() as suite.TOP:
    main()
