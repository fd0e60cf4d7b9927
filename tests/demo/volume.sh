#!/bin/bash
# volume.sh OUT: make OUT/transactions.img, a LUKS2 volume with a day of card transactions, and its
# key OUT/transactions.key. Needs the device mapper: run it in the lab (tests/lab/lab.sh --out OUT).
set -euo pipefail
out=${1:?usage: volume.sh OUT}
PATH=$PATH:/usr/sbin:/sbin
for module in dm_mod dm_crypt dm_integrity authenc hmac sha256_ssse3 loop ext4 algif_skcipher xts aesni_intel; do modprobe -q "$module" || true; done

name=casemate-demo-$$
mnt=$(mktemp -d)
img=$(mktemp) # not in OUT: a loop device wants a local file system
cleanup() {
	umount "$mnt" 2>/dev/null || true
	cryptsetup close "$name" 2>/dev/null || true
	rm -rf "$mnt" "$img" "$out/transactions.img.new"
}
trap cleanup EXIT

umask 077
head -c 32 /dev/urandom >"$out/transactions.key"
truncate -s 48M "$img"
# The key is 32 random bytes: a slow key derivation would add nothing.
cryptsetup luksFormat --batch-mode --type luks2 --cipher aes-xts-plain64 --key-size 512 --integrity hmac-sha256 \
	--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file "$out/transactions.key" "$img"
cryptsetup open --key-file "$out/transactions.key" "$img" "$name"
mke2fs -q -t ext4 -b 4096 -L transactions "/dev/mapper/$name"
mount "/dev/mapper/$name" "$mnt"
awk 'BEGIN {
	srand(20261121)
	print "id,card_token,merchant,kind,cents"
	for (i = 1; i <= 5000; i++)
		printf "%d,tok_%08x,merchant-%02d,%s,%d\n", i, rand() * 4294967295, 1 + int(rand() * 24),
			rand() < 0.04 ? "refund" : "sale", 100 + int(rand() * 25000)
}' >"$mnt/transactions.csv"
umount "$mnt"
cryptsetup close "$name"
cp --sparse=always "$img" "$out/transactions.img.new"
sync "$out/transactions.img.new"
mv "$out/transactions.img.new" "$out/transactions.img"
