#!/usr/bin/env python3
"""Write evidence that is almost right: what each reader says no to, one entry a reason, beside the good
ones that lie in the corpora already.

usage: make_corpus_evidence.py CORPUS-FOLDER
"""
import base64
import copy
import datetime
import json
import pathlib
import struct
import sys
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

corpus = pathlib.Path(sys.argv[1])
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


def write(target, name, data):
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode()
    (corpus / target / name).write_bytes(data)


def good(target, name):
    return (corpus / target / name).read_bytes()


def put(data, at, fmt, *values):
    new = bytearray(data)
    struct.pack_into(fmt, new, at, *values)
    return bytes(new)


# --- to the broker, and back -------------------------------------------------------------------------


def attest(**change):
    body = {"runtime-data": {"nonce": "AAAA", "tee-pubkey": {}}, "tee-evidence": {"primary_evidence": {}}}
    body.update(change)
    return body


def snp(**change):
    report = json.loads(good("kbs_attest", "decoded.json"))["tee-evidence"]["primary_evidence"]["attestation_report"]
    return attest(**{"tee-evidence": {"primary_evidence": {"attestation_report": {**report, **change.pop("report_rows", {})}, **change}}})


def kbs():
    for name, text in (("init-json", '{"algorithm":"sha-384"}'), ("init-empty", ""), ("init-zero", "algorithm = \"sha256\"\0"), ("init-table", "[x]\nalgorithm = \"sha256\""), ("init-quotes", "a = 1\nalgorithm='sha-512'\n"), ("init-open", "algorithm = \"sha256")):
        write("kbs_attest", name, attest(**{"init-data": {"body": text}}))
    write("kbs_attest", "nonce-long", attest(**{"runtime-data": {"nonce": "A" * 100}}))
    write("kbs_attest", "nonce-number", attest(**{"runtime-data": {"nonce": 1}}))
    write("kbs_attest", "deep", b"[" * 20 + b"]" * 20)
    write("kbs_attest", "list", [1])
    write("kbs_attest", "evidence-list", attest(**{"tee-evidence": {"primary_evidence": [1]}}))
    write("kbs_attest", "report-short", snp(report="AAAA"))
    write("kbs_attest", "report-number", snp(report=5))
    write("kbs_attest", "report-bytes", snp(report_rows={"report_data": [256] + [0] * 63}))
    write("kbs_attest", "report-missing", snp(report_rows={"measurement": None}))
    write("kbs_attest", "report-signature", snp(report_rows={"signature": {"r": [0] * 72}}))
    write("kbs_attest", "report-tcb", snp(report_rows={"current_tcb": {"snp": 300}}))
    write("kbs_attest", "report-version", snp(report_rows={"current": {"major": -1}}))
    cert = {"cert_type": "VCEK", "data": [1, 2]}
    for name, chain in (("chain-text", "x"), ("chain-long", [cert] * 20), ("chain-type", [{**cert, "cert_type": "OTHER"}]), ("chain-empty", [{**cert, "data": []}]), ("chain-byte", [{**cert, "data": [1, "x"]}])):
        write("kbs_attest", name, snp(cert_chain=chain))
    sealed = json.loads(good("kbs_response", "sealed.json"))
    header = json.loads(base64.urlsafe_b64decode(sealed["protected"] + "=="))
    for name, change in (("jwe-aad", {"aad": None}), ("jwe-more", {"header": {}}), ("jwe-missing", {"tag": 1})):
        write("kbs_response", name, {**sealed, **change})
    for name, change in (("jwe-zip", {"zip": "DEF"}), ("jwe-alg", {"alg": "dir"}), ("jwe-enc", {"enc": "A128GCM"}), ("jwe-none", {"alg": None, "enc": 1})):
        protected = base64.urlsafe_b64encode(json.dumps({**header, **change}).encode()).rstrip(b"=").decode()
        write("kbs_response", name, {**sealed, "protected": protected})
    write("kbs_response", "jwe-header", {**sealed, "protected": "bnVsbA"})


# --- TPM ---------------------------------------------------------------------------------------------


def field(number, data=b"", wire=2):
    if wire == 2:
        return bytes([number << 3 | 2, len(data)]) + data
    return bytes([number << 3 | wire]) + data


