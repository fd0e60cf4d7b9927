/*
 * The whole of casemate-dev-console (device.h): dev_console_run(), both queues, a slow reader of the
 * output, input that ends. Its own records: u8 what: 0 input (u8 length), 1 the output is read, 2 its
 * reader goes, 3 the input ends.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/fuzz/device.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/device/dev_console.h"

#define PIPE_BYTES 4096

static int out = -1; /* our ends */
static int in = -1;

static int console_run(void)
{
	static struct dev_console dev;

	memset(&dev, 0, sizeof dev);
	return dev_console_run(&dev);
}

static unsigned int console_config(uint8_t *ret_config, int *ret_fds)
{
	int o[2];
	int i[2];

	if (pipe2(o, O_CLOEXEC) < 0 || pipe2(i, O_CLOEXEC) < 0 ||
		fcntl(o[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(i[1], F_SETFL, O_NONBLOCK) < 0 ||
		fcntl(o[0], F_SETPIPE_SZ, PIPE_BYTES) < 0)
		abort();
	out = o[0];
	in = i[1];
	ret_fds[0] = o[1];
	ret_fds[1] = i[0];
	return 2;
}

static void console_act(struct front *f, struct chan *super, struct rd *r)
{
	uint8_t buf[PIPE_BYTES] = { 0 };
	ssize_t n = 0;

	switch (rd_u8(r) & 3) {
	case 0:
		if (in >= 0)
			n = write(in, buf, rd_u8(r));
		break;
	case 1:
		if (out >= 0)
			n = read(out, buf, sizeof buf);
		break;
	case 2:
		fd_drop(&out);
		break;
	default:
		fd_drop(&in);
		break;
	}
	(void)n; /* a full or an empty pipe is fine */
}

static void console_end(void)
{
	fd_drop(&out);
	fd_drop(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device_fuzz d = { .run = console_run,
		.n_queues = 2,
		.config = console_config,
		.act = console_act,
		.end = console_end };

	device_fuzz(&d, data, size);
	return 0;
}
