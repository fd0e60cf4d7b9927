#include "policy/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/cpu_model.h"

/* Places. A row of a list element counts from the element, all others from struct policy. */
#define P(member)         offsetof(struct policy, member)
#define HAS(member)       (offsetof(struct policy, member) + 1)
#define IN_OF(type, m)    offsetof(struct type, m)
#define TEXT_MAX(type, m) (sizeof(((struct type *)0)->m) - 1)
#define SCHEMA(rows)                                                                               \
	{                                                                                          \
		(rows), ARRAY_LEN(rows)                                                            \
	}

const char *const policy_product_names[] = { "Milan", "Genoa", "Turin", NULL };
const char *const policy_tcb_field_names[] = { "committed", "launch", "current", "reported", NULL };
const char *const policy_integrity_names[] = { "none", "luks2", "luks2-aead", "verity", NULL };
const char *const policy_backend_names[] = { "casemate", "qemu-storage-daemon", NULL };

const char *const policy_tee_names[] = { "none", "snp", "tdx", "sev", "sev-es", "sw", NULL };
/* Intel's names; in the order of enum policy_tdx_status. */
const char *const policy_tdx_status_names[] = { "UpToDate", "SWHardeningNeeded",
	"ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
	"OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded",
	NULL };

static const char *const never_status[] = { "Revoked", "NotSupported", NULL };
static const char *const words_schema[] = { POLICY_SCHEMA_NAME, NULL };
static const char *const words_demand[] = { "any", "require", "forbid", NULL };
static const char *const words_huge[] = { "no", "2M", "1G", NULL };
static const char *const words_cpu[] = { "host", NULL };
static const char *const words_mode[] = { "ro", "rw", NULL };
static const char *const words_integrity[] = { "none", "luks2", "luks2-aead", NULL };
static const char *const words_console[] = { "none", "serial", "virtio", NULL };
static const char *const words_env[] = { "dev", "test", "staging", "prod", NULL };
static const char *const words_data[] = { "none", "internal", "confidential", "pii", "pci-chd",
	"ephi", NULL };
static const char *const words_require[] = { "attestation:affirming", "policy:this", "tcb:>=min",
	"debug:off", "tcb:accepted", NULL };
static const char *const words_die[] = { "die", NULL };
static const char *const later_die[] = { "restart", NULL };
static const char *const words_strict[] = { "strict", NULL };
static const char *const words_confinement[] = { "available", "strict", NULL };
static const char *const words_forbid[] = { "forbid", NULL };
static const char *const later_allow[] = { "allow", NULL };
static const char *const words_none[] = { "none", NULL };
static const char *const words_crl[] = { "require", NULL };

_Static_assert(ARRAY_LEN(policy_tdx_status_names) == POLICY_TDX_STATUS_COUNT + 1, "status");
_Static_assert(ARRAY_LEN(policy_tee_names) == POLICY_TEE_COUNT + 1, "tee");
_Static_assert(ARRAY_LEN(words_demand) == POLICY_DEMAND_COUNT + 1, "demand");
_Static_assert(ARRAY_LEN(words_huge) == POLICY_HUGE_COUNT + 1, "hugepages");
_Static_assert(ARRAY_LEN(words_mode) == POLICY_MODE_COUNT + 1, "mode");
_Static_assert(ARRAY_LEN(policy_backend_names) == POLICY_BACKEND_COUNT + 1, "backend");
_Static_assert(ARRAY_LEN(words_integrity) == POLICY_INTEGRITY_VERITY + 1, "integrity");
_Static_assert(ARRAY_LEN(words_confinement) == POLICY_CONFINEMENT_COUNT + 1, "confinement");
_Static_assert(ARRAY_LEN(words_console) == POLICY_CONSOLE_COUNT + 1, "console");
_Static_assert(ARRAY_LEN(words_env) == POLICY_ENV_COUNT + 1, "env");
_Static_assert(ARRAY_LEN(words_data) == POLICY_DATA_COUNT + 1, "data_class");

const struct form_row form_rows[FORM_COUNT] = {
	[FORM_SENTENCE] = { "text without control characters", "^[^\\u0000-\\u001f\\u007f]+$" },
	[FORM_LINE] = { "printable ASCII", "^[ -~]*$" },
	[FORM_PATH] = { "a path in printable ASCII", "^[!-~]([ -~]*[!-~])?$" },
	[FORM_ID] = { "a to z, 0 to 9 and '-', starting with a letter or digit",
		"^[a-z0-9][a-z0-9-]*$" },
	[FORM_NAME] = { "namespace/id, each of a to z, 0 to 9, '.', '_' and '-'",
		"^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*$" },
	[FORM_KBS] = { "a URI that starts with kbs:", "^kbs:[!-~]+$" },
	[FORM_RULE] = { "a rule such as TEE-005", "^[A-Z]{3,4}-[0-9]{3}$" },
	[FORM_ADVISORY] = { "an advisory such as INTEL-SA-01234", "^INTEL-SA-[0-9]{5}$" },
	[FORM_HTTPS] = { "a URL that starts with https://", "^https://[!-~]+$" },
	[FORM_QUOTING] = { "a path in printable ASCII, or vsock:CID:PORT",
		"^(vsock:[0-9]{1,10}:[0-9]{1,10}|(?!vsock:)[!-~]([ -~]*[!-~])?)$" },
	[FORM_CPU] = { "host, or a model of QEMU's such as EPYC-Milan or EPYC-v4 (" CPU_MODEL_NAMES
		       ")",
		"^(host|EPYC(-(IBPB|Rome|Milan|Genoa|Turin))?(-v[1-9])?)$" },
	[FORM_LABEL] = { "auto, required, off, or a pair of categories such as s0:c12,c345, the "
			 "smaller first",
		"^(auto|required|off|s0:c[0-9]{1,4},c[0-9]{1,4})$" },
};

/* clang-format off */

static const struct field fields_valid[] = {
	{ "not_before", FIELD_TIME, .flags = FIELD_REQUIRED, .at = P(valid.not_before),
	  .doc = "First moment at which the policy may be used, UTC." },
	{ "not_after", FIELD_TIME, .flags = FIELD_REQUIRED, .at = P(valid.not_after),
	  .doc = "Last moment at which the policy may be used, UTC." },
};
static const struct schema schema_valid = SCHEMA(fields_valid);

static const struct field fields_change[] = {
	{ "ticket", FIELD_TEXT, FORM_LINE, .at = P(change.ticket), .min = 1, .max = TEXT_MAX(policy, change.ticket),
	  .doc = "The change request this version belongs to." },
	{ "summary", FIELD_TEXT, FORM_SENTENCE, .at = P(change.summary), .min = 1, .max = TEXT_MAX(policy, change.summary),
	  .doc = "What changed, in one sentence." },
	{ "supersedes", FIELD_DIGEST, .flags = FIELD_NULLABLE, .at = P(change.supersedes), .has = HAS(change.has_supersedes), .max = 32,
	  .doc = "Hash of the version before this one; null for the first." },
};
static const struct schema schema_change = SCHEMA(fields_change);

