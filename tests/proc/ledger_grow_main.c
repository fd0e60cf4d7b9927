/*
 * ledger-grow: FOLDER KEY.PEM ORIGIN N: appends N entries to a ledger, for tests of its readers.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/ledger/ledger.h"
#include "base/fd.h"

static void mem_auto(uint8_t **p)
{
	free(*p);
}

static MUST_USE int entry_append(struct ledger *l, unsigned int i, struct why *why)
{
	struct entry e = { .event = (enum ledger_event)(
				   LEDGER_LAUNCHED + i % (LEDGER_EVENT_COUNT - 1)),
		.time_ns = 1763721480000000000u + i,
		.serial = 1 };
	uint64_t index = 0;

	(void)snprintf(e.guest, sizeof e.guest, "test/grow");
	(void)snprintf(e.text, sizeof e.text, "entry %u: \"quoted\" \\ \n\xff", i);
	memset(e.policy_hash, 1 + (int)(i % 9), sizeof e.policy_hash);
	return ledger_append(l, &e, &index, why);
}

static MUST_USE int grow(char **argv, struct why *why)
{
	AUTO(mem) uint8_t *pem = NULL;
	AUTO(fd) int dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(note_signer) struct note_signer signer = { 0 };
	AUTO(ledger) struct ledger *l = NULL;
	size_t len = 0;

	int err = fd_read_path(argv[2], 4096, &pem, &len, why);
	if (err == 0)
		err = note_signer_parse(pem, len, argv[3], &signer, why);
	if (err == 0)
		err = ledger_open(dir, &signer, &l, why);
	unsigned int n = (unsigned int)strtoul(argv[4], NULL, 10);
	for (unsigned int i = 0; i < n && err == 0; i++)
		err = entry_append(l, i, why);
	return err;
}

int main(int argc, char **argv)
{
	struct why why = { 0 };
	int err = argc == 5 ? grow(argv, &why) : -1;

	if (err < 0)
		fprintf(stderr, "ledger-grow: %s\n", why_text(&why, err));
	return err < 0;
}
