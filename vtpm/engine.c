#include "vtpm/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_memory.h>
#include <libtpms/tpm_nvfilename.h>
#include <string.h>

#include "vtpm/tpm_cmd.h"

/* libtpms is one TPM a process, and calls back without an argument. */
static struct {
	struct nvstore *store;
	bool is_on;
	bool is_counted; /* this run is in what was stored */
	bool has_failed;
	uint8_t locality;
	unsigned char *response;
	uint32_t response_len, response_size;
} engine;

static bool is_permanent(const char *name)
{
	return strcmp(name, TPM_PERMANENT_ALL_NAME) == 0;
}

static TPM_RESULT nothing_do(void)
{
	return TPM_SUCCESS;
}

static TPM_RESULT data_load(
	unsigned char **ret, uint32_t *ret_len, uint32_t number, const char *name)
{
	const struct nvstore *s = engine.store;

	if (!is_permanent(name))
		return TPM_RETRY;
	if (s->len == 0)
		return TPM_RETRY; /* libtpms makes a new one */
	TPM_RESULT rc = TPM_Malloc(ret, (uint32_t)s->len);
	if (rc != TPM_SUCCESS)
		return rc;
	memcpy(*ret, s->state, s->len);
	*ret_len = (uint32_t)s->len;
	return TPM_SUCCESS;
}

/* Volatile state is not kept: a guest that is started again starts its TPM again. */
static TPM_RESULT data_store(
	const unsigned char *data, uint32_t len, uint32_t number, const char *name)
{
	if (!is_permanent(name))
		return TPM_FAIL;
	int err = nvstore_save(engine.store, data, len, !engine.is_counted);
	engine.is_counted |= err == 0;
	engine.has_failed |= err < 0;
	return err < 0 ? TPM_FAIL : TPM_SUCCESS;
}

static TPM_RESULT data_delete(uint32_t number, const char *name, TPM_BOOL must_exist)
{
	return is_permanent(name) || must_exist ? TPM_FAIL : TPM_SUCCESS;
}

static TPM_RESULT locality_get(TPM_MODIFIER_INDICATOR *ret, uint32_t number)
{
	*ret = engine.locality;
	return TPM_SUCCESS;
}

/* Nobody stands before this machine; what needs presence is the platform hierarchy's. */
static TPM_RESULT presence_get(TPM_BOOL *ret, uint32_t number)
{
	*ret = FALSE;
	return TPM_SUCCESS;
}

static struct libtpms_callbacks callbacks = {
	.sizeOfStruct = sizeof callbacks,
	.tpm_nvram_init = nothing_do,
	.tpm_nvram_loaddata = data_load,
	.tpm_nvram_storedata = data_store,
	.tpm_nvram_deletename = data_delete,
	.tpm_io_init = nothing_do,
	.tpm_io_getlocality = locality_get,
	.tpm_io_getphysicalpresence = presence_get,
};

int engine_open(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	TPMLIB_SetDebugFD(fd); /* for good */
	return 0;
}

int engine_start(struct nvstore *store, bool may_make, struct why *why)
{
	uint32_t least, most;

	if (store->len == 0 && !may_make)
		return why_set(why, -ENODATA, "the TPM has no state yet");
	engine.store = store;
	engine.is_counted = false;
	engine.has_failed = false;
	engine.locality = 0;
	if (TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2) != TPM_SUCCESS ||
		TPMLIB_RegisterCallbacks(&callbacks) != TPM_SUCCESS ||
		TPMLIB_SetBufferSize(TPM_BUFFER_BYTES, &least, &most) != TPM_BUFFER_BYTES)
		return why_set(why, -EIO, "libtpms does not take its settings");
	TPM_RESULT rc = TPMLIB_MainInit();
	engine.is_on = true;
	if (engine.has_failed)
		return why_set(why, -EIO, "the TPM's state cannot be written");
	if (rc != TPM_SUCCESS)
		return why_set(why, -EBADMSG, "libtpms does not take the TPM's state (0x%x)", rc);
	/* A run is counted from its start, not from the first command that happens to store. */
	if (!engine.is_counted && data_store(store->state, (uint32_t)store->len, 0,
					  TPM_PERMANENT_ALL_NAME) != TPM_SUCCESS)
		return why_set(why, -EIO, "the TPM's state cannot be written");
	return 0;
}

int engine_run(
	uint8_t locality, const uint8_t *cmd, size_t len, const uint8_t **ret, size_t *ret_len)
{
	static uint8_t copy[TPM_BUFFER_BYTES], refusal[TPM_HEADER_BYTES];
	const struct tpm_cc_row *row;

	uint32_t rc = tpm_cmd_check(cmd, len, &row);
	if (rc == TPM_RC_SUCCESS && (engine.has_failed || !engine.is_on))
		rc = TPM_RC_FAILURE;
	if (rc != TPM_RC_SUCCESS) {
		*ret = refusal;
		*ret_len = tpm_rsp_print(refusal, rc);
		return 0;
	}
	memcpy(copy, cmd, len); /* libtpms takes what it may write */
	engine.locality = locality;
	if (TPMLIB_Process(&engine.response, &engine.response_len, &engine.response_size, copy,
		    (uint32_t)len) != TPM_SUCCESS ||
		engine.response_len < TPM_HEADER_BYTES || engine.response_len > TPM_BUFFER_BYTES)
		return -EIO;
	*ret = engine.response;
	*ret_len = engine.response_len;
	return 0;
}

void engine_cancel(void)
{
	(void)TPMLIB_CancelCommand();
}

bool engine_has_failed(void)
{
	return engine.has_failed;
}

void engine_stop(void)
{
	if (engine.is_on)
		TPMLIB_Terminate();
	TPM_Free(engine.response);
	memset(&engine, 0, sizeof engine);
}