static const struct field element_framework =
	{ "", FIELD_TEXT, FORM_LINE, .min = 1, .max = LIMIT_POLICY_LABEL_BYTES - 1, .doc = "A framework." };

static const struct field fields_labels[] = {
	{ "tenant", FIELD_TEXT, FORM_LINE, .at = P(labels.tenant), .min = 1, .max = TEXT_MAX(policy, labels.tenant),
	  .doc = "Who the guest belongs to." },
	{ "data_class", FIELD_CHOICE, .at = P(labels.data_class), .words = words_data,
	  .doc = "The most sensitive data the guest sees; lint is stricter for pci-chd (cardholder data) and ephi (health records)." },
	{ "env", FIELD_CHOICE, .at = P(labels.env), .has = HAS(labels.has_env), .words = words_env,
	  .doc = "Where the guest runs; lint is strictest for prod and lets debug pass only in dev." },
	{ "frameworks", FIELD_LIST, .at = P(labels.frameworks), .count = P(labels.n_frameworks), .stride = LIMIT_POLICY_LABEL_BYTES,
	  .max = LIMIT_POLICY_FRAMEWORKS, .element = &element_framework,
	  .doc = "Compliance frameworks that apply; for the reader, not evaluated." },
};
static const struct schema schema_labels = SCHEMA(fields_labels);

static const struct field fields_guest_policy[] = {
	{ "abi_major", FIELD_NUMBER, .at = P(tee.snp.guest_policy.abi_major), .max = 255,
	  .doc = "Least major version of the firmware's ABI." },
	{ "abi_minor", FIELD_NUMBER, .at = P(tee.snp.guest_policy.abi_minor), .max = 255,
	  .doc = "Least minor version of the firmware's ABI." },
	{ "smt", FIELD_BOOL, .flags = FIELD_REQUIRED, .at = P(tee.snp.guest_policy.smt),
	  .doc = "May the host run with simultaneous multithreading on?" },
	{ "debug", FIELD_BOOL, .at = P(tee.snp.guest_policy.debug),
	  .doc = "May the host read and write the guest's memory through the firmware?" },
	{ "migrate_ma", FIELD_BOOL, .at = P(tee.snp.guest_policy.migrate_ma),
	  .doc = "May a migration agent move the guest? KVM refuses such a guest." },
	{ "single_socket", FIELD_BOOL, .at = P(tee.snp.guest_policy.single_socket),
	  .doc = "Must the guest stay on one socket?" },
};
static const struct schema schema_guest_policy = SCHEMA(fields_guest_policy);

static const struct field fields_min_tcb[] = {
	{ "product", FIELD_CHOICE, .at = IN_OF(policy_min_tcb, product), .has = IN_OF(policy_min_tcb, has_product) + 1, .words = policy_product_names,
	  .doc = "The product that the row is for. Without this key: all of tee.snp.product." },
	{ "fmc", FIELD_NUMBER, .at = IN_OF(policy_min_tcb, tcb.fmc), .max = 255,
	  .doc = "Least version of the FMC; Turin and later only." },
	{ "bootloader", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = IN_OF(policy_min_tcb, tcb.bootloader), .max = 255,
	  .doc = "Least version of the secure processor's boot loader." },
	{ "tee", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = IN_OF(policy_min_tcb, tcb.tee), .max = 255,
	  .doc = "Least version of the secure processor's operating system." },
	{ "snp", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = IN_OF(policy_min_tcb, tcb.snp), .max = 255,
	  .doc = "Least version of the SNP firmware." },
	{ "microcode", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = IN_OF(policy_min_tcb, tcb.microcode), .max = 255,
	  .doc = "Least microcode version." },
};
static const struct schema schema_min_tcb = SCHEMA(fields_min_tcb);
static const struct field element_min_tcb = { "", FIELD_OBJECT, .child = &schema_min_tcb, .doc = "A row." };

