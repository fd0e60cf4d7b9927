/*
 * attest_verify AT SECONDS PART=FILE...: how long one verification takes, and its signature checks by
 * themselves. PART is evidence, cert, root, crl, collateral or eventlog. One JSON line:
 *
 *   first_us   the first verification of this process (cold), reading of files not counted
 *   warm_us    one of the later ones, over SECONDS
 *   checks     signature checks of one verification, by kind: counted where our code asks libcrypto
 *   raw_us     the same checks of the same kinds and numbers with keys at hand and nothing else
 *
 * SECONDS 0: the first verification only. Driven by attest.py.
 */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attest/evidence.h"
#include "base/fd.h"

#define FILES_MAX    32
#define MESSAGE_SIZE 700 /* a certificate's signed part; a report's or quote's is about as long */

/* --- counting: the linker sends our calls here (--wrap) --------------------------------------- */

enum kind { KIND_RSA_4096, KIND_P384, KIND_P256, KIND_OTHER, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = { "rsa4096-pss", "p384", "p256", "other" };
static unsigned int counts[KIND_COUNT];

static void count(EVP_PKEY *key)
{
	enum kind k = KIND_OTHER;

	if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == 4096)
		k = KIND_RSA_4096;
	if (EVP_PKEY_is_a(key, "EC"))
		k = EVP_PKEY_get_bits(key) == 384   ? KIND_P384
		    : EVP_PKEY_get_bits(key) == 256 ? KIND_P256
						    : KIND_OTHER;
	counts[k]++;
}

int __real_X509_verify(X509 *x, EVP_PKEY *key);
int __wrap_X509_verify(X509 *x, EVP_PKEY *key);
int __real_X509_CRL_verify(X509_CRL *x, EVP_PKEY *key);
int __wrap_X509_CRL_verify(X509_CRL *x, EVP_PKEY *key);
int __real_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
	const unsigned char *p, size_t len);
int __wrap_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
	const unsigned char *p, size_t len);

int __wrap_X509_verify(X509 *x, EVP_PKEY *key)
{
	count(key);
	return __real_X509_verify(x, key);
}

int __wrap_X509_CRL_verify(X509_CRL *x, EVP_PKEY *key)
{
	count(key);
	return __real_X509_CRL_verify(x, key);
}

int __wrap_EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t sig_len,
	const unsigned char *p, size_t len)
{
	count(EVP_PKEY_CTX_get0_pkey(EVP_MD_CTX_get_pkey_ctx(ctx)));
	return __real_EVP_DigestVerify(ctx, sig, sig_len, p, len);
}

/* --- one verification ------------------------------------------------------------------------- */

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(
		CLOCK_PROCESS_CPUTIME_ID, &t); /* this core's work, whoever else is busy */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct attest_blob file_of(const char *path)
{
	struct attest_blob b;
	uint8_t *bytes = NULL;

	if (fd_read_path(path, 16u << 20, &bytes, &b.len, NULL) < 0) {
		perror(path);
		exit(3);
	}
	b.p = bytes;
	return b;
}

static struct attest_blob certs[FILES_MAX], roots[FILES_MAX], crls[FILES_MAX],
	collateral[FILES_MAX], logs[FILES_MAX];
static struct attest_inputs in = {
	.certs = certs, .roots = roots, .crls = crls, .collateral = collateral, .event_logs = logs
};

static void part_take(const char *arg)
{
	const struct {
		const char *name;
		struct attest_blob *list;
		size_t *n;
	} parts[] = {
		{ "cert=", certs, &in.n_certs },
		{ "root=", roots, &in.n_roots },
		{ "crl=", crls, &in.n_crls },
		{ "collateral=", collateral, &in.n_collateral },
		{ "eventlog=", logs, &in.n_event_logs },
	};

	if (strncmp(arg, "evidence=", 9) == 0) {
		in.evidence = file_of(arg + 9);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t len = strlen(parts[i].name);
		if (strncmp(arg, parts[i].name, len) != 0 || *parts[i].n == FILES_MAX)
			continue;
		parts[i].list[(*parts[i].n)++] = file_of(arg + len);
		return;
	}
	fprintf(stderr, "what is %s?\n", arg);
	exit(2);
}

static struct verdict verdict;

