#include "vmm/device/dev_link.h"

#include <errno.h>
#include <sys/epoll.h>

#include "vmm/super/sup_proto.h"

static int on_stop(void *owner, struct msg *m)
{
	struct dev_link *link = owner;

	loop_stop(link->loop, 0);
	return 0;
}

static const struct rule own_rules[] = {
	[SUP_MSG_STOP] = { IN(0), 0, 0, 0, 0, true, on_stop },
};

static void link_fire(struct src *src, uint32_t events)
{
	struct dev_link *link = CONTAINER_OF(src, struct dev_link, src);
	int err = chan_recv(link->chan, /* is_waiting= */ false);

	if (err == -EAGAIN)
		return;
	if (err == 0 && link->chan->in->type == SUP_MSG_STOP)
		err = chan_dispatch(link->chan, own_rules, ARRAY_LEN(own_rules), 0, link);
	else if (err == 0)
		err = chan_dispatch(link->chan, link->rules, link->n_rules, 0, link->owner);
	if (err < 0)
		loop_stop(link->loop, err == -EPIPE ? 0 : err);
}

int dev_link_open(struct dev_link *link, struct loop *loop, struct chan *chan,
	const struct rule *rules, size_t n_rules, void *owner)
{
	*link = (struct dev_link){
		.src = { .fd = chan->fd, .fire = link_fire },
		.loop = loop,
		.chan = chan,
		.rules = rules,
		.n_rules = n_rules,
		.owner = owner,
	};
	return loop_add(loop, &link->src, EPOLLIN);
}
