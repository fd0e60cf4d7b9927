/* guest_vsock WORD: in a test guest: say the word to port 7001 of the host, print what comes back. */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_vm host = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 7001
	};
	char text[256];
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (argc != 2 || fd < 0 || connect(fd, (const struct sockaddr *)&host, sizeof host) < 0) {
		perror("guest_vsock");
		return 1;
	}
	if (write(fd, argv[1], strlen(argv[1])) != (ssize_t)strlen(argv[1]) ||
		shutdown(fd, SHUT_WR) < 0) {
		perror("guest_vsock");
		return 1;
	}
	ssize_t n = read(fd, text, sizeof text - 1);
	if (n < 0) {
		perror("guest_vsock");
		return 1;
	}
	text[n] = 0;
	printf("%s\n", text);
	return 0;
}
