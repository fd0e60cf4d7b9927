/*
 * abi_snp: what the AMD secure processor reads and writes: launch pages, VMSA, digest input, ID
 *          block, CPUID page, report, certificate table. All little-endian. ("ABI n.m" in
 *          comments: docs/specs.md, "KVM confidential-VM ABI"; "ATT n.m": "Attestation facts".)
 *
 * Trust:   structs and numbers only; the bytes they overlay may be hostile.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"
#include "base/le.h"

#define SNP_PAGE_BYTES   4096u
#define SNP_DIGEST_BYTES 48u /* SHA-384 */

/* Page types of LAUNCH_UPDATE and of the digest. ABI 2.8. */
#define SNP_PAGE_NORMAL     1u
#define SNP_PAGE_VMSA       2u
#define SNP_PAGE_ZERO       3u
#define SNP_PAGE_UNMEASURED 4u
#define SNP_PAGE_SECRETS    5u
#define SNP_PAGE_CPUID      6u

/* The address under which KVM measures every VMSA. ABI 2.9. */
#define SNP_VMSA_GPA 0xFFFFFFFFF000ull

/* Guest policy bits. ABI 2.7, ATT 1.2. */
#define SNP_POLICY_ABI_MINOR  0xFFull
#define SNP_POLICY_ABI_MAJOR  0xFF00ull
#define SNP_POLICY_SMT        (1ull << 16)
#define SNP_POLICY_ONE        (1ull << 17) /* must be set */
#define SNP_POLICY_MIGRATE_MA (1ull << 18)
#define SNP_POLICY_DEBUG      (1ull << 19)
#define SNP_POLICY_SOCKET     (1ull << 20)

/* SEV_FEATURES. ABI 2.4. */
#define SNP_FEATURE_ACTIVE     (1ull << 0)
#define SNP_FEATURE_DEBUG_SWAP (1ull << 5)
#define SNP_FEATURE_SECURE_TSC (1ull << 9)

/* Input of one step of the launch digest. ABI 2.10. */
struct snp_page_info {
	uint8_t digest_cur[SNP_DIGEST_BYTES];
	uint8_t contents[SNP_DIGEST_BYTES];
	le16 length;
	uint8_t page_type;
	uint8_t imi;
	uint8_t reserved;
	uint8_t vmpl_perms[3];
	le64 gpa;
};
WIRE_SIZE(struct snp_page_info, 0x70);
WIRE_AT(struct snp_page_info, length, 0x60);
WIRE_AT(struct snp_page_info, gpa, 0x68);

/* A number of 48 bytes in 72, little-endian. ABI 2.11. */
#define SNP_NUM_BYTES 72u

/* ECDSA P-384 signature, in reports and ID authentication. ABI 2.11. */
struct snp_signature {
	uint8_t r[SNP_NUM_BYTES];
	uint8_t s[SNP_NUM_BYTES];
	uint8_t zero[512 - 2 * SNP_NUM_BYTES];
};
WIRE_SIZE(struct snp_signature, 512);

#define SNP_CURVE_P384 2u
struct snp_public_key {
	le32 curve;
	uint8_t qx[SNP_NUM_BYTES];
	uint8_t qy[SNP_NUM_BYTES];
	uint8_t zero[0x404 - 4 - 2 * SNP_NUM_BYTES];
};
WIRE_SIZE(struct snp_public_key, 0x404);

struct snp_id_block {
	uint8_t ld[SNP_DIGEST_BYTES];
	uint8_t family_id[16];
	uint8_t image_id[16];
	le32 version;
	le32 guest_svn;
	le64 policy;
};
WIRE_SIZE(struct snp_id_block, 96);
WIRE_AT(struct snp_id_block, version, 0x50);
WIRE_AT(struct snp_id_block, policy, 0x58);

#define SNP_ALGO_ECDSA_P384_SHA384 1u
struct snp_id_auth {
	le32 id_key_algo;
	le32 author_key_algo;
	uint8_t zero_a[0x40 - 8];
	struct snp_signature id_block_sig;
	struct snp_public_key id_pubkey;
	uint8_t zero_b[0x680 - 0x644];
	struct snp_signature id_key_sig;
	struct snp_public_key author_pubkey;
	uint8_t zero_c[0x1000 - 0xC84];
};
WIRE_SIZE(struct snp_id_auth, 4096);
WIRE_AT(struct snp_id_auth, id_block_sig, 0x40);
WIRE_AT(struct snp_id_auth, id_pubkey, 0x240);
WIRE_AT(struct snp_id_auth, id_key_sig, 0x680);
WIRE_AT(struct snp_id_auth, author_pubkey, 0x880);

