#!/usr/bin/env python3
"""Turn a system call allow-list (policy/seccomp/NAME.syscalls) into a C table.

usage: seccomp_gen.py --name NAME --out FILE [--cc CC]... LIST...

The lists are read one after the other (base first). The language, a rule a line:

    name [name ...] [condition ...] [-> ERRNO]    # reason

    condition:  argument=VALUE[|VALUE...]   the argument is one of these
                argument!FLAG[|FLAG...]     none of these bits is set
    VALUE:      a number, or a constant of the kernel's headers (KVM_RUN, MAP_SHARED)
    -> ERRNO:   the call is not made, its caller gets this errno

Argument names are those of ARGS below. A rule without a reason, an unknown call, argument or
constant, two conditions on one argument, and a condition beside an unconditional rule for the
same call are errors; so is a rule that stands twice.
"""
import argparse
import itertools
import re
import subprocess
import sys

# call -> argument name -> (index, width in bits). Width 32: the kernel reads an int, so the upper
# half of the register must not decide.
ARGS = {
    "mmap": {"prot": (2, 32), "flags": (3, 32)},
    "mprotect": {"prot": (2, 32)},
    "madvise": {"advice": (2, 32)},
    "mremap": {"flags": (3, 32)},
    "ioctl": {"req": (1, 32)},
    "fcntl": {"cmd": (1, 32)},
    "fallocate": {"mode": (1, 32)},
    "clone": {"flags": (0, 64)},
    "socket": {"domain": (0, 32), "type": (1, 32), "protocol": (2, 32)},
    "setsockopt": {"level": (1, 32), "name": (2, 32)},
    "getsockopt": {"level": (1, 32), "name": (2, 32)},
    "prctl": {"option": (0, 32)},
    "tgkill": {"sig": (2, 32)},
    "rt_sigaction": {"sig": (0, 32)},
    "openat": {"flags": (2, 32)},
    "getrandom": {"flags": (2, 32)},
    "futex": {"op": (1, 32)},
    "accept4": {"flags": (3, 32)},
    "lseek": {"whence": (2, 32)},
    "epoll_ctl": {"op": (1, 32)},
    "prlimit64": {"resource": (1, 32), "new": (2, 64)},
}
# Short words for bits of an argument.
WORDS = {"prot": {"exec": "PROT_EXEC", "write": "PROT_WRITE", "read": "PROT_READ"}}

HEADERS = ["errno.h", "fcntl.h", "linux/falloc.h", "linux/fs.h", "linux/futex.h", "linux/kvm.h", "netinet/in.h",
           "netinet/tcp.h",
           "sched.h", "signal.h", "sys/epoll.h", "sys/ioctl.h", "sys/mman.h", "sys/prctl.h",
           "sys/random.h", "sys/resource.h", "sys/socket.h", "sys/syscall.h"]


class Bad(Exception):
    pass


def known_calls(cc):
    """The names the compiler's <sys/syscall.h> knows."""
    out = subprocess.run(cc + ["-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
                         check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"^#define __NR_(\w+) ", out, re.M))


def value_text(arg, word):
    word = WORDS.get(arg, {}).get(word, word)
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*|0x[0-9a-fA-F]+|[0-9]+", word):
        raise Bad(f"'{word}' is neither a number nor a constant")
    return word


def parse_condition(call, text):
    """One condition -> list of alternatives, each (arg index, mask text, value text)."""
    m = re.fullmatch(r"(\w+)([=!])(\S+)", text)
    if m is None:
        raise Bad(f"'{text}' is no condition")
    arg, op, values = m.groups()
    if arg not in ARGS.get(call, {}):
        raise Bad(f"{call} has no argument '{arg}' that can be judged")
    index, width = ARGS[call][arg]
    cast = "(uint32_t)" if width == 32 else "(uint64_t)"
    full = "UINT32_MAX" if width == 32 else "UINT64_MAX"
    words = [value_text(arg, v) for v in values.split("|")]
    if op == "!":
        return arg, [(index, " | ".join(f"{cast}({w})" for w in words), "0")]
    return arg, [(index, full, f"{cast}({w})") for w in words]


def parse_line(text, calls):
    """A rule -> list of (call, errno or None, conditions)."""
    err = None
    m = re.fullmatch(r"(.*)->\s*(E[A-Z0-9]+)\s*", text)
    if m is not None:
        text, err = m.groups()
    words = text.split()
    names = list(itertools.takewhile(lambda w: re.fullmatch(r"[a-z]\w*", w), words))
    if not names:
        raise Bad("no system call is named")
    rows = []
    for name in names:
        if name not in calls:
            raise Bad(f"unknown system call '{name}'")
        alternatives, seen = [], set()
        for cond in words[len(names):]:
            arg, alts = parse_condition(name, cond)
            if arg in seen:
                raise Bad(f"two conditions on '{arg}'")
            seen.add(arg)
            alternatives.append(alts)
        for combo in itertools.product(*alternatives):
            rows.append((name, err, combo))
    return rows


def parse(paths, calls):
    rows, where = [], {}
    for path in paths:
        with open(path, encoding="ascii") as f:
            for number, line in enumerate(f, 1):
                at = f"{path}:{number}"
                rule, mark, reason = line.partition("#")
                if not rule.strip():
                    continue
                try:
                    if not mark or not reason.strip():
                        raise Bad("a rule needs its reason after '#'")
                    for row in parse_line(rule.strip(), calls):
                        if row in where:
                            raise Bad(f"stands already at {where[row]}")
                        for other, seen_at in where.items():
                            if other[0] == row[0] and (not other[2] or not row[2]):
                                raise Bad(f"{row[0]} is without condition here or at {seen_at}: "
                                          "one of the two has no effect")
                        where[row] = at
                        rows.append((row, at))
                except Bad as e:
                    sys.exit(f"{at}: {e}")
    return rows


def print_table(name, rows, out):
    symbol = "seccomp_" + name.replace("-", "_")
    out.write(f"/* Made by seccomp_gen.py from policy/seccomp: edit the lists, not this. */\n")
    for h in HEADERS:
        out.write(f"#include <{h}>\n")
    out.write('\n#include "sandbox/seccomp_table.h"\n\n')
    out.write("static const struct seccomp_row rows[] = {\n")
    for (call, err, conds), at in rows:
        text = ", ".join("{ %d, %s, %s }" % c for c in conds)
        out.write("\t{ %-22s %s, %d, { %s } },\n" % (f"__NR_{call},", err or "0", len(conds), text))
    out.write("};\n\n")
    out.write(f'const struct seccomp_table {symbol} = {{ "{name}", sizeof rows / sizeof rows[0], rows }};\n')


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--name", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--cc", action="append")
    p.add_argument("lists", nargs="+")
    a = p.parse_args()
    rows = parse(a.lists, known_calls(a.cc or ["cc"]))
    with open(a.out, "w", encoding="ascii") as out:
        print_table(a.name, rows, out)


main()
