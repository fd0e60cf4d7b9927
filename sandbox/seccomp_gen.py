#!/usr/bin/env python3
"""Turn system call allow-lists (policy/seccomp/NAME.syscalls) into C tables.

usage: seccomp_gen.py --out FILE [--cc CC]... NAME=LIST[,LIST]...

A table NAME is the rules of its lists, one list after the other (base first). The language, a rule
a line:

    name [name ...] [condition ...] [-> ERRNO]    # reason [rare: why no test can show the call]

    condition:  argument=VALUE[|VALUE...]   the argument is one of these
                argument!FLAG[|FLAG...]     none of these bits is set
    VALUE:      a number, or a constant of the kernel's headers (KVM_RUN, MAP_SHARED)
    -> ERRNO:   the call is not made, its caller gets this errno

Argument names are those of ARGS below. A rule without a reason, an unknown call, argument or
constant, two conditions on one argument, and a condition beside an unconditional rule for the
same call are errors; so is a rule that stands twice, a call of FORBIDDEN that is allowed, and a
call of DOORS without a condition on the argument that makes it one.
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
    "pidfd_send_signal": {"sig": (1, 32)},
    "waitid": {"which": (0, 32), "options": (3, 32)},
    "rt_sigaction": {"sig": (0, 32)},
    "openat": {"flags": (2, 32)},
    "getrandom": {"flags": (2, 32)},
    "futex": {"op": (1, 32)},
    "accept4": {"flags": (3, 32)},
    "lseek": {"whence": (2, 32)},
    "epoll_ctl": {"op": (1, 32)},
    "prlimit64": {"resource": (1, 32), "new": (2, 64)},
    "execveat": {"flags": (4, 32)},
}
# Short words for bits of an argument.
WORDS = {"prot": {"exec": "PROT_EXEC", "write": "PROT_WRITE", "read": "PROT_READ"}}

# These calls are as good as what they are asked for: allowed only with a word on this argument.
DOORS = {
    "mmap": "prot", "mprotect": "prot", "madvise": "advice", "ioctl": "req", "fcntl": "cmd",
    "fallocate": "mode", "clone": "flags", "socket": "domain", "setsockopt": "name",
    "getsockopt": "name", "prctl": "option", "tgkill": "sig", "pidfd_send_signal": "sig",
    "rt_sigaction": "sig", "mremap": "flags", "prlimit64": "new", "futex": "op",
}

# No list allows these, whatever reason it has: a process of ours that could make one of them once it
# is in its sandbox could leave it, change another process, or reach a part of the kernel that
# nothing of ours needs. (With `-> ERRNO` they may be answered.)
FORBIDDEN = set("""
    execve execveat fork vfork clone3 unshare setns chroot pivot_root
    mount umount2 mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick swapon swapoff
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd
    kill tkill rt_sigqueueinfo rt_tgsigqueueinfo getppid
    setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset
    setrlimit setpriority sched_setscheduler sched_setattr sched_setparam ioprio_set
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register io_setup
    io_submit keyctl add_key request_key seccomp landlock_restrict_self
    open creat open_by_handle_at name_to_handle_at memfd_create memfd_secret
    mknod mknodat symlink symlinkat link linkat chmod fchmod fchmodat chown fchown lchown fchownat
    init_module finit_module delete_module kexec_load kexec_file_load reboot acct quotactl
    quotactl_fd iopl ioperm modify_ldt arch_prctl personality uselib sysfs syslog vhangup
    settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname lookup_dcookie
    vmsplice tee splice fanotify_init fanotify_mark inotify_add_watch
    remap_file_pages pkey_mprotect mbind migrate_pages move_pages set_mempolicy
    shmget shmat semget msgget mq_open socketpair bind listen sigaltstack
