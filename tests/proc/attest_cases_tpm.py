"""TPM quotes, boot logs, IMA lists of the collection: what has to come out. Used by attest_vectors.py."""
import json
import re

from attest_case import ACCEPT, REFUSE, REJECT, WARN, Case, Made

AT = "2026-09-21"
GOOD = {"signature": ACCEPT, "pcrs": ACCEPT}
LOGGED = {**GOOD, "event_log": ACCEPT}


def quote(folder, name, want, row=None, rows=None, at=AT, ak="ak_pub.pem", pcrs="pcrs.json", trust=None, more=(),
          check=None, beside=(), policy=None, **files):
    """name: of the quote, with its ending; files: of the same folder, or of another one by their path."""
    given = {"evidence": name, "ak": ak, "pcrs": pcrs, **files}
    given = {k: v if isinstance(v, Made) or "/" in v else f"tpm/{folder}/{v}" for k, v in given.items() if v}
    return Case(want, row, at, rows=rows, trust=trust, more=more, check=check, beside=beside, policy=policy, **given)


# --- machines and clouds ----------------------------------------------------------------------------


def gce(name, want, row=None, rows=None, signature=None, ak="ak_pub.tpmt", **other):
    if signature is None and name.endswith(".attest"):
        signature = name.replace(".attest", ".sig")
    return quote("gce-cos-85-nonce9009", name, want, row, rows, ak=ak, signature=signature, trust="host", **other)


def protobuf(want, row=None, rows=None, **other):
    return gce("attestation.pb", want, row, {**GOOD, **(rows or {})}, pcrs=None, **other)


def machine(folder, boot, want, row=None, log=None, **other):
    return quote(folder, f"{boot}.attest", want, row, GOOD, signature=f"{boot}.sig", pcrs=f"{boot}.pcrs.json",
                 event_log=f"{log or boot}.eventlog.bin", trust="host", **other)


def asking(**tpm):
    """A policy for a guest outside a TEE."""
    return json.dumps({"schema": "launch-policy/1", "name": "a/b", "serial": 1, "tee": {"type": "none", "tpm": tpm},
                       "audit": {"ledger": "l", "key": "k", "origin": "o"}, "boot": {"kernel": {"file": "k"}, "cmdline": ""},
                       "machine": {"vcpus": 1, "memory_mib": 128}, "devices": {}})


def ak_name_fault(answer, path):
    with open(path, "rb") as f:
        name = f.read().hex()
    return "" if answer["claims"]["tpm_ak_name"] == name else f"AK name {answer['claims']['tpm_ak_name']}, want {name}"


def keylime(want, row=None, ak="ak.pub", signature="quotesig.out", pcrs="quotepcr.out", **other):
    return quote("keylime-emulator", "quote.out", want, row, GOOD if want == ACCEPT else None, signature=signature, ak=ak,
                 pcrs=pcrs, trust="host" if want != REFUSE else None, **other)


