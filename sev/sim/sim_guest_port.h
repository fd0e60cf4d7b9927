/*
 * sim_guest_port: how a simulated guest asks the simulated secure processor for its report, and makes
 *                 the exits that real guests make by other means.
 *
 * Trust:   the port's user is the guest; every byte is hostile.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

/*
 *   Real guests send an encrypted message through the GHCB; a stock kernel that runs unencrypted
 *   has no GHCB, so the simulator answers two I/O ports inside its KVM_RUN. The monitor never sees
 *   these exits. Bytes only (8-bit IN/OUT, single or string: rep outsb, rep insb).
 *
 *   1. Is a simulator there? IN from SIM_PORT_CONTROL: SIM_STATE_IDLE, _COLLECTING or _READY.
 *      Anything else (0xFF: a floating port) means no.
 *   2. OUT SIM_CMD_BEGIN to SIM_PORT_CONTROL. Forgets everything; the state is _COLLECTING.
 *   3. OUT the 96 bytes of struct snp_report_req (sev/abi_snp.h) to SIM_PORT_DATA.
 *   4. OUT SIM_CMD_EXECUTE to SIM_PORT_CONTROL. The state is _READY when it is back.
 *      (Anything but exactly 96 bytes gives firmware status 4, INVALID_LEN, in the answer.)
 *   5. IN from SIM_PORT_DATA, in this order, integers little-endian:
 *        u32 status    firmware status; 0 is success (0x16 INVALID_PARAM, 0x27 INVALID_KEY)
 *        u32 length    0x4A0 when status is 0, else 0
 *        length bytes  the attestation report (ABI 3.5)
 *        u32 length    of the certificate table, at most SIM_TABLE_BYTES_MAX; 0 if status is not 0
 *        length bytes  the certificate table: entries {GUID 16, offset u32, length u32}, a zero
 *                      entry, DER certificates (ABI 3.5)
 *      Reading past the end gives zeros. After SIM_CMD_BEGIN the next request may follow.
 *
 *   Other commands of SEV-ES (TERMINATE only) and SNP guests, with the bytes before each and the
 *   answer (u32 unless said otherwise); where there is an exit to the monitor, the answer is there
 *   when the vCPU runs again:
 *        SIM_CMD_EXTENDED   the 96 bytes, u64 address and u64 pages for certificates: the report with
 *                           KVM_EXIT_SNP_REQ_CERTS first if the monitor enabled that: status, u64
 *                           error of the monitor (ABI 3.5), u64 pages, length, report
 *        SIM_CMD_SECRETS    nothing: status, length, the secrets page (never in the guest's memory)
 *        SIM_CMD_MESSAGE    an encrypted guest message (ABI 3.5): status, length, the answer
 *        SIM_CMD_CONVERT    u64 address, u64 pages, u64 attributes: a page state change through
 *                           KVM_EXIT_HYPERCALL; 0, or 0x100
 *        SIM_CMD_TOUCH      u64 address, u8 1 private or 0 shared: an access that ends in
 *                           KVM_EXIT_MEMORY_FAULT as long as the page is the other way; 0
 *        SIM_CMD_TERMINATE  u8 set, u8 code: KVM_EXIT_SYSTEM_EVENT SEV_TERM; no answer
 *        SIM_CMD_CREATE_AP  u32 APIC id, u32 request, u64 SEV_FEATURES, u64 VMSA address: AP
 *                           creation (ABI 3.3); 0, or 1. The processors of the guest underneath
 *                           start by SIPI; this only judges.
 *   Malformed bytes give status 4 or 0x16 and nothing else.
 *
 *   A simulated TD uses other commands instead of SIM_CMD_EXECUTE, each written by a single OUT,
 *   with these bytes before it (integers u64 unless said otherwise):
 *        SIM_CMD_TD_QUERY   nothing. Ready: this is a TD; still collecting: it is none
 *        SIM_CMD_TD_REPORT  64 bytes of report data: TDG.MR.REPORT gives a TDREPORT, 1024 bytes
 *        SIM_CMD_TD_EXTEND  u32 index, 48 bytes: TDG.MR.RTMR.EXTEND
 *        SIM_CMD_TD_ACCEPT  address, length: TDG.MEM.PAGE.ACCEPT of private pages
 *        SIM_CMD_TD_TOUCH   address, 1 private or 0 shared: what an access to it would give (the
 *                           guest's own accesses are a plain guest's): a memory fault of the
 *                           monitor's, the end of the TD, #VE (status 1), or nothing (0)
 *        SIM_CMD_TD_QUOTE   address, size of a shared buffer: GetQuote
 *        SIM_CMD_TD_NOTIFY  vector: SetupEventNotifyInterrupt
 *        SIM_CMD_TD_INFO    leaf: GetTdVmCallInfo gives r11 to r14
 *        SIM_CMD_TD_FATAL   R12, R13, R14, R15, RBX, RDI, RSI, R8, R9, RDX: ReportFatalError
 *        SIM_CMD_TD_MAP     address, length, 1 private or 0 shared: MapGPA; gives, when refused or
 *                           to be tried again, the address that is next
 *   Addresses are without the shared bit. Their answer: u64 status (the module's, or that of the
 *   TDVMCALL: ABI 4.10), u32 length, bytes. The TDVMCALLs (TD_QUOTE and below) go to the monitor
 *   as KVM's exits; the answer is there when the vCPU runs again.
 *
 *   Guest requests of all vCPUs share one conversation: the guest serialises them.
 */

#define SIM_PORT_DATA    0x5E0u
#define SIM_PORT_CONTROL 0x5E1u

/* written to SIM_PORT_CONTROL; other values are ignored */
#define SIM_CMD_BEGIN   0x01u
#define SIM_CMD_EXECUTE 0x02u

/* the same, of AMD guests: to 0x1f */
#define SIM_CMD_EXTENDED  0x03u
#define SIM_CMD_SECRETS   0x04u
#define SIM_CMD_MESSAGE   0x05u
#define SIM_CMD_CONVERT   0x06u
#define SIM_CMD_TOUCH     0x07u
#define SIM_CMD_TERMINATE 0x08u
#define SIM_CMD_CREATE_AP 0x09u

/* the same, of TDs only: 0x40 to 0x5f */
#define SIM_CMD_TD_QUERY  0x40u
#define SIM_CMD_TD_REPORT 0x41u
#define SIM_CMD_TD_EXTEND 0x42u
#define SIM_CMD_TD_ACCEPT 0x43u
#define SIM_CMD_TD_TOUCH  0x44u
#define SIM_CMD_TD_QUOTE  0x48u
#define SIM_CMD_TD_NOTIFY 0x49u
#define SIM_CMD_TD_INFO   0x4Au
#define SIM_CMD_TD_FATAL  0x4Bu
#define SIM_CMD_TD_MAP    0x4Cu

/* read from SIM_PORT_CONTROL */
#define SIM_STATE_IDLE       0x53u
#define SIM_STATE_COLLECTING 0x54u
#define SIM_STATE_READY      0x55u

#define SIM_MESSAGE_MAX      4096u /* a guest message is one page at most */
#define SIM_REQUEST_BYTES    96u   /* struct snp_report_req */
#define SIM_REPORT_BYTES     0x4A0u
#define SIM_TABLE_BYTES_MAX  16384u /* ABI 3.5: 16 KiB in practice */
