#include "vmm/super/sup_json.h"

#include <stdint.h>

void sup_json_text(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p != 0; p++) {
		if (*p == '"' || *p == '\\')
			(void)fprintf(out, "\\%c", *p);
		else if (*p >= 0x20 && *p < 0x7f)
			(void)fputc(*p, out);
		else
			(void)fprintf(out, "\\u%04x", *p);
	}
	(void)fputc('"', out);
}

void sup_json_hex(FILE *out, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	(void)fputc('"', out);
	for (size_t i = 0; i < len; i++)
		(void)fprintf(out, "%02x", p[i]);
	(void)fputc('"', out);
}
