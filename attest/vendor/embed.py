#!/usr/bin/env python3
"""Turn certificate files into C initialisers, one `static const uint8_t NAME[]` a file.

usage: embed.py OUTPUT FILE...     NAME is the file's name without its ending.
"""
import pathlib
import sys


def initialiser(path):
    data = path.read_bytes()
    rows = [", ".join("0x%02x" % b for b in data[i:i + 16]) for i in range(0, len(data), 16)]
    return "static const uint8_t %s[] = {\n\t%s\n};\n" % (path.stem, ",\n\t".join(rows))


def main(argv):
    files = [pathlib.Path(name) for name in argv[2:]]
    pathlib.Path(argv[1]).write_text("".join(initialiser(f) for f in files), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv)
