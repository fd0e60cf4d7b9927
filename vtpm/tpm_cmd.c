#include "vtpm/tpm_cmd.h"

#include "base/rd.h"
#include "base/wr.h"

#define TPMA_SESSION_DECRYPT 0x20u
#define SESSIONS_MAX         3u

/*
 * TPM part 3, commands of version 1.59 but for: field upgrade and firmware reading (ours are upgraded
 * by a package), attached components and authenticated countdown timers (no engine of ours has them),
 * TPM2_Vendor_TCG_Test (answers with what it was sent).
 */
static const struct tpm_cc_row rows[] = {
	{ 0x11f, 2, false, "NV_UndefineSpaceSpecial" },
	{ 0x120, 2, false, "EvictControl" },
	{ 0x121, 1, false, "HierarchyControl" },
	{ 0x122, 2, false, "NV_UndefineSpace" },
	{ 0x124, 1, false, "ChangeEPS" },
	{ 0x125, 1, false, "ChangePPS" },
	{ 0x126, 1, false, "Clear" },
	{ 0x127, 1, false, "ClearControl" },
	{ 0x128, 1, false, "ClockSet" },
	{ 0x129, 1, true, "HierarchyChangeAuth" },
	{ 0x12a, 1, true, "NV_DefineSpace" },
	{ 0x12b, 1, false, "PCR_Allocate" },
	{ 0x12c, 1, true, "PCR_SetAuthPolicy" },
	{ 0x12d, 1, false, "PP_Commands" },
	{ 0x12e, 1, true, "SetPrimaryPolicy" },
	{ 0x130, 1, false, "ClockRateAdjust" },
	{ 0x131, 1, true, "CreatePrimary" },
	{ 0x132, 1, false, "NV_GlobalWriteLock" },
	{ 0x133, 2, true, "GetCommandAuditDigest" },
	{ 0x134, 2, false, "NV_Increment" },
	{ 0x135, 2, false, "NV_SetBits" },
	{ 0x136, 2, true, "NV_Extend" },
	{ 0x137, 2, true, "NV_Write" },
	{ 0x138, 2, false, "NV_WriteLock" },
	{ 0x139, 1, false, "DictionaryAttackLockReset" },
	{ 0x13a, 1, false, "DictionaryAttackParameters" },
	{ 0x13b, 1, true, "NV_ChangeAuth" },
	{ 0x13c, 1, true, "PCR_Event" },
	{ 0x13d, 1, false, "PCR_Reset" },
	{ 0x13e, 1, true, "SequenceComplete" },
	{ 0x13f, 1, false, "SetAlgorithmSet" },
	{ 0x140, 1, false, "SetCommandCodeAuditStatus" },
	{ 0x142, 0, true, "IncrementalSelfTest" },
	{ 0x143, 0, false, "SelfTest" },
	{ 0x144, 0, false, "Startup" },
	{ 0x145, 0, false, "Shutdown" },
	{ 0x146, 0, true, "StirRandom" },
	{ 0x147, 2, true, "ActivateCredential" },
	{ 0x148, 2, true, "Certify" },
	{ 0x149, 3, true, "PolicyNV" },
	{ 0x14a, 2, true, "CertifyCreation" },
	{ 0x14b, 2, true, "Duplicate" },
	{ 0x14c, 2, true, "GetTime" },
	{ 0x14d, 3, true, "GetSessionAuditDigest" },
	{ 0x14e, 2, false, "NV_Read" },
	{ 0x14f, 2, false, "NV_ReadLock" },
	{ 0x150, 2, true, "ObjectChangeAuth" },
	{ 0x151, 2, true, "PolicySecret" },
	{ 0x152, 2, true, "Rewrap" },
	{ 0x153, 1, true, "Create" },
	{ 0x154, 1, true, "ECDH_ZGen" },
	{ 0x155, 1, true, "HMAC" },
	{ 0x156, 1, true, "Import" },
	{ 0x157, 1, true, "Load" },
	{ 0x158, 1, true, "Quote" },
	{ 0x159, 1, true, "RSA_Decrypt" },
	{ 0x15b, 1, true, "HMAC_Start" },
	{ 0x15c, 1, true, "SequenceUpdate" },
	{ 0x15d, 1, true, "Sign" },
	{ 0x15e, 1, false, "Unseal" },
	{ 0x160, 2, true, "PolicySigned" },
	{ 0x161, 0, false, "ContextLoad" },
	{ 0x162, 1, false, "ContextSave" },
	{ 0x163, 1, true, "ECDH_KeyGen" },
	{ 0x164, 1, false, "EncryptDecrypt" },
	{ 0x165, 0, false, "FlushContext" },
	{ 0x167, 0, true, "LoadExternal" },
	{ 0x168, 1, true, "MakeCredential" },
	{ 0x169, 1, false, "NV_ReadPublic" },
	{ 0x16a, 1, true, "PolicyAuthorize" },
	{ 0x16b, 1, false, "PolicyAuthValue" },
	{ 0x16c, 1, false, "PolicyCommandCode" },
	{ 0x16d, 1, true, "PolicyCounterTimer" },
	{ 0x16e, 1, true, "PolicyCpHash" },
	{ 0x16f, 1, false, "PolicyLocality" },
	{ 0x170, 1, true, "PolicyNameHash" },
	{ 0x171, 1, false, "PolicyOR" },
	{ 0x172, 1, true, "PolicyTicket" },
	{ 0x173, 1, false, "ReadPublic" },
	{ 0x174, 1, true, "RSA_Encrypt" },
	{ 0x176, 2, true, "StartAuthSession" },
	{ 0x177, 1, true, "VerifySignature" },
	{ 0x178, 0, false, "ECC_Parameters" },
	{ 0x17a, 0, false, "GetCapability" },
	{ 0x17b, 0, false, "GetRandom" },
	{ 0x17c, 0, false, "GetTestResult" },
	{ 0x17d, 0, true, "Hash" },
	{ 0x17e, 0, false, "PCR_Read" },
	{ 0x17f, 1, false, "PolicyPCR" },
	{ 0x180, 1, false, "PolicyRestart" },
	{ 0x181, 0, false, "ReadClock" },
	{ 0x182, 1, false, "PCR_Extend" },
	{ 0x183, 1, true, "PCR_SetAuthValue" },
	{ 0x184, 3, true, "NV_Certify" },
	{ 0x185, 2, true, "EventSequenceComplete" },
	{ 0x186, 0, true, "HashSequenceStart" },
	{ 0x187, 1, false, "PolicyPhysicalPresence" },
	{ 0x188, 1, true, "PolicyDuplicationSelect" },
	{ 0x189, 1, false, "PolicyGetDigest" },
	{ 0x18a, 0, false, "TestParms" },
	{ 0x18b, 1, true, "Commit" },
	{ 0x18c, 1, false, "PolicyPassword" },
	{ 0x18d, 1, true, "ZGen_2Phase" },
	{ 0x18e, 0, false, "EC_Ephemeral" },
	{ 0x18f, 1, false, "PolicyNvWritten" },
	{ 0x190, 1, true, "PolicyTemplate" },
	{ 0x191, 1, true, "CreateLoaded" },
	{ 0x192, 3, false, "PolicyAuthorizeNV" },
	{ 0x193, 1, true, "EncryptDecrypt2" },
	{ 0x197, 2, true, "CertifyX509" },
};

