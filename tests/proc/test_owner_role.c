/*
 * casemate-owner, the real program in its sandbox: against the real broker with its ledger writer, and
 * against servers that misbehave. The test is supervisor, firmware, and those servers.
 *
 *   test_owner_role BROKER LEDGER    the programs
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attest/owner/owner_proto.h"
#include "attest/sev_session.h"
#include "base/fd.h"
#include "base/opts.h"
#include "base/wr.h"
#include "policy/policy.h"
#include "sandbox/receipt.h"
#include "sandbox/spawn.h"
#include "tests/unit/cm.h"
#include "tests/unit/sev_maker.h"

#define SECRET   "the key of the cards' disk"
#define KEY_PATH "bank/disk/data"
#define WORD     0x00160005u
#define WAIT_MS  30000

static const char *broker_program, *ledger_program;

static struct world {
	char folder[64];
	struct sev_maker maker;
	pid_t broker;
	int log_fd;
	int port;
	char policy_hex[65];
	uint8_t policy_hash[32], digest[32];
	uint8_t api[3];
} w = { .api = { 0, 22, 9 } };

/* ---- the world ---------------------------------------------------------------------------------- */

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

/* A self-signed certificate and its key, for localhost and 127.0.0.1. */
static void certificate_make(const char *name)
{
	char file[64];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	(void)X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_EXTENSION *san =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
	(void)X509_add_ext(x, san, -1);
	X509_EXTENSION_free(san);
	(void)X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	(void)snprintf(file, sizeof file, "%s.pem", name);
	FILE *f = fopen(in_folder(file), "we");
	assert_int_equal(PEM_write_X509(f, x), 1);
	(void)fclose(f);
	(void)snprintf(file, sizeof file, "%s.key", name);
	f = fopen(in_folder(file), "we");
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* Run a program to its end; what it printed goes to out (may be NULL). Its exit status. */
static int program_run(const char *const argv[], const char *input, char *out, size_t size)
{
	int in[2], to[2];
	int status = -1;
	size_t len = 0;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(to[1], 1);
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(126);
	}
	(void)close(in[0]);
	(void)close(to[1]);
	if (input != NULL)
		assert_int_equal(fd_write_all(in[1], input, strlen(input)), 0);
	(void)close(in[1]);
	char sink[512];
	for (ssize_t n; (n = read(to[0], sink, sizeof sink)) > 0;)
		if (out != NULL && len + (size_t)n < size) {
			memcpy(out + len, sink, (size_t)n);
			len += (size_t)n;
		}
	if (out != NULL)
		out[len] = '\0';
	(void)close(to[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A port that was free a moment ago. */
static int port_find(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof sa;
	AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static void broker_start(void)
{
	char kept[4096] = "";
	size_t len = 0;
	int to[2];

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	w.broker = fork();
	if (w.broker == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)dup2(to[1], 2);
		(void)execl(broker_program, broker_program, "serve", "--config",
			in_folder("config"), (char *)NULL);
		_exit(126);
	}
	(void)close(to[1]);
	w.log_fd = to[0];
	while (strstr(kept, "serving on") == NULL) {
		struct pollfd p = { .fd = w.log_fd, .events = POLLIN };
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		ssize_t n = read(w.log_fd, kept + len, sizeof kept - 1 - len);
		if (n <= 0)
			fail_msg("the broker ended: %s", kept);
		len += (size_t)n;
		kept[len] = '\0';
	}
}

static void broker_stop(void)
{
	int status = 0;

	if (w.broker == 0)
		return;
	(void)kill(w.broker, SIGTERM);
	(void)waitpid(w.broker, &status, 0);
	(void)close(w.log_fd);
	w.broker = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void policy_put(void)
{
	static const char text[] =
		"{\"schema\":\"launch-policy/1\",\"name\":\"bank/cards\",\"serial\":1,"
		"\"tee\":{\"type\":\"sev-es\",\"simulated\":true,\"sev\":{\"policy\":\"0x160005\","
		"\"migration\":true,"
		"\"api_major\":0,\"api_minor\":22,\"build\":5}},"
		"\"audit\":{\"ledger\":\"l\",\"key\":\"k\",\"origin\":\"o\"},"
		"\"boot\":{\"firmware\":{\"file\":\"OVMF.fd\"},\"kernel\":{\"file\":\"vmlinuz\"},"
		"\"cmdline\":\"\"},\"machine\":{\"vcpus\":2,\"memory_mib\":256},\"devices\":{},"
		"\"keys\":[{\"id\":\"disk\",\"source\":\"kbs:///" KEY_PATH
		"\",\"purpose\":\"p\",\"release\":{\"require\":[\"debug:off\"]}}]}";
	char digest[65], out[256];

	memset(w.digest, 0xD5, sizeof w.digest);
	wr_hex_str(digest, sizeof digest, w.digest, sizeof w.digest);
	file_write("policy.jsonc", text, strlen(text));
	const char *argv[] = { broker_program, "policy", "put", in_folder("policy.jsonc"),
		"--store", in_folder("store"), "--launch-digest", digest, NULL };
	assert_int_equal(program_run(argv, NULL, out, sizeof out), 0);
	memcpy(w.policy_hex, out, 64);
	assert_int_equal(opts_parse_hex(w.policy_hex, w.policy_hash, 32), 0);
}

static int world_make(void **state)
{
	char config[1024];

	(void)snprintf(w.folder, sizeof w.folder, "/tmp/casemate-test-XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	sev_maker_init(&w.maker, 2048);
	certificate_make("broker");
	certificate_make("stranger");
	file_write("ark.cert", w.maker.certs[MAKER_ARK], w.maker.len[MAKER_ARK]);
	const char *init[] = { ledger_program, "init", in_folder("ledger"), "--origin", "test/x",
		"--key", in_folder("ledger.key"), NULL };
	assert_int_equal(mkdir(in_folder("ledger"), 0700), 0);
	assert_int_equal(program_run(init, NULL, NULL, 0), 0);
	const char *put[] = { broker_program, "secret", "put", KEY_PATH, "--store",
		in_folder("store"), NULL };
	assert_int_equal(program_run(put, SECRET, NULL, 0), 0);
	policy_put();
	w.port = port_find();
	(void)snprintf(config, sizeof config,
		"{\"listen_tcp\": \"127.0.0.1:%d\", \"store\": \"store\", \"roots\": "
		"[\"ark.cert\"],\n"
		"\"tls\": {\"certificate\": \"broker.pem\", \"key\": \"broker.key\"},\n"
		"\"ledger\": {\"folder\": \"ledger\", \"key\": \"ledger.key\", \"origin\": "
		"\"test/x\"}}\n",
		w.port);
	file_write("config", config, strlen(config));
	broker_start();
	return 0;
}

static int world_end(void **state)
{
	const char *rm[] = { "/bin/rm", "-rf", w.folder, NULL };

	broker_stop();
	sev_maker_done(&w.maker);
	return program_run(rm, NULL, NULL, 0);
}

/* ---- a session and a launch --------------------------------------------------------------------- */

struct launch {
	uint8_t tek[16], tik[16];
	uint8_t blob[SEV_SESSION_BYTES];
	struct wire_sev_measured measured;
	char session_hex[65];
};

/* The owner makes it offline and keeps it with the broker, as the commands do. */
static void session_make(struct launch *l, const char *option)
{
	AUTO(sev_session) struct sev_session s = { 0 };
	struct sev_certs certs = { 0 };
	uint8_t tik[SEV_TIK_BYTES], all[16384];
	char out[256];
	size_t len = 0;

	assert_int_equal(sev_certs_add(&certs, w.maker.certs[MAKER_PDH], MAKER_SEV_CERT, NULL), 0);
	assert_int_equal(sev_session_make(&certs.at[0], WORD, &s, NULL), 0);
	memcpy(l->blob, s.blob, sizeof l->blob);
	/* What LAUNCH_START does with it. */
	assert_int_equal(maker_session_open(&w.maker, s.godh, s.blob, WORD, l->tek, l->tik), 0);
	memcpy(tik, s.keys.p + SEV_KEY_BYTES, SEV_KEY_BYTES);
	memcpy(tik + SEV_KEY_BYTES, s.pdh, sizeof s.pdh);
	for (unsigned int k = 0; k < MAKER_KEYS; k++) {
		memcpy(all + len, w.maker.certs[k], w.maker.len[k]);
		len += w.maker.len[k];
	}
	(void)mkdir(in_folder("session"), 0700);
	file_write("session/tek.bin", s.keys.p, SEV_KEY_BYTES);
	file_write("session/tik.bin", tik, sizeof tik);
	file_write("session/session.bin", s.blob, sizeof s.blob);
	file_write("platform.cert", all, len);
	const char *put[] = { broker_program, "sev-session", "put", in_folder("session"), "--store",
		in_folder("store"), "--policy", w.policy_hex, "--certs", in_folder("platform.cert"),
		option, NULL };
	assert_int_equal(program_run(put, NULL, out, sizeof out), 0);
	(void)snprintf(l->session_hex, sizeof l->session_hex, "%.64s", out);
}

static void launch_measure(struct launch *l, const uint8_t digest[32])
{
	uint8_t measure[48];

	maker_measure(l->tik, w.api, WORD, digest, measure);
	l->measured = (struct wire_sev_measured){ .policy = le32_of(WORD),
		.api_major = w.api[0],
		.api_minor = w.api[1],
		.build = w.api[2] };
	memcpy(l->measured.hmac, measure, 32);
	memcpy(l->measured.mnonce, measure + 32, 16);
}

static void launch_make(struct launch *l, const char *option)
{
	session_make(l, option);
	launch_measure(l, w.digest);
}

/* ---- the process under test --------------------------------------------------------------------- */

static struct {
	struct spawn_child child;
	struct chan chan;
} o;

static int message_wait(int timeout_ms)
{
	struct pollfd p = { .fd = o.chan.fd, .events = POLLIN };
	int n = poll(&p, 1, timeout_ms);

	return n == 1 ? chan_recv(&o.chan, false) : -ETIMEDOUT;
}

/* Up to READY, or the FAILED that is there instead. */
static uint16_t owner_start(
	const char *url, const char *ca, const uint8_t *session, size_t len, uint32_t wait_s)
{
	struct wire_owner_config config = { .wait_s = le32_of(wait_s), .vcpus = le32_of(2) };
	struct why why = { 0 };

	o.child = SPAWN_CHILD_NONE;
	if (spawn_start(ROLE_OWNER, NULL, 0, NULL, &o.child, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(chan_open(&o.chan, fd_take(&o.child.chan_fd)), 0);
	(void)snprintf(config.url, sizeof config.url, "%s", url);
	(void)snprintf(config.guest, sizeof config.guest, "bank/cards");
	memcpy(config.policy_hash, w.policy_hash, sizeof config.policy_hash);
	file_write("blob", session, len);
	AUTO(fd) int ca_fd = open(in_folder(ca), O_RDONLY | O_CLOEXEC);
	AUTO(fd) int session_fd = open(in_folder("blob"), O_RDONLY | O_CLOEXEC);
	assert_true(ca_fd >= 0 && session_fd >= 0);
	const int fds[OWNER_FD_COUNT] = { [OWNER_FD_CA] = ca_fd, [OWNER_FD_SESSION] = session_fd };
	assert_int_equal(
		chan_send(&o.chan, SUP_MSG_CONFIG, &config, sizeof config, fds, OWNER_FD_COUNT), 0);
	assert_int_equal(message_wait(WAIT_MS), 0);
	if (o.chan.in->type == SUP_MSG_READY) {
		struct receipt_want want = receipt_want_of(&o.child, 0);
		struct wire_receipt receipt;
		if (receipt_verify(
			    &o.child, &want, o.chan.in->buf, o.chan.in->len, &receipt, &why) < 0)
			fail_msg("%s", why.text);
	}
	return o.chan.in->type;
}

static void owner_kill(void)
{
	char log[4096];
	ssize_t n = o.child.log_fd >= 0 ? read(o.child.log_fd, log, sizeof log - 1) : 0;

	if (n > 0)
		(void)!write(2, log, (size_t)n);
	spawn_kill(&o.child);
	chan_close(&o.chan);
}

static void owner_measured(const struct launch *l)
{
	assert_int_equal(
		chan_send(&o.chan, SUP_MSG_SEV_MEASURED, &l->measured, sizeof l->measured, NULL, 0),
		0);
}

static void owner_ends(void)
{
	struct spawn_end end;
	struct pollfd p = { .fd = o.child.pidfd, .events = POLLIN };
	char text[300];

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(spawn_reap(&o.child, &end), 0);
	spawn_print_end(&end, text, sizeof text);
	if (end.is_signal || end.status != 0)
		fail_msg("it %s", text);
}

static struct wire_sev_secret answer; /* the last */

static void answer_wait(int err, const char *text)
{
	int got = message_wait(WAIT_MS);

	if (got < 0)
		owner_ends(); /* says how */
	assert_int_equal(got, 0);
	assert_int_equal(o.chan.in->type, SUP_MSG_SEV_SECRET);
	assert_int_equal(o.chan.in->len, sizeof answer);
	memcpy(&answer, o.chan.in->buf, sizeof answer);
	answer.text[sizeof answer.text - 1] = '\0';
	if ((int)le32_get(answer.err) != err || strstr(answer.text, text) == NULL)
		fail_msg("%u: %s; want %d: %s", le32_get(answer.err), answer.text, err, text);
	owner_ends();
	owner_kill();
}

static const char *broker_url(const char *host)
{
	static char url[128];

	(void)snprintf(url, sizeof url, "https://%s:%d", host, w.port);
	return url;
}

/* Ask the real broker. */
static void launch_ask(const struct launch *l, const char *host, uint32_t wait_s)
{
	assert_int_equal(
		owner_start(broker_url(host), "broker.pem", l->blob, sizeof l->blob, wait_s),
		SUP_MSG_READY);
	owner_measured(l);
}

/* ---- the real broker ---------------------------------------------------------------------------- */

static void secret_holds(const struct launch *l)
{
	static uint8_t table[LIMIT_SEV_SECRET_BYTES];
	size_t len = le32_get(answer.len);

	assert_true(len > 0 && len <= sizeof table);
	assert_int_equal(maker_secret_open(l->tek, l->tik, l->measured.hmac, answer.header,
				 answer.body, len, table),
		0);
	assert_non_null(memmem(table, len, SECRET, strlen(SECRET)));
	assert_null(memmem(answer.body, len, SECRET, strlen(SECRET)));
}

static void secret_comes_from_the_owner(void **state)
{
	struct launch l;

	launch_make(&l, NULL);
	launch_ask(&l, "localhost", 30); /* by name */
	answer_wait(0, "");
	secret_holds(&l);
	launch_ask(&l, "127.0.0.1", 30); /* by address; and again */
	answer_wait(EACCES, "this session was used already");
}

static void wrong_measurement_is_refused(void **state)
{
	struct launch l;
	uint8_t digest[32] = { 1 };

	session_make(&l, NULL);
	launch_measure(&l, digest);
	launch_ask(&l, "localhost", 30);
	answer_wait(EACCES, "the owner's broker says no (401): signature: the MAC does not hold");
	launch_measure(&l, w.digest); /* the session is still good */
	launch_ask(&l, "localhost", 30);
	answer_wait(0, "");
	secret_holds(&l);
}

static void unknown_session_is_refused(void **state)
{
	struct launch l;

	launch_make(&l, NULL);
	l.blob[0] ^= 1;
	launch_ask(&l, "localhost", 30);
	answer_wait(EACCES, "not known here");
}

static void held_launch_waits(void **state)
{
	struct launch l;

	launch_make(&l, "--hold");
	launch_ask(&l, "localhost", 1);
	answer_wait(
		ETIMEDOUT, "no answer of the owner within 1 s: the owner's broker says not yet");
	launch_ask(&l, "localhost", 30);
	(void)poll(NULL, 0, 500);
	const char *release[] = { broker_program, "sev-session", "release", l.session_hex,
		"--store", in_folder("store"), NULL };
	assert_int_equal(program_run(release, NULL, NULL, 0), 0);
	answer_wait(0, "");
	secret_holds(&l);
}

static void owner_stops_when_told(void **state)
{
	struct launch l;

	launch_make(&l, "--hold");
	launch_ask(&l, "localhost", 600);
	(void)poll(NULL, 0, 500);
	assert_int_equal(chan_send(&o.chan, SUP_MSG_STOP, NULL, 0, NULL, 0), 0);
	owner_ends();
	owner_kill();
	launch_ask(&l, "localhost", 600);
	chan_close(&o.chan); /* the supervisor is gone */
	owner_ends();
	owner_kill();
	/* Before it was told anything. */
	assert_int_equal(
		owner_start(broker_url("localhost"), "broker.pem", l.blob, 128, 9), SUP_MSG_READY);
	assert_int_equal(chan_send(&o.chan, SUP_MSG_STOP, NULL, 0, NULL, 0), 0);
	owner_ends();
	owner_kill();
}

/* ---- servers that misbehave --------------------------------------------------------------------- */

/*
 * One connection after the other: each gets the next of its answers; NULL: none, it stays silent. A
 * process of its own: who starts children must have one thread.
 */
static struct bad {
	pid_t pid;
	int port;
	const char *answers[2]; /* the last stays */
	unsigned int *n;        /* requests so far; shared */
} bad;

/* How the next one is odd before it answers; all zero: not at all. */
static struct {
	int max_tls;         /* TLS1_2_VERSION */
	bool is_other_place; /* 127.0.0.2, which its certificate does not name */
	bool is_endless;     /* after its answer the same header again and again */
} odd;

static void bad_answer(SSL *ssl)
{
	char in[4096];
	size_t len = 0;
	const char *text = bad.answers[MIN(*bad.n, ARRAY_LEN(bad.answers) - 1u)];
	int n;

	while (len < sizeof in - 1 &&
		(n = SSL_read(ssl, in + len, (int)(sizeof in - 1 - len))) > 0) {
		len += (size_t)n;
		in[len] = '\0';
		if (strstr(in, "\"vcpus\":") != NULL && in[len - 1] == '}')
			break;
	}
	if (len > 0)
		++*bad.n;
	if (text == NULL)
		(void)SSL_read(ssl, in, sizeof in); /* until the client gives up */
	else
		(void)SSL_write(ssl, text, (int)strlen(text));
	static const char more[] = "X-More: and more, and more, and more\r\n";
	while (odd.is_endless && SSL_write(ssl, more, (int)strlen(more)) > 0)
		;
}

static NORETURN void bad_serve(SSL_CTX *tls, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		SSL *ssl = SSL_new(tls);
		(void)SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) == 1)
			bad_answer(ssl);
		(void)SSL_shutdown(ssl);
		SSL_free(ssl);
		(void)close(fd);
	}
}

static void bad_start(const char *certificate, const char *first, const char *rest)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK + (odd.is_other_place ? 1 : 0)) } };
	socklen_t len = sizeof sa;
	char name[64];

	bad = (struct bad){ .answers = { first, rest } };
	bad.n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(bad.n != MAP_FAILED);
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	(void)snprintf(name, sizeof name, "%s.pem", certificate);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(tls, in_folder(name)), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(tls, odd.max_tls), 1);
	(void)snprintf(name, sizeof name, "%s.key", certificate);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(tls, in_folder(name), SSL_FILETYPE_PEM), 1);
	AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	bad.port = ntohs(sa.sin_port);
	bad.pid = fork();
	if (bad.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		bad_serve(tls, fd);
	}
	SSL_CTX_free(tls);
}

