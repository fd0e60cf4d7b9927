/*
 * replay: runs a fuzz target over its corpus: every file as it is, every file cut short at many
 * lengths, and every file with single bits flipped at fixed places. Repeatable; needs no libFuzzer.
 * Fails when the corpus is empty, so that a test of nothing cannot pass, and when an input takes longer
 * than INPUT_S. A target of slow inputs names a smaller number of variants.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/fuzz/fuzz.h"

#define CORPUS_FILE_MAX (4u << 20) /* no parser of ours takes more than that in one piece */
#define VARIANTS        256u /* cuts and flips a file: keeps most targets under a second or so */
#define INPUT_S         20u  /* of a busy machine; our slowest input takes milliseconds */

/* An exact-size heap copy each time, so that a sanitizer sees a read past the end. */
static void input_run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, len);
	(void)alarm(INPUT_S);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void file_replay(uint8_t *data, size_t len, size_t variants)
{
	input_run(data, len);
	size_t step = len / variants + 1;
	for (size_t cut = 0; cut < len; cut += step)
		input_run(data, cut);
	for (size_t at = 0; at < len; at += step) {
		uint8_t bit = (uint8_t)(1u << (at / step % 8));
		data[at] ^= bit;
		input_run(data, len);
		data[at] ^= bit;
	}
}

int main(int argc, char **argv)
{
	unsigned int n_files = 0;
	unsigned long variants = argc == 3 ? strtoul(argv[2], NULL, 10) : VARIANTS;
	DIR *dir = argc >= 2 ? opendir(argv[1]) : NULL;

	if (dir == NULL || argc > 3 || variants == 0) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER [VARIANTS]\n", argv[0]);
		return 1;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char path[4096];
		uint8_t *data = NULL;
		size_t len = 0;
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
		if (fd_read_path(path, CORPUS_FILE_MAX, &data, &len, NULL) < 0) {
			fprintf(stderr, "cannot read %s\n", path);
			return 1;
		}
		file_replay(data, len, variants);
		free(data);
		n_files++;
	}
	(void)closedir(dir);
	printf("%u files replayed\n", n_files);
	return n_files == 0;
}