ROOT_2018, CA_2020 = "tpm/gce-ca/tpm_ek_root_1.cer", "tpm/gce-ca/tpm_ek_intermediate_2.crt"
ROOT_2022, CA_2022 = "tpm/gce-ca/gcp_ek_ak_ca_root.crt", "tpm/gce-ca/gcp_ek_ak_ca_intermediate_v3.crt"
MACHINES = [
    *(gce(f"quote-{bank}.attest", ACCEPT, None, {**LOGGED, "report_data": ACCEPT}, ak=ak, event_log="eventlog.bin",
          more=("--report-data", "9009")) for bank in ("sha1", "sha256", "sha384") for ak in ("ak_pub.tpmt", "ak_pub.pem")),
    protobuf(ACCEPT, None, LOGGED),
    protobuf(REJECT, "chain", ak=None),  # the key came with it
    protobuf(ACCEPT, "chain", LOGGED, ak=None, root=ROOT_2018, certs=CA_2020),
    protobuf(REJECT, "chain", ak=None, root=ROOT_2018, certs="tpm/gce-ca/tpm_ek_intermediate_3.crt"),
    protobuf(REJECT, "chain", ak=None, root=ROOT_2022, certs=CA_2022),
    protobuf(REJECT, "chain", ak=None, root=ROOT_2022, certs=CA_2020),
    gce("quote-sha256.attest", REJECT, "event_log", GOOD, event_log="eventlog-edited.bin"),
    gce("quote-sha384-badmagic.attest", REFUSE, signature="quote-sha384.sig"),
    gce("quote-sha384-truncated.attest", REFUSE, signature="quote-sha384.sig"),
    gce("quote-sha384-bitflip.attest", REJECT, "signature", signature="quote-sha384.sig"),
    gce("quote-sha384.attest", REJECT, "signature", signature="quote-sha256.sig"),
    gce("quote-sha256.attest", REJECT, "report_data", GOOD, report_data="tdx/v4-gcp-cos113/nonce.dat"),
    gce("quote-sha256.attest", REJECT, "signature", ak=None),
    machine("hw-good", "good", ACCEPT),
    # whoever lays a key beside the evidence vouches for nothing
    machine("hw-good", "good", REJECT, "chain", ak=None, collateral="tpm/hw-good/ak_pub.pem"),
    keylime(REJECT, "chain", ak=None, collateral="tpm/keylime-emulator/ak.pub"),
    keylime(ACCEPT, collateral="tpm/keylime-emulator/ak.pub"),
    # the firmware's registers, in the bank that it uses for sure
    machine("hw-good", "good", ACCEPT, policy=asking(event_log=True)),
    machine("hw-dell-notebook", "boot1", ACCEPT, policy=asking(event_log=True)),
    gce("quote-sha256.attest", ACCEPT, None, LOGGED, event_log="eventlog.bin", policy=asking(event_log=True)),
    gce("quote-sha384.attest", REJECT, "event_log", GOOD, event_log="eventlog.bin", policy=asking(event_log=True)),
    *(gce("quote-sha384.attest", REJECT, "event_log", GOOD, event_log="eventlog.bin",
          policy=asking(event_log=True, secure_boot=v)) for v in ("require", "forbid")),
    machine("hw-good", "failed", REJECT, "event_log"),
    machine("hw-dell-notebook", "boot1", ACCEPT),
    machine("hw-dell-notebook", "boot2", ACCEPT),
    machine("hw-dell-notebook", "boot1", REJECT, "event_log", log="boot2"),
    keylime(ACCEPT, check=ak_name_fault, beside=["tpm/keylime-emulator/ak.name"]),
    keylime(ACCEPT, ak="akpub.pem"),
    keylime(REJECT, "signature", ak="ek.pub"),
    keylime(REJECT, "signature", ak="ekpub.pem"),
    # neither the credential nor 32 digits are a quote, a key, a signature, or values of registers
    keylime(REJECT, "chain", ak="mkcred.out"),
    keylime(REJECT, "signature", signature="nv.data"),
    keylime(REJECT, "pcrs", pcrs="nv.data"),
    *(Case(REFUSE, at=AT, evidence=f"tpm/keylime-emulator/{name}") for name in (
        "ak.name", "ak.pub", "akpub.pem", "ek.pub", "ekpub.pem", "mkcred.out", "nv.data", "quotepcr.out", "quotesig.out")),
]

# --- TPMs inside of TEEs ----------------------------------------------------------------------------

BOUND = {**GOOD, "binding": ACCEPT, "chain": ACCEPT}
IN_TDX = {**BOUND, "collateral": WARN}  # nobody said whether the platform is patched


def azure(folder, want, row=None, rows=None, hcl="hcl_report.bin", ak=None, **other):
    return quote(f"azure-{folder}", "quote.attest", want, row, rows, signature="quote.sig", ak=ak, tee=hcl,
                 trust="hardware" if want in (ACCEPT, WARN) else None, **other)