def tpm():
    agent = json.loads(good("tpm_attest", "agent_json"))
    message, quote = base64.b64decode(agent["tpm_quote"]["message"]), agent["tpm_quote"]
    pem = "-----BEGIN PUBLIC KEY-----\n" + agent["ak_public"] + "\n-----END PUBLIC KEY-----\n"
    for name, change in (("list", {"tpm_quote": {**quote, "message": list(message)}}), ("list-byte", {"tpm_quote": {**quote, "message": [1, 256]}}), ("list-text", {"tpm_quote": {**quote, "message": ["x"]}}), ("pem", {"ak_public": pem}),
                         ("pcrs-many", {"tpm_quote": {**quote, "pcrs": ["00" * 32] * 25}}), ("pcrs-short", {"tpm_quote": {**quote, "pcrs": ["00"]}}), ("ak-number", {"ak_public": 5}), ("message-none", {"tpm_quote": {}})):
        write("tpm_attest", name + "_json", {**agent, **change})
    azure = json.loads(good("tpm_attest", "azure_json"))
    write("tpm_attest", "vcek_json", {**azure, "vcek": 7, "vcek_certificate": 7, "hcl_report": "AAAA"})
    write("tpm_attest", "td_json", {"quote": azure.get("tpm_quote", azure.get("quote")), "report": "AAAA", "td_quote": 3})
    quotes = field(1, b"\0\1") + field(2, field(1, b"q") + field(2, b"s"))
    write("tpm_attest", "protobuf_fixed", quotes + field(9, bytes(8), 1) + field(9, bytes(4), 5))
    write("tpm_attest", "protobuf_group", quotes + field(9, b"", 3))
    write("tpm_attest", "protobuf_many", field(1, b"\0\1") + field(2, field(1, b"q")) * 20)
    write("tpm_attest", "protobuf_pcr", field(1, b"\0\1") + field(2, field(3, bytes([8, 11]) + field(2, bytes([8, 30]) + field(2, bytes(32))))))
    write("tpm_attest", "ima_list", good("ima", "others"))
    write("tpm_attest", "ima_cut", good("ima", "others")[:-3])
    write("tpm_attest", "event_log", good("eventlog", "boots"))
    write("tpm_attest", "event_log_cut", good("eventlog", "locality")[:-1])
    tpm_keys()


def tpm_keys():
    """'K', u16 length, a key, its signature over "casemate"."""
    p256, strong = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)

    def case(name, key, signature, encoded=None):
        der = encoded or key.public_key().public_bytes(DER, SPKI)
        write("tpm_attest", "key_" + name, b"K" + struct.pack(">H", len(der)) + der + signature)

    def sized(*parts):
        return b"".join(struct.pack(">H", len(p)) + p for p in parts)

    data, sha256 = b"casemate", hashes.SHA256()
    r, s = (v.to_bytes(32, "big") for v in utils.decode_dss_signature(p256.sign(data, ec.ECDSA(sha256))))
    pkcs1 = strong.sign(data, padding.PKCS1v15(), sha256)
    pss = strong.sign(data, padding.PSS(padding.MGF1(sha256), padding.PSS.DIGEST_LENGTH), sha256)
    salted = strong.sign(data, padding.PSS(padding.MGF1(sha256), padding.PSS.MAX_LENGTH), sha256)
    ECDSA, RSASSA, RSAPSS, SHA256, SHA1 = 0x18, 0x14, 0x16, 0x0b, 4
    head = struct.pack
    case("ecdsa", p256, head(">HH", ECDSA, SHA256) + sized(r, s))
    case("ecdsa_wrong", p256, head(">HH", ECDSA, SHA256) + sized(s, r))
    case("ecdsa_sha1", p256, head(">HH", ECDSA, SHA1) + sized(r, s))
    case("ecdsa_cut", p256, head(">HH", ECDSA, SHA256) + sized(r))
    case("ecdsa_of_rsa", strong, head(">HH", ECDSA, SHA256) + sized(r, s))
    case("scheme", p256, head(">HH", 0x1a, SHA256) + sized(r))
    case("rsassa", strong, head(">HH", RSASSA, SHA256) + sized(pkcs1))
    case("rsapss", strong, head(">HH", RSAPSS, SHA256) + sized(pss))
    case("rsapss_salt", strong, head(">HH", RSAPSS, SHA256) + sized(salted))
    case("rsa_bare", strong, pkcs1)
    case("rsa_wrong", strong, pkcs1[::-1])
    case("small", rsa.generate_private_key(65537, 1024), b"")
    certificate = cert("AK", p256, p256)
    case("cert_zeros", p256, b"", certificate + bytes(20))
    case("cert_behind", p256, b"", certificate + b"x")
    pem = x509.load_der_x509_certificate(certificate).public_bytes(PEM)
    case("chain", p256, b"", pem * 2)
    case("key_and_key", p256, b"", p256.public_key().public_bytes(PEM, SPKI) * 2)
    attributes = good("tpm_attest", "tpmt")
    write("tpm_attest", "tpmt_free", put(attributes, 4, ">I", struct.unpack_from(">I", attributes, 4)[0] & ~0x10000))


