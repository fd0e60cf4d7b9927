#include "sev/sim/sim_id.h"

#include <string.h>

#include "sev/fw_error.h"

#define ID_BLOCK_VERSION 1u

uint32_t sim_id_check(const struct sim_launch *launch, const struct snp_id_block *block,
	const struct snp_id_auth *auth, bool has_author_key)
{
	if (memcmp(block->ld, launch->ld, SNP_DIGEST_BYTES) != 0)
		return FW_BAD_MEASUREMENT;
	if (le64_get(block->policy) != launch->policy)
		return FW_POLICY_FAILURE;
	if (le32_get(block->version) != ID_BLOCK_VERSION ||
		le32_get(auth->id_key_algo) != SNP_ALGO_ECDSA_P384_SHA384)
		return FW_INVALID_PARAM;
	if (has_author_key && le32_get(auth->author_key_algo) != SNP_ALGO_ECDSA_P384_SHA384)
		return FW_INVALID_PARAM;
	if (!sim_is_signed(&auth->id_pubkey, &auth->id_block_sig, block, sizeof *block))
		return FW_BAD_SIGNATURE;
	if (has_author_key && !sim_is_signed(&auth->author_pubkey, &auth->id_key_sig,
				      &auth->id_pubkey, sizeof auth->id_pubkey))
		return FW_BAD_SIGNATURE;
	return FW_SUCCESS;
}