#define PLATFORM(name, text) \
	{ #name, FIELD_CHOICE, .at = P(tee.snp.platform_info.name), .words = words_demand, .doc = (text) }
static const struct field fields_platform[] = {
	PLATFORM(smt, "Simultaneous multithreading is on (PLATFORM_INFO bit 0)."),
	PLATFORM(tsme, "Transparent memory encryption is on (bit 1)."),
	PLATFORM(ecc, "The memory has error correction (bit 2)."),
	PLATFORM(rapl_disabled, "Energy counters are off (bit 3)."),
	PLATFORM(ciphertext_hiding_dram, "The host cannot read ciphertext (bit 4)."),
	PLATFORM(alias_check, "The firmware checked for aliased memory since reset (bit 5)."),
	PLATFORM(iommu_write_safe, "IOMMU writes cannot reach guest memory (bit 6, Turin)."),
};
static const struct schema schema_platform = SCHEMA(fields_platform);

static const struct field fields_id_block[] = {
	{ "block", FIELD_HEX, .flags = FIELD_REQUIRED, .at = P(tee.snp.id_block.block), .min = 96, .max = 96,
	  .doc = "The 96 bytes of the ID block as hex digits." },
	{ "auth", FIELD_HEX, .flags = FIELD_REQUIRED, .at = P(tee.snp.id_block.auth), .min = 64, .max = 4096,
	  .doc = "The ID authentication page as hex digits; zeros at its end may be left out." },
};
static const struct schema schema_id_block = SCHEMA(fields_id_block);

static const struct field fields_min_firmware[] = {
	{ "major", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = P(tee.snp.min_major), .max = 255,
	  .doc = "Least major version (CURRENT_MAJOR)." },
	{ "minor", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = P(tee.snp.min_minor), .max = 255,
	  .doc = "Least minor version of that major version (CURRENT_MINOR)." },
	{ "build", FIELD_NUMBER, .at = P(tee.snp.min_build), .max = 255,
	  .doc = "Least build of that version (CURRENT_BUILD)." },
};
static const struct schema schema_min_firmware = SCHEMA(fields_min_firmware);

static const struct field element_id_key =
	{ "", FIELD_DIGEST, .at = IN_OF(policy_digest, sha384), .max = 48, .doc = "SHA-384 of an ID key." };
static const struct field element_csp_id =
	{ "", FIELD_TEXT, FORM_LINE, .min = 1, .max = TEXT_MAX(policy_snp, csp_ids[0].id), .doc = "A provider." };
static const struct field element_product =
	{ "", FIELD_CHOICE, .words = policy_product_names, .doc = "A product." };
static const struct field element_chip =
	{ "", FIELD_HEX, .flags = FIELD_ENDS, .min = 8, .max = 64, .doc = "A chip id." };

static const struct field fields_snp[] = {
	{ "product", FIELD_LIST, .flags = FIELD_REQUIRED, .at = P(tee.snp.products), .count = P(tee.snp.n_products),
	  .stride = sizeof(enum policy_product), .min = 1, .max = POLICY_PRODUCT_COUNT, .element = &element_product,
	  .doc = "Processors the guest may run on." },
	{ "guest_policy", FIELD_OBJECT, .flags = FIELD_REQUIRED, .child = &schema_guest_policy,
	  .doc = "The guest policy word given to the firmware at launch and found in the report." },
	{ "min_tcb", FIELD_LIST, .flags = FIELD_OR_ONE, .at = P(tee.snp.min_tcbs), .count = P(tee.snp.n_min_tcbs),
	  .stride = sizeof(struct policy_min_tcb), .min = 1, .max = POLICY_PRODUCT_COUNT, .element = &element_min_tcb,
	  .doc = "Least security version of each firmware part, compared part by part: one object, or a list with one for each product." },
	{ "tcb_field", FIELD_CHOICE, .at = P(tee.snp.tcb_field), .words = policy_tcb_field_names,
	  .doc = "Which TCB of the report is compared with min_tcb. Without this key: committed, which cannot be rolled back." },
	{ "platform_info", FIELD_OBJECT, .child = &schema_platform,
	  .doc = "What the report must say about the platform; a bit that is not named may be anything." },
	{ "vmpl", FIELD_NUMBER, .at = P(tee.snp.vmpl), .max = 3,
	  .doc = "The privilege level the report must come from. Without this key: 0." },
	{ "chip_ids", FIELD_LIST, .at = P(tee.snp.chips), .count = P(tee.snp.n_chips), .stride = sizeof(struct policy_chip),
	  .max = LIMIT_POLICY_CHIPS, .element = &element_chip,
	  .doc = "The only hosts the guest may run on: 64 bytes (Turin: 8) as hex digits each. Empty: any host." },
	{ "id_block", FIELD_OBJECT, .has = HAS(tee.snp.has_id_block), .child = &schema_id_block,
	  .doc = "Signed ID block: the firmware itself refuses another launch digest." },
	{ "author_key", FIELD_DIGEST, .at = P(tee.snp.author_key), .has = HAS(tee.snp.has_author_key), .max = 48,
	  .doc = "SHA-384 of the author key that signed the ID key; needs id_block." },
	{ "id_keys", FIELD_LIST, .at = P(tee.snp.id_keys), .count = P(tee.snp.n_id_keys), .stride = sizeof(struct policy_digest),
	  .max = LIMIT_POLICY_DIGESTS, .element = &element_id_key,
	  .doc = "ID keys that are accepted (ID_KEY_DIGEST). Empty: as id_block says." },
	{ "min_guest_svn", FIELD_NUMBER, .at = P(tee.snp.min_guest_svn), .max = UINT32_MAX,
	  .doc = "Least GUEST_SVN, the owner's own version number in the ID block." },
	{ "family_id", FIELD_HEX, .at = P(tee.snp.family_id), .has = HAS(tee.snp.has_family_id), .min = 16, .max = 16,
	  .doc = "FAMILY_ID of the ID block: 16 bytes as hex digits." },
	{ "image_id", FIELD_HEX, .at = P(tee.snp.image_id), .has = HAS(tee.snp.has_image_id), .min = 16, .max = 16,
	  .doc = "IMAGE_ID of the ID block: 16 bytes as hex digits." },
	{ "min_firmware", FIELD_OBJECT, .child = &schema_min_firmware,
	  .doc = "Least version of the firmware that runs." },
	{ "provisional", FIELD_CHOICE, .at = P(tee.snp.provisional), .words = words_demand,
	  .doc = "Firmware that is not committed, and can be taken back (CURRENT above COMMITTED): any, or forbid." },
	{ "mitigations", FIELD_MASK, .at = P(tee.snp.mitigations), .max = UINT64_MAX,
	  .doc = "Bits that both mitigation vectors of the report must have, as \"0x...\"; version 5 reports only." },
	{ "csp_ids", FIELD_LIST, .at = P(tee.snp.csp_ids), .count = P(tee.snp.n_csp_ids), .stride = sizeof(((struct policy_snp *)0)->csp_ids[0]),
	  .max = LIMIT_POLICY_DIGESTS, .element = &element_csp_id,
	  .doc = "Cloud providers whose VLEK is accepted (cspID); a VCEK is not. Empty: any of both." },
	{ "vmsa_features", FIELD_MASK, .at = P(tee.snp.vmsa_features), .max = 0x21d7fe,
	  .doc = "SEV_FEATURES of the guest as \"0x...\", without bit 0 (SNPActive), which the kernel sets." },
	{ "certs", FIELD_TEXT, FORM_PATH, .at = P(tee.snp.certs), .min = 1, .max = TEXT_MAX(policy, tee.snp.certs),
	  .doc = "File with the certificate table that the guest gets with a report it asks for." },
};
static const struct schema schema_snp = SCHEMA(fields_snp);

#define DEMAND(name, place, text) \
	{ name, FIELD_CHOICE, .at = P(tee.tdx.place), .words = words_demand, .doc = (text) }
#define DIGESTS(name, list, n_list, elem, text) \
	{ name, FIELD_LIST, .at = P(list), .count = P(n_list), .stride = sizeof(struct policy_digest), \
	  .max = LIMIT_POLICY_DIGESTS, .element = (elem), .doc = (text) }

static const struct field fields_attributes[] = {
	{ "debug", FIELD_BOOL, .at = P(tee.tdx.debug),
	  .doc = "May the host read and write the guest's memory (TDATTRIBUTES bit 0)?" },
	DEMAND("sept_ve_disable", attributes.sept_ve_disable, "Pages that the host takes away stop the guest instead of raising #VE (bit 28)."),
	{ "migratable", FIELD_CHOICE, .at = P(tee.tdx.attributes.migratable), .words = words_demand, .otherwise = POLICY_FORBID,
	  .doc = "A migration TD may move the guest (bit 29). Without this key: forbid." },
	DEMAND("pks", attributes.pks, "Supervisor protection keys (bit 30)."),
	DEMAND("key_locker", attributes.key_locker, "Key Locker (bit 31)."),
	DEMAND("perfmon", attributes.perfmon, "Performance counters (bit 63)."),
};
static const struct schema schema_attributes = SCHEMA(fields_attributes);

static const struct field fields_grace[] = {
	{ "status", FIELD_SET, .flags = FIELD_REQUIRED, .at = P(tee.tdx.tcb.grace.status), .words = policy_tdx_status_names, .never = never_status,
	  .doc = "TCB statuses that are accepted for a while only." },
	{ "days", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = P(tee.tdx.tcb.grace.days), .min = 1, .max = 3650,
	  .doc = "Days after the date of the TCB level." },
};
static const struct schema schema_grace = SCHEMA(fields_grace);

static const struct field element_advisory =
	{ "", FIELD_TEXT, FORM_ADVISORY, .min = 1, .max = TEXT_MAX(policy_advisory, id), .doc = "An advisory." };
static const struct field fields_tdx_tcb[] = {
	{ "accept", FIELD_SET, .at = P(tee.tdx.tcb.accept), .words = policy_tdx_status_names, .never = never_status,
	  .doc = "TCB statuses that are accepted. Without this key: UpToDate alone." },
	{ "grace", FIELD_OBJECT, .has = HAS(tee.tdx.tcb.has_grace), .child = &schema_grace,
	  .doc = "Statuses that are accepted for some days more." },
	{ "advisories_deny", FIELD_LIST, .at = P(tee.tdx.tcb.deny), .count = P(tee.tdx.tcb.n_deny), .stride = sizeof(struct policy_advisory),
	  .max = LIMIT_POLICY_ADVISORIES, .element = &element_advisory,
	  .doc = "Advisories that may not be open on the platform, whatever its status." },
	{ "min_tcb_date", FIELD_TIME, .at = P(tee.tdx.tcb.min_date), .has = HAS(tee.tdx.tcb.has_min_date),
	  .doc = "Least date of the TCB level, UTC." },
	{ "min_eval_number", FIELD_NUMBER, .at = P(tee.tdx.tcb.min_eval_number), .max = UINT32_MAX,
	  .doc = "Least tcbEvaluationDataNumber of TCB info and QE identity: older ones are refused." },
};
static const struct schema schema_tdx_tcb = SCHEMA(fields_tdx_tcb);

static const struct field element_mrseam =
	{ "", FIELD_DIGEST, .at = IN_OF(policy_digest, sha384), .max = 48, .doc = "A digest of a TDX module." };
static const struct field element_rtmr =
	{ "", FIELD_DIGEST, .at = IN_OF(policy_digest, sha384), .max = 48, .doc = "A value of the register." };
static const struct field fields_rtmr[] = {
	DIGESTS("0", tee.tdx.rtmr[0].at, tee.tdx.rtmr[0].n, &element_rtmr, "Values of RTMR 0 that are accepted: the firmware's configuration. Empty: not compared."),
	DIGESTS("1", tee.tdx.rtmr[1].at, tee.tdx.rtmr[1].n, &element_rtmr, "Of RTMR 1: boot loader and kernel."),
	DIGESTS("2", tee.tdx.rtmr[2].at, tee.tdx.rtmr[2].n, &element_rtmr, "Of RTMR 2: command line and initial ramdisk."),
	DIGESTS("3", tee.tdx.rtmr[3].at, tee.tdx.rtmr[3].n, &element_rtmr, "Of RTMR 3: the guest's own."),
};
static const struct schema schema_rtmr = SCHEMA(fields_rtmr);
static const struct field element_piid =
	{ "", FIELD_HEX, .min = 16, .max = 16, .doc = "A platform." };

static const struct field fields_tdx[] = {
	{ "attributes", FIELD_OBJECT, .flags = FIELD_REQUIRED, .child = &schema_attributes,
	  .doc = "What TDATTRIBUTES of the quote must say." },
	{ "xfam", FIELD_MASK, .at = P(tee.tdx.xfam), .has = HAS(tee.tdx.has_xfam), .max = UINT64_MAX,
	  .doc = "XFAM of the quote, exactly, as \"0x...\": the processor state that the guest may use." },
	{ "tcb", FIELD_OBJECT, .child = &schema_tdx_tcb,
	  .doc = "How far the platform may be from Intel's newest TCB. Without this object: UpToDate alone." },
	DIGESTS("mrseam", tee.tdx.mrseam, tee.tdx.n_mrseam, &element_mrseam, "TDX modules that are accepted (MRSEAM). Empty: any that Intel's TCB info names."),
	{ "rtmr", FIELD_OBJECT, .child = &schema_rtmr,
	  .doc = "Runtime measurement registers; MRTD is among boot.launch_digest." },
	{ "mrowner", FIELD_DIGEST, .at = P(tee.tdx.mrowner), .has = HAS(tee.tdx.has_mrowner), .max = 48,
	  .doc = "MROWNER of the quote." },
	{ "mrownerconfig", FIELD_DIGEST, .at = P(tee.tdx.mrownerconfig), .has = HAS(tee.tdx.has_mrownerconfig), .max = 48,
	  .doc = "MROWNERCONFIG of the quote." },
	{ "piids", FIELD_LIST, .at = P(tee.tdx.piids), .count = P(tee.tdx.n_piids), .stride = sizeof(((struct policy_tdx *)0)->piids[0]),
	  .max = LIMIT_POLICY_CHIPS, .element = &element_piid,
	  .doc = "The only platforms the guest may run on: platform instance ids, 16 bytes as hex digits each. Empty: any." },
	DEMAND("smt", smt, "Simultaneous multithreading is on (PCK certificate)."),
	DEMAND("cached_keys", cached_keys, "The platform's keys are cached by Intel (PCK certificate)."),
	DEMAND("dynamic_platform", dynamic_platform, "Packages may be added to the platform (PCK certificate)."),
	{ "quoting", FIELD_TEXT, FORM_QUOTING, .at = P(tee.tdx.quoting), .min = 1, .max = TEXT_MAX(policy, tee.tdx.quoting),
	  .doc = "The service that signs quotes: the path of its Unix socket, or vsock:CID:PORT. Without this key: the guest gets no quotes." },
};
static const struct schema schema_tdx = SCHEMA(fields_tdx);

static const struct field fields_session[] = {
	{ "dh_cert", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = P(tee.sev.session.dh_cert), .min = 1, .max = TEXT_MAX(policy, tee.sev.session.dh_cert),
	  .doc = "File with the owner's Diffie-Hellman certificate, 2084 bytes." },
	{ "session", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = P(tee.sev.session.session), .min = 1, .max = TEXT_MAX(policy, tee.sev.session.session),
	  .doc = "File with the session made for this platform and guest policy, 128 bytes." },
};
static const struct schema schema_session = SCHEMA(fields_session);

static const struct field fields_owner[] = {
	{ "url", FIELD_TEXT, FORM_HTTPS, .flags = FIELD_REQUIRED, .at = P(tee.sev.owner.url), .min = 9, .max = TEXT_MAX(policy, tee.sev.owner.url),
	  .doc = "The owner's broker, https://..." },
	{ "ca", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = P(tee.sev.owner.ca), .min = 1, .max = TEXT_MAX(policy, tee.sev.owner.ca),
	  .doc = "PEM file: who issued the broker's certificate." },
	{ "wait_s", FIELD_NUMBER, .at = P(tee.sev.owner.wait_s), .min = 1, .max = LIMIT_OWNER_WAIT_S, .otherwise = 60,
	  .doc = "How long the launch waits for the owner's answer, in seconds. Without this key: 60." },
};
static const struct schema schema_owner = SCHEMA(fields_owner);

static const struct field fields_sev[] = {
	{ "policy", FIELD_MASK, .flags = FIELD_REQUIRED, .at = P(tee.sev.policy), .max = UINT32_MAX,
	  .doc = "The guest policy given at LAUNCH_START, as \"0x...\"; bit 2 says SEV-ES." },
	{ "debug", FIELD_BOOL, .at = P(tee.sev.debug),
	  .doc = "May the host read and write the guest's memory through the firmware? A launch whose policy allows it (bit 0 clear) needs this key." },
	{ "migration", FIELD_BOOL, .at = P(tee.sev.migration),
	  .doc = "May the host send the guest to another machine? A launch whose policy allows it (bit 3 clear) needs this key." },
	{ "api_major", FIELD_NUMBER, .at = P(tee.sev.api_major), .max = 255,
	  .doc = "Least major version of the firmware's API." },
	{ "api_minor", FIELD_NUMBER, .at = P(tee.sev.api_minor), .max = 255,
	  .doc = "Least minor version of the firmware's API." },
	{ "build", FIELD_NUMBER, .at = P(tee.sev.build), .max = 255,
	  .doc = "Least build of the firmware." },
	{ "session", FIELD_OBJECT, .has = HAS(tee.sev.has_session), .child = &schema_session,
	  .doc = "The owner's session, from casemate attest sev-session. Without it nobody can check the launch measurement." },
	{ "owner", FIELD_OBJECT, .has = HAS(tee.sev.has_owner), .child = &schema_owner,
	  .doc = "Who sees the launch measurement and releases the guest's secret before it runs; needs session." },
};
static const struct schema schema_sev = SCHEMA(fields_sev);

static const struct field element_sha256 =
	{ "", FIELD_DIGEST, .max = 32, .doc = "A SHA-256 digest." };
static const struct field fields_pcr[] = {
	{ "index", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = IN_OF(policy_pcr, index), .max = 23,
	  .doc = "Number of the register." },
	{ "sha256", FIELD_LIST, .flags = FIELD_REQUIRED, .at = IN_OF(policy_pcr, at), .count = IN_OF(policy_pcr, n), .stride = 32,
	  .min = 1, .max = LIMIT_POLICY_DIGESTS, .element = &element_sha256,
	  .doc = "Values in the SHA-256 bank that are accepted." },
};
static const struct schema schema_pcr = SCHEMA(fields_pcr);
static const struct field element_pcr = { "", FIELD_OBJECT, .child = &schema_pcr, .doc = "A register." };

static const struct field fields_tpm[] = {
	{ "pcrs", FIELD_LIST, .at = P(tee.tpm.pcrs), .count = P(tee.tpm.n_pcrs), .stride = sizeof(struct policy_pcr),
	  .max = 24, .element = &element_pcr,
	  .doc = "What the quoted registers must hold; each has to be quoted." },
	{ "aks", FIELD_LIST, .at = P(tee.tpm.aks), .count = P(tee.tpm.n_aks), .stride = 32,
	  .max = LIMIT_POLICY_DIGESTS, .element = &element_sha256,
	  .doc = "Attestation keys that are accepted: SHA-256 of the SubjectPublicKeyInfo. Empty: any for which a certificate or TEE report speaks." },
	{ "secure_boot", FIELD_CHOICE, .at = P(tee.tpm.secure_boot), .words = words_demand,
	  .doc = "UEFI Secure Boot was on, by the event log." },
	{ "event_log", FIELD_BOOL, .at = P(tee.tpm.require_event_log),
	  .doc = "Must an event log come along that proves the quoted PCR 0 to 7, or what pcrs lists of 0 to 9, 11 to 14?" },
};
static const struct schema schema_tpm = SCHEMA(fields_tpm);

static const struct field element_deny_chip =
	{ "", FIELD_HEX, .flags = FIELD_ENDS | FIELD_OR_16, .min = 8, .max = 64, .doc = "A chip id or platform instance id." };
static const struct field element_deny_digest =
	{ "", FIELD_DIGEST, .flags = FIELD_OR_32, .at = IN_OF(policy_digest, sha384), .max = 48, .doc = "A launch digest." };
static const struct field fields_endorsements[] = {
	{ "max_age_days", FIELD_NUMBER, .at = P(tee.endorsements.max_age_days), .has = HAS(tee.endorsements.has_max_age), .max = 3650,
	  .doc = "For how long after its nextUpdate signed collateral still counts, as a warning; what is older is refused." },
	{ "crl", FIELD_FIXED, .has = HAS(tee.endorsements.require_crl), .words = words_crl,
	  .doc = "With require, certificates count only with a valid revocation list." },
	{ "deny_chips", FIELD_LIST, .at = P(tee.endorsements.deny_chips), .count = P(tee.endorsements.n_deny_chips), .stride = sizeof(struct policy_chip),
	  .max = LIMIT_POLICY_CHIPS, .element = &element_deny_chip,
	  .doc = "Machines that are refused: chip ids of 64 bytes (Turin: 8), platform instance ids of 16, as hex digits." },
	DIGESTS("deny_digests", tee.endorsements.deny_digests, tee.endorsements.n_deny_digests, &element_deny_digest, "Launch digests (TDX: MRTDs) that are refused, whoever lists them."),
};
static const struct schema schema_endorsements = SCHEMA(fields_endorsements);

static const struct field fields_tee[] = {
	{ "type", FIELD_CHOICE, .flags = FIELD_REQUIRED, .at = P(tee.type), .words = policy_tee_names,
	  .doc = "Kind of protection; none is for development and proves nothing. sw is for development too: memory that other processes cannot read, without encryption or proof." },
	{ "simulated", FIELD_BOOL, .at = P(tee.simulated),
	  .doc = "Is evidence of simulated hardware (trust class simulated) accepted?" },
	{ "snp", FIELD_OBJECT, .has = HAS(tee.has_snp), .child = &schema_snp,
	  .doc = "What AMD SEV-SNP has to prove; with type snp and only then." },
	{ "tdx", FIELD_OBJECT, .has = HAS(tee.has_tdx), .child = &schema_tdx,
	  .doc = "What Intel TDX has to prove; with type tdx and only then." },
	{ "sev", FIELD_OBJECT, .has = HAS(tee.has_sev), .child = &schema_sev,
	  .doc = "What AMD SEV or SEV-ES has to prove; with type sev or sev-es and only then." },
	{ "tpm", FIELD_OBJECT, .has = HAS(tee.has_tpm), .child = &schema_tpm,
	  .doc = "What a quote of the guest's TPM has to prove." },
	{ "endorsements", FIELD_OBJECT, .has = HAS(tee.has_endorsements), .child = &schema_endorsements,
	  .doc = "How old the vendors' statements may be, and what is refused whatever they say." },
};
static const struct schema schema_tee = SCHEMA(fields_tee);

static const struct field fields_file[] = {
	{ "file", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = IN_OF(policy_file, file), .min = 1, .max = TEXT_MAX(policy_file, file),
	  .doc = "Path, from the policy's folder unless absolute." },
	{ "sha384", FIELD_DIGEST, .at = IN_OF(policy_file, sha384), .has = IN_OF(policy_file, has_sha384) + 1, .max = 48,
	  .doc = "SHA-384 of the whole file. casemate run and casemate measure, and whoever computes the launch digest, refuse another file." },
};
static const struct schema schema_file = SCHEMA(fields_file);

static const struct field element_digest =
	{ "", FIELD_DIGEST, .flags = FIELD_OR_32, .at = IN_OF(policy_digest, sha384), .max = 48, .doc = "A launch digest." };

static const struct field fields_flash_vars[] = {
	{ "file", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = P(boot.flash_vars), .min = 1, .max = TEXT_MAX(policy, boot.flash_vars),
	  .doc = "Path, from the policy's folder unless absolute; opened for writing." },
};
static const struct schema schema_flash_vars = SCHEMA(fields_flash_vars);

static const struct field fields_boot[] = {
	{ "firmware", FIELD_OBJECT, .at = P(boot.firmware), .has = HAS(boot.has_firmware), .child = &schema_file,
	  .doc = "Guest firmware (OVMF) that starts first. Without this key the monitor boots the kernel itself; sev, sev-es and tdx need it." },
	{ "flash_vars", FIELD_OBJECT, .child = &schema_flash_vars,
	  .doc = "The firmware's variables, which it writes; with tee.type none only." },
	{ "kernel", FIELD_OBJECT, .at = P(boot.kernel), .has = HAS(boot.has_kernel), .child = &schema_file,
	  .doc = "The bzImage. Required without firmware; firmware without a kernel boots a disk." },
	{ "initrd", FIELD_OBJECT, .at = P(boot.initrd), .has = HAS(boot.has_initrd), .child = &schema_file,
	  .doc = "The initial ramdisk." },
	{ "cmdline", FIELD_TEXT, FORM_LINE, .at = P(boot.cmdline), .has = HAS(boot.has_cmdline), .max = TEXT_MAX(policy, boot.cmdline),
	  .doc = "The kernel command line; it is measured. Required with a kernel." },
	{ "launch_digest", FIELD_LIST, .at = P(boot.launch_digests), .count = P(boot.n_launch_digests), .stride = sizeof(struct policy_digest),
	  .max = LIMIT_POLICY_DIGESTS, .element = &element_digest,
	  .doc = "Launch digests that are accepted; of SEV and SEV-ES \"sha256:...\". Empty: the one computed from the files." },
	{ "uki", FIELD_LATER, .doc = "A unified kernel image." },
};
static const struct schema schema_boot = SCHEMA(fields_boot);

static const struct field fields_machine[] = {
	{ "vcpus", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = P(machine.vcpus), .min = 1, .max = LIMIT_VCPUS,
	  .doc = "Number of virtual CPUs." },
	{ "memory_mib", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = P(machine.memory_mib), .min = LIMIT_MEMORY_MIB_MIN, .max = LIMIT_MEMORY_MIB_MAX,
	  .doc = "Memory in MiB." },
	{ "hugepages", FIELD_CHOICE, .at = P(machine.hugepages), .words = words_huge,
	  .doc = "Size of the host's pages behind guest memory. Without this key: no." },
	{ "cpu", FIELD_TEXT, FORM_CPU, .at = P(machine.cpu), .min = 1, .max = TEXT_MAX(policy, machine.cpu),
	  .doc = "The processor that the guest sees in CPUID leaf 1: host, or a model by QEMU's name (EPYC-Milan, EPYC-v4). It is measured with types snp and sev-es. Without this key: host." },
	{ "cpu_model", FIELD_FIXED, .has = HAS(machine.has_cpu_model), .words = words_cpu,
	  .doc = "The older name of cpu: host." },
};
static const struct schema schema_machine = SCHEMA(fields_machine);

static const struct field fields_integrity[] = {
	{ "verity_root", FIELD_DIGEST, .flags = FIELD_REQUIRED, .at = IN_OF(policy_disk, verity.verity_root), .max = 32,
	  .doc = "Root hash of the dm-verity tree." },
};
static const struct schema schema_integrity = SCHEMA(fields_integrity);

static const struct field fields_disk[] = {
	/* 20 bytes: the serial of a virtio block device (virtio 1.2, 5.2.6). */
	{ "id", FIELD_TEXT, FORM_ID, .flags = FIELD_REQUIRED, .at = IN_OF(policy_disk, id), .min = 1, .max = 20,
	  .doc = "The disk's name, its serial number in the guest." },
	{ "file", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = IN_OF(policy_disk, file), .min = 1, .max = TEXT_MAX(policy_disk, file),
	  .doc = "Raw image or block device, from the policy's folder unless absolute." },
	{ "mode", FIELD_CHOICE, .flags = FIELD_REQUIRED, .at = IN_OF(policy_disk, mode), .words = words_mode,
	  .doc = "May the guest write?" },
	{ "discard", FIELD_BOOL, .at = IN_OF(policy_disk, discard),
	  .doc = "May the guest give blocks back (discard, write zeroes)?" },
	{ "integrity", FIELD_CHOICE_OR_OBJECT, .flags = FIELD_REQUIRED, .at = IN_OF(policy_disk, integrity), .words = words_integrity, .child = &schema_integrity,
	  .doc = "How the guest protects the disk from the host: a dm-verity root, LUKS2 with or without authentication, or not at all." },
	{ "key", FIELD_TEXT, FORM_ID, .at = IN_OF(policy_disk, key), .min = 1, .max = TEXT_MAX(policy_disk, key),
	  .doc = "Which of keys[] opens it; with luks2 and luks2-aead." },
	{ "backend", FIELD_CHOICE, .at = IN_OF(policy_disk, backend), .words = policy_backend_names,
	  .doc = "Which program serves it. One of another make is confined from outside, serves image files only, and gives the disk no serial number of its own. Without this key: casemate." },
};
static const struct schema schema_disk = SCHEMA(fields_disk);
static const struct field element_disk = { "", FIELD_OBJECT, .child = &schema_disk, .doc = "A disk." };

static const struct field fields_port[] = {
	{ "port", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = IN_OF(policy_port, port), .min = 1, .max = 0xfffffffe,
	  .doc = "The vsock port the guest connects to, on the host (context id 2)." },
	{ "socket", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = IN_OF(policy_port, socket), .min = 1, .max = TEXT_MAX(policy_port, socket),
	  .doc = "The Unix socket on the host that answers, from the policy's folder unless absolute." },
};
static const struct schema schema_port = SCHEMA(fields_port);
static const struct field element_port = { "", FIELD_OBJECT, .child = &schema_port, .doc = "A port." };

static const struct field fields_vsock[] = {
	{ "cid", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = P(devices.vsock.cid), .min = 3, .max = 0xfffffffe,
	  .doc = "The guest's context id." },
	{ "ports", FIELD_LIST, .flags = FIELD_REQUIRED, .at = P(devices.vsock.ports), .count = P(devices.vsock.n_ports), .stride = sizeof(struct policy_port),
	  .max = LIMIT_VSOCK_PORTS, .element = &element_port,
	  .doc = "The only host ports the guest can reach." },
};
static const struct schema schema_vsock = SCHEMA(fields_vsock);

static const struct field fields_devices[] = {
	{ "disk", FIELD_LIST, .at = P(devices.disks), .count = P(devices.n_disks), .stride = sizeof(struct policy_disk),
	  .max = LIMIT_DISKS, .element = &element_disk,
	  .doc = "Disks, in the order in which the guest sees them." },
	{ "console", FIELD_CHOICE, .at = P(devices.console), .words = words_console,
	  .doc = "What the terminal shows: the 16550 serial port, a virtio console, or nothing. Without this key: none." },
	{ "rng", FIELD_BOOL, .at = P(devices.rng),
	  .doc = "Does the guest get a virtio entropy device?" },
	{ "vsock", FIELD_OBJECT, .has = HAS(devices.has_vsock), .child = &schema_vsock,
	  .doc = "Streams between the guest and chosen sockets of the host." },
	{ "net", FIELD_EMPTY, .doc = "Network devices." },
	{ "passthrough", FIELD_EMPTY, .doc = "Devices of the host." },
};
static const struct schema schema_devices = SCHEMA(fields_devices);

static const struct field fields_release[] = {
	{ "require", FIELD_SET, .flags = FIELD_REQUIRED, .at = IN_OF(policy_key, release.require), .words = words_require,
	  .doc = "What must hold before the key is released." },
	{ "max_age_s", FIELD_NUMBER, .at = IN_OF(policy_key, release.max_age_s), .min = 1, .max = 86400, .otherwise = 60,
	  .doc = "Oldest evidence that is accepted, in seconds. Without this key: 60." },
	{ "once_per_boot", FIELD_BOOL, .at = IN_OF(policy_key, release.once_per_boot),
	  .doc = "Is the key released only once to the same guest?" },
};
static const struct schema schema_release = SCHEMA(fields_release);

static const struct field fields_key[] = {
	{ "id", FIELD_TEXT, FORM_ID, .flags = FIELD_REQUIRED, .at = IN_OF(policy_key, id), .min = 1, .max = TEXT_MAX(policy_key, id),
	  .doc = "The key's name in this policy." },
	{ "source", FIELD_TEXT, FORM_KBS, .flags = FIELD_REQUIRED, .at = IN_OF(policy_key, source), .min = 5, .max = TEXT_MAX(policy_key, source),
	  .doc = "Where the broker keeps it: kbs:///repository/type/tag, no two keys in one place." },
	{ "purpose", FIELD_TEXT, FORM_ID, .flags = FIELD_REQUIRED, .at = IN_OF(policy_key, purpose), .min = 1, .max = TEXT_MAX(policy_key, purpose),
	  .doc = "What it is for." },
	{ "release", FIELD_OBJECT, .has = IN_OF(policy_key, has_release) + 1, .child = &schema_release,
	  .doc = "When the broker lets it go. Without this object: never." },
};
static const struct schema schema_key = SCHEMA(fields_key);
static const struct field element_key = { "", FIELD_OBJECT, .child = &schema_key, .doc = "A key." };

static const struct field fields_mac_label[] = {
	{ "selinux", FIELD_TEXT, FORM_LABEL, .at = P(host.selinux), .has = HAS(host.has_selinux), .min = 3, .max = TEXT_MAX(policy, host.selinux),
	  .doc = "auto: processes and files of the guest get SELinux labels with a pair of categories of their own where the host has SELinux. required: the host must enforce it. A pair (s0:c12,c345) is required and always the same. off: no labels. Without this key: auto." },
	{ "apparmor", FIELD_LATER, .doc = "AppArmor profile." },
};
static const struct schema schema_mac_label = SCHEMA(fields_mac_label);

static const struct field fields_limits[] = {
	{ "cpu_percent", FIELD_NUMBER, .at = P(host.cpu_percent), .min = 10, .max = PLAN_CPU_PERCENT_MAX,
	  .doc = "CPU time of all the guest's processes together, in hundredths of one CPU: 150 is one and a half. Without this key: no limit." },
	{ "cpu_weight", FIELD_NUMBER, .at = P(host.cpu_weight), .min = 1, .max = 10000,
	  .doc = "Share of the CPUs when they are short, against 100 of other guests. Without this key: 100." },
	{ "io_weight", FIELD_NUMBER, .at = P(host.io_weight), .min = 1, .max = 10000,
	  .doc = "Share of the disks when they are short, against 100 of other guests. Without this key: 100." },
	{ "overhead_mib", FIELD_NUMBER, .at = P(host.overhead_mib), .min = 64, .max = 65536, .otherwise = PLAN_OVERHEAD_MIB,
	  .doc = "Memory of the host that the guest's processes may use together beside the guest's own, in MiB; a guest that needs more is ended." },
};
static const struct schema schema_limits = SCHEMA(fields_limits);

static const struct field fields_host[] = {
	{ "confinement", FIELD_CHOICE, .at = P(host.confinement), .has = HAS(host.has_confinement), .words = words_confinement,
	  .doc = "strict: casemate run refuses a host that cannot give every wall: cgroups with their controllers, Landlock, SELinux enforcing, a uid for each process. available: it does with what there is, and says what is missing. Without this key: available." },
	{ "on_device_death", FIELD_FIXED, .words = words_die, .later = later_die,
	  .doc = "A device process that dies ends the guest." },
	{ "seccomp", FIELD_FIXED, .has = HAS(host.has_seccomp), .words = words_strict,
	  .doc = "Every process of the guest runs under a system call allow-list." },
	{ "core_dump", FIELD_FIXED, .has = HAS(host.has_core_dump), .words = words_forbid, .later = later_allow,
	  .doc = "No process of the guest can be dumped." },
	{ "landlock", FIELD_BOOL, .at = P(host.landlock), .has = HAS(host.has_landlock), .otherwise = true,
	  .doc = "Must the host's kernel have Landlock? Without this key: yes." },
	{ "mac_label", FIELD_OBJECT, .child = &schema_mac_label,
	  .doc = "Mandatory access control labels." },
	{ "limits", FIELD_OBJECT, .child = &schema_limits,
	  .doc = "What the guest's processes may use of the host, as limits of their cgroup." },
	{ "user", FIELD_LATER, .doc = "The host user that owns the guest's processes." },
	{ "memory_lock", FIELD_LATER, .doc = "Guest memory locked into RAM." },
};
static const struct schema schema_host = SCHEMA(fields_host);

static const struct field fields_runtime[] = {
	{ "snapshot", FIELD_FIXED, .words = words_forbid, .later = later_allow,
	  .doc = "The guest cannot be saved to disk; this version has no code that could." },
	{ "migration", FIELD_FIXED, .words = words_forbid, .later = later_allow,
	  .doc = "The guest cannot be moved; this version has no code that could." },
	{ "reattest_s", FIELD_LATER, .doc = "Attestation again while the guest runs." },
	{ "on_tcb_drift", FIELD_LATER, .doc = "What to do when the floor rises." },
	{ "tcb_grace_s", FIELD_LATER, .doc = "Time until that is done." },
	{ "on_evidence_failure", FIELD_LATER, .doc = "What to do when a later proof fails." },
};
static const struct schema schema_runtime = SCHEMA(fields_runtime);

static const struct field fields_audit[] = {
	{ "ledger", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = P(audit.ledger), .min = 1, .max = TEXT_MAX(policy, audit.ledger),
	  .doc = "The ledger's folder, from the policy's folder unless absolute." },
	{ "key", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = P(audit.key), .min = 1, .max = TEXT_MAX(policy, audit.key),
	  .doc = "PEM file with the Ed25519 key that signs checkpoints." },
	{ "origin", FIELD_TEXT, FORM_PATH, .flags = FIELD_REQUIRED, .at = P(audit.origin), .min = 1, .max = TEXT_MAX(policy, audit.origin),
	  .doc = "The log's name, first line of its checkpoints." },
	{ "retain_days", FIELD_NUMBER, .at = P(audit.retain_days), .has = HAS(audit.has_retain_days), .max = 36500,
	  .doc = "How long the ledger must be kept; casemate itself never deletes one." },
	{ "quorum", FIELD_FIXED, .words = words_none,
	  .doc = "Witnesses that sign checkpoints too; this version has none." },
	{ "redact", FIELD_EMPTY, .doc = "Values left out of entries." },
	{ "timestamp", FIELD_LATER, .doc = "RFC 3161 time stamps." },
};
static const struct schema schema_audit = SCHEMA(fields_audit);

static const struct field fields_waiver[] = {
	{ "rule", FIELD_TEXT, FORM_RULE, .flags = FIELD_REQUIRED, .at = IN_OF(policy_waiver, rule), .min = 1, .max = TEXT_MAX(policy_waiver, rule),
	  .doc = "The lint rule that does not apply." },
	{ "reason", FIELD_TEXT, FORM_SENTENCE, .flags = FIELD_REQUIRED, .at = IN_OF(policy_waiver, reason), .min = 1, .max = TEXT_MAX(policy_waiver, reason),
	  .doc = "Why." },
	{ "approver", FIELD_TEXT, FORM_SENTENCE, .flags = FIELD_REQUIRED, .at = IN_OF(policy_waiver, approver), .min = 1, .max = TEXT_MAX(policy_waiver, approver),
	  .doc = "Who decided." },
	{ "expires", FIELD_DAY, .flags = FIELD_REQUIRED, .at = IN_OF(policy_waiver, expires),
	  .doc = "Last day on which the waiver counts, UTC; at most 180 days ahead." },
};
static const struct schema schema_waiver = SCHEMA(fields_waiver);
static const struct field element_waiver = { "", FIELD_OBJECT, .child = &schema_waiver, .doc = "A waiver." };

static const struct field fields_top[] = {
	{ "schema", FIELD_FIXED, .flags = FIELD_REQUIRED, .words = words_schema,
	  .doc = "Name and version of this format." },
	{ "name", FIELD_TEXT, FORM_NAME, .flags = FIELD_REQUIRED, .at = P(name), .min = 3, .max = TEXT_MAX(policy, name),
	  .doc = "The guest's name: namespace/id." },
	{ "serial", FIELD_NUMBER, .flags = FIELD_REQUIRED, .at = P(serial), .min = 1, .max = 999999999999999999,
	  .doc = "Version of the policy; rises with every change." },
	{ "valid", FIELD_OBJECT, .has = HAS(has_valid), .child = &schema_valid,
	  .doc = "When the policy may be used; outside, run refuses it." },
	{ "change", FIELD_OBJECT, .child = &schema_change,
	  .doc = "Why this version exists." },
	{ "labels", FIELD_OBJECT, .child = &schema_labels,
	  .doc = "What kind of guest this is; lint looks at it." },
	{ "tee", FIELD_OBJECT, .flags = FIELD_REQUIRED, .child = &schema_tee,
	  .doc = "The protection and what it has to prove." },
	{ "boot", FIELD_OBJECT, .flags = FIELD_REQUIRED, .child = &schema_boot,
	  .doc = "What runs." },
	{ "machine", FIELD_OBJECT, .flags = FIELD_REQUIRED, .child = &schema_machine,
	  .doc = "The size of the machine." },
	{ "devices", FIELD_OBJECT, .flags = FIELD_REQUIRED, .child = &schema_devices,
	  .doc = "All devices the guest has." },
	{ "keys", FIELD_LIST, .at = P(keys), .count = P(n_keys), .stride = sizeof(struct policy_key),
	  .max = LIMIT_POLICY_KEYS, .element = &element_key,
	  .doc = "Secrets the guest may ask the broker for." },
	{ "host", FIELD_OBJECT, .child = &schema_host,
	  .doc = "How the guest's processes are confined." },
	{ "runtime", FIELD_OBJECT, .child = &schema_runtime,
	  .doc = "What may happen to the running guest." },
	{ "audit", FIELD_OBJECT, .has = HAS(has_audit), .child = &schema_audit,
	  .doc = "The record that is kept; a protected guest has one." },
	{ "waivers", FIELD_LIST, .at = P(waivers), .count = P(n_waivers), .stride = sizeof(struct policy_waiver),
	  .max = LIMIT_POLICY_WAIVERS, .element = &element_waiver,
	  .doc = "Lint rules that somebody decided not to follow for a while." },
};
/* clang-format on */

const struct schema policy_schema = SCHEMA(fields_top);

#define PATH_SHOWN 160u

static void rows_walk(const struct schema *schema, const char *prefix,
	void (*fn)(const char *path, const struct field *field, void *owner), void *owner)
{
	for (size_t i = 0; i < schema->n; i++) {
		const struct field *f = &schema->fields[i];
		char path[PATH_SHOWN];
		bool is_list = f->kind == FIELD_LIST;
		(void)snprintf(path, sizeof path, "%s%s%s%s", prefix, prefix[0] != 0 ? "." : "",
			f->key, is_list ? "[]" : "");
		fn(path, f, owner);
		const struct schema *child = is_list ? f->element->child : f->child;
		if (child != NULL)
			rows_walk(child, path, fn, owner);
	}
}

void schema_walk(void (*fn)(const char *path, const struct field *field, void *owner), void *owner)
{
	rows_walk(&policy_schema, "", fn, owner);
}
