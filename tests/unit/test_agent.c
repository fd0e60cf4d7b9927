/* The agent's readers: the measured command line, the header of a volume, a broker's challenge. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "attest/agent/agent_kbs.h"
#include "attest/agent/agent_launch.h"
#include "attest/agent/agent_luks.h"
#include "attest/agent/agent_relay.h"
#include "attest/agent/agent_settings.h"
#include "attest/broker/kbs_json.h"
#include "attest/broker/kbs_sev.h"
#include "base/fd.h"
#include "tests/unit/cm.h"

#define HASH   "3ad83d1a1d3389a76ee22e76a2881338b17efb8be7b8f51c3bd5f7bda56577cf"
#define NEEDED "casemate.workload=/usr/bin/settle casemate.verity=" HASH "@8388608"
#define FULL   NEEDED " casemate.volume=vdb casemate.key=payments/disk/kek"

static int settings(const char *text, struct agent_settings *s, struct why *why)
{
	return agent_settings_parse(text, strlen(text), s, why);
}

static void settings_have_defaults(void **state)
{
	struct agent_settings s;

	assert_int_equal(settings("console=ttyS0 " NEEDED " panic=-1\n", &s, NULL), 0);
	assert_string_equal(s.workload, "/usr/bin/settle");
	assert_string_equal(s.root, "vda");
	assert_int_equal(s.verity[0], 0x3a);
	assert_int_equal(s.verity_offset, 8388608);
	assert_string_equal(s.volume, "");
	assert_string_equal(s.mount, "/data");
	assert_int_equal(s.broker.vsock_cid, 2);
	assert_int_equal(s.broker.vsock_port, 7001);
	assert_string_equal(s.broker.host, "casemate-broker");
	assert_false(s.broker.has_pin);
	assert_false(s.is_integrity_required);
}

static void settings_take_every_word(void **state)
{
	struct agent_settings s;

	assert_int_equal(settings(FULL " casemate.root=vdc casemate.mount=/var/lib/x "
				       "casemate.integrity=required casemate.broker=vsock:3:99 "
				       "casemate.host=b.example casemate.ca=" HASH,
				 &s, NULL),
		0);
	assert_string_equal(s.root, "vdc");
	assert_string_equal(s.volume, "vdb");
	assert_string_equal(s.key, "payments/disk/kek");
	assert_string_equal(s.mount, "/var/lib/x");
	assert_true(s.is_integrity_required);
	assert_int_equal(s.broker.vsock_cid, 3);
	assert_int_equal(s.broker.vsock_port, 99);
	assert_string_equal(s.broker.host, "b.example");
	assert_true(s.broker.has_pin);
	assert_int_equal(settings(NEEDED " casemate.broker=unix:/run/b.sock", &s, NULL), 0);
	assert_string_equal(s.broker.unix_path, "/run/b.sock");
	assert_string_equal(s.key_kind, "P-384");
	assert_string_equal(s.evidence, "");
	assert_int_equal(settings(NEEDED " casemate.broker=tcp:10.0.2.2:8080 casemate.teekey=RSA "
					 "casemate.evidence=configfs-tsm",
				 &s, NULL),
		0);
	assert_string_equal(s.broker.tcp, "10.0.2.2:8080");
	assert_string_equal(s.key_kind, "RSA");
	assert_string_equal(s.evidence, "configfs-tsm");
	assert_int_equal(settings(NEEDED " casemate.broker=tcp:[fd00::1]:443", &s, NULL), 0);
}

static void settings_say_that_the_key_came_with_the_launch(void **state)
{
	struct agent_settings s;

	assert_int_equal(settings(FULL, &s, NULL), 0);
	assert_false(s.is_key_launched);
	assert_int_equal(settings(FULL " casemate.broker=launch", &s, NULL), 0);
	assert_true(s.is_key_launched);
	assert_string_equal(s.key, "payments/disk/kek");
}

static void settings_refuse_what_they_do_not_know(void **state)
{
	static const char *const bad[] = {
		"",
		"casemate.workload=/bin/sh",
		"casemate.verity=" HASH "@4096",
		NEEDED " casemate.unknown=1",
		NEEDED " casemate.workload=/bin/other",
		NEEDED " casemate.root",
		NEEDED " casemate.root=",
		NEEDED " casemate.root=../vda",
		NEEDED " casemate.root=VDA",
		NEEDED " casemate.root=aaaaaaaaaaaaaaaaa",
		NEEDED " casemate.volume=vdb",
		NEEDED " casemate.key=a/b/c",
		NEEDED " casemate.volume=vda casemate.key=a/b/c",
		NEEDED " casemate.volume=vdb casemate.key=a/b",
		NEEDED " casemate.volume=vdb casemate.key=a/b/../c",
		NEEDED " casemate.volume=vdb casemate.key=a/b/.c",
		NEEDED " casemate.mount=data",
		NEEDED " casemate.mount=/",
		NEEDED " casemate.mount=/a/../b",
		NEEDED " casemate.mount=/a/",
		NEEDED " casemate.integrity=yes",
		NEEDED " casemate.broker=tcp:1:2",
		NEEDED " casemate.broker=vsock:2",
		NEEDED " casemate.broker=vsock:2:0",
		NEEDED " casemate.broker=vsock:x:7001",
		NEEDED " casemate.broker=vsock:2:99999999999",
		NEEDED " casemate.broker=unix:relative",
		NEEDED " casemate.broker=launched",
		NEEDED " casemate.broker=launch:",
		NEEDED " casemate.host=a/b",
		NEEDED " casemate.ca=12",
		NEEDED " casemate.broker=tcp:",
		NEEDED " casemate.broker=tcp:10.0.2.2",
		NEEDED " casemate.broker=tcp:10.0.2.2:",
		NEEDED " casemate.broker=tcp:10.0.2.2:0",
		NEEDED " casemate.broker=tcp:10.0.2.2:65536",
		NEEDED " casemate.broker=tcp:broker.example:443",
		NEEDED " casemate.broker=tcp:fd00::1:443",
		NEEDED " casemate.broker=tcp:[fd00::1:443",
		NEEDED " casemate.broker=tcp:[]:443",
		NEEDED " casemate.broker=tcp:[10.0.2.2]:443",
		NEEDED " casemate.teekey=P-192",
		NEEDED " casemate.teekey=",
		NEEDED " casemate.evidence=",
		NEEDED " casemate.evidence=/dev/tpm0",
		NEEDED " casemate.evidence=aaaaaaaaaaaaaaaaa",
		"casemate.workload=sh casemate.verity=" HASH "@4096",
		"casemate.workload=/bin/sh casemate.verity=" HASH,
		"casemate.workload=/bin/sh casemate.verity=" HASH "@",
		"casemate.workload=/bin/sh casemate.verity=" HASH "@0",
		"casemate.workload=/bin/sh casemate.verity=" HASH "@4097",
		"casemate.workload=/bin/sh casemate.verity=" HASH "0@4096",
		"casemate.workload=/bin/sh casemate.verity=zz@4096",
	};
	struct agent_settings s;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct why why = { 0 };
		if (settings(bad[i], &s, &why) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_true(why.text[0] != '\0');
	}
}

static void settings_refuse_a_long_or_cut_line(void **state)
{
	static char text[4096];
	struct agent_settings s;

	memset(text, ' ', sizeof text - 1);
	memcpy(text, NEEDED, strlen(NEEDED));
	assert_int_equal(settings(text, &s, NULL), -EMSGSIZE);
	assert_int_equal(
		agent_settings_parse(NEEDED "\0 casemate.ca=1", sizeof NEEDED + 4, &s, NULL),
		-EMSGSIZE);
}

/* --- LUKS2 headers --------------------------------------------------------------------------- */

