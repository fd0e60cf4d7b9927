/*
 * Attested TLS with the agent's own program: certificates from a guest's configfs (pipes and a thread
 * that signs as a platform made for this run), tls-serve before an echo service, tls-connect before a
 * client that knows of nothing.
 *
 *   test_agent_tls AGENT ATTEST    the programs
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/wr.h"
#include "policy/policy.h"
#include "sev/sim/sim_mint.h"
#include "sev/sim/sim_report.h"
#include "tests/unit/cm.h"

#define ENTRY      "root/sys/kernel/config/tsm/report/casemate"
#define PATIENCE_S 20
#define MESSAGE    (1u << 20)

static const char *agent_program;
static const char *attest_program;

static struct world {
	char folder[64];
	struct sim_minted minted;
	struct sim_machine machine;
	struct sim_snp snp;
	char digest_hex[97];
	struct policy policy;
	pid_t serve, connect;
	atomic_uint n_served; /* connections that the echo service saw */
} w;

static const char *in_folder(const char *name)
{
	static char path[8][256];
	static unsigned int at;

	at = (at + 1) % ARRAY_LEN(path);
	(void)snprintf(path[at], sizeof path[at], "%s/%s", w.folder, name);
	return path[at];
}

static void file_write(const char *name, const void *bytes, size_t len)
{
	assert_int_equal(fd_replace_file(AT_FDCWD, in_folder(name), bytes, len, 0600, NULL), 0);
}

/* --- the guest --------------------------------------------------------------------------------- */

/* One request of whoever writes; false when the tree is gone, at the end of the tests. */
static bool tsm_serve_one(unsigned int generation)
{
	struct snp_report_req req = { 0 };
	struct snp_report report;
	uint8_t *in = NULL;
	size_t len = 0;
	char text[16], path[256];

	(void)snprintf(path, sizeof path, "%s/" ENTRY "/inblob", w.folder);
	AUTO(fd) int from = open(path, O_RDONLY | O_CLOEXEC); /* waits for it */
	if (from < 0 || fd_read_file(from, 64, &in, &len) < 0)
		return false;
	memcpy(req.report_data, in, MIN(len, 64));
	free(in);
	(void)snprintf(text, sizeof text, "%u\n", generation);
	(void)snprintf(path, sizeof path, "%s/" ENTRY "/generation", w.folder);
	uint32_t status = sim_report_make(&w.machine, &w.snp, &req, &report);
	/* libcrypto's generators of this thread, which nobody ends: a leak when the program does. */
	OPENSSL_thread_stop();
	if (status != 0 || fd_replace_file(AT_FDCWD, path, text, strlen(text), 0600, NULL) < 0)
		return false;
	(void)snprintf(path, sizeof path, "%s/" ENTRY "/outblob", w.folder);
	AUTO(fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
	(void)!fd_write_all(fd, &report, sizeof report);
	return true;
}

/* Asserts nothing: a thread that stops serving is a test that gets no evidence. */
static void *tsm_serve(void *arg)
{
	for (unsigned int generation = 1; tsm_serve_one(generation); generation++)
		;
	return arg;
}

static void tree_make(void)
{
	uint8_t table[16384] = { 0 };
	size_t len = 0;
	pthread_t thread;
	char path[256];

	(void)snprintf(path, sizeof path, "%s", in_folder(ENTRY));
	for (char *at = path + strlen(w.folder); (at = strchr(at + 1, '/')) != NULL; *at = '/') {
		*at = '\0';
		(void)mkdir(path, 0700);
	}
	assert_int_equal(mkdir(path, 0700), 0);
	file_write(ENTRY "/provider", "sev_guest\n", 10);
	file_write(ENTRY "/generation", "0\n", 2);
	assert_int_equal(sim_table_write(&w.minted.platform, false, table, sizeof table, &len), 0);
	file_write(ENTRY "/auxblob", table, sizeof table); /* a page more than is used */
	assert_int_equal(mkfifo(in_folder(ENTRY "/inblob"), 0600), 0);
	assert_int_equal(mkfifo(in_folder(ENTRY "/outblob"), 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, tsm_serve, NULL), 0);
}

static void text_replace(char *text, size_t size, const char *old, const char *new)
{
	char *at = strstr(text, old);

	assert_non_null(at);
	assert_true(strlen(text) + strlen(new) < size);
	memmove(at + strlen(new), at + strlen(old), strlen(at + strlen(old)) + 1);
	memcpy(at, new, strlen(new));
}

#define VALID                                                                                      \
	"  \"valid\": {\"not_before\": \"2026-11-01T00:00:00Z\", \"not_after\": "                  \
	"\"2027-10-31T23:59:59Z\"},\n"

/* The payments example, valid for ever; and another one that the guest was not launched by. */
static void policies_make(void)
{
	static char text[32768];
	uint8_t *bytes = NULL;
	size_t len = 0;

	assert_int_equal(fd_read_path(SOURCE_ROOT "/policy/examples/payments.policy.jsonc", 32000,
				 &bytes, &len, NULL),
		0);
	(void)snprintf(text, sizeof text, "%s", (char *)bytes);
	free(bytes);
	text_replace(text, sizeof text, VALID, "");
	file_write("policy.jsonc", text, strlen(text));
	assert_int_equal(policy_read(in_folder("policy.jsonc"), &w.policy, NULL), 0);
	memcpy(w.snp.host_data, w.policy.hash, 32);
	text_replace(text, sizeof text, "\"serial\": 1,", "\"serial\": 7,");
	file_write("other.jsonc", text, strlen(text));
}

/* --- processes --------------------------------------------------------------------------------- */

static pid_t program_start(const char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(2, 1); /* standard output is for TAP */
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(126);
	}
	return pid;
}

