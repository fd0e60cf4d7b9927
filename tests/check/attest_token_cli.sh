#!/bin/sh
# casemate-attest verify --token and --token-out, refvalues and --reference from the command line: exit statuses and
# streams of the CLI contract.
# usage: attest_token_cli.sh CASEMATE-ATTEST SOURCE-ROOT
set -u
attest=$1
corpus=$2/tests/fuzz/corpus
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0
bad=0

# check NAME WANTED-STATUS COMMAND...: what it says is $work/out and $work/err for the next check.
check() {
	name=$1
	want=$2
	shift 2
	"$@" >"$work/new" 2>"$work/new.err" </dev/null
	got=$?
	mv "$work/new" "$work/out"
	mv "$work/new.err" "$work/err"
	n=$((n + 1))
	if [ "$got" = "$want" ]; then
		echo "ok $n - $name"
	else
		bad=1
		echo "not ok $n - $name: status $got, want $want"
		sed 's/^/# /' "$work/out" "$work/err"
	fi
}

token() {
	name=$1
	want=$2
	file=$3
	shift 3
	check "$name" "$want" "$attest" verify --token "$corpus/$file" --at 2026-06-01 "$@"
}

keys="--keys $corpus/jwk/jwks.json"
token "a token is affirmed" 0 jws/ear-draft.es256.jwt $keys
token "a CWT is, too" 0 cose/ear-cwt61.cwt $keys --json
token "an issuer is asked for" 1 jws/ear-draft.es256.jwt $keys --issuer https://other.example --json
check "and the row says so" 0 grep -q '"row": "issuer", "status": "contraindicated"' "$work/out"
check "evidence has no issuer" 2 "$attest" verify --evidence x --issuer y
token "a warning is no yes" 1 jws/ear-trustee2024.es256.jwt $keys
token "unless it is let pass" 0 jws/ear-trustee2024.es256.jwt $keys --accept-warning
token "without keys nothing is affirmed" 1 jws/ear-draft.es256.jwt
token "another's key is none" 1 jws/ear-draft.es256.jwt --keys "$corpus/jwk/ec384.pem"
token "another nonce than asked for is refused" 1 jws/ear-draft.es256.jwt $keys --report-data 00112233445566778899
token "a name that comes twice is malformed" 3 jws/bad-duplicate-claim.jwt $keys
token "a missing file is said" 3 jws/none $keys
token "keys that are none are said" 3 jws/ear-draft.es256.jwt --keys "$0"
token "roots that are none are said" 3 jws/ear-draft.es256.jwt --root "$0"
check "token and evidence do not go together" 2 "$attest" verify --token x --evidence y
for option in --policy --require --reference --certs --kind --tik; do
	token "a token is not asked $option" 2 jws/ear-draft.es256.jwt $keys $option measurement
done
check "keys alone make no sense" 2 "$attest" verify --evidence x --keys y
check "a token to write needs a key" 2 "$attest" verify --evidence x --token-out y
check "a form nobody has is refused" 2 "$attest" verify --evidence x --token-out y --token-key z --token-format jwt
check "a form needs a token" 2 "$attest" verify --evidence x --token-format ear

