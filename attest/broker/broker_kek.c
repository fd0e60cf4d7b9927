#include "attest/broker/broker_kek.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>

#include "attest/broker/broker_tpm.h"
#include "base/fd.h"
#include "base/limits.h"

#define LOCAL_NAME "key"
#define TPM_NAME   "key.tpm"
#define FILE_MAX   80u /* 64 digits and a line's end */

static const char aad[] = "casemate broker store data key 1";

const char *kek_kind(const struct kek *k)
{
	return k->module != NULL ? "pkcs11"
	       : k->tpm != NULL  ? "tpm"
	       : k->file != NULL ? "file"
				 : "local";
}

/* --- a key in a file ----------------------------------------------------------------------------- */

static MUST_USE int key_read(const struct kek *k, int dir_fd, struct secret *ret, struct why *why)
{
	const char *path = k->file != NULL ? k->file : LOCAL_NAME;
	char text[FILE_MAX + 1];
	AUTO(fd)
	int fd = openat(k->file != NULL ? AT_FDCWD : dir_fd, path,
		O_RDONLY | O_CLOEXEC | O_NOCTTY | (k->file != NULL ? 0 : O_NOFOLLOW));
	ssize_t n = fd < 0 ? -1 : read(fd, text, FILE_MAX);

	if (n < 0)
		return why_set(why, -EIO, "the store's key %s: %s", path, strerrordesc_np(errno));
	int err = secret_parse_key(ret, text, (size_t)n);
	explicit_bzero(text, sizeof text);
	return err < 0 ? why_set(why, err,
				 "the store's key %s: want 32 bytes, or 64 hexadecimal digits",
				 path)
		       : 0;
}

/* A sealed key is unsealed; another is read. */
static MUST_USE int key_get(const struct kek *k, int dir_fd, struct secret *ret, struct why *why)
{
	uint8_t sealed[TPM_SEALED_MAX];

	if (k->tpm == NULL)
		return key_read(k, dir_fd, ret, why);
	AUTO(fd) int fd = openat(dir_fd, TPM_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, sealed, sizeof sealed);
	if (n < 0)
		return why_set(why, -EIO, "the store's " TPM_NAME ": %s", strerrordesc_np(errno));
	int err = tpm_unseal(k->tpm, sealed, (size_t)n, ret, why);
	return err == 0 && ret->len != KEK_DATA_BYTES
		       ? why_set(why, -EIO, "the store's " TPM_NAME ": another use")
		       : err;
}

/* Made once, with the store; a key that is there already stays. */
static MUST_USE int key_make(const struct kek *k, int dir_fd, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	uint8_t sealed[TPM_SEALED_MAX];
	size_t len = KEK_DATA_BYTES;
	const char *name = k->tpm != NULL ? TPM_NAME : LOCAL_NAME;

	if (faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	int err = secret_init(&key, KEK_DATA_BYTES);
	if (err == 0 && RAND_priv_bytes(key.p, (int)key.len) != 1)
		err = -EIO;
	if (err == 0 && k->tpm != NULL)
		err = tpm_seal(k->tpm, &key, sealed, &len, why);
	if (err == 0)
		err = fd_replace_file(
			dir_fd, name, k->tpm != NULL ? sealed : key.p, len, 0600, why);
	return err < 0 ? why_set(why, err, "cannot make the store's key") : 0;
}

/* --- a key in a token (PKCS#11 2.40, CKM_AES_GCM) ------------------------------------------------ */

struct p11 {
	void *library;
	CK_FUNCTION_LIST *f; /* NULL: not initialised */
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
};

static void p11_auto(struct p11 *p)
{
	if (p->f != NULL)
		(void)p->f->C_Finalize(NULL);
	if (p->library != NULL)
		(void)dlclose(p->library);
}

static MUST_USE int p11_load(struct p11 *p, const char *module, struct why *why)
{
	CK_RV (*get)(CK_FUNCTION_LIST **);
	CK_FUNCTION_LIST *f = NULL;

	p->library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	if (p->library == NULL)
		return why_set(why, -EIO, "PKCS#11 module: %s", dlerror());
	*(void **)&get = dlsym(p->library, "C_GetFunctionList");
	if (get == NULL || get(&f) != CKR_OK || f == NULL)
		return why_set(why, -EIO, "%s is no PKCS#11 module", module);
	CK_RV rv = f->C_Initialize(NULL);
	if (rv != CKR_OK)
		return why_set(why, -EIO, "PKCS#11 %s: C_Initialize: 0x%lx", module, rv);
	p->f = f;
	return 0;
}

/* Labels are padded with spaces (CK_TOKEN_INFO). */
static bool label_is(const uint8_t *label, size_t size, const char *want)
{
	size_t len = strlen(want);

	while (size > len && label[size - 1] == ' ')
		size--;
	return size == len && memcmp(label, want, len) == 0;
}

static MUST_USE int p11_session(struct p11 *p, const char *token, struct why *why)
{
	CK_SLOT_ID slots[LIMIT_BROKER_SLOTS];
	CK_ULONG n = ARRAY_LEN(slots);

	if (p->f->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		return why_set(
			why, -EIO, "PKCS#11: no list of at most %u slots", LIMIT_BROKER_SLOTS);
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;
		if (p->f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
			label_is(info.label, sizeof info.label, token))
			return p->f->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL,
				       &p->session) == CKR_OK
				       ? 0
				       : why_set(why, -EIO, "PKCS#11 token \"%s\": no session",
						 token);
	}
	return why_set(why, -EIO, "PKCS#11: no token labelled \"%s\"", token);
}