static int program_run(const char *const argv[])
{
	int status = 0;

	assert_true(waitpid(program_start(argv), &status, 0) > 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The child of a fresh proxy: its socket is there when it listens. */
static pid_t proxy_start(const char *const argv[], const char *socket_name)
{
	(void)unlink(in_folder(socket_name));
	pid_t pid = program_start(argv);
	for (int i = 0; i < PATIENCE_S * 50 && access(in_folder(socket_name), F_OK) < 0; i++)
		(void)usleep(20000);
	(void)usleep(20000); /* bound, and listening in the next moment */
	return pid;
}

static void proxy_stop(pid_t *pid)
{
	if (*pid > 0) {
		(void)kill(*pid, SIGTERM);
		(void)waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static const char *where(const char *name)
{
	static char text[4][256];
	static unsigned int at;

	at = (at + 1) % ARRAY_LEN(text);
	(void)snprintf(text[at], sizeof text[at], "unix:%s/%s", w.folder, name);
	return text[at];
}

static void serve_start(void)
{
	const char *argv[] = { agent_program, "tls-serve", "--listen", where("tls.sock"), "--to",
		where("plain.sock"), "--sysroot", in_folder("root"), NULL };

	w.serve = proxy_start(argv, "tls.sock");
}

static const char *crl; /* for tls-connect; NULL: none */

static void connect_start(const char *policy, const char *digest, const char *root)
{
	const char *argv[] = { agent_program, "tls-connect", "--listen", where("near.sock"), "--to",
		where("tls.sock"), "--policy", in_folder(policy), "--digest", digest, NULL, NULL,
		NULL, NULL, NULL };
	size_t n = ARRAY_LEN(argv) - 5;

	if (root != NULL)
		argv[n++] = "--root", argv[n++] = root;
	if (crl != NULL)
		argv[n++] = "--crl", argv[n++] = crl;

	proxy_stop(&w.connect);
	w.connect = proxy_start(argv, "near.sock");
}

/* --- peers that know of nothing ---------------------------------------------------------------- */

static int socket_at(const char *name, bool is_listener)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", w.folder, name);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (is_listener) {
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
		assert_int_equal(listen(fd, 16), 0);
	} else {
		assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	}
	return fd;
}

static void *echo_one(void *arg)
{
	AUTO(fd) int fd = (int)(intptr_t)arg;
	uint8_t buf[65536];

	for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;)
		if (fd_write_all(fd, buf, (size_t)n) < 0)
			break;
	return NULL;
}

static void *echo_serve(void *arg)
{
	int listener = (int)(intptr_t)arg;

	for (;;) {
		pthread_t thread;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		w.n_served++;
		assert_int_equal(pthread_create(&thread, NULL, echo_one, (void *)(intptr_t)fd), 0);
		(void)pthread_detach(thread);
	}
}

struct sender {
	int fd;
	const uint8_t *bytes;
};

static void *send_all(void *arg)
{
	const struct sender *s = arg;

	(void)!fd_write_all(s->fd, s->bytes, MESSAGE);
	(void)shutdown(s->fd, SHUT_WR);
	return NULL;
}

/* A message there and back through one connection: the bytes that came. */
static size_t talk(const uint8_t *bytes, uint8_t *ret)
{
	AUTO(fd) int fd = socket_at("near.sock", false);
	struct sender s = { fd, bytes };
	pthread_t thread;
	size_t len = 0;

	assert_int_equal(pthread_create(&thread, NULL, send_all, &s), 0);
	for (ssize_t n; len < MESSAGE && (n = read(fd, ret + len, MESSAGE - len)) > 0;)
		len += (size_t)n;
	uint8_t more;
	if (len == MESSAGE)
		assert_int_equal(read(fd, &more, 1), 0); /* and its end came through */
	(void)shutdown(fd, SHUT_RDWR);
	(void)pthread_join(thread, NULL);
	return len;
}

static uint8_t message[MESSAGE], answer[MESSAGE];

static void expect_refusal(void)
{
	unsigned int before = w.n_served;

	assert_int_equal(talk(message, answer), 0);
	assert_int_equal(w.n_served, before);
}

/* --- the world --------------------------------------------------------------------------------- */

static int world_make(void **state)
{
	struct why why = { 0 };
	char pem[8192];
	size_t len = 0;
	pthread_t thread;
	struct wr hex = wr_of(w.digest_hex, sizeof w.digest_hex);

	(void)snprintf(w.folder, sizeof w.folder, "/tmp/casemate-test-XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	assert_int_equal(sim_mint(&w.minted, SIM_GENOA, 5, SIM_RSA_BITS, &why), 0);
	w.machine.platform = w.minted.platform;
	assert_int_equal(sim_crypto_init(&w.machine.crypto, &w.minted.platform, &why), 0);
	assert_int_equal(
		sim_mint_pem(w.minted.platform.blob[SIM_BLOB_ARK], pem, sizeof pem, &len), 0);
	file_write("ark.pem", pem, len);
	w.snp.state = SIM_GUEST_RUNNING;
	w.snp.policy = 0x30000 | 1 << 8 | 55; /* what the example's guest_policy says */
	memset(w.snp.ld, 0x44, sizeof w.snp.ld);
	wr_hex(&hex, w.snp.ld, sizeof w.snp.ld);
	assert_int_equal(wr_end_str(&hex), 0);
	policies_make();
	tree_make();
	for (size_t i = 0; i < sizeof message; i++)
		message[i] = (uint8_t)(i * 7 + (i >> 9));
	assert_int_equal(pthread_create(&thread, NULL, echo_serve,
				 (void *)(intptr_t)socket_at("plain.sock", true)),
		0);
	serve_start();
	return 0;
}

static int world_end(void **state)
{
	char cmd[128];

	proxy_stop(&w.connect);
	proxy_stop(&w.serve);
	(void)snprintf(cmd, sizeof cmd, "rm -rf %s", w.folder);
	return system(cmd); /* NOLINT: a path of our own */
}

/* --- tests ------------------------------------------------------------------------------------- */

static void a_message_goes_there_and_back(void **state)
{
	connect_start("policy.jsonc", w.digest_hex, in_folder("ark.pem"));
	assert_int_equal(talk(message, answer), MESSAGE);
	assert_memory_equal(message, answer, MESSAGE);
}

static void *talk_once(void *arg)
{
	uint8_t *mine = malloc(MESSAGE);

	bool is_right = talk(message, mine) == MESSAGE && memcmp(mine, message, MESSAGE) == 0;
	free(mine);
	return (void *)(uintptr_t)is_right;
}

static void connections_do_not_wait_for_each_other(void **state)
{
	AUTO(fd) int idle = socket_at("near.sock", false);
	pthread_t threads[8];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, talk_once, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *is_right = NULL;
		(void)pthread_join(threads[i], &is_right);
		assert_non_null(is_right);
	}
}

static void a_guest_of_another_policy_is_refused(void **state)
{
	connect_start("other.jsonc", w.digest_hex, in_folder("ark.pem"));
	expect_refusal();
}

static void a_guest_of_another_measurement_is_refused(void **state)
{
	char other[97];

	memcpy(other, w.digest_hex, sizeof other);
	other[0] = other[0] == '0' ? '1' : '0';
	connect_start("policy.jsonc", other, in_folder("ark.pem"));
	expect_refusal();
}

static void a_platform_without_a_root_is_refused(void **state)
{
	connect_start("policy.jsonc", w.digest_hex, NULL);
	expect_refusal();
}

/* Garbage, and a version that is too old: the proxy goes on. */
/* A CRL that says nothing about the platform's root is none. */
static void a_chain_without_its_crl_is_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, time(NULL) - 60);
	BIO *bio = BIO_new_file(in_folder("other.crl"), "w");

	(void)X509_NAME_add_entry_by_txt(X509_CRL_get_issuer(list), "CN", MBSTRING_ASC,
		(const unsigned char *)"other", -1, -1, 0);
	assert_int_equal(X509_CRL_set_version(list, X509_CRL_VERSION_2), 1);
	assert_int_equal(X509_CRL_set1_lastUpdate(list, t), 1);
	assert_non_null(ASN1_TIME_set(t, time(NULL) + 3600));
	assert_int_equal(X509_CRL_set1_nextUpdate(list, t), 1);
	assert_true(X509_CRL_sign(list, key, EVP_sha384()) > 0);
	assert_int_equal(PEM_write_bio_X509_CRL(bio, list), 1);
	BIO_free(bio);
	ASN1_TIME_free(t);
	X509_CRL_free(list);
	EVP_PKEY_free(key);
	crl = in_folder("other.crl");
	connect_start("policy.jsonc", w.digest_hex, in_folder("ark.pem"));
	crl = NULL;
	expect_refusal();
}