/* CPUID page. ABI 2.8. */
#define SNP_CPUID_ENTRIES_MAX 64u
struct snp_cpuid_entry {
	le32 eax_in;
	le32 ecx_in;
	le64 xcr0_in;
	le64 xss_in;
	le32 eax;
	le32 ebx;
	le32 ecx;
	le32 edx;
	le64 reserved;
};
WIRE_SIZE(struct snp_cpuid_entry, 48);
WIRE_AT(struct snp_cpuid_entry, eax, 24);

struct snp_cpuid_page {
	le32 count;
	le32 reserved_a;
	le64 reserved_b;
	struct snp_cpuid_entry entry[SNP_CPUID_ENTRIES_MAX];
	uint8_t zero[SNP_PAGE_BYTES - 16 - 48 * SNP_CPUID_ENTRIES_MAX];
};
WIRE_SIZE(struct snp_cpuid_page, 4096);
WIRE_AT(struct snp_cpuid_page, entry, 16);

/* Secrets page, the part the firmware writes. ABI 2.8. */
#define SNP_SECRETS_VERSION 3u
struct snp_secrets_page {
	le32 version;
	le32 flags;
	le32 fms;
	le32 reserved;
	uint8_t gosvw[16];
	uint8_t vmpck[4][32];
	uint8_t guest_os_area[96];
	uint8_t vmsa_tweak_bitmap[64];
	uint8_t svsm_area[32];
	le32 tsc_factor;
	uint8_t zero[SNP_PAGE_BYTES - 0x164];
};
WIRE_SIZE(struct snp_secrets_page, 4096);
WIRE_AT(struct snp_secrets_page, guest_os_area, 0xA0);
WIRE_AT(struct snp_secrets_page, tsc_factor, 0x160);

/* A segment register in the VMSA; attrib: type, S<<4, DPL<<5, P<<7, AVL<<8, L<<9, DB<<10, G<<11. */
struct snp_segment {
	le16 selector;
	le16 attrib;
	le32 limit;
	le64 base;
};
WIRE_SIZE(struct snp_segment, 16);

/* VMSA. ABI 2.9. */
struct snp_vmsa {
	struct snp_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	le64 pl_ssp[4];
	le64 u_cet;
	uint8_t reserved_a[2];
	uint8_t vmpl;
	uint8_t cpl;
	uint8_t reserved_b[4];
	le64 efer;
	uint8_t reserved_c[0x140 - 0xD8];
	le64 xss;
	le64 cr4;
	le64 cr3;
	le64 cr0;
	le64 dr7;
	le64 dr6;
	le64 rflags;
	le64 rip;
	le64 dr[4];
	le64 dr_mask[4];
	uint8_t reserved_d[0x1D8 - 0x1C0];
	le64 rsp;
	le64 s_cet;
	le64 ssp;
	le64 isst;
	le64 rax;
	le64 star;
	le64 lstar;
	le64 cstar;
	le64 sfmask;
	le64 kernel_gs;
	le64 sysenter_cs;
	le64 sysenter_esp;
	le64 sysenter_eip;
	le64 cr2;
	uint8_t reserved_e[0x268 - 0x248];
	le64 g_pat;
	le64 dbgctl;
	le64 br_from;
	le64 br_to;
	uint8_t reserved_f[0x2E8 - 0x288];
	le32 pkru;
	le32 tsc_aux;
	le64 tsc_scale;
	le64 tsc_offset;
	uint8_t reserved_g[8];
	le64 rcx;
	le64 rdx;
	le64 rbx;
	uint8_t reserved_h[8];
	le64 rbp;
	le64 rsi;
	le64 rdi;
	le64 r8_15[8];
	uint8_t reserved_i[0x390 - 0x380];
	le64 guest_exit_info[2];
	le64 guest_exit_int_info;
	le64 guest_nrip;
	le64 sev_features;
	le64 vintr_ctrl;
	le64 guest_exit_code;
	le64 virtual_tom;
	le64 tlb_id;
	le64 pcpu_id;
	le64 event_inj;
	le64 xcr0;
	uint8_t reserved_j[0x400 - 0x3F0];
	le64 x87_dp;
	le32 mxcsr;
	le16 x87_ftw;
	le16 x87_fsw;
	le16 x87_fcw;
	le16 x87_fop;
	le16 x87_ds;
	le16 x87_cs;
	le64 x87_rip;
	uint8_t x87[80];
	uint8_t xmm[256];
	uint8_t ymm_high[256];
	uint8_t zero[SNP_PAGE_BYTES - 0x670];
};
WIRE_SIZE(struct snp_vmsa, 4096);
WIRE_AT(struct snp_vmsa, tr, 0x90);
WIRE_AT(struct snp_vmsa, vmpl, 0xCA);
WIRE_AT(struct snp_vmsa, efer, 0xD0);
WIRE_AT(struct snp_vmsa, xss, 0x140);
WIRE_AT(struct snp_vmsa, rip, 0x178);
WIRE_AT(struct snp_vmsa, rsp, 0x1D8);
WIRE_AT(struct snp_vmsa, rax, 0x1F8);
WIRE_AT(struct snp_vmsa, cr2, 0x240);
WIRE_AT(struct snp_vmsa, g_pat, 0x268);
WIRE_AT(struct snp_vmsa, pkru, 0x2E8);
WIRE_AT(struct snp_vmsa, tsc_scale, 0x2F0);
WIRE_AT(struct snp_vmsa, rcx, 0x308);
WIRE_AT(struct snp_vmsa, rbp, 0x328);
WIRE_AT(struct snp_vmsa, guest_exit_info, 0x390);
WIRE_AT(struct snp_vmsa, sev_features, 0x3B0);
WIRE_AT(struct snp_vmsa, xcr0, 0x3E8);
WIRE_AT(struct snp_vmsa, mxcsr, 0x408);
WIRE_AT(struct snp_vmsa, x87, 0x420);
WIRE_AT(struct snp_vmsa, xmm, 0x470);
WIRE_AT(struct snp_vmsa, zero, 0x670);

