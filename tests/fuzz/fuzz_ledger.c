/*
 * Must reach: entry_parse, note_key_parse, note_verify, checkpoint_parse, proof_verify,
 * merkle_verify_inclusion, b64_parse.
 */
#include <assert.h>
#include <string.h>

#include "attest/ledger/proof.h"
#include "tests/fuzz/fuzz.h"

/* Signed the checkpoints and proofs of the corpus. */
static const char vkey[] = "example.com/fuzz+79390e52+AUTG2RMA6HFsEajL8AbE5ETW+e5HGgL54+LJCAEzBbbk";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proof proof;
	struct note_key key = { 0 };
	struct note_key other = { 0 };
	struct checkpoint cp;
	struct entry entry;
	struct why why = { 0 };
	int err = note_key_parse(vkey, strlen(vkey), &key, NULL);

	assert(err == 0);
	err = entry_parse(data, size, &entry, &why);
	assert(err == 0 || why.text[0] != 0);
	err = note_key_parse((const char *)data, size, &other, NULL);
	err = checkpoint_parse(data, size, err == 0 ? &other : &key, &cp, NULL);
	assert(err != 0 || cp.size <= LIMIT_LEDGER_ENTRIES);
	err = proof_verify(data, size, &key, &proof, NULL);
	assert(err != 0 || proof.index < proof.head.size);
	return 0;
}