#define AREA                                                                                       \
	"\"area\":{\"type\":\"raw\",\"offset\":\"32768\",\"size\":\"385024\","                     \
	"\"encryption\":\"aes-xts-plain64\",\"key_size\":64}"
#define SLOT    "{\"type\":\"luks2\",\"key_size\":96," AREA "}"
#define HMAC    "\"integrity\":{\"type\":\"hmac(sha256)\"}"
#define SEGMENT "{\"type\":\"crypt\",\"encryption\":\"aes-xts-plain64\"," HMAC "}"
#define HEADER(slots, segments, config)                                                            \
	"{\"keyslots\":{" slots "},\"segments\":{" segments "},\"config\":{" config "}}"

static int luks(const char *json, bool is_authenticated)
{
	return agent_luks_check(json, strlen(json), is_authenticated, NULL);
}

static void header_of_cryptsetup_is_taken(void **state)
{
	assert_int_equal(luks(HEADER("\"0\":" SLOT, "\"0\":" SEGMENT, ""), true), 0);
	assert_int_equal(
		luks(HEADER("\"0\":" SLOT ",\"1\":" SLOT,
			     "\"0\":{\"type\":\"crypt\",\"encryption\":\"aes-xts-plain64\"}", ""),
			false),
		0);
}

static void header_that_would_not_protect_is_refused(void **state)
{
	static const char *const bad[] = {
		/* data in the clear */
		HEADER("\"0\":" SLOT,
			"\"0\":{\"type\":\"crypt\",\"encryption\":\"cipher_null-ecb\"}", ""),
		HEADER("\"0\":" SLOT, "\"0\":{\"type\":\"linear\"}", ""),
		HEADER("\"0\":" SLOT,
			"\"0\":{\"type\":\"crypt\",\"encryption\":\"aes-ecb\"," HMAC "}", ""),
		/* a slot that any key opens */
		HEADER("\"0\":{\"type\":\"luks2\",\"key_size\":96,\"area\":{\"type\":\"raw\","
		       "\"encryption\":"
		       "\"cipher_null-ecb\",\"key_size\":64}}",
			"\"0\":" SEGMENT, ""),
		HEADER("\"0\":" SLOT
		       ",\"1\":{\"type\":\"luks2\",\"key_size\":96,\"area\":{\"type\":\"raw\","
		       "\"encryption\":\"null\",\"key_size\":64}}",
			"\"0\":" SEGMENT, ""),
		HEADER("\"0\":{\"type\":\"luks2\",\"key_size\":1," AREA "}", "\"0\":" SEGMENT, ""),
		/* an operation in progress, or several segments */
		HEADER("\"0\":{\"type\":\"reencrypt\",\"key_size\":96," AREA "}", "\"0\":" SEGMENT,
			""),
		HEADER("\"0\":" SLOT, "\"0\":" SEGMENT,
			"\"requirements\":{\"mandatory\":[\"online-reencrypt\"]}"),
		HEADER("\"0\":" SLOT, "\"0\":" SEGMENT ",\"1\":" SEGMENT, ""),
		HEADER("\"0\":" SLOT, "\"1\":" SEGMENT, ""),
		HEADER("\"0\":" SLOT,
			"\"0\":{\"type\":\"crypt\",\"encryption\":\"aes-xts-plain64\",\"flags\":"
			"[\"in-reencryption\"]," HMAC "}",
			""),
		/* authentication that is none */
		HEADER("\"0\":" SLOT,
			"\"0\":{\"type\":\"crypt\",\"encryption\":\"aes-xts-plain64\"}", ""),
		HEADER("\"0\":" SLOT,
			"\"0\":{\"type\":\"crypt\",\"encryption\":\"aes-xts-plain64\","
			"\"integrity\":{\"type\":\"none\"}}",
			""),
		HEADER("\"0\":" SLOT,
			"\"0\":{\"type\":\"crypt\",\"encryption\":\"aes-xts-plain64\","
			"\"integrity\":\"hmac(sha256)\"}",
			""),
		HEADER("", "\"0\":" SEGMENT, ""),
		"{}",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (luks(bad[i], true) != -EACCES)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(luks("[]", false), -EBADMSG);
	assert_int_equal(luks("", false), -EBADMSG);
}

/* --- challenges ------------------------------------------------------------------------------ */

static int challenge(const char *json)
{
	char nonce[AGENT_NONCE_MAX + 1];

	return agent_kbs_parse_challenge(json, strlen(json), nonce, NULL);
}

static void challenge_is_taken(void **state)
{
	assert_int_equal(challenge("{\"nonce\":\"7yYOmqPGc68kDReiZgSANhqOCB0f/soqXtDjIZ/BhWc=\","
				   "\"extra-params\":\"\"}"),
		0);
}

static void challenge_without_a_nonce_is_refused(void **state)
{
	assert_int_equal(challenge("{}"), -EBADMSG);
	assert_int_equal(challenge("{\"nonce\":7}"), -EBADMSG);
	assert_int_equal(challenge("{\"nonce\":\"\"}"), -EBADMSG);
	assert_int_equal(challenge("{\"nonce\":\"short\"}"), -EBADMSG);
	assert_int_equal(challenge("{\"nonce\":\"7yYOmqPGc68kDReiZgSANhqOCB0f\\\"\"}"), -EBADMSG);
	assert_int_equal(challenge("{\"nonce\":\"7yYOmqPGc68kDReiZgSANhqOCB0f \"}"), -EBADMSG);
	assert_int_equal(challenge("{\"nonce\":\"7yYOmqPGc68kDReiZgSA\\u00e9\"}"), -EBADMSG);
	assert_int_equal(challenge("<html>"), -EBADMSG);
}

/* --- the relay ------------------------------------------------------------------------------- */

static int socket_at(const char *path, struct sockaddr_un *sa)
{
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(sa->sun_path, sizeof sa->sun_path, "%s", path);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return fd;
}

/* A broker that closes after each answer is spoken to again: a connection of its own each time. */
static void relay_serves_one_after_the_other(void **state)
{
	char folder[] = "/tmp/casemate-test-XXXXXX", far_path[64], near_path[64], got[6];
	struct sockaddr_un far, near;
	pid_t pid = 0;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(far_path, sizeof far_path, "%s/far", folder);
	(void)snprintf(near_path, sizeof near_path, "%s/near", folder);
	AUTO(fd) int listener = socket_at(far_path, &far);
	/* Nobody there yet: said at once. */
	assert_int_equal(
		agent_relay_start((struct sockaddr *)&far, sizeof far, near_path, &pid), -ENOENT);
	assert_int_equal(bind(listener, (struct sockaddr *)&far, sizeof far), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(
		agent_relay_start((struct sockaddr *)&far, sizeof far, near_path, &pid), 0);
	for (int i = 0; i < 3; i++) {
		AUTO(fd) int client = socket_at(near_path, &near);
		assert_int_equal(connect(client, (struct sockaddr *)&near, sizeof near), 0);
		AUTO(fd) int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_int_equal(fd_write_all(client, "hello", 5), 0);
		assert_int_equal(read(server, got, 5), 5);
		assert_int_equal(fd_write_all(server, "there", 5), 0);
		assert_int_equal(read(client, got, 5), 5);
		assert_memory_equal(got, "there", 5);
		fd_drop(&server);
		assert_int_equal(read(client, got, 1), 0); /* its end comes through */
	}
	agent_relay_stop(pid);
	(void)unlink(near_path);
	(void)unlink(far_path);
	(void)rmdir(folder);
}

/* A folder as the kernel's: the file of this GUID with these bytes; NULL: none. */
static void secret_file(const char *root, const char *guid, const void *bytes, size_t len)
{
	char path[512];

	(void)snprintf(path, sizeof path, "mkdir -p %s/" AGENT_LAUNCH_FOLDER, root);
	assert_int_equal(system(path), 0); /* NOLINT: a folder of ours */
	(void)snprintf(path, sizeof path, "%s/" AGENT_LAUNCH_FOLDER "/%s", root, guid);
	if (bytes != NULL)
		assert_int_equal(fd_replace_file(AT_FDCWD, path, bytes, len, 0600, NULL), 0);
}

static void key_of_the_launch_is_taken_once(void **state)
{
	static uint8_t big[LIMIT_SEV_SECRET_BYTES + 1];
	char root[] = "/tmp/casemate-test-XXXXXX", line[64];
	char guid[KBS_SEV_GUID_TEXT + 1];
	AUTO(secret) struct secret key = { 0 };
	AUTO(secret) struct secret none = { 0 };
	uint8_t raw[16];
	struct why why = { 0 };

	assert_non_null(mkdtemp(root));
	assert_int_equal(agent_launch_take(root, "payments/disk/kek", &none, &why), -ENOENT);
	assert_non_null(strstr(why.text, "key payments/disk/kek: the launch brought none"));
	assert_int_equal(kbs_sev_guid("payments/disk/kek", guid, raw), 0);
	secret_file(root, guid, "\0key\n", 5);
	assert_int_equal(agent_launch_take(root, "payments/disk/other", &none, NULL), -ENOENT);
	assert_int_equal(agent_launch_take(root, "payments/disk/kek", &key, NULL), 0);
	assert_int_equal(key.len, 5); /* as it is: a newline is part of it */
	assert_memory_equal(key.p, "\0key\n", 5);
	assert_int_equal(agent_launch_take(root, "payments/disk/kek", &none, NULL), -ENOENT);
	secret_file(root, guid, "", 0);
	assert_int_equal(agent_launch_take(root, "payments/disk/kek", &none, NULL), -EBADMSG);
	secret_file(root, guid, big, sizeof big);
	assert_int_equal(agent_launch_take(root, "payments/disk/kek", &none, NULL), -EMSGSIZE);
	assert_null(none.p);
	(void)snprintf(line, sizeof line, "rm -rf %s", root);
	assert_int_equal(system(line), 0); /* NOLINT: a folder of ours */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_say_that_the_key_came_with_the_launch),
		cmocka_unit_test(key_of_the_launch_is_taken_once),
		cmocka_unit_test(settings_have_defaults),
		cmocka_unit_test(settings_take_every_word),
		cmocka_unit_test(settings_refuse_what_they_do_not_know),
		cmocka_unit_test(settings_refuse_a_long_or_cut_line),
		cmocka_unit_test(header_of_cryptsetup_is_taken),
		cmocka_unit_test(header_that_would_not_protect_is_refused),
		cmocka_unit_test(challenge_is_taken),
		cmocka_unit_test(challenge_without_a_nonce_is_refused),
		cmocka_unit_test(relay_serves_one_after_the_other),
	};

	kbs_json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
