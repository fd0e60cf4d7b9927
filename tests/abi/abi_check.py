#!/usr/bin/env python3
"""abi_check.py: our transcription of the kernel interface, against the kernel's own headers.

    abi_check.py [--self-test] SOURCE-ROOT MESON-CC...

Writes a C file of static assertions out of kernel.map (sizes, offsets, numbers), compiles it with
the headers that headers.sh provides, and prints TAP: a test a header of ours. Then the other way
round: names of the kernel's that our sources use with the headers installed here must have the
same value in the newer ones. --self-test: with one number wrong, or one name missing, it fails.
"""
import fnmatch
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDES = ["linux/kvm.h", "linux/kvm_para.h", "linux/psp-sev.h", "linux/tdx-guest.h"]
# Structs of theirs that have the same name as one of ours.
RENAMED = {"linux/sev-guest.h": ["snp_report_req"]}
# Folders whose sources speak to the kernel with its own names.
USERS = ["sev", "sev/sim", "vmm/monitor", "vmm/super", "attest/agent"]
KERNEL_NAME = re.compile(r"\b(?:KVM|SEV|SNP|TDX)_[A-Z0-9_]+\b")
KERNEL_STRUCT = re.compile(r"\bstruct ((?:kvm|sev|snp|tdx)_[a-z0-9_]+)\b")


def source(root, path):
    """The text of a C file without its comments."""
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)