/* MSG_REPORT_REQ. ATT 1.6, ABI 3.5. */
struct snp_report_req {
	uint8_t report_data[64];
	le32 vmpl;
	le32 key_sel; /* bits 1:0: 0 VLEK if present else VCEK, 1 VCEK, 2 VLEK */
	uint8_t zero[24];
};
WIRE_SIZE(struct snp_report_req, 96);
WIRE_AT(struct snp_report_req, vmpl, 64);

/* ATTESTATION_REPORT. ATT 1.1. */
struct snp_report {
	le32 version;
	le32 guest_svn;
	le64 policy;
	uint8_t family_id[16];
	uint8_t image_id[16];
	le32 vmpl;
	le32 signature_algo;
	uint8_t current_tcb[8];
	le64 platform_info;
	le32 key_info; /* bit 0 author key, bit 1 masked chip key, bits 4:2 signing key */
	le32 reserved_a;
	uint8_t report_data[64];
	uint8_t measurement[SNP_DIGEST_BYTES];
	uint8_t host_data[32];
	uint8_t id_key_digest[SNP_DIGEST_BYTES];
	uint8_t author_key_digest[SNP_DIGEST_BYTES];
	uint8_t report_id[32];
	uint8_t report_id_ma[32];
	uint8_t reported_tcb[8];
	uint8_t cpuid_fam_id; /* version >= 3, as the next two */
	uint8_t cpuid_mod_id;
	uint8_t cpuid_step;
	uint8_t reserved_b[0x1A0 - 0x18B];
	uint8_t chip_id[64];
	uint8_t committed_tcb[8];
	uint8_t current_build;
	uint8_t current_minor;
	uint8_t current_major;
	uint8_t reserved_c;
	uint8_t committed_build;
	uint8_t committed_minor;
	uint8_t committed_major;
	uint8_t reserved_d;
	uint8_t launch_tcb[8];
	le64 launch_mit_vector;  /* version 5 */
	le64 current_mit_vector; /* version 5 */
	uint8_t reserved_e[0x2A0 - 0x208];
	struct snp_signature signature; /* over everything before it */
};
WIRE_SIZE(struct snp_report, 0x4A0);
WIRE_AT(struct snp_report, vmpl, 0x30);
WIRE_AT(struct snp_report, key_info, 0x48);
WIRE_AT(struct snp_report, report_data, 0x50);
WIRE_AT(struct snp_report, measurement, 0x90);
WIRE_AT(struct snp_report, host_data, 0xC0);
WIRE_AT(struct snp_report, report_id, 0x140);
WIRE_AT(struct snp_report, reported_tcb, 0x180);
WIRE_AT(struct snp_report, chip_id, 0x1A0);
WIRE_AT(struct snp_report, launch_tcb, 0x1F0);
WIRE_AT(struct snp_report, signature, 0x2A0);

/* Certificate table: entries, a zero entry, blobs. GUID bytes as printed. ABI 3.5, ATT 1.7. */
struct snp_cert_entry {
	uint8_t guid[16];
	le32 offset; /* from the start of the table */
	le32 length;
};
WIRE_SIZE(struct snp_cert_entry, 24);

#define SNP_GUID_VCEK                                                                              \
	{                                                                                          \
		0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b,      \
			0xe8, 0xac, 0xcd                                                           \
	}
#define SNP_GUID_VLEK                                                                              \
	{                                                                                          \
		0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45,      \
			0xa0, 0xb8, 0xa1                                                           \
	}
#define SNP_GUID_ASK                                                                               \
	{                                                                                          \
		0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3,      \
			0x27, 0xc7, 0x82                                                           \
	}
#define SNP_GUID_ARK                                                                               \
	{                                                                                          \
		0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01,      \
			0x4c, 0xd0, 0xae                                                           \
	}