/* The start of a handshake, a byte a second. */
static void a_slow_handshake_ends(void **state)
{
	AUTO(fd) int fd = socket_at("tls.sock", false);
	struct timeval second = { .tv_sec = 1 };
	uint8_t byte = 0;
	ssize_t n = -1;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
	assert_int_equal(fd_write_all(fd, "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11), 0);
	for (int i = 0; i < PATIENCE_S && n < 0 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1; i++)
		n = read(fd, &byte, 1);
	assert_true(n == 0 || send(fd, &byte, 1, MSG_NOSIGNAL) < 0);
}

static void strangers_do_not_stop_the_service(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	uint8_t buf[64];
	{
		AUTO(fd) int fd = socket_at("tls.sock", false);
		assert_int_equal(fd_write_all(fd, "GET / HTTP/1.0\r\n\r\n", 18), 0);
		while (read(fd, buf, sizeof buf) > 0)
			;
	}
	{
		AUTO(fd) int fd = socket_at("tls.sock", false);
		(void)SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		SSL *ssl = SSL_new(ctx);
		(void)SSL_set_fd(ssl, fd);
		assert_int_not_equal(SSL_connect(ssl), 1);
		SSL_free(ssl);
	}
	SSL_CTX_free(ctx);
	a_message_goes_there_and_back(state);
}

/* A certificate of the usual kind, whoever issued it, proves nothing here. */
static void an_ordinary_certificate_is_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	X509 *x = X509_new();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char seen = 0;

	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha384()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	proxy_stop(&w.serve);
	(void)unlink(in_folder("tls.sock"));
	AUTO(fd) int listener = socket_at("tls.sock", true);
	connect_start("policy.jsonc", w.digest_hex, in_folder("ark.pem"));
	AUTO(fd) int near = socket_at("near.sock", false);
	assert_int_equal(fd_write_all(near, "secret", 6), 0);
	AUTO(fd) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	SSL *ssl = SSL_new(ctx);
	(void)SSL_set_fd(ssl, fd);
	assert_false(SSL_accept(ssl) == 1 && SSL_read(ssl, &seen, 1) > 0);
	assert_true(read(near, &seen, 1) <= 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	X509_free(x);
	EVP_PKEY_free(key);
	(void)unlink(in_folder("tls.sock"));
	serve_start();
}

/* `attest show` of the certificate: itself, what it carries, and that decoded. */
static void evidence_is_shown(void)
{
	static const char *const want[] = { "\"kind\": \"certificates\"",
		"\"subject\": \"guest.example\"", "\"nonce\": \"0badcafe\"",
		"\"key_hash_algorithm\": \"SHA-384\"", "\"length\": 1184", "\"kind\": \"snp\"",
		"\"report_data\": \"", w.digest_hex };
	char command[1024];
	uint8_t *out = NULL;
	size_t len = 0;
	const char *argv[] = { "/bin/sh", "-c", command, NULL };

	(void)snprintf(command, sizeof command, "'%s' show '%s' --json >'%s' && '%s' show '%s'",
		attest_program, in_folder("cert.pem"), in_folder("shown"), attest_program,
		in_folder("cert.pem"));
	assert_int_equal(program_run(argv), 0);
	assert_int_equal(fd_read_path(in_folder("shown"), 65536, &out, &len, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (memmem(out, len, want[i], strlen(want[i])) == NULL)
			fail_msg("no %s in %.*s", want[i], (int)len, (char *)out);
	free(out);
}

static void a_certificate_in_files_is_affirmed(void **state)
{
	const char *argv[] = { agent_program, "tls-cert", "--out", in_folder("cert.pem"), "--key",
		in_folder("key.pem"), "--nonce", "0badcafe", "--name", "guest.example", "--sysroot",
		in_folder("root"), NULL };
	const char *verify[] = { attest_program, "verify", "--evidence", in_folder("cert.pem"),
		"--root", in_folder("ark.pem"), "--require", "binding", "--report-data", "0badcafe",
		NULL };
	struct stat st;

	assert_int_equal(program_run(argv), 0);
	assert_int_equal(stat(in_folder("key.pem"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	FILE *f = fopen(in_folder("key.pem"), "re");
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	(void)fclose(f);
	f = fopen(in_folder("cert.pem"), "re");
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
	(void)fclose(f);
	assert_int_equal(X509_check_private_key(x, key), 1);
	assert_int_equal(X509_check_host(x, "guest.example", 0, 0, NULL), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	assert_int_equal(program_run(verify), 0);
	verify[9] = "0badcaff";
	assert_int_equal(program_run(verify), 1);
	evidence_is_shown(); /* last: in_folder() forgets */
}

static void command_lines_are_checked(void **state)
{
	const char *const bad[][8] = {
		{ agent_program, "tls-cert", "--out", "/tmp/x" },
		{ agent_program, "tls-cert", "--out", "x", "--key", "y", "--nonce=0" },
		{ agent_program, "tls-cert", "--out", "x", "--key", "y", "--life=5" },
		{ agent_program, "tls-cert", "--out", "x", "--key", "y", "--name=a/b" },
		{ agent_program, "tls-serve", "--listen", "unix:/tmp/x" },
		{ agent_program, "tls-serve", "--listen", "x", "--to", "y" },
		{ agent_program, "tls-connect", "--listen", "unix:/a", "--to", "unix:/b" },
		{ agent_program, "tls-other" },
		{ agent_program },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(program_run(bad[i]), 2);
	const char *none[] = { agent_program, "tls-cert", "--out", "x", "--key", "y", "--sysroot",
		w.folder, NULL };
	assert_int_equal(program_run(none), 4);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_goes_there_and_back),
		cmocka_unit_test(connections_do_not_wait_for_each_other),
		cmocka_unit_test(a_guest_of_another_policy_is_refused),
		cmocka_unit_test(a_guest_of_another_measurement_is_refused),
		cmocka_unit_test(a_platform_without_a_root_is_refused),
		cmocka_unit_test(a_chain_without_its_crl_is_refused),
		cmocka_unit_test(a_slow_handshake_ends),
		cmocka_unit_test(strangers_do_not_stop_the_service),
		cmocka_unit_test(an_ordinary_certificate_is_refused),
		cmocka_unit_test(a_certificate_in_files_is_affirmed),
		cmocka_unit_test(command_lines_are_checked),
	};

	if (argc != 3) {
		(void)fprintf(stderr, "usage: %s AGENT ATTEST\n", argv[0]);
		return 2;
	}
	agent_program = argv[1];
	attest_program = argv[2];
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, world_make, world_end);
}