static MUST_USE int p11_login(struct p11 *p, const char *pin_file, struct why *why)
{
	char pin[FILE_MAX];
	AUTO(fd) int fd = open(pin_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, pin, sizeof pin);

	if (n < 0)
		return why_set(why, -EIO, "PIN %s: %s", pin_file, strerrordesc_np(errno));
	while (n > 0 && (pin[n - 1] == '\n' || pin[n - 1] == '\r'))
		n--;
	CK_RV rv = p->f->C_Login(p->session, CKU_USER, (CK_UTF8CHAR *)pin, (CK_ULONG)n);
	explicit_bzero(pin, sizeof pin);
	return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN
		       ? 0
		       : why_set(why, -EIO,
				 "PKCS#11: the token does not take the PIN in %s (0x%lx)", pin_file,
				 rv);
}

static MUST_USE int p11_find(struct p11 *p, const char *label, struct why *why)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_ATTRIBUTE want[] = {
		{ CKA_CLASS, &class, sizeof class },
		{ CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
	};
	CK_ULONG n = 0;
	CK_OBJECT_HANDLE found[2];

	if (p->f->C_FindObjectsInit(p->session, want, ARRAY_LEN(want)) != CKR_OK ||
		p->f->C_FindObjects(p->session, found, ARRAY_LEN(found), &n) != CKR_OK)
		return why_set(why, -EIO, "PKCS#11: the token cannot be searched");
	(void)p->f->C_FindObjectsFinal(p->session);
	if (n != 1)
		return why_set(why, -EIO, "PKCS#11: %s AES key labelled \"%s\"",
			n == 0 ? "no" : "more than one", label);
	p->key = found[0];
	return 0;
}

/* len bytes in; out has at least max. */
static MUST_USE int p11_apply(const struct kek *k, bool is_sealing, const uint8_t *nonce,
	const uint8_t *in, size_t len, uint8_t *out, size_t max, struct why *why)
{
	AUTO(p11) struct p11 p = { 0 };
	CK_GCM_PARAMS gcm = { .pIv = (CK_BYTE *)(uintptr_t)nonce,
		.ulIvLen = AEAD_NONCE_BYTES,
		.ulIvBits = AEAD_NONCE_BYTES * 8,
		.pAAD = (CK_BYTE *)(uintptr_t)aad,
		.ulAADLen = sizeof aad,
		.ulTagBits = AEAD_TAG_BYTES * 8 };
	CK_MECHANISM mechanism = { CKM_AES_GCM, &gcm, sizeof gcm };
	uint8_t room[2 *
		     KEK_DATA_BYTES]; /* some tokens want as much for the answer as they were given */
	CK_ULONG n = sizeof room;

	int err = p11_load(&p, k->module, why);
	if (err == 0)
		err = p11_session(&p, k->token, why);
	if (err == 0)
		err = p11_login(&p, k->pin_file, why);
	if (err == 0)
		err = p11_find(&p, k->label, why);
	if (err < 0)
		return err;
	CK_RV rv = is_sealing ? p.f->C_EncryptInit(p.session, &mechanism, p.key)
			      : p.f->C_DecryptInit(p.session, &mechanism, p.key);
	if (rv != CKR_OK)
		return why_set(why, -EIO, "PKCS#11: the key cannot do AES-GCM (0x%lx)", rv);
	rv = is_sealing ? p.f->C_Encrypt(p.session, (CK_BYTE *)(uintptr_t)in, len, room, &n)
			: p.f->C_Decrypt(p.session, (CK_BYTE *)(uintptr_t)in, len, room, &n);
	if (rv == CKR_OK && n == max)
		memcpy(out, room, max);
	explicit_bzero(room, sizeof room);
	if (rv != CKR_OK || n != max)
		return why_set(why, -EKEYREJECTED,
			"PKCS#11: the token's key is not the one of this store (0x%lx)", rv);
	return 0;
}

/* --- both ---------------------------------------------------------------------------------------- */

int kek_seal(const struct kek *k, int dir_fd, const struct secret *data,
	uint8_t ret[AEAD_SEALED(KEK_DATA_BYTES)], struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	int err = 0;

	if (k->module != NULL) {
		if (RAND_bytes(ret, AEAD_NONCE_BYTES) != 1)
			return -EIO;
		return p11_apply(k, true, ret, data->p, data->len, ret + AEAD_NONCE_BYTES,
			KEK_DATA_BYTES + AEAD_TAG_BYTES, why);
	}
	if (k->file == NULL)
		err = key_make(k, dir_fd, why);
	if (err == 0)
		err = key_get(k, dir_fd, &key, why);
	return err < 0 ? err : aead_seal(key.p, aad, sizeof aad, data->p, data->len, ret);
}

int kek_open(const struct kek *k, int dir_fd, const uint8_t sealed[AEAD_SEALED(KEK_DATA_BYTES)],
	struct secret *ret, struct why *why)
{
	AUTO(secret) struct secret key = { 0 };
	AUTO(secret) struct secret data = { 0 };
	int err = secret_init(&data, KEK_DATA_BYTES);

	if (err == 0 && k->module != NULL) {
		err = p11_apply(k, false, sealed, sealed + AEAD_NONCE_BYTES,
			KEK_DATA_BYTES + AEAD_TAG_BYTES, data.p, data.len, why);
	} else if (err == 0) {
		err = key_get(k, dir_fd, &key, why);
		if (err == 0)
			err = aead_open(key.p, aad, sizeof aad, sealed, AEAD_SEALED(KEK_DATA_BYTES),
				data.p);
		if (err == -EKEYREJECTED)
			(void)why_set(why, err, "the key in %s is not the one of this store",
				k->file != NULL  ? k->file
				: k->tpm != NULL ? TPM_NAME
						 : LOCAL_NAME);
	}
	if (err == 0)
		*ret = secret_take(&data);
	return err;
}
