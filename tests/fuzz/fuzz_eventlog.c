/* Reaches eventlog_split(), eventlog_recognise(), eventlog_replay() of both kinds, eventlog_explain(). */
#include "attest/eventlog.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_blob boots[LIMIT_EVENTLOG_BOOTS];
	size_t n = eventlog_split((struct attest_blob){ data, size }, boots);
	struct eventlog_replay r;
	struct eventlog_event e;
	struct eventlog log;
	char text[80];

	for (size_t i = 0; i < n; i++) {
		(void)eventlog_recognise(boots[i]);
		if (eventlog_open(&log, boots[i], NULL) < 0)
			continue;
		for (size_t k = 0; k < log.n_banks; k++) {
			int err = eventlog_replay(boots[i], log.banks[k].alg,
				eventlog_guess_kind(boots[i]), &r, NULL);
			if (err == 0)
				err = eventlog_replay(
					boots[i], log.banks[k].alg, EVENTLOG_TCG, &r, NULL);
		}
		while (eventlog_next(&log, &e, NULL) == 0)
			eventlog_explain(&e, text, sizeof text);
	}
	return 0;
}
