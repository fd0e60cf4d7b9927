#include "base/opts.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const struct opt *opt_find(const struct opt_spec *spec, const char *name, size_t len)
{
	for (const struct opt *o = spec->options; o != NULL && o->name != NULL; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

void opts_print_help(const struct opt_spec *spec)
{
	printf("usage: %s\n\n%s\n", spec->usage, spec->about);
	if (spec->options != NULL && spec->options[0].name != NULL)
		printf("\noptions:\n");
	for (const struct opt *o = spec->options; o != NULL && o->name != NULL; o++) {
		char left[64];
		(void)snprintf(left, sizeof left, "--%s%s%s", o->name,
			o->kind == OPT_FLAG ? "" : " ", o->kind == OPT_FLAG ? "" : o->value_name);
		printf("  %-28s %s%s\n", left, o->help, o->kind == OPT_LIST ? " (repeatable)" : "");
	}
	printf("  %-28s %s\n", "--help", "this text");
}

static MUST_USE int opt_store(const struct opt *o, const char *value, struct why *why)
{
	if (o->kind == OPT_FLAG) {
		*(bool *)o->ret = true;
		return 0;
	}
	if (o->kind == OPT_TEXT) {
		const char **text = o->ret;
		if (*text != NULL)
			return why_set(why, -EINVAL, "--%s is given twice", o->name);
		*text = value;
		return 0;
	}
	struct opt_list *list = o->ret;
	if (list->n == OPT_LIST_MAX)
		return why_set(
			why, -EINVAL, "--%s is given more than %d times", o->name, OPT_LIST_MAX);
	list->at[list->n++] = value;
	return 0;
}

/* One option at argv[*i]; steps over its value. */
static MUST_USE int opt_take(
	const struct opt_spec *spec, int argc, char **argv, int *i, struct why *why)
{
	const char *name = argv[*i] + 2;
	const char *eq = strchr(name, '=');
	size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
	const struct opt *o = opt_find(spec, name, len);
	const char *value = eq != NULL ? eq + 1 : NULL;

	if (o == NULL)
		return why_set(why, -EINVAL, "unknown option --%.*s", (int)MIN(len, 60), name);
	if (o->kind == OPT_FLAG && value != NULL)
		return why_set(why, -EINVAL, "--%s takes no value", o->name);
	if (o->kind != OPT_FLAG && value == NULL) {
		if (*i + 1 >= argc)
			return why_set(
				why, -EINVAL, "--%s needs a value: %s", o->name, o->value_name);
		value = argv[++*i];
	}
	return opt_store(o, value, why);
}

int opts_parse(const struct opt_spec *spec, int argc, char **argv, char ***ret_args,
	size_t *ret_n_args, struct why *why)
{
	size_t n = 0;
	bool is_ended = false;

	for (int i = 1; i < argc; i++) {
		if (!is_ended && strcmp(argv[i], "--help") == 0) {
			opts_print_help(spec);
			return 1;
		}
		if (!is_ended && strcmp(argv[i], "--") == 0) {
			is_ended = true;
		} else if (!is_ended && argv[i][0] == '-' && argv[i][1] == '-') {
			int err = opt_take(spec, argc, argv, &i, why);
			if (err < 0)
				return err;
		} else if (!is_ended && argv[i][0] == '-' && argv[i][1] != 0) {
			return why_set(why, -EINVAL, "unknown option %s", argv[i]);
		} else {
			argv[1 + n++] = argv[i];
		}
	}
	if (n < spec->min_args)
		return why_set(why, -EINVAL, "an argument is missing; usage: %s", spec->usage);
	if (n > spec->max_args)
		return why_set(why, -EINVAL, "too many arguments; usage: %s", spec->usage);
	*ret_args = argv + 1;
	*ret_n_args = n;
	return 0;
}

int opts_parse_u64(const char *name, const char *text, unsigned long long min,
	unsigned long long max, unsigned long long *ret, struct why *why)
{
	char *end = NULL;

	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != 0)
		return why_set(why, -EINVAL, "%s: \"%s\" is not a number", name, text);
	if (errno == ERANGE || v < min || v > max)
		return why_set(
			why, -ERANGE, "%s: %s is outside %llu to %llu", name, text, min, max);
	*ret = v;
	return 0;
}

int opts_exit_status(int err)
{
	static const struct {
		int err;
		int status;
	} table[] = {
		{ 0, EXIT_YES },
		{ -EINVAL, EXIT_USAGE },
		{ -EACCES, EXIT_NO },
		{ -EKEYREJECTED, EXIT_NO },
		{ -ESTALE, EXIT_NO },
		{ -EBADMSG, EXIT_INPUT },
		{ -EPROTONOSUPPORT, EXIT_INPUT },
		{ -EMSGSIZE, EXIT_INPUT },
		{ -ENODATA, EXIT_INPUT },
		{ -ERANGE, EXIT_INPUT },
		{ -ENOENT, EXIT_INPUT },
		{ -EISDIR, EXIT_INPUT },
		{ -ENOTDIR, EXIT_INPUT },
		{ -ELOOP, EXIT_INPUT },
		{ -EIO, EXIT_INPUT },
		{ -EADDRINUSE, EXIT_INPUT },
		{ -EADDRNOTAVAIL, EXIT_INPUT },
		{ -ENAMETOOLONG, EXIT_INPUT },
		{ -EPERM, EXIT_MACHINE },
		{ -ENODEV, EXIT_MACHINE },
		{ -ENXIO, EXIT_MACHINE },
		{ -EOPNOTSUPP, EXIT_MACHINE },
		{ -ENOSPC, EXIT_MACHINE },
		{ -EDQUOT, EXIT_MACHINE },
		{ -EROFS, EXIT_MACHINE },
		{ -ENOMEM, EXIT_MACHINE },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].err == err)
			return table[i].status;
	return EXIT_OURS;
}

int opts_end(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	log_err("standard output did not take the answer: is its disk full, or its reader gone?");
	return EXIT_OURS;
}