def attested_tls(text):
    """The JSON form of what the source keeps as YAML."""
    lines = re.sub(rb"(?m)^\s*$\n?", b"", text).decode()
    block = dict(re.findall(r"^ *(\w+): \|-\n((?: +(?:[\w+/=-]+|-{5}.*-{5})\n)+)", lines, re.M))
    block = {k: "\n".join(x.strip() for x in v.strip().split("\n")) for k, v in block.items()}
    array = {k: json.loads(v) for k, v in re.findall(r"^ *(\w+): (\[[\d,\s]+\])", lines, re.M)}
    pcrs = [json.loads(v) for v in re.findall(r"^ +- (\[[\d,\s]+\])", lines, re.M)]
    return json.dumps({"tdx_quote_base64": block["tdx_quote_base64"], "hcl_report_base64": block["hcl_report_base64"],
                       "tpm_attestation": {"ak_certificate_pem": block["ak_certificate_pem"],
                                           "quote": {**array, "pcrs": pcrs}}}).encode()


FLASHBOTS = "tdx-flashbots-2025"
PATCHED = {"at": "2026-02-10", "collateral": "tdx/v5-td15-uptodate/collateral-later"}
YAML = Made(attested_tls, "tpm/azure-tdx-flashbots-2025/evidence.yaml")
AZURE = []
for _folder, _vcek in (("snp-genoa", "vcek.pem"), ("snp-v0", "vcek.pem"), ("snp-v1", "vcek.der")):
    AZURE += [
        Case(ACCEPT, None, AT, rows=BOUND, trust="hardware", evidence=f"tpm/azure-{_folder}/evidence.json"),
        azure(_folder, ACCEPT, None, BOUND, certs=_vcek),
        azure(_folder, ACCEPT, None, BOUND, certs=_vcek, ak="ak_pub.pem"),
        azure(_folder, REJECT, "binding", certs=_vcek, hcl="hcl_report-vardata-edited.bin", ak="ak_pub.pem"),
        azure(_folder, REJECT, "signature", certs=_vcek, ak="tpm/gce-cos-85-nonce9009/ak_pub.pem"),
        azure(_folder, REJECT, "chain", BOUND | {"chain": REJECT}),  # no VCEK
        Case(ACCEPT, None, AT, evidence=f"tpm/azure-{_folder}/snp_report.bin", certs=f"tpm/azure-{_folder}/{_vcek}",
             trust="hardware"),
        Case(ACCEPT, None, AT, rows={"binding": ACCEPT}, evidence=f"tpm/azure-{_folder}/hcl_report.bin",
             certs=f"tpm/azure-{_folder}/{_vcek}"),
    ]
for _folder in ("tdx-v0", "tdx-v1", FLASHBOTS):
    AZURE += [
        azure(_folder, WARN, "collateral", IN_TDX, tee_quote="td_quote.bin"),
        azure(_folder, WARN, "collateral", IN_TDX, tee_quote="td_quote.bin", ak="ak_pub.pem"),
        azure(_folder, REJECT, "binding", tee_quote="td_quote.bin", hcl="hcl_report-vardata-edited.bin"),
        azure(_folder, REJECT, "binding"),  # the TD quote is missing
        Case(WARN, "collateral", AT, rows={"signature": ACCEPT, "chain": ACCEPT}, trust="hardware",
             evidence=f"tpm/azure-{_folder}/td_quote.bin"),
        Case(REJECT, "binding", AT, evidence=f"tpm/azure-{_folder}/hcl_report.bin"),
    ]
