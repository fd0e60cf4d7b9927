/* Reaches mon_fwimage_parse(), mon_fwimage_list(), mon_hob_build() for every kind of guest. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/monitor/mon_fwimage.h"

static const struct mon_memory memory = {
	.size = 3ull << 30,
	.n = 2,
	.ranges = { { 0, 2ull << 30, 0 }, { 1ull << 32, 1ull << 30, 2ull << 30 } },
};

/* The image's last page at least is there: mon_fwimage_open() sees to it. */
static uint8_t image[8192];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fwimage_boot boot = { .kernel = data, .kernel_len = 1, .cmdline = "" };
	struct fwimage_piece pieces[FWIMAGE_PIECES];
	unsigned int n = 0;

	if (size > sizeof image)
		return 0;
	memset(image, 0, sizeof image);
	memcpy(image + (sizeof image - size), data, size);
	for (unsigned int kind = GUEST_SW; kind < GUEST_KIND_COUNT; kind++) {
		static struct fwimage f;
		f = (struct fwimage){
			.map = image, .size = sizeof image, .gpa = (1ull << 32) - sizeof image
		};
		if (mon_fwimage_parse(&f, kind, NULL) < 0)
			continue;
		if (mon_fwimage_list(&f, kind, &boot, &memory, pieces, &n, NULL) == 0)
			for (unsigned int i = 0; i < n; i++)
				if (pieces[i].size == 0 || pieces[i].len > pieces[i].size)
					abort();
		free(f.hob);
	}
	return 0;
}
