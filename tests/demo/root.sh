#!/bin/bash
# root.sh OUT: make OUT/root.img, the workload's root file system (ext4) with its dm-verity hash tree
# behind it, and OUT/root.verity, the root hash.
set -euo pipefail
out=${1:?usage: root.sh OUT}
here=$(cd "$(dirname "$0")" && pwd -P)
PATH=$PATH:/usr/sbin:/sbin
size=$((8 << 20)) # of the file system; the hash tree starts there
uuid=0c5e3a7e-0000-4000-8000-000000000001

tree=$(mktemp -d)
trap 'rm -rf "$tree" "$out/root.img.new"' EXIT
mkdir -p "$tree"/{bin,data,dev,proc,sys,tmp,usr/bin}
cp "$(command -v busybox)" "$tree/bin/busybox"
ln -s busybox "$tree/bin/sh"
cp "$here/../../policy/examples/payments/settle.sh" "$tree/usr/bin/settle"
chmod 755 "$tree/usr/bin/settle"
find "$tree" -exec touch -h -d @0 {} +

truncate -s "$size" "$out/root.img.new"
mke2fs -q -t ext4 -b 4096 -O '^has_journal' -m 0 -U "$uuid" -E "hash_seed=$uuid,root_owner=0:0,nodiscard" \
	-L settle -d "$tree" "$out/root.img.new"
veritysetup format --hash sha256 --salt - --uuid "$uuid" --hash-offset "$size" \
	"$out/root.img.new" "$out/root.img.new" |
	sed -n 's/^Root hash:[[:space:]]*//p' >"$out/root.verity"
[ "$(wc -c <"$out/root.verity")" -eq 65 ] || { echo 'root.sh: veritysetup gave no root hash' >&2; exit 5; }
mv "$out/root.img.new" "$out/root.img"
