/* casemate-quote: a TD's reports to the host's quoting service. Started by the supervisor only. */
#include <errno.h>

#include "sandbox/child.h"
#include "sandbox/sandbox.h"
#include "vmm/quote/quote.h"

int main(void)
{
	static struct quote quote;
	struct loop loop = { .epoll_fd = -1 };
	struct chan chan = { .fd = -1 };
	struct why why = { 0 };

	quote = QUOTE_NONE;
	int err = child_start(ROLE_QUOTE, &chan, &why);
	if (err == 0)
		err = child_recv_config(&chan, 0, 0, 1, 1, &why);
	if (err == 0)
		err = loop_open(&loop);
	if (err == 0)
		err = quote_open(&quote, &loop, &chan, msg_take_fd(chan.in, 0));
	if (err == 0)
		err = sandbox_enter(ROLE_QUOTE, &why);
	if (err == 0)
		err = child_send_ready(&chan);
	if (err == 0)
		err = loop_run(&loop);
	quote_close(&quote);
	loop_close(&loop);
	return child_end(&chan, err == -EPIPE ? 0 : err, &why);
}
