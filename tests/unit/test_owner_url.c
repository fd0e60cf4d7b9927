/* How an owner's broker may be written, and how not. */
#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "attest/owner/owner_url.h"
#include "tests/unit/cm.h"

#define PATH "/casemate/v0/sev/launch"

static void spellings_of_one_broker_are_one_url(void **state)
{
	static const struct {
		const char *text, *host, *port, *url;
	} rows[] = {
		{ "https://broker.example", "broker.example", "443",
			"https://broker.example:443" PATH },
		{ "https://broker.example/", "broker.example", "443",
			"https://broker.example:443" PATH },
		{ "https://broker.example///", "broker.example", "443",
			"https://broker.example:443" PATH },
		{ "https://broker.example:8443", "broker.example", "8443",
			"https://broker.example:8443" PATH },
		{ "https://broker.example:8443/", "broker.example", "8443",
			"https://broker.example:8443" PATH },
		{ "https://broker.example/tenants/bank", "broker.example", "443",
			"https://broker.example:443/tenants/bank" PATH },
		{ "https://broker.example/tenants/bank/", "broker.example", "443",
			"https://broker.example:443/tenants/bank" PATH },
		{ "https://192.0.2.7:65535/a", "192.0.2.7", "65535",
			"https://192.0.2.7:65535/a" PATH },
		{ "https://[2001:db8::7]", "[2001:db8::7]", "443",
			"https://[2001:db8::7]:443" PATH },
		{ "https://[2001:db8::7]:8443/a/", "[2001:db8::7]", "8443",
			"https://[2001:db8::7]:8443/a" PATH },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owner_url u;
		struct why why = { 0 };
		if (owner_url_parse(rows[i].text, PATH, &u, &why) < 0)
			fail_msg("%s", why.text);
		assert_string_equal(u.host, rows[i].host);
		assert_string_equal(u.port, rows[i].port);
		assert_string_equal(u.url, rows[i].url);
	}
}

static void what_has_no_use_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"https://",
		"https:///",
		"https:///path",
		"https:broker.example",
		"https:/broker.example",
		"broker.example",
		"//broker.example",
		"HTTPS",
		"http://broker.example",
		"ftp://broker.example",
		"file:///etc/passwd",
		/* user information, also none and in disguise */
		"https://user@broker.example",
		"https://user:word@broker.example",
		"https://@broker.example",
		"https://:@broker.example",
		"https://broker.example@other.example",
		"https://broker.example\\@other.example",
		/* query and fragment, also empty ones */
		"https://broker.example?",
		"https://broker.example/?a=b",
		"https://broker.example/#",
		"https://broker.example/a#b",
		/* ports that are none */
		"https://broker.example:0x1bb",
		"https://broker.example:65536",
		"https://broker.example:-1",
		"https://broker.example:8443x",
		"https://broker.example: 8443",
		"https://:8443",
		/* addresses that are none, and one of a link */
		"https://[2001:db8::7",
		"https://2001:db8::7",
		"https://[2001:db8::7]x",
		"https://[fe80::1%25eth0]",
		"https://[broker.example]",
		"https://[]",
		/* what would be mended */
		"https://broker .example",
		"https://broker.example/a b",
		" https://broker.example",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owner_url u = { .host = "untouched" };
		struct why why = { 0 };
		if (owner_url_parse(rows[i], PATH, &u, &why) != -EINVAL)
			fail_msg("taken: \"%s\" as %s", rows[i], u.url);
		assert_non_null(strstr(why.text, "want https://HOST[:PORT][/PATH]"));
		assert_string_equal(u.host, "untouched");
	}
}

static void a_url_that_is_too_long_is_refused(void **state)
{
	static char text[LIMIT_PATH_BYTES + 300] = "https://";
	struct owner_url u;

	memset(text + 8, 'a', 300);
	assert_int_equal(owner_url_parse(text, PATH, &u, NULL), -EINVAL);
	memset(text + 8, 'a', 200);
	text[208] = '\0';
	assert_int_equal(owner_url_parse(text, PATH, &u, NULL), 0);
	memset(text + 208, '/', 1);
	memset(text + 209, 'b', LIMIT_PATH_BYTES);
	text[209 + LIMIT_PATH_BYTES] = '\0';
	assert_int_equal(owner_url_parse(text, PATH, &u, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_of_one_broker_are_one_url),
		cmocka_unit_test(what_has_no_use_is_refused),
		cmocka_unit_test(a_url_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