def braces(text, start):
    """The text between the brace at start and its partner, and where that ends."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + 1 : at], at + 1
    raise SystemExit("a brace without a partner")


def fields(body):
    """Field names of a struct body; those inside a named inner struct as outer.inner."""
    names, at = [], 0
    for m in re.finditer(r"(struct|union)\s*\{|([^;{}]+);", body):
        if m.start() < at:
            continue
        if m.group(1):
            inner, at = braces(body, m.end() - 1)
            outer = re.match(r"\s*(\w*)\s*;", body[at:])
            at += outer.end()
            prefix = outer.group(1) + "." if outer.group(1) else ""
            names += [prefix + n for n in fields(inner)]
        else:
            declaration = re.sub(r"\[[^]]*\]", "", m.group(2))
            names += [re.search(r"(\w+)\s*$", n).group(1) for n in declaration.split(",")]
    return names


def ours(root, path):
    """What a header of ours defines: numbers, and structs with their fields."""
    text = source(root, path)
    numbers = re.findall(r"^#define ([A-Z]\w+)[ \t]+\S", text, flags=re.M)
    numbers += re.findall(r"^\tx\(\w+, (\w+)\)", text, flags=re.M)
    structs = {}
    for m in re.finditer(r"^(struct|enum) (\w+) \{", text, flags=re.M):
        body, _ = braces(text, m.end() - 1)
        if m.group(1) == "struct":
            structs[m.group(2)] = fields(body)
        else:
            numbers += re.findall(r"^\s*([A-Z]\w+)", body, flags=re.M)
    return numbers, structs


def our_headers(root):
    found = sorted(n for n in os.listdir(os.path.join(root, "sev")) if re.fullmatch(r"abi_\w+\.h", n))
    return ["sev/" + n for n in found] + ["sev/fw_error.h"]


def read_map(path):
    """Rows (left side, right side, words after it, reason) in the order of the file."""
    rows = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            if " : " in line:
                left, reason = line.split(" : ", 1)
                rows.append((left.strip(), None, {}, reason))
                continue
            left, right = (side.strip() for side in line.split(" = ", 1))
            renames = {}
            if left.startswith("struct "):
                words = right.split()
                renames = dict(w.split(":", 1) for w in words if ":" in w)
                right = " ".join(w for w in words if ":" not in w)
            rows.append((left, right, renames, None))
    return rows


def find(rows, name, used):
    for row in rows:
        if fnmatch.fnmatchcase(name, row[0]):
            used.add(row[0])
            return row
    return None


def number_lines(name, right):
    if right.endswith("*"):
        right = right[:-1] + name.split("_", 1)[1]
    return [f'_Static_assert((unsigned long long)({name}) == (unsigned long long)({right}), "{name} is not {right}");']


def struct_lines(name, names, right, renames):
    if right.startswith("member "):
        _, _, outer, member = right.split()
        theirs = f"__typeof__(((struct {outer} *)0)->{member})"
    else:
        theirs = right
    lines = []
    # A member's own size is that of the largest of its union; its fields say enough.
    if "cpuid.nent" not in renames.values():
        lines.append(f'_Static_assert(sizeof(struct {name}) == sizeof({theirs}), "struct {name}: size");')
    else:
        lines.append(f'_Static_assert(sizeof(struct {name}) == offsetof({theirs}, cpuid.entries), "struct {name}: size");')
    for field in names:
        there = renames.get(field, field)
        if there == "-" or ("." in field and field not in renames):
            continue
        lines.append(f'_Static_assert(offsetof(struct {name}, {field}) == offsetof({theirs}, {there}) && '
                     f"sizeof(((struct {name} *)0)->{field}) == sizeof((({theirs} *)0)->{there}), "
                     f'"struct {name}: {field} is elsewhere or of another size");')
    return lines


def prologue():
    lines = ["#include <stddef.h>"]
    for path, names in RENAMED.items():
        lines += [f"#define {n} kernel_{n}" for n in names]
        lines += [f"#include <{path}>"]
        lines += [f"#undef {n}" for n in names]
    return lines + [f"#include <{path}>" for path in INCLUDES]


def assertions(root, path, rows, used):
    """The C file for one header of ours; (lines, numbers, structs, names that no row covers)."""
    numbers, structs = ours(root, path)
    if path == "sev/fw_error.h":
        numbers = ["FW_" + n for n in numbers if n != "FW_ERROR" and not n.startswith("FW_ERROR_")]
    lines, missing, counts = prologue() + [f'#include "{path}"'], [], [0, 0]
    for name in numbers + ["struct " + n for n in structs]:
        row = find(rows, name, used)
        if row is None:
            missing.append(name)
        elif row[1] is not None and name.startswith("struct "):
            lines += struct_lines(name[7:], structs[name[7:]], row[1], row[2])
            counts[1] += 1
        elif row[1] is not None:
            lines += number_lines(name, row[1])
            counts[0] += 1
    return lines, counts, missing


def compile_lines(lines, cc, include_dirs, output=None):
    """0 and '' or 1 and the compiler's complaint; with output, a program."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "abi.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        words = cc + ["-std=gnu17", "-D_GNU_SOURCE", "-w"] + include_dirs + [path]
        words += ["-ferror-limit=0"] if "clang" in " ".join(cc) else []
        words += ["-o", output] if output else ["-fsyntax-only"]
        run = subprocess.run(words, capture_output=True, text=True, check=False)
        return run.returncode, run.stderr


def complaints(stderr):
    return re.findall(r'(?:error|failed)[^"\n]*"([^"\n]+)"', stderr) or stderr.splitlines()[:5]


def check_ours(root, kernel, cc, tap, map_path=HERE + "/kernel.map"):
    rows, used = read_map(map_path), set()
    for path in our_headers(root):
        lines, counts, missing = assertions(root, path, rows, used)
        status, stderr = compile_lines(lines, cc, ["-I", root, "-isystem", kernel])
        wrong = [f"kernel.map has no line for {n}" for n in missing]
        wrong += complaints(stderr) if status else []
        tap(not wrong, f"{path}: {counts[0]} numbers and {counts[1]} structs as in the kernel", wrong)
    idle = [row[0] for row in rows if row[0] not in used]
    tap(not idle, "every line of kernel.map covers something", idle)


def values(names, cc, include_dirs, includes):
    """{name: value} of those names that the headers define."""
    def line(kind, name):
        return f'printf("{name} %llu\\n", (unsigned long long)({name if kind == "number" else f"sizeof(struct {name})"}));'

    start = ["#include <stdio.h>"] + "\n".join(includes).split("\n") + ["int main(void) {"]
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "values")
        for _ in range(3):  # what does not compile is not defined; a second round for clang's typos
            lines = start + [line(*n) for n in names] + ["return 0; }"]
            status, stderr = compile_lines(lines, cc, include_dirs, program)
            if status == 0:
                break
            bad = {int(n) - len(start) - 1 for n in re.findall(r"abi\.c:(\d+):\d+: error", stderr)}
            names = [n for i, n in enumerate(names) if i not in bad]
        else:
            raise SystemExit(stderr)
        out = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return dict(row.split() for row in out.splitlines())


