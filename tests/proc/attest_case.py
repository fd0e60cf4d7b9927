"""One run of casemate-attest on files of the collection, and what has to come out."""
import json
import os
import shutil
import subprocess

ACCEPT, WARN, REJECT, REFUSE = "affirming", "warning", "contraindicated", "no evidence"
STATUS = {ACCEPT: 0, WARN: 1, REJECT: 1, REFUSE: 3}


class Made:
    """An input that is made of files of the collection: make(*their bytes) gives its own."""

    def __init__(self, make, *names):
        self.make, self.names = make, names

    def write(self, vectors, scratch):
        path = os.path.join(scratch, f"made-{len(os.listdir(scratch))}")
        parts = []
        for name in self.names:
            with open(os.path.join(vectors, name), "rb") as f:
                parts.append(f.read())
        with open(path, "wb") as f:
            f.write(self.make(*parts))
        return path

    def __str__(self):
        return "made of " + " ".join(self.names)


class Case:
    """
    A run. files: option -> file, folder or Made, or several; 'file' is positional. row: which one says so. rows: row ->
    status, or (status, a part of its actual value). check(answer, scratch) returns what is wrong. beside: files that the
    check compares with. An option's value that is no file goes into more.
    """

    def __init__(self, want, row=None, at=None, verb=("verify",), more=(), policy=None, rows=None, trust=None, check=None,
                 beside=(), **files):
        self.want, self.row, self.at, self.verb, self.more, self.policy = want, row, at, verb, more, policy
        self.rows, self.trust, self.check, self.beside = dict(rows or {}), trust, check, list(beside)
        self.files = {k: v if isinstance(v, (list, tuple)) else [v] for k, v in files.items() if v}

    def __str__(self):
        given = ("policy " if self.policy else "") + " ".join(
            f"{k} {' '.join(map(str, v))}" for k, v in self.files.items())
        return f"{' '.join(self.verb)} {given}: {self.want}{f', row {self.row}' if self.row else ''}"

    def names(self):
        """Files and folders of the collection that this run is about."""
        return self.beside + [n for v in self.files.values() for f in v for n in (f.names if isinstance(f, Made) else [f])]

    def command(self, attest, vectors, scratch):
        args = [attest, *self.verb]
        for option, files in self.files.items():
            for f in files:
                path = f.write(vectors, scratch) if isinstance(f, Made) else os.path.join(vectors, f)
                if option == "report_data":
                    path = "@" + path
                args += [path] if option == "file" else ["--" + option.replace("_", "-"), path]
        if self.verb == ("endorsements", "import"):
            args += ["--cache", os.path.join(scratch, "cache")]
        else:
            args += ["--json", *(["--at", self.at] if self.at else [])]
        if self.policy:
            args += ["--policy", os.path.join(scratch, "policy.jsonc")]
            with open(args[-1], "w", encoding="utf-8") as f:
                f.write(self.policy)
        return OFFLINE + args + list(self.more)

    def verdict_fault(self, answer):
        rows = {r["row"]: r for r in answer["rows"]}
        if answer["verdict"] != self.want:
            return f"verdict {answer['verdict']}"
        wanted = {self.row: getattr(self, "row_want", self.want)} if self.row else {}
        for row, want in {**wanted, **self.rows}.items():
            status, actual = want if isinstance(want, tuple) else (want, "")
            got = rows[row]
            if got["status"] != status or actual not in (got["actual"] or ""):
                return f"row {row} is {got['status']} ({got['actual']}), want {status} {actual}"
        if self.trust and answer["trust_class"] != self.trust:
            return f"trust class {answer['trust_class']}"
        return ""

    def fault(self, attest, vectors, scratch):
        """What is wrong with the answer, or an empty string."""
        p = subprocess.run(self.command(attest, vectors, scratch), capture_output=True, text=True, check=False, timeout=60)
        said = p.stderr.strip()
        if p.returncode != STATUS[self.want]:
            return f"exit {p.returncode}, want {STATUS[self.want]}: {said}"
        if self.want == REFUSE:
            return "" if p.stdout == "" and said else f"a refusal prints '{p.stdout}' and says '{said}'"
        answer = {} if self.verb[0] == "endorsements" or not p.stdout else json.loads(p.stdout)
        fault = self.verdict_fault(answer) if self.verb == ("verify",) else ""
        if not fault and self.check:
            fault = self.check(answer, *(os.path.join(vectors, b) for b in self.beside)) or ""
        return f"{fault}: {said}" if fault else ""


def offline():
    """A prefix that leaves a command without any network interface."""
    for prefix in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if shutil.which("unshare") and subprocess.run(
                prefix + ["true"], capture_output=True, check=False).returncode == 0:
            return prefix
    return []


OFFLINE = offline()