AZURE += [
    *(Case(WARN, "collateral", AT, rows=IN_TDX, trust="hardware", evidence=f"tpm/azure-{v}/evidence.json")
      for v in ("tdx-v0", "tdx-v1")),
    # their platforms' collateral came with other evidence
    *(azure(v, REJECT, "tcb", {**BOUND, "collateral": ACCEPT}, tee_quote="td_quote.bin", at="2025-10-25",
            collateral="tdx/v4-dstack-00806f/collateral") for v in ("tdx-v0", "tdx-v1")),
    azure(FLASHBOTS, ACCEPT, None, {**BOUND, "collateral": ACCEPT}, tee_quote="td_quote.bin", **PATCHED),
    azure(FLASHBOTS, ACCEPT, None, BOUND, tee_quote="td_quote.bin", ak="ak_cert_chain.pem", **PATCHED),
    Case(WARN, "collateral", AT, rows=IN_TDX, trust="hardware", evidence=YAML),
    Case(ACCEPT, None, rows=BOUND, trust="hardware", evidence=YAML, **PATCHED),
    azure(FLASHBOTS, REJECT, "binding", tee_quote="tpm/azure-tdx-v1/td_quote.bin"),
    azure("snp-v1", REJECT, "chip_id", certs="tpm/azure-snp-genoa/vcek.pem"),
    azure("snp-v1", REJECT, "signature", certs="vcek.der", hcl="tpm/azure-snp-genoa/hcl_report.bin"),
    # other machines' certificates: of no key that signed this
    *(azure(FLASHBOTS, REJECT, "signature", {"binding": REJECT}, tee_quote="td_quote.bin",
            ak=f"tpm/ak-chains/azure_ak_certificates/test_azure_ak_certificate_0{n}.pem") for n in (1, 3)),
    # Azure's root was not given
    quote("azure-" + FLASHBOTS, "quote.attest", REJECT, "chain", {"signature": ACCEPT}, signature="quote.sig",
          ak="ak_cert_chain.pem", trust="host"),
]

# What is beside evidence of another kind would be taken for judged.
STRAY = [
    quote("azure-" + FLASHBOTS, "hcl_report.bin", REJECT, "signature", ak=None, tee_quote="td_quote.bin",
          signature="quote.sig", **PATCHED),
    quote("azure-" + FLASHBOTS, "td_quote.bin", REJECT, "pcrs", ak=None, **PATCHED),
    quote("azure-snp-v1", "snp_report.bin", REJECT, "pcrs", ak="ak_pub.pem", pcrs=None, certs="vcek.der"),
    quote("azure-snp-v1", "snp_report.bin", REJECT, "binding", ak=None, pcrs=None, certs="vcek.der", tee="hcl_report.bin"),
    quote("azure-snp-v1", "snp_report.bin", REJECT, "ima", ak=None, pcrs=None, certs="vcek.der", ima="ima/keylime-keyrings.txt"),
    quote("azure-snp-v1", "snp_report.bin", REJECT, "owner", ak=None, pcrs=None, certs="vcek.der", tik="docs/ear/pkey.json"),
    quote("azure-snp-v1", "snp_report.bin", REJECT, "event_log", ak=None, pcrs=None, certs="vcek.der",
          event_log="eventlog/tpm-debian-10.bin"),
]

# --- logs -------------------------------------------------------------------------------------------


def registers_fault(answer, path):
    """Every register that the collection computed, and no other one."""
    with open(path, encoding="utf-8") as f:
        want = json.load(f)
    if len(answer["events"]) != want["events"]:
        return f"{len(answer['events'])} events, want {want['events']}"
    names = {r.split()[0] for bank in answer["registers"].values() for r in bank}
    for bank, values in want["banks"].items():
        got = answer["registers"].get(bank, {})
        named = {f"RTMR {int(n) - 1}" if names == {"RTMR"} else f"PCR {n}": v for n, v in values.items()}
        if got != named:
            return f"bank {bank}: {got}, want {named}"
    return ""