# --- certificates of AMD -----------------------------------------------------------------------------


def cert(subject, key, signer, extensions=()):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    b = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
         .not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2100, 1, 1)))
    for oid, value in extensions:
        b = b.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False)
    return b.sign(signer, hashes.SHA256()).public_bytes(DER)


def leaves():
    p384, p256, arc = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1()), "1.3.6.1.4.1.3704.1."
    name, chip, csp = (arc + "2", b"\x16\x05Milan"), (arc + "4", bytes(64)), (arc + "5", b"\x16\x03csp")
    tcb = [(arc + "3.%d" % i, b"\x02\x01\x05") for i in range(1, 9)]
    for case, subject, key, rows in (("vcek", "SEV-VCEK", p384, [(arc + "1", b"\x02\x01\0"), name, *tcb, chip]), ("vlek", "SEV-VLEK", p384, [name, *tcb, csp]), ("other-arc", "SEV-VLEK", p384, [name, csp, (arc + "9", b"x"), ("1.2.3.4", b"x")]),
                                     ("both", "SEV-VCEK", p384, [name, chip, csp]), ("neither", "SEV-VCEK", p384, [name]), ("no-csp", "SEV-VLEK", p384, [name]), ("no-name", "SEV-VCEK", p384, [chip]), ("curve", "SEV-VCEK", p256, [name, chip]),
                                     ("subject", "SEV-OTHER", p384, [name, chip]), ("chip-short", "SEV-VCEK", p384, [name, (arc + "4", bytes(9))]), ("name-type", "SEV-VCEK", p384, [(arc + "2", b"\x0c\x05Milan")]), ("name-byte", "SEV-VCEK", p384, [(arc + "2", b"\x16\x01\x01")]),
                                     ("spl-high", "SEV-VCEK", p384, [name, (arc + "3.8", b"\x02\x02\0\x80")]), ("spl-bad", "SEV-VCEK", p384, [name, (arc + "3.8", b"\x02\x02\0\x01")]), ("turin", "SEV-VCEK", p384, [(arc + "2", b"\x16\x05Turin"), (arc + "4", bytes(8))])):
        write("cert_table", "leaf-" + case, cert(subject, key, p384, rows))


# --- Intel's documents and quotes ------------------------------------------------------------------