/* How often it was asked. */
static unsigned int bad_stop(void)
{
	unsigned int n = *bad.n;

	(void)kill(bad.pid, SIGKILL);
	assert_int_equal(waitpid(bad.pid, NULL, 0), bad.pid);
	(void)munmap(bad.n, 4096);
	return n;
}

static void bad_ask(uint32_t wait_s)
{
	struct launch l = { .blob = { 1 } };
	char url[64];

	launch_measure(&l, w.digest);
	(void)snprintf(url, sizeof url, "https://%s:%d/some/place/",
		odd.is_other_place ? "127.0.0.2" : "localhost", bad.port);
	assert_int_equal(
		owner_start(url, "broker.pem", l.blob, sizeof l.blob, wait_s), SUP_MSG_READY);
	owner_measured(&l);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define CLOSE   "Connection: close\r\n\r\n"
#define EMPTY   OK_HEAD CLOSE "{\"header\":\"\",\"body\":\"\"}"

static void bad_answers_are_refused(void **state)
{
	static char long_answer[12000], far_too_long[64];
	static const char at[] = OK_HEAD CLOSE;
	const struct {
		const char *answer;
		int err;
		const char *text;
	} rows[] = {
		{ OK_HEAD CLOSE "no JSON", EBADMSG, "the owner's answer: " },
		{ OK_HEAD CLOSE "[]", EBADMSG, "the owner's answer: " },
		{ OK_HEAD CLOSE "{\"header\":\"\"}", EBADMSG, "\"body\"" },
		{ OK_HEAD CLOSE "{\"header\":\"!!!!\",\"body\":\"\"}", EBADMSG, "\"header\"" },
		{ OK_HEAD CLOSE "{\"header\":\"AAAA\",\"body\":\"AAAA\"}", EBADMSG,
			"a header of 3 bytes and a body of 3" },
		{ long_answer, EREMOTEIO, "an answer that is too long" },
		{ far_too_long, EREMOTEIO, "an answer that is too long" },
		{ "HTTP/1.1 302 Found\r\nLocation: https://localhost/x\r\nContent-Length: "
		  "0\r\n" CLOSE,
			EACCES, "says no (302): it gives no reason" },
		{ "HTTP/1.1 403 Forbidden\r\n" CLOSE "{\"detail\":\"a \\u0007 b\"}", EACCES,
			"says no (403): a ? b" },
		{ "HTTP/1.1 404 Not Found\r\n" CLOSE "<html>", EACCES, "says no (404)" },
	};

	memset(long_answer, ' ', sizeof long_answer - 1);
	memcpy(long_answer, at, strlen(at));
	(void)snprintf(far_too_long, sizeof far_too_long,
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bad_start("broker", rows[i].answer, rows[i].answer);
		bad_ask(20);
		answer_wait(rows[i].err, rows[i].text);
		assert_int_equal(bad_stop(), 1);
	}
}

static void answers_that_say_later_are_waited_for(void **state)
{
	static const char *const later[] = {
		"HTTP/1.1 202 Accepted\r\nRetry-After: 1\r\n" CLOSE "{\"state\":\"held\"}",
		"HTTP/1.1 425 Too Early\r\nRetry-After: 1\r\n" CLOSE,
		"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n" CLOSE "{\"detail\":\"the store\"}",
		"", /* hangs up without a word */
	};

	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		bad_start("broker", later[i], EMPTY);
		bad_ask(20);
		answer_wait(0, "");
		assert_int_equal(le32_get(answer.len), 0);
		assert_int_equal(bad_stop(), 2);
	}
}

