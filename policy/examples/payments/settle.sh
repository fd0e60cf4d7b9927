#!/bin/busybox sh
# settle: the workload of the payments example. Reads the day's card transactions from the encrypted
# volume, settles each merchant (sales less refunds less the fee), checks the control total, writes
# the settlement beside the transactions and prints a summary without a card number in it.
set -eu
data=${1:-/data}
in=$data/transactions.csv
out=$data/settlement.csv

/bin/busybox awk -F, -v out="$out.new" '
	NR == 1 { next }                                     # id,card_token,merchant,kind,cents
	NF != 5 || $5 !~ /^[0-9]+$/ { bad++; next }
	$4 == "sale"   { net[$3] += $5; fee[$3] += int($5 * 12 / 1000); n++; total += $5; next }
	$4 == "refund" { net[$3] -= $5; n++; total -= $5; next }
	{ bad++ }
	END {
		print "merchant,net_cents,fee_cents,payout_cents" > out
		for (m in net) {
			printf "%s,%d,%d,%d\n", m, net[m], fee[m], net[m] - fee[m] > out
			check += net[m]
			merchants++
		}
		close(out)
		printf "settlement: %d transactions, %d merchants, %d.%02d settled, %d lines refused\n",
			n, merchants, total / 100, total % 100, bad
		if (check != total || bad > 0)
			exit 1
	}' "$in"
/bin/busybox mv "$out.new" "$out"
/bin/busybox sync
echo "settlement: written, control total agrees"