def tdx():
    info = json.loads(good("tdx_collateral", "tcb_info.json"))["tcbInfo"]
    zeros = [{"svn": 0}] * 16
    info["tcbLevels"] = [{**info["tcbLevels"][0], "tcb": {"sgxtcbcomponents": zeros, "tdxtcbcomponents": zeros, "pcesvn": 0}}]
    open_qe = {**json.loads(good("tdx_collateral", "qe_identity.json"))["enclaveIdentity"], "mrsigner": "00" * 32, "attributes": "00" * 16, "isvprodid": 0, "tcbLevels": [{"tcb": {"isvsvn": 0}, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": "UpToDate", "advisoryIDs": ["INTEL-SA-2", "INTEL-SA-1"]}]}

    def info_case(name, change, **quoting):
        new = copy.deepcopy(info)
        change(new)
        texts = (json.dumps(v, separators=(",", ":")) for v in (new, {**open_qe, **quoting}))
        write("tdx_collateral", "info-" + name, {"tcb_info": next(texts), "tcb_info_signature": "0a" * 64, "qe_identity": next(texts), "qe_identity_signature": "0a" * 64})

    def qe_case(name, **change):
        info_case("qe-" + name, lambda t: None, **change)

    qe_case("good")
    qe_case("mrsigner", mrsigner="11" * 32)
    qe_case("product", isvprodid=2)
    qe_case("misc", miscselect="11111111")
    qe_case("levels-none", tcbLevels=[])
    qe_case("levels-text", tcbLevels="x")
    qe_case("levels-number", tcbLevels=[{"tcb": {"isvsvn": "x"}}])
    qe_case("levels-high", tcbLevels=[{"tcb": {"isvsvn": 9}}])
    for name, change in (("status", {"tcbStatus": "Fine"}), ("date", {"tcbDate": "yesterday"}), ("advisories", {"advisoryIDs": "x"}), ("advisory", {"advisoryIDs": [7]}), ("advisories-same", {"advisoryIDs": ["A", "B", "A"]}), ("advisories-many", {"advisoryIDs": ["SA-%d" % i for i in range(300)]})):
        info_case(name, lambda t, c=change: t["tcbLevels"][0].update(c))
    for status in ("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded", "Revoked"):
        for enclave in ("UpToDate", "OutOfDate", "Revoked"):
            level = {**open_qe["tcbLevels"][0], "tcbStatus": enclave}
            info_case(f"{status}-{enclave}", lambda t, s=status: t["tcbLevels"][0].update(tcbStatus=s), tcbLevels=[level])
    info_case("levels-none", lambda t: t.update(tcbLevels=[]))
    info_case("levels-text", lambda t: t.update(tcbLevels=3))
    info_case("components", lambda t: t["tcbLevels"][0]["tcb"].update(sgxtcbcomponents=[{"svn": 1}]))
    info_case("pcesvn", lambda t: t["tcbLevels"][0]["tcb"].update(pcesvn="x"))
    info_case("module-none", lambda t: t.update(tdxModuleIdentities=[]))
    info_case("module-signer", lambda t: [m.update(mrsigner="11" * 48) for m in t["tdxModuleIdentities"]])
    info_case("module-attributes", lambda t: [m.update(attributes="1100000000000000") for m in t["tdxModuleIdentities"]])
    info_case("module-hex", lambda t: [m.update(mrsigner="11") for m in t["tdxModuleIdentities"]])
    quotes()


def quotes():
    five, four = good("tdx_quote", "good-v5-bt3.bin"), good("tdx_quote", "good-v4-trailing.bin")
    body = 48 + 6 + 648
    sig = body + 4
    # signature 64, key 64, u16 type, u32 size, QE report 384, signature 64, u16 + auth, u16 type, u32 size
    auth = sig + 134 + 384 + 64
    inner = auth + 2 + struct.unpack_from("<H", five, auth)[0]
    for name, at, fmt, value in (("version", 0, "<H", 3), ("key-type", 2, "<H", 3), ("tee", 4, "<I", 0), ("body-type", 48, "<H", 1), ("body-size", 50, "<I", 584), ("signature-size", body, "<I", 1 << 30), ("signature-less", body, "<I", 100),
                                 ("data-type", sig + 128, "<H", 5), ("cert-type", inner, "<H", 9), ("cert-size", inner, "<H", 1), ("cert-leaf", inner, "<H", 4), ("chain-der", inner + 6, "<B", 0x30), ("chain-bytes", inner + 40, "<B", 1), ("chain-zero", len(five) - 2, "<H", 0)):
        write("tdx_quote", name, put(five, at, fmt, value))
    write("tdx_quote", "header", four[:40])
    write("tdx_quote", "body", five[:300])


# --- firmware ----------------------------------------------------------------------------------------


def guid(text):
    return uuid.UUID(text).bytes_le


FOOTER, RESET, SEV, TDX_OFFSET, SECRET = (guid(t) for t in ("96b582de-1fb2-45f7-baea-a366c55a082d", "00f771de-1a7e-4fcb-890e-68c77e2fb44e", "dc886566-984a-4798-a75e-5585a7bf67cc", "e47a6535-984a-4798-865e-4685a7bf8ec2", "4c2eb361-7d9b-4cc3-8081-127c90d3d294"))


def image(*entries, size=4096, total=None, patches=()):
    """A table at the end of an image: each entry's data, u16 length, GUID."""
    rows = b"".join(data + struct.pack("<H", (len(data) + 18) if length is None else length) + g for g, data, length in entries)
    table = rows + struct.pack("<H", len(rows) + 18 if total is None else total) + FOOTER
    new = bytearray(size)
    new[size - 32 - len(table):size - 32] = table
    for at, data in patches:
        new[at:at + len(data)] = data
    return bytes(new)


def ovmf():
    at = 0x100
    back = struct.pack("<I", 4096 - at)

    def sev(name, *sections, version=1, n=None, size=None, signature=b"ASEV", where=at):
        n = len(sections) if n is None else n
        text = signature + struct.pack("<III", 16 + 12 * n if size is None else size, version, n) + b"".join(struct.pack("<III", *s) for s in sections)
        write("ovmf", "sev-" + name, image((SEV, back if where == at else struct.pack("<I", where), None), patches=((at, text),)))

    sev("page-size", (0x800000, 0x2000, 2))
    sev("type", (0x800000, 0x1000, 99))
    sev("none-there", (0x800000, 0, 1), (0x801000, 0x1000, 1))
    sev("odd", (0x800001, 0x1000, 1))
    sev("beyond", (0xfffff000, 0x2000, 1))
    sev("huge", (0, 0xfffff000, 1), (0x1000, 0xffffe000, 1))
    sev("many", n=1000)
    sev("size", (0x800000, 0x1000, 1), size=17)
    sev("version", version=2)
    sev("signature", signature=b"ASEW")
    sev("outside", where=1 << 20)
    write("ovmf", "sev-cut", image((SEV, struct.pack("<I", 40), None), patches=((4096 - 40, b"ASEV" + struct.pack("<III", 16 + 36, 1, 3)),)))

    def tdvf(name, *sections, version=1, n=None, size=None, signature=b"TDVF", patches=()):
        n = len(sections) if n is None else n
        text = signature + struct.pack("<III", 16 + 32 * n if size is None else size, version, n) + b"".join(struct.pack("<IIQQII", *s) for s in sections)
        write("ovmf", "tdvf-" + name, image((TDX_OFFSET, back, None), patches=((at, text), *patches)))

    tdvf("type", (0, 0, 0x800000, 0x1000, 200, 0))
    tdvf("raw", (0, 0x2000, 0x800000, 0x1000, 0, 1))
    tdvf("outside", (0x800, 0x1000, 0x800000, 0x1000, 0, 1))
    tdvf("memory", (0, 0x1000, 0x800000, 0x1000, 2, 0))
    tdvf("volume", (0, 0, 0x800000, 0x1000, 0, 1))
    tdvf("many", n=1000)
    tdvf("size", (0, 0x1000, 0x800000, 0x1000, 0, 1), size=17)
    tdvf("version", version=2)
    tdvf("signature", signature=b"TDVG")
    tdvf("odd", (0, 0x1000, 0x800001, 0x1000, 0, 1))
    tdvf("budget", (0, 0x1000, 0x800000, 1 << 45, 0, 1))
    tdvf("later", (0, 0, 0x800000, 1 << 45, 3, 2))
    write("ovmf", "tdvf-outside", image((TDX_OFFSET, struct.pack("<I", 1 << 20), None)))
    write("ovmf", "tdvf-cut", image((TDX_OFFSET, struct.pack("<I", 40), None), patches=((4096 - 40, b"TDVF" + struct.pack("<III", 16 + 32 * 3, 1, 3)),)))
    write("ovmf", "entry-twice", image((RESET, bytes(4), None), (RESET, bytes(4), None)))
    write("ovmf", "entry-cut", image((SECRET, bytes(4), None)))
    write("ovmf", "entry-length", image((RESET, bytes(4), 500)))
    write("ovmf", "table-short", image(total=3))
    write("ovmf", "table-long", image(total=5000))
    write("ovmf", "table-odd", image((RESET, b"", 0), total=30))
    write("ovmf", "pages", bytes(4095))


def main():
    for part in (kbs, tpm, leaves, tdx, ovmf):
        part()


if __name__ == "__main__":
    main()