static void verify_once(void)
{
	struct why why = { 0 };

	if (attest_verify(&in, &verdict, &why) == 0)
		return;
	fprintf(stderr, "no verdict: %s\n", why.text);
	exit(1);
}

/* --- the checks alone --------------------------------------------------------------------------- */

static EVP_MD_CTX *raw_open(enum kind kind, EVP_PKEY *key, bool is_sign)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	const char *digest = kind == KIND_P256 ? "SHA2-256" : "SHA2-384";
	int ok = is_sign ? EVP_DigestSignInit_ex(ctx, &pctx, digest, NULL, NULL, key, NULL)
			 : EVP_DigestVerifyInit_ex(ctx, &pctx, digest, NULL, NULL, key, NULL);

	if (ok == 1 && kind == KIND_RSA_4096)
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 48) == 1;
	if (ok != 1)
		exit(1);
	return ctx;
}

struct raw {
	enum kind kind;
	EVP_PKEY *key;
	unsigned char sig[1024];
	size_t sig_len;
};

static const unsigned char message[MESSAGE_SIZE];

static void raw_init(struct raw *ret, enum kind kind)
{
	*ret = (struct raw){ .kind = kind, .sig_len = sizeof ret->sig };
	ret->key = kind == KIND_RSA_4096 ? EVP_RSA_gen(4096)
					 : EVP_EC_gen(kind == KIND_P384 ? "P-384" : "P-256");
	EVP_MD_CTX *ctx = raw_open(kind, ret->key, true);
	if (EVP_DigestSign(ctx, ret->sig, &ret->sig_len, message, sizeof message) != 1)
		exit(1);
	EVP_MD_CTX_free(ctx);
}

static void raw_check(const struct raw *r)
{
	EVP_MD_CTX *ctx = raw_open(r->kind, r->key, false);

	if (__real_EVP_DigestVerify(ctx, r->sig, r->sig_len, message, sizeof message) != 1)
		exit(1);
	EVP_MD_CTX_free(ctx);
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

#define ROUNDS_MAX 10000
#define BATCH      8 /* verifications, then their checks alone, in turns: a busy machine slows both */

static void compare(double seconds, const unsigned int once[KIND_COUNT])
{
	static double ours[ROUNDS_MAX], theirs[ROUNDS_MAX];
	struct raw raws[KIND_OTHER];
	double begin = now_us();
	size_t n = 0;

	for (enum kind k = 0; k < KIND_OTHER; k++)
		raw_init(&raws[k], k);
	for (begin = now_us(); n < ROUNDS_MAX && now_us() - begin < seconds * 1e6; n++) {
		double t0 = now_us();
		for (int i = 0; i < BATCH; i++)
			verify_once();
		double t1 = now_us();
		for (int i = 0; i < BATCH; i++)
			for (enum kind k = 0; k < KIND_OTHER; k++)
				for (unsigned int c = 0; c < once[k]; c++)
					raw_check(&raws[k]);
		ours[n] = (t1 - t0) / BATCH;
		theirs[n] = (now_us() - t1) / BATCH;
	}
	qsort(ours, n, sizeof ours[0], by_size);
	qsort(theirs, n, sizeof theirs[0], by_size);
	if (n > 0)
		printf(", \"warm_us\": %.1f, \"raw_us\": %.1f", ours[n / 2], theirs[n / 2]);
	for (enum kind k = 0; k < KIND_OTHER; k++)
		EVP_PKEY_free(raws[k].key);
}

int main(int argc, char **argv)
{
	unsigned int once[KIND_COUNT];

	if (argc < 4)
		return 2;
	in.at = (time_t)atoll(argv[1]);
	for (int i = 3; i < argc; i++)
		part_take(argv[i]);
	double begin = now_us();
	verify_once();
	double end = now_us();
	printf("{\"verdict\": \"%s\", \"first_us\": %.1f", verdict_status_name(verdict.overall),
		end - begin);
	memcpy(once, counts, sizeof once);
	printf(", \"checks\": {");
	for (enum kind k = 0; k < KIND_COUNT; k++)
		printf("%s\"%s\": %u", k > 0 ? ", " : "", kind_names[k], once[k]);
	printf("}");
	if (atof(argv[2]) > 0)
		compare(atof(argv[2]), once);
	printf("}\n");
	return 0;
}