static void silent_server_is_given_up(void **state)
{
	struct timespec from, to;

	bad_start("broker", NULL, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	bad_ask(2);
	answer_wait(ETIMEDOUT, "no answer of the owner within 2 s: ");
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 1, 15);
	assert_int_equal(bad_stop(), 1);
}

static void stranger_is_not_asked(void **state)
{
	bad_start("stranger", EMPTY, EMPTY);
	bad_ask(20);
	answer_wait(EREMOTEIO, "certificate");
	assert_int_equal(bad_stop(), 0);
}

static void broker_under_another_name_is_not_asked(void **state)
{
	odd.is_other_place = true;
	bad_start("broker", EMPTY, EMPTY);
	bad_ask(20);
	answer_wait(EREMOTEIO, "127.0.0.2");
	assert_int_equal(bad_stop(), 0);
	odd.is_other_place = false;
}

static void older_tls_is_not_spoken(void **state)
{
	odd.max_tls = TLS1_2_VERSION;
	bad_start("broker", EMPTY, EMPTY);
	bad_ask(2);
	answer_wait(ETIMEDOUT, "no answer of the owner within 2 s: ");
	assert_int_equal(bad_stop(), 0);
	odd.max_tls = 0;
}

static void headers_without_end_are_given_up(void **state)
{
	static const char *const starts[] = { "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n" };

	odd.is_endless = true;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		bad_start("broker", starts[i], starts[i]);
		bad_ask(3);
		answer_wait(ETIMEDOUT, "no answer of the owner within 3 s: ");
		assert_in_range(bad_stop(), 1, 4);
	}
	odd.is_endless = false;
}

