#include "attest/pe.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/rd.h"

#define PE_SIGNATURE    0x00004550u /* "PE\0\0" */
#define PE_MAGIC_32     0x10bu
#define PE_MAGIC_64     0x20bu
#define PE_DIR_SECURITY 4u
#define SECTION_BYTES   40u

struct pe_section {
	uint32_t at, len;
};

/* What is left out, and the parts, of an image that was found to be one. */
struct pe {
	size_t checksum, security; /* places of the 4 and the 8 bytes that are not hashed */
	uint32_t headers, certificates;
	unsigned int n;
	struct pe_section sections[LIMIT_PE_SECTIONS];
};

static MUST_USE int sections_parse(struct pe *pe, struct rd *r, size_t len, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct pe_section s;
		rd_skip(r, 16);
		s.len = rd_le32(r);
		s.at = rd_le32(r);
		rd_skip(r, SECTION_BYTES - 24);
		if (rd_check(r) < 0 || (s.len > 0 && (s.at > len || s.len > len - s.at)))
			return -EBADMSG;
		if (s.len > 0)
			pe->sections[pe->n++] = s;
	}
	/* By their place in the file; a dozen at most in practice. */
	for (unsigned int i = 1; i < pe->n; i++)
		for (unsigned int j = i; j > 0 && pe->sections[j].at < pe->sections[j - 1].at;
			j--) {
			struct pe_section swap = pe->sections[j];
			pe->sections[j] = pe->sections[j - 1];
			pe->sections[j - 1] = swap;
		}
	return 0;
}

static MUST_USE int pe_parse(struct pe *pe, const uint8_t *image, size_t len)
{
	struct rd r = rd_of(image, len);

	rd_skip(&r, 0x3c);
	uint32_t header = rd_le32(&r);
	if (rd_check(&r) < 0 || image[0] != 'M' || image[1] != 'Z' || header > len)
		return -EBADMSG;
	r = rd_of(image + header, len - header);
	uint32_t signature = rd_le32(&r);
	rd_skip(&r, 2);
	uint32_t n_sections = rd_le16(&r);
	rd_skip(&r, 12);
	uint32_t optional_len = rd_le16(&r);
	rd_skip(&r, 2);
	size_t optional = header + 24;
	uint32_t magic = rd_le16(&r);
	if (rd_check(&r) < 0 || signature != PE_SIGNATURE || n_sections > LIMIT_PE_SECTIONS ||
		(magic != PE_MAGIC_32 && magic != PE_MAGIC_64))
		return -EBADMSG;
	size_t directories = magic == PE_MAGIC_64 ? 112 : 96;
	if (optional_len < directories || optional_len > len - optional)
		return -EBADMSG;
	r = rd_of(image + optional, optional_len);
	rd_skip(&r, 60);
	pe->headers = rd_le32(&r);
	pe->checksum = optional + 64;
	rd_skip(&r, directories - 4 - 64);
	uint32_t n_directories = rd_le32(&r);
	if (n_directories > PE_DIR_SECURITY) {
		rd_skip(&r, PE_DIR_SECURITY * 8 + 4);
		pe->certificates = rd_le32(&r);
		pe->security = optional + directories + PE_DIR_SECURITY * 8;
	}
	size_t first = pe->security != 0 ? pe->security + 8 : pe->checksum + 4;
	if (rd_check(&r) < 0 || pe->headers < first || pe->headers > len)
		return -EBADMSG;
	r = rd_of(image + optional + optional_len, len - optional - optional_len);
	return sections_parse(pe, &r, len, n_sections);
}

static MUST_USE int pe_hash(EVP_MD_CTX *ctx, const struct pe *pe, const uint8_t *image, size_t len)
{
	uint64_t sum = pe->headers;
	size_t skipped = pe->checksum + 4;
	bool ok = EVP_DigestInit_ex2(ctx, EVP_sha384(), NULL) == 1 &&
		  EVP_DigestUpdate(ctx, image, pe->checksum) == 1;

	if (ok && pe->security != 0) {
		ok = EVP_DigestUpdate(ctx, image + skipped, pe->security - skipped) == 1;
		skipped = pe->security + 8;
	}
	ok = ok && EVP_DigestUpdate(ctx, image + skipped, pe->headers - skipped) == 1;
	for (unsigned int i = 0; ok && i < pe->n; i++) {
		const struct pe_section *s = &pe->sections[i];
		ok = EVP_DigestUpdate(ctx, image + s->at, s->len) == 1;
		if (num_add(&sum, sum, s->len) < 0)
			return -EBADMSG;
	}
	if (sum < len && (pe->certificates > len - sum))
		return -EBADMSG; /* the certificates would reach into what was hashed */
	if (ok && sum < len)
		ok = EVP_DigestUpdate(ctx, image + sum, len - sum - pe->certificates) == 1;
	return ok ? 0 : -EIO;
}

int pe_authenticode(const uint8_t *image, size_t len, uint8_t ret[SHA384_BYTES], struct why *why)
{
	struct pe pe = { 0 };
	uint8_t digest[SHA384_BYTES];

	int err = pe_parse(&pe, image, len);
	if (err < 0)
		return why_set(why, err, "the kernel is no PE image that firmware could start");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		return -ENOMEM;
	err = pe_hash(ctx, &pe, image, len);
	if (err == 0 && EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
		err = -EIO;
	EVP_MD_CTX_free(ctx);
	if (err < 0)
		return why_set(why, err,
			err == -EBADMSG ? "the kernel's PE image has parts outside it"
					: "the digest cannot be computed");
	memcpy(ret, digest, sizeof digest);
	return 0;
}