""".split())

# But for a program of another make, which is executed after its filter was loaded, and starts as
# programs do, and is given sockets to listen at (sandbox/foreign.h).
FOREIGN = {"execveat", "arch_prctl", "listen"}

HEADERS = ["asm/ioctls.h", "errno.h", "fcntl.h", "linux/falloc.h", "linux/fs.h", "linux/futex.h",
           "linux/kvm.h", "linux/wait.h", "netinet/in.h", "netinet/tcp.h", "sched.h", "signal.h",
           "sys/epoll.h", "sys/mman.h", "sys/prctl.h", "sys/random.h", "sys/resource.h",
           "sys/socket.h", "sys/syscall.h"]


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
    """One condition -> its argument, and alternatives: (argument's index, mask, value)."""
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


def parse_line(text, calls, forbidden):
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
        if name in forbidden and err is None:
            raise Bad(f"{name} is for no list")
        alternatives, seen = [], set()
        for cond in words[len(names):]:
            arg, alts = parse_condition(name, cond)
            if arg in seen:
                raise Bad(f"two conditions on '{arg}'")
            seen.add(arg)
            alternatives.append(alts)
        if err is None and name in DOORS and DOORS[name] not in seen:
            raise Bad(f"{name} is a door: say which '{DOORS[name]}' may pass")
        for combo in itertools.product(*alternatives):
            rows.append((name, err, combo))
    return rows


def parse(paths, calls, forbidden=frozenset(FORBIDDEN)):
    """Lists -> rules: ((call, errno or None, conditions), "file:line", why it is rare or None)."""
    rows, where = [], {}
    for path in paths:
        with open(path, encoding="ascii") as f:
            for number, line in enumerate(f, 1):
                at = f"{path}:{number}"
                rule, mark, reason = line.partition("#")
                if not rule.strip():
                    continue
                rare = re.search(r"\[rare: *([^]]+)\]", reason)
                try:
                    if not mark or not reason[:rare.start() if rare else None].strip():
                        raise Bad("a rule needs its reason after '#'")
                    for row in parse_line(rule.strip(), calls, forbidden):
                        # A sanitizer's list adds what is missing: it follows any other.
                        if path.endswith("/sanitizer.syscalls") and (
                                row in where or any(o[0] == row[0] and not o[2] for o in where)):
                            continue
                        if row in where:
                            raise Bad(f"stands already at {where[row]}")
                        for other, seen_at in where.items():
                            if other[0] == row[0] and (not other[2] or not row[2]):
                                raise Bad(f"{row[0]} is without condition here or at {seen_at}: "
                                          "one of the two has no effect")
                        where[row] = at
                        rows.append((row, at, rare.group(1) if rare else None))
                except Bad as e:
                    sys.exit(f"{at}: {e}")
    return rows


def print_table(name, rows, out):
    out.write(f"static const struct seccomp_row rows_{name.replace('-', '_')}[] = {{\n")
    for (call, err, conds), _, _ in rows:
        text = ", ".join("{ %d, %s, %s }" % c for c in conds) or "{ 0, 0, 0 }"
        out.write("\t{ %-22s %s, %d, { %s } },\n" % (f"__NR_{call},", err or "0", len(conds), text))
    out.write("};\n\n")


def print_tables(tables, out):
    out.write("/* Made by seccomp_gen.py from policy/seccomp: edit the lists, not this. */\n")
    for h in HEADERS:
        out.write(f"#include <{h}>\n")
    out.write('\n#include "sandbox/seccomp_table.h"\n\n')
    for name, rows in tables.items():
        print_table(name, rows, out)
    out.write("const struct seccomp_table seccomp_tables[] = {\n")
    for name in tables:
        rows = f"rows_{name.replace('-', '_')}"
        out.write(f'\t{{ "{name}", sizeof {rows} / sizeof {rows}[0], {rows} }},\n')
    out.write(f"}};\nconst size_t seccomp_n_tables = {len(tables)};\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    p.add_argument("--cc", action="append")
    p.add_argument("tables", nargs="+")
    a = p.parse_args()
    calls = known_calls(a.cc or ["cc"])
    tables = {}
    for table in a.tables:
        name, _, lists = table.partition("=")
        forbidden = FORBIDDEN - FOREIGN if name == "foreign" else FORBIDDEN
        tables[name] = parse(lists.split(","), calls, forbidden)
    with open(a.out, "w", encoding="ascii") as out:
        print_tables(tables, out)


if __name__ == "__main__":
    main()
