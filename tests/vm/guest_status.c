/* guest_status N: tell the machine the workload's exit status (docs/launch.md, port 0x604). */
#include <stdlib.h>
#include <sys/io.h>

#define PORT_WORKLOAD 0x604

int main(int argc, char **argv)
{
	if (argc != 2 || ioperm(PORT_WORKLOAD, 1, 1) != 0)
		return 1;
	outb((unsigned char)atoi(argv[1]), PORT_WORKLOAD);
	return 0;
}