def other_tool_fault(answer, path):
    """Types and digests as another parser printed them, its own names aside."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if path.endswith(".json"):
        theirs = [(e["type_name"], e["index"], [d["digest"] for d in e["digests"]])
                  for e in json.loads(text)["uefi_event_logs"]]
    else:
        theirs = [(re.search(r"EventType: (\S+)", e)[1], int(re.match(r"\d+", e)[0]),
                   re.findall(r"Digest: \"?([0-9a-f]{40,})", e)) for e in text.split("PCRIndex: ")[1:]]
    ours = [e for e in answer["events"] if e["register"] != "-"]
    if len(ours) == len(theirs) + 1:
        ours = ours[1:]  # the header
    if len(ours) != len(theirs):
        return f"{len(ours)} events, the other tool has {len(theirs)}"
    is_ccel = any(e["register"].startswith("RTMR") for e in ours)
    for a, (name, index, digests) in zip(ours, theirs):
        register = f"PCR {index}" if not is_ccel else f"RTMR {index - 1}" if index else "MRTD"
        if list(a["digests"].values()) != digests or a["register"] != register:
            return f"event {a['index']}: {a['register']} {a['digests']}, the other tool: {index} {digests}"
        if a["type_name"] not in (name, "EV_?"):
            return f"event {a['index']}: {a['type_name']}, the other tool: {name}"
    return ""


def pcr10_fault(answer, path):
    with open(path, encoding="utf-8") as f:
        want = json.load(f)["entries"]
    return "" if len(answer["lines"]) == want else f"{len(answer['lines'])} lines, want {want}"


SHOW = ("show",)
LOG_NAMES = """ccel-cctrusted ccel-cos-113 ccel-go-eventlog-event_log ccel-trustee-alibaba-aael ccel-trustee-grub
ccel-trustee-ovmf tpm-arch-linux-workstation tpm-confidential-gke-debug tpm-cos-101-amd-sev tpm-debian-10
tpm-eventlogwithsp800155 tpm-ga-coreos_36_shielded_vm_no_secure_boot_eventlog tpm-ga-sb_cert_eventlog
tpm-ga-short_no_action_eventlog tpm-keylime-bios tpm-rhel8-uefi tpm-tools-event-bootorder tpm-tools-event-uefi-sha1-log
tpm-tools-event-uefiaction tpm-tools-event-uefivar tpm-ubuntu-2104-no-dbx""".split()
OTHERS = {"ccel-trustee-alibaba-aael": "json", "ccel-trustee-grub": "json", "ccel-trustee-ovmf": "json",
          "tpm-tools-event-bootorder": "yaml", "tpm-tools-event-uefi-sha1-log": "yaml",
          "tpm-tools-event-uefiaction": "yaml", "tpm-tools-event-uefivar": "yaml"}
LOGS = [
    *(Case(WARN, "event_log", evidence=f"eventlog/{n}.bin", trust="host") for n in LOG_NAMES),
    *(Case(ACCEPT, verb=SHOW, file=f"eventlog/{n}.bin", beside=[f"eventlog/{n}.regs.json"], check=registers_fault)
      for n in LOG_NAMES),
    *(Case(ACCEPT, verb=SHOW, file=f"eventlog/{n}.bin", beside=[f"eventlog/{n}.expected.{e}"], check=other_tool_fault)
      for n, e in OTHERS.items()),
    Case(REFUSE, evidence="eventlog/tpm-keylime-bogus.bin"),
    # the ACPI table says where the log is; a log it is not
    Case(REFUSE, evidence="eventlog/ccel-cos-113.table.bin"),
    Case(REJECT, "event_log", evidence="tpm/gce-cos-85-nonce9009/eventlog-edited.bin"),
    *(Case(WARN, "event_log", evidence=f"tpm/{n}.eventlog.bin") for n in (
        "hw-good/good", "hw-good/failed", "hw-dell-notebook/boot1", "hw-dell-notebook/boot2")),
]
IMA = [Case(want, "ima", evidence=f"ima/{n}.txt", trust="host") for n, want in (
    ("keylime-keyrings", WARN), ("keylime-log-sha1", WARN), ("keylime-log-sha384", WARN), ("rust-keylime-ascii", WARN),
    ("rust-keylime-edited", REJECT), ("keylime-bad-signatures", REJECT))]
IMA += [Case(ACCEPT, verb=SHOW, file=f"ima/{n}.txt", beside=[f"ima/{n}.pcr10.json"], check=pcr10_fault) for n in (
    "keylime-keyrings", "keylime-log-sha1", "keylime-log-sha384", "rust-keylime-ascii", "keylime-bad-signatures")]

CASES = MACHINES + AZURE + STRAY + LOGS + IMA
