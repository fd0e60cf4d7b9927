#!/usr/bin/env python3
"""Write the corpora of fuzz_quote, fuzz_sup_control and fuzz_broker (formats: see there).

usage: make_corpus_processes.py CORPUS-FOLDER
"""
import pathlib
import struct
import sys

# --- casemate-quote -----------------------------------------------------------------------------

LATE, HANG_UP, MORE = b"\7", b"\6", 0x80
CONNECTED, STOP, REQUEST = 25, 4, 16
SUPER, MONITOR = 2, 1


def ask(cookie, more=0):
    return bytes([0 | more, cookie])


def msg(whom, kind, data=b"", fds=0, length=None):
    return bytes([whom, kind, fds]) + struct.pack("<H", len(data) if length is None else length) + data


def connect(err=0):
    return bytes([3, err])


def says(data):
    return b"".join(bytes([4, len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))


def quote(length):
    return b"\5" + struct.pack("<H", length)


def raw(whom, data):
    return bytes([8, whom, len(data)]) + data


def answer(frame=28, major=1, minor=1, kind=1, size=28, code=0, ids=0, length=4, rest=b"abcd"):
    return struct.pack(">I", frame) + struct.pack("<HHIIIII", major, minor, kind, size, code, ids, length) + rest


QUOTE = {
    "quote": ask(7) + connect() + quote(5006) + ask(8) + connect() + quote(16384), "largest": ask(1) + connect() + quote(65535),
    "pieces": ask(1) + connect() + b"".join(says(bytes([b])) for b in answer()), "more-than-asked": ask(1) + connect() + says(answer() * 2),
    "queue": b"".join(ask(i, MORE) for i in range(20)) + (connect() + quote(20)) * 16, "full": b"".join(ask(i) for i in range(20)),
    "no-service": ask(1) + connect(111) + ask(2) + connect(2), "hangs-up": ask(1) + connect() + HANG_UP, "hangs-up-half": ask(1) + connect() + says(answer()[:9]) + HANG_UP,
    "hangs-up-first": ask(1) + bytes([3 | MORE, 0]) + HANG_UP, "refused": ask(1) + connect() + says(answer(16, size=16, code=0x12003)[:20]), "code": ask(1) + connect() + says(answer(code=77)),
    "version": ask(1) + connect() + says(answer(major=2)), "type": ask(1) + connect() + says(answer(kind=0)), "size": ask(1) + connect() + says(answer(size=29)),
    "ids": ask(1) + connect() + says(answer(ids=1)), "length": ask(1) + connect() + says(answer(length=5)), "length-huge": ask(1) + connect() + says(answer(length=0xfffffff0)),
    "no-sizes": ask(1) + connect() + says(answer(16, size=16)[:20]), "frame-short": ask(1) + connect() + says(b"\0\0\0\1"), "frame-long": ask(1) + connect() + says(b"\x7f\xff\xff\xff"),
    "late": ask(1) + ask(2) + connect() + LATE + connect() + quote(9), "late-unconnected": ask(1) + LATE + ask(2) + connect() + quote(5), "late-nobody": ask(1) + LATE + connect(), "late-idle": LATE * 3 + ask(1),
    "late-reading": ask(1) + connect() + says(answer()[:9]) + LATE + quote(7), "timer": ask(1) + ask(2) + b"\7\7",
    "stop": ask(1) + msg(SUPER, STOP), "stop-twice": msg(SUPER, STOP) * 2, "unasked": msg(SUPER, CONNECTED, struct.pack("<II", 1, 0), 1), "unasked-error": msg(SUPER, CONNECTED, struct.pack("<II", 1, 5)),
    "connected-serial": ask(1) + msg(SUPER, CONNECTED, struct.pack("<II", 9, 0), 1), "connected-none": ask(1) + msg(SUPER, CONNECTED, struct.pack("<II", 1, 0)), "connected-both": ask(1) + msg(SUPER, CONNECTED, struct.pack("<II", 1, 5), 1),
    "connected-two": ask(1) + msg(SUPER, CONNECTED, struct.pack("<II", 1, 0), 2), "connected-no-socket": ask(1) + msg(SUPER, CONNECTED, struct.pack("<II", 1, 0), 1), "connected-short": msg(SUPER, CONNECTED, bytes(7)),
    "request-short": msg(MONITOR, REQUEST, length=1027), "request-long": msg(MONITOR, REQUEST, length=1029), "request-fds": msg(MONITOR, REQUEST, fds=1, length=1028), "request-type": msg(MONITOR, 17, length=1028),
    "type-large": msg(SUPER, 255), "raw-super": raw(0, b"abc"), "raw-monitor": raw(1, bytes(8) + b"x"), "raw-length": raw(1, b"\x10\0\0\0\xff\xff\xff\xff"),
}

# --- files of running guests ----------------------------------------------------------------------

LIST, SHOW, STOP_VERB, OPTION, DEAD, CHANGES, OPEN, NAMED = 0, 1, 2, 4, 8, 16, 32, 64
NAME_BYTES, PATH_BYTES, CONTEXT_BYTES, ID_BYTES = 96, 512, 192, 48


def guest(name=b"org/web", version=2, state=1, tee=2, started=1760000000, simulated=0, processes=0, policy=b"/p.json"):
    head = b"casemate" + struct.pack("<IIIIQQQII", version, state, tee, 2, 512, 3, started, simulated, processes) + bytes(range(32))
    return head + name.ljust(NAME_BYTES, b"\0") + policy.ljust(PATH_BYTES, b"\0")


def call(flags, name, data=b""):
    return bytes([flags, len(name)]) + name + data


def process(label=b"dev-blk data", pid=99, role=1, held=0x1fff, context=b"u:r:t:s0:c1,c2", cgroup=b"/casemate/x"):
    receipt = struct.pack("<IIIIIIII", 1, role, held, 4, 1000, 1000, 5, 1) + struct.pack("<11Q", *range(11)) + bytes(range(32))
    receipt += context.ljust(CONTEXT_BYTES, b"\0") + cgroup.ljust(PATH_BYTES, b"\0")
    return label.ljust(ID_BYTES, b"\0") + struct.pack("<II", pid, 0) + receipt


NAME = b"org/web"
WITH = guest(processes=2) + process() + process(label=b"monitor", role=0, held=0x1f0f, context=b"", cgroup=b"")
ESCAPE = b"a\x1b[31m\n\x7f\xffz"
CONTROL = {
    "list": call(LIST, b"", guest()), "list-json": call(LIST | OPTION, b"", guest(policy=b'/"a\\b\x1b\xc3\xa9')), "list-dead": call(LIST | DEAD, b"", guest()), "list-dot": call(LIST | NAMED, b".hidden", guest()),
    "show": call(SHOW | NAMED, NAME, WITH), "show-json": call(SHOW | NAMED | OPTION, NAME, WITH), "show-bare": call(SHOW | NAMED, NAME, guest()), "show-cut": call(SHOW | NAMED | OPTION, NAME, WITH[:-700]), "show-half": call(SHOW | NAMED | OPTION, NAME, WITH[:-2000]),
    "show-missing": call(SHOW, NAME, guest()), "show-dead": call(SHOW | NAMED | DEAD, NAME, guest()), "show-short": call(SHOW | NAMED, NAME, b"case"), "show-simulated": call(SHOW | NAMED, NAME, guest(simulated=1, state=0, tee=99, started=1 << 63)),
    "escape-name": call(LIST, b"", guest(name=ESCAPE)), "escape-policy": call(SHOW | NAMED, NAME, guest(policy=ESCAPE)), "escape-json": call(SHOW | NAMED | OPTION, NAME, guest(name=ESCAPE, policy=ESCAPE, processes=1) + process(label=ESCAPE, context=ESCAPE, cgroup=ESCAPE)),
    "escape-process": call(SHOW | NAMED, NAME, guest(processes=1) + process(label=ESCAPE, context=ESCAPE, cgroup=ESCAPE)), "escape-asked": call(SHOW, ESCAPE, guest()), "escape-stop": call(STOP_VERB, ESCAPE, guest()),
    "bad-magic": call(LIST, b"", b"Casemate" + guest()[8:]), "bad-version": call(LIST, b"", guest(version=1)), "bad-state": call(LIST, b"", guest(state=2)), "bad-count": call(SHOW | NAMED, NAME, guest(processes=1 << 31)), "bad-name": call(LIST, b"", guest(name=b"x" * 96)), "bad-path": call(LIST, b"", guest(policy=b"x" * 512)),
    "bad-role": call(SHOW | NAMED, NAME, guest(processes=1) + process(role=99)), "bad-held": call(SHOW | NAMED | OPTION, NAME, guest(processes=1) + process(held=1 << 31)), "bad-label": call(SHOW | NAMED, NAME, guest(processes=1) + process(label=b"x" * 48)), "bad-context": call(SHOW | NAMED, NAME, guest(processes=1) + process(context=b"x" * 192)), "bad-cgroup": call(SHOW | NAMED, NAME, guest(processes=1) + process(cgroup=b"x" * 512)),
    "stop": call(STOP_VERB | NAMED, NAME, guest()), "stop-force": call(STOP_VERB | NAMED | OPTION, NAME, guest()), "stop-changes": call(STOP_VERB | NAMED | CHANGES, NAME, guest()), "stop-dead": call(STOP_VERB | NAMED | DEAD, NAME, guest()), "stop-missing": call(STOP_VERB, NAME, guest()), "stop-short": call(STOP_VERB | NAMED, NAME, b"casemat"),
    "name-up": call(SHOW, b"../g", guest()), "name-plus": call(SHOW, b"a+b", guest()), "name-long": call(SHOW, b"n" * 200, guest()), "name-empty": call(STOP_VERB, b"", guest()), "name-dot": call(SHOW, b".g", guest()), "name-option": call(SHOW, b"--help", guest()), "name-option-json": call(SHOW | OPTION, b"--help", guest()),
    "open-list": call(LIST | OPEN, b"", guest()), "open-show": call(SHOW | OPEN | NAMED, NAME, guest()), "open-stop": call(STOP_VERB | OPEN | NAMED, NAME, guest()),
}

# --- a run of the broker ----------------------------------------------------------------------------

AUTH = b"\0"
GET, POST, DELETE = 0, 1, 2
GOOD_KEY = b'{"kty":"EC","crv":"P-256","alg":"ECDH-ES+A256KW","x":"6QdSp1q0WHVZOee_TqjVaYJ4Rwi09lmGMs_otptJ8Ag","y":"ilMnxSi5EhsgkozLcdoZ2_OvuikDO-ubuEkwG6D6a_U"}'


def attest(verdict=0, mute=0):
    return bytes([1, verdict, mute])


def get(which=0, how=0):
    return bytes([2, which, how])


def body(which, text):
    return bytes([3, which]) + struct.pack("<H", len(text)) + text


def auth(version=b"0.4.0", tee=b"snp", extra=b'""'):
    return body(0, b'{"version":"' + version + b'","tee":"' + tee + b'","extra-params":' + extra + b"}")


def plain(method, path, cookie=b"", authorization=b""):
    return bytes([4, method]) + b"".join(bytes([len(t)]) + t for t in (path, cookie, authorization))


def admin(method, path, text=b""):
    return bytes([5, method, len(path)]) + path + struct.pack("<H", len(text)) + text


def wait(seconds):
    return b"\6" + struct.pack("<H", seconds)


PROVEN = AUTH + attest()
NONCE = b"A" * 43 + b"="
BROKER = {
    "release": PROVEN + get() + get(how=2) + get(1) + get(2) + get(3), "once": PROVEN + get(1) * 2 + PROVEN + get(1), "once-token": PROVEN + get(1, 2) + get(1), "once-mute": PROVEN + get(1, 1) + get(1) * 2,
    "unproven": AUTH + get() + get(how=2) + get(how=4) + get(how=6), "refused": AUTH + attest(1) + get(), "malformed": AUTH + attest(2) + get(), "ours": AUTH + attest(3) + get(), "mute": AUTH + attest(0, 1) + get() + AUTH + attest(1, 1), "mute-get": PROVEN + get(0, 1) + get(0, 3),
    "twice": PROVEN + attest(), "spent": AUTH + attest(1) + attest(), "no-session": attest() + get(), "old-session": AUTH + wait(4000) + attest(), "old-proof": PROVEN + wait(700) + get() + wait(60000) + get() + get(how=2), "old-nonce": AUTH + AUTH + attest(),
    "auth": auth() + auth(tee=b"az-tdx-vtpm") + auth(tee=b"tpm", extra=b'{"id":"' + b"0a" * 32 + b'"}') + auth(extra=b'"{\\"supported-hash-algorithms\\":[\\"sha384\\"]}"'),
    "auth-bad": auth(b"0.3.0") + auth(tee=b"sgx") + auth(extra=b'{"id":5}') + auth(extra=b'{"id":"0a"}') + auth(extra=b'{"supported-hash-algorithms":["sha1",3]}') + auth(extra=b'"x"') + auth(extra=b'"' + b"x" * 1100 + b'"') + body(0, b"{}") + body(0, b'{"version":"0.4.0"}') + body(0, b"["),
    "attest-bad": AUTH + body(1, b"{}") + AUTH + body(1, b'{"runtime-data":{"nonce":"' + NONCE + b'","tee-pubkey":' + GOOD_KEY + b'},"tee-evidence":{"primary_evidence":{"quote":"AAAA"}}}'),
    "attest-devices": AUTH + body(1, b'{"runtime-data":{"nonce":"x"},"tee-evidence":{"additional_evidence":"{\\"gpu\\":1}"}}'), "attest-init": AUTH + body(1, b'{"runtime-data":{"nonce":"x"},"init-data":{"body":"algorithm = \\"sha384\\""}}') + AUTH + body(1, b'{"runtime-data":{"nonce":"x"},"init-data":{"body":7}}'),
    "attest-empty": AUTH + body(1, b'{"runtime-data":{"nonce":"' + NONCE + b'","tee-pubkey":' + GOOD_KEY + b'},"tee-evidence":{"primary_evidence":{"quote":"AAAA"},"additional_evidence":"{}"},"init-data":null}'),
    "sev": body(2, b"{}") + body(2, b'{"policy":"' + b"0a" * 32 + b'","session":"' + b"0b" * 32 + b'","measure":"AAAA","sev_policy":1,"api":[1,2,3],"vcpus":1}'),
    "jwks": plain(GET, b"/.well-known/jwks.json") + plain(POST, b"/.well-known/jwks.json") + plain(GET, b"/") + plain(DELETE, b"/kbs/v0/resource/a/b/c"),
    "cookies": plain(GET, b"/kbs/v0/resource/a/b/c", b"a=b; kbs-session-id=" + b"0" * 64 + b"; c") + plain(GET, b"/kbs/v0/resource/a/b/c", b"kbs-session-id=zz") + plain(GET, b"/kbs/v0/resource/a/b/c", b";") + plain(GET, b"/kbs/v0/resource/a/b/c", b"", b"bearer x.y.z") + plain(GET, b"/kbs/v0/resource/", b"", b"Basic x"),
    "rate": plain(GET, b"/x") * 99, "sessions": AUTH * 99,
    "revoked": PROVEN + admin(POST, b"/kbs/v0/launch-policy/revoke", b'{"name":"a/b","serial":1}') + get() + PROVEN + get(), "minimum": PROVEN + admin(POST, b"/kbs/v0/launch-policy/minimum", b'{"name":"a/b","serial":2}') + get(how=2),
    "removed": PROVEN + admin(DELETE, b"/kbs/v0/resource/a/b/c") + get() + admin(POST, b"/kbs/v0/resource/a/b/c", b"new") + get(), "admin-reads": PROVEN + b"".join(admin(GET, p) for p in (b"/kbs/v0/resources", b"/kbs/v0/launch-policy", b"/metrics", b"/healthz", b"/kbs/v0/sev-session", b"/none")),
    "admin-other": admin(0x80, b"/metrics") + admin(0x81, b"/kbs/v0/resource/a/b/c", b"x") + admin(0x82, b"/kbs/v0/resource/a/b/c"), "admin-bad": admin(POST, b"/kbs/v0/resource/../b/c", b"x") + admin(POST, b"/kbs/v0/resource/a/b/c") + admin(POST, b"/kbs/v0/launch-policy", b'{"policy":"eA=="}') + admin(POST, b"/kbs/v0/sev-session", b"{}"),
}


def main():
    for target, files in (("quote", QUOTE), ("sup_control", CONTROL), ("broker", BROKER)):
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
