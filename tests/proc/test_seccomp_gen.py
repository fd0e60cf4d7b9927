#!/usr/bin/env python3
"""seccomp_gen.py refuses what the language forbids. usage: test_seccomp_gen.py GENERATOR"""
import importlib.util
import os
import subprocess
import sys
import tempfile

GOOD = [
    "read  # reason",
    "read  # reason [rare: nothing shows it]",
    "read write  # two at once",
    "mmap prot!exec  # a flag",
    "mmap prot!exec|write flags=MAP_SHARED  # two arguments",
    "ioctl req=KVM_RUN|0x1234  # by name and by number",
    "execve ptrace -> EPERM  # answered, not made",
    "clone3 -> ENOSYS  # falls back",
    "# only a comment\n\nread # reason",
]
BAD = [
    ("read", "needs its reason"),
    ("read #", "needs its reason"),
    ("read #   ", "needs its reason"),
    ("read # [rare: but why at all?]", "needs its reason"),
    ("raed # reason", "unknown system call 'raed'"),
    ("read raed # reason", "unknown system call 'raed'"),
    ("mmap colour=1 # reason", "no argument 'colour'"),
    ("read prot!exec # reason", "no argument 'prot'"),
    ("mmap prot!exec prot=1 # reason", "two conditions"),
    ("read prot # reason", "unknown system call 'prot'"),
    ("mmap prot!run # reason", "neither a number nor a constant"),
    ("mmap prot!PROT_EXEC;x # reason", "neither a number nor a constant"),
    ("prot!exec # reason", "unknown system call|no system call"),
    ("-> ENOSYS # reason", "no system call"),
    ("read # a\nread # b", "stands already"),
    ("shutdown # a\nopenat # b\nopenat flags!O_PATH # c", "no effect"),
    ("openat flags!O_PATH # a\nopenat # b", "no effect"),
    ("ioctl req=1|1 # twice", "stands already"),
    # a door needs a word on what passes
    *((f"{call} # reason", "is a door")
      for call in ("mmap", "mprotect", "madvise", "ioctl", "fcntl", "fallocate", "clone", "socket",
                   "setsockopt", "getsockopt", "prctl", "tgkill", "pidfd_send_signal",
                   "rt_sigaction", "mremap", "prlimit64", "futex")),
    ("mmap flags!MAP_SHARED # the wrong argument", "is a door"),
    # on no list, whatever reason it has
    *((f"read {call} # it is faster", f"{call} is for no list")
      for call in ("execve", "execveat", "fork", "vfork", "clone3", "unshare", "setns", "mount",
                   "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "ptrace",
                   "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kill", "tkill", "setuid",
                   "capset", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
                   "io_uring_enter", "io_uring_register", "io_setup", "keyctl", "add_key",
                   "request_key", "seccomp", "open", "open_by_handle_at", "memfd_create",
                   "memfd_secret", "init_module", "kexec_load", "reboot", "iopl", "ioperm",
                   "modify_ldt", "personality", "vmsplice", "fanotify_init", "pkey_mprotect",
                   "socketpair", "bind", "listen", "getppid")),
]


def run(generator, text):
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "x.syscalls")
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")
        out = os.path.join(d, "x.c")
        r = subprocess.run([sys.executable, generator, "--out", out, "x=" + path],
                           capture_output=True, text=True)
        return r.returncode, r.stderr


def refusal(gen, calls, text):
    """What the generator says of a list, without a process for each."""
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "x.syscalls")
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")
        try:
            gen.parse([path], calls, gen.FORBIDDEN)
        except SystemExit as e:
            return str(e.code)
    return ""


def main():
    generator = sys.argv[1]
    spec = importlib.util.spec_from_file_location("gen", generator)
    gen = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gen)
    calls = gen.known_calls(["cc"])
    print(f"1..{len(GOOD) + len(BAD) + 1}")
    n = 0
    for text in GOOD:
        n += 1
        status, err = run(generator, text)
        print("ok" if status == 0 else "not ok", n, "- accepts", repr(text), err.strip())
    for text, want in BAD:
        n += 1
        err = refusal(gen, calls, text)
        is_ok = "x.syscalls:" in err and any(w in err for w in want.split("|"))
        print("ok" if is_ok else "not ok", n, "- refuses", repr(text), "" if is_ok else err.strip())
    status, err = run(generator, "read")
    print("ok" if status == 1 and "needs its reason" in err else "not ok", n + 1, "- a refusal is its exit status")


main()