openssl genpkey -algorithm ed25519 -out "$work/key" 2>/dev/null
openssl pkey -in "$work/key" -pubout -out "$work/pub" 2>/dev/null
openssl genrsa -out "$work/rsa" 2048 2>/dev/null
for report in "$corpus"/snp_report/*; do
	[ "$(wc -c <"$report")" = 1184 ] && break
done
for form in ear ear-veraison coco dsse; do
	check "a verdict that is no is no, with its token ($form)" 1 "$attest" verify --evidence "$report" \
		--at 2026-06-01 --token-out "$work/$form" --token-key "$work/key" --token-format $form \
		--report-data 00112233445566778899
	check "which says no, too" 1 "$attest" verify --token "$work/$form" --keys "$work/pub" --at 2026-06-01 --json
	check "with a good signature" 0 grep -q '"row": "signature", "status": "affirming"' "$work/out"
	if [ $form = dsse ]; then
		check "a statement's issuer is its verifier" 1 "$attest" verify --token "$work/$form" --keys "$work/pub" \
			--at 2026-06-01 --issuer https://other.example --issuer https://casemate.example --json
		check "one of several" 0 grep -q '"row": "issuer", "status": "affirming"' "$work/out"
	fi
done
check "a key of the wrong kind is said" 3 "$attest" verify --evidence "$report" --token-out "$work/t" --token-key "$work/rsa"
check "a place that is none is said" 3 "$attest" verify --evidence "$report" --token-out "$work/no/t" \
	--token-key "$work/key"

rim=$corpus/corim
show="$attest refvalues show"
check "reference values are shown" 0 $show "$rim/corim-signed.cbor"
check "signed ones by their signer" 0 $show "$rim/corim-signed.cbor" $keys --json
check "and by nobody else" 1 $show "$rim/corim-signed.cbor" --keys "$corpus/jwk/ec384.pem"
check "unsigned ones are not signed" 1 $show "$rim/corim-unsigned.cbor" $keys
check "against the profile is malformed" 3 $show "$rim/corim-sevsnp-bad-refval-no-key.cbor"
check "a missing file of them is said" 3 $show "$work/none"
check "only show is there" 2 "$attest" refvalues edit "$rim/corim-unsigned.cbor"
printf '{"schema": "casemate.attest.digest/1", "digest": "%096d", "digest_two_pass": "%096d"}' 1 2 >"$work/mrtd"
check "launch digests of ours are reference values" 0 $show "$work/mrtd" --json
echo '{"schema": "casemate.attest.digest/1", "digest": "00"}' >"$work/short"
check "a digest of another length is none" 3 $show "$work/short"
check "evidence is compared with them" 1 "$attest" verify --evidence "$report" --reference "$rim/corim-unsigned.cbor" \
	--reference "$work/mrtd" --json
check "and the row says so" 0 grep -q '"row": "measurement", "status": "contraindicated"' "$work/out"
check "values that are not compared are said" 1 "$attest" verify --evidence "$report" \
	--reference "$rim/corim-sevsnp-valid.cbor"
check "on standard error" 0 grep -q 'not compared' "$work/err"
check "when none is compared, the answer is no" 1 "$attest" verify --evidence "$report" --reference "$rim/comid-1.cbor"
check "for that reason" 0 grep -q 'none of the reference values' "$work/out"
# A certificate with the report in it: its own bytes are not what is compared.
cmw="[\"a/b\",\"$(base64 -w0 "$report" | tr '+/' '-_' | tr -d =)\"]"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/tls.key" -out "$work/tls.pem" \
	-subj /CN=x -addext "$(printf '1.3.6.1.5.5.7.1.35=DER:0c82%04x' ${#cmw})$(printf %s "$cmw" | od -An -v -tx1 |
	tr -d ' \n')" 2>/dev/null
check "a report in a certificate is not compared" 1 "$attest" verify --evidence "$work/tls.pem" \
	--reference "$rim/corim-sevsnp-valid.cbor" --json
check "nothing of it" 0 grep -q ': 19 are not compared' "$work/err"
check "evidence is no reference value" 3 "$attest" verify --evidence "$report" --reference "$rim/ce-seam-evidence.cbor"
check "with keys unsigned values do not count" 1 "$attest" verify --evidence "$report" $keys \
	--reference "$rim/corim-unsigned.cbor"
check "a record of a wrapper is listed" 0 "$attest" show "$corpus/cmw/collection-cbor-ok.cbor" --json
check "one without evidence is no evidence" 3 "$attest" verify --evidence "$corpus/cmw/collection-cbor-ok.cbor"
echo "1..$n"
exit $bad