const struct tpm_cc_row *tpm_cc_rows(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

const struct tpm_cc_row *tpm_cc_find(uint32_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == code)
			return &rows[i];
	return NULL;
}

/* The sessions of a command; whether one of them encrypts the first parameter. */
static uint32_t sessions_check(struct rd *area, bool *ret_decrypts)
{
	for (unsigned int n = 0; area->left > 0; n++) {
		rd_skip(area, sizeof(uint32_t)); /* the session's handle */
		uint16_t nonce = rd_be16(area);
		rd_skip(area, nonce);
		*ret_decrypts |= (rd_u8(area) & TPMA_SESSION_DECRYPT) != 0;
		uint16_t hmac = rd_be16(area);
		rd_skip(area, hmac);
		if (rd_check(area) < 0 || n == SESSIONS_MAX)
			return TPM_RC_AUTHSIZE;
	}
	return TPM_RC_SUCCESS;
}

static uint32_t body_check(struct rd *r, uint16_t tag, const struct tpm_cc_row *row)
{
	bool decrypts = false;

	rd_skip(r, row->handles * sizeof(uint32_t));
	if (rd_check(r) < 0)
		return TPM_RC_HANDLE_MISSING;
	if (tag == TPM_ST_NO_SESSIONS)
		return TPM_RC_SUCCESS;
	uint32_t len = rd_be32(r);
	struct rd area = rd_sub(r, len);
	if (rd_check(r) < 0 || len == 0)
		return TPM_RC_AUTHSIZE;
	uint32_t rc = sessions_check(&area, &decrypts);
	if (rc != TPM_RC_SUCCESS || !decrypts)
		return rc;
	if (!row->has_2b)
		return TPM_RC_ATTRIBUTES_1;
	rd_skip(r, rd_be16(r));
	return rd_check(r) < 0 ? TPM_RC_SIZE_1 : TPM_RC_SUCCESS;
}

uint32_t tpm_cmd_check(const uint8_t *cmd, size_t len, const struct tpm_cc_row **ret_row)
{
	struct rd r = rd_of(cmd, len);
	uint16_t tag = rd_be16(&r);
	uint32_t size = rd_be32(&r);
	uint32_t code = rd_be32(&r);

	*ret_row = NULL;
	if (rd_check(&r) < 0 || size != len || len > TPM_BUFFER_BYTES)
		return TPM_RC_COMMAND_SIZE;
	if (tag != TPM_ST_NO_SESSIONS && tag != TPM_ST_SESSIONS)
		return TPM_RC_BAD_TAG;
	const struct tpm_cc_row *row = tpm_cc_find(code);
	if (row == NULL)
		return TPM_RC_COMMAND_CODE;
	uint32_t rc = body_check(&r, tag, row);
	if (rc == TPM_RC_SUCCESS)
		*ret_row = row;
	return rc;
}

size_t tpm_rsp_print(uint8_t *ret, uint32_t rc)
{
	struct wr w = wr_of(ret, TPM_HEADER_BYTES);

	/* The one response with another tag: a TPM 1.2 has to know that it was meant. Part 3, 5.2. */
	wr_be16(&w, rc == TPM_RC_BAD_TAG ? 0x00c4 : TPM_ST_NO_SESSIONS);
	wr_be32(&w, TPM_HEADER_BYTES);
	wr_be32(&w, rc);
	return w.len;
}

uint32_t tpm_rsp_code(const uint8_t *rsp, size_t len)
{
	struct rd r = rd_of(rsp, len);

	rd_skip(&r, sizeof(uint16_t));
	uint32_t size = rd_be32(&r);
	uint32_t rc = rd_be32(&r);
	return rd_check(&r) < 0 || size != len ? TPM_RC_FAILURE : rc;
}