def check_used(root, kernel, cc, tap):
    """Names that come from the installed headers: the same value in the newer ones."""
    names = set()
    for folder in USERS:
        for file in sorted(os.listdir(os.path.join(root, folder))):
            if file.endswith((".c", ".h")):
                text = source(root, f"{folder}/{file}")
                names |= {("number", n) for n in KERNEL_NAME.findall(text)}
                names |= {("struct", n) for n in KERNEL_STRUCT.findall(text)}
    includes = [f"#if __has_include(<{path}>)\n#include <{path}>\n#endif" for path in INCLUDES + list(RENAMED)]
    here = values(sorted(names), cc, [], includes)
    there = values([n for n in sorted(names) if n[1] in here], cc, ["-isystem", kernel], includes)
    wrong = [f"{n}: {here[n]} here, {there.get(n, 'nothing')} in the newer headers"
             for n in here if there.get(n) != here[n]]
    tap(len(here) > 50 and not wrong, f"{len(here)} names of the installed headers mean the same in the newer", wrong)


def self_test(root, kernel, cc, tap):
    """A copy of one header with one thing wrong, or a map with one line less, must be noticed."""
    with open(os.path.join(root, "sev/abi_kvm.h"), encoding="utf-8") as f:
        text = f.read()
    changes = {
        "a wrong number": (r"(ABI_CAP_GUEST_MEMFD +)234", r"\g<1>236"),
        "a wrong enumerator": (r"ABI_SEV_INIT2 = 22", "ABI_SEV_INIT2 = 23"),
        "a field in the wrong place": (r"(struct abi_region2 \{\n)(.*\n)(.*\n)", r"\1\3\2"),
        "a field of the wrong size": (r"uint16_t ghcb_version;\n\tuint16_t pad1;", "uint32_t ghcb_version;"),
        "a number nobody compares": (r"(#define ABI_CAP_VM_TYPES)", r"#define ABI_CAP_NEW 9\n\1"),
    }
    rows = read_map(HERE + "/kernel.map")
    for what, (pattern, replacement) in changes.items():
        changed, n = re.subn(pattern, replacement, text)
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/sev")
            with open(folder + "/sev/abi_kvm.h", "w", encoding="utf-8") as f:
                f.write(changed)
            lines, _, missing = assertions(folder, "sev/abi_kvm.h", rows, set())
            # Ours first, then the true rest of the tree (base/).
            status, _ = compile_lines(lines, cc, ["-I", folder, "-I", root, "-isystem", kernel])
        tap(n == 1 and (status != 0 or missing), f"{what} is noticed", [f"{n} changes, status {status}"])


class Tap:
    def __init__(self):
        self.tests = self.failed = 0

    def __call__(self, is_ok, name, wrong):
        self.tests += 1
        self.failed += not is_ok
        print(f"{'ok' if is_ok else 'not ok'} {self.tests} {name}")
        if not is_ok:
            for line in wrong:
                print(f"# {line}")


def main(argv):
    is_self_test = argv[:1] == ["--self-test"]
    root, *cc = argv[is_self_test:]
    run = subprocess.run([HERE + "/headers.sh"], capture_output=True, text=True, check=False)
    if run.returncode == 4:
        print(f"1..0 # SKIP no newer kernel headers: {run.stderr.strip().splitlines()[-1]}")
        return 0
    if run.returncode:
        print(f"Bail out! {run.stderr.strip()}")
        return 1
    kernel = run.stdout.strip() + "/include"
    tap = Tap()
    if is_self_test:
        self_test(root, kernel, cc, tap)
    else:
        check_ours(root, kernel, cc, tap)
        check_used(root, kernel, cc, tap)
    print(f"1..{tap.tests}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
