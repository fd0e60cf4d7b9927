#!/usr/bin/env python3
"""Print what each of our domains may do, from a binary SELinux policy (setools).

usage: selinux_rules.py POLICY

A section a domain: the rules whose source is a type or an attribute of ours, and, by name, the
attributes of the distribution through which it may do more (`domain` is that of every process).
"""
import sys

import setools


def rules_of(policy, name):
    own, others = set(), set()
    query = setools.TERuleQuery(policy, source=name, source_indirect=True, ruletype=["allow"])
    for rule in query.results():
        source = str(rule.source)
        if source.startswith("casemate_"):
            own.add(str(rule).split("; [")[0].rstrip(";").replace(f"allow {source} ", f"{source} "))
        else:
            others.add(source)
    return own, others


def transitions_to(policy, name):
    query = setools.TERuleQuery(
        policy, target=name, target_indirect=True, ruletype=["allow"], tclass=["process"], perms=["transition"])
    return {str(rule.source) for rule in query.results()}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    policy = setools.SELinuxPolicy(sys.argv[1])
    roles = sorted(str(t) for t in policy.lookup_typeattr("casemate_role").expand())
    for name in roles:
        own, others = rules_of(policy, name)
        print(f"[{name}]")
        for source in sorted(transitions_to(policy, name)):
            print(f"from {source}")
        for attribute in sorted(others):
            print(f"as {attribute}")
        for line in sorted(own):
            print(line)
        print()


main()