static void nobody_there_is_said_in_the_end(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "[::1]", "localhost" };
	struct launch l = { .blob = { 1 } };
	char url[64], text[128];

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		(void)snprintf(url, sizeof url, "https://%s:%d", hosts[i], port_find());
		(void)snprintf(text, sizeof text,
			"no answer of the owner within 1 s: the owner's broker at %s: ", url);
		assert_int_equal(
			owner_start(url, "broker.pem", l.blob, sizeof l.blob, 1), SUP_MSG_READY);
		owner_measured(&l);
		answer_wait(ETIMEDOUT, text);
	}
}

static void bad_configuration_is_said_at_once(void **state)
{
	static const uint8_t blob[129];
	static const struct {
		const char *url, *ca;
		size_t len;
		uint32_t wait_s;
		const char *text;
	} rows[] = {
		{ "http://localhost:1", "broker.pem", 128, 9, "want https://HOST" },
		{ "https://user@localhost", "broker.pem", 128, 9, "want https://HOST" },
		{ "https://localhost/?a=b", "broker.pem", 128, 9, "want https://HOST" },
		{ "file:///etc/passwd", "broker.pem", 128, 9, "want https://HOST" },
		{ "", "broker.pem", 128, 9, "want https://HOST" },
		{ "https://no-such-host.invalid", "broker.pem", 128, 9, "has no address" },
		{ "https://localhost", "broker.key", 128, 9, "no PEM certificate" },
		{ "https://localhost", "broker.pem", 127, 9, "the session has less than 128" },
		{ "https://localhost", "broker.pem", 129, 9, "the session has more than 128" },
		{ "https://localhost", "broker.pem", 128, 0, "wait_s 0" },
		{ "https://localhost", "broker.pem", 128, LIMIT_OWNER_WAIT_S + 1, "wait_s 3601" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_failed failed;
		assert_int_equal(
			owner_start(rows[i].url, rows[i].ca, blob, rows[i].len, rows[i].wait_s),
			SUP_MSG_FAILED);
		memcpy(&failed, o.chan.in->buf, sizeof failed);
		if (strstr(failed.text, rows[i].text) == NULL)
			fail_msg("%s: %s", rows[i].url, failed.text);
		owner_kill();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secret_comes_from_the_owner),
		cmocka_unit_test(wrong_measurement_is_refused),
		cmocka_unit_test(unknown_session_is_refused),
		cmocka_unit_test(held_launch_waits),
		cmocka_unit_test(owner_stops_when_told),
		cmocka_unit_test(bad_answers_are_refused),
		cmocka_unit_test(answers_that_say_later_are_waited_for),
		cmocka_unit_test(silent_server_is_given_up),
		cmocka_unit_test(stranger_is_not_asked),
		cmocka_unit_test(broker_under_another_name_is_not_asked),
		cmocka_unit_test(older_tls_is_not_spoken),
		cmocka_unit_test(headers_without_end_are_given_up),
		cmocka_unit_test(nobody_there_is_said_in_the_end),
		cmocka_unit_test(bad_configuration_is_said_at_once),
	};

	if (argc != 3)
		return EXIT_USAGE;
	(void)signal(SIGPIPE, SIG_IGN);
	broker_program = argv[1];
	ledger_program = argv[2];
	return cmocka_run_group_tests(tests, world_make, world_end);
}
