/* seccomp-rules: the allow-lists' rules with their numbers, for test_syscalls_exact.py: a line each. */
#include <stdio.h>

#include "sandbox/seccomp_table.h"

int main(void)
{
	for (size_t i = 0; i < seccomp_n_tables; i++) {
		const struct seccomp_table *t = &seccomp_tables[i];
		for (size_t j = 0; j < t->n_rows; j++) {
			printf("%s", t->name);
			for (unsigned int c = 0; c < t->rows[j].n_conds; c++)
				printf(" %u:%#llx:%#llx", t->rows[j].conds[c].arg,
					(unsigned long long)t->rows[j].conds[c].mask,
					(unsigned long long)t->rows[j].conds[c].value);
			printf("\n");
		}
	}
	return 0;
}
