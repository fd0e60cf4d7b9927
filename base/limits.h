/*
 * limits: every number that a guest, a peer or a file could otherwise choose, and why it is that
 *         number (style rule 32).
 *
 * Trust:   this is where trust ends.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

/* --- channels ------------------------------------------------------------------------------ */

/* Longest message on a channel: the plan, with 8 disks and 8 vsock ports by path, fits twice. */
#define LIMIT_CHAN_MSG_BYTES 65536u
/* Most descriptors with one message: CONFIG of a monitor with 12 devices; SCM_MAX_FD is 253. */
#define LIMIT_CHAN_FDS 32u

/* --- the machine --------------------------------------------------------------------------- */

/* vCPUs: what the first machine supports; the ACPI tables and APIC ids are sized by it. */
#define LIMIT_VCPUS 8u
/* Guest memory in MiB: the smallest that boots a Debian kernel, the largest that was tried. */
#define LIMIT_MEMORY_MIB_MIN 128u
#define LIMIT_MEMORY_MIB_MAX 65536u
/* Disks of a guest: letters a-h in the console, one process each. */
#define LIMIT_DISKS 8u
/* Device processes of a guest: 8 disks, console, rng, vsock. */
#define LIMIT_DEVICES 11u
/* Host ports a guest may reach over vsock: each is a line in the policy a person reviews. */
#define LIMIT_VSOCK_PORTS 8u
/* Kernel command line with its zero: COMMAND_LINE_SIZE of x86 Linux is 2048. */
#define LIMIT_CMDLINE_BYTES 2048u
/* Kernel image: Debian's is 8 MiB; 64 MiB leaves room for built-in modules. */
#define LIMIT_KERNEL_BYTES (64u << 20)
/* Initial ramdisk: a full Debian one is 60 MiB; it is measured page by page at every launch. */
#define LIMIT_INITRD_BYTES (512u << 20)

/* One copy out of the firmware's configuration store: OVMF asks for 1 MiB at a time; the loop thread
 * serves nobody else meanwhile. */
#define LIMIT_FWCFG_COPY_BYTES (16u << 20)
/* Lines of the firmware's debug port, at once and every second: half of what the supervisor prints of
 * the monitor's (SUP_LOG_BURST), so that a guest cannot silence the monitor's own. */
#define LIMIT_DEBUG_LINES       50u
#define LIMIT_DEBUG_LINES_PER_S 5u

/* Secret of a SEV launch: OVMF's area for it is 3 KiB (0x810000, 0xC00). */
#define LIMIT_SEV_SECRET_BYTES 3072u
/* How long a SEV launch may wait for its owner: a person may have to be asked; memory stays pinned. */
#define LIMIT_OWNER_WAIT_S 3600u
/* What a process that waits for it gets beyond that: one more request's time-out. */
#define LIMIT_OWNER_GRACE_S 30u
/* One request to the owner's broker, its ledger included; and the longest pause before the next. */
#define LIMIT_OWNER_REQUEST_MS 20000u
#define LIMIT_OWNER_PAUSE_S    60u
/* Its answer: the secret in base 64 and 100 bytes more, or a sentence. */
#define LIMIT_OWNER_ANSWER_BYTES 8192u
/* Its addresses: a name with more has a few to spare. */
#define LIMIT_OWNER_ADDRESSES 8u

/* --- names and paths ------------------------------------------------------------------------ */

/* A guest's name: namespace/id, shown in process titles, labels and ledger entries. */
#define LIMIT_NAME_BYTES 96u
/* A path in a policy: deep enough for any store layout, short enough for a fixed message. */
#define LIMIT_PATH_BYTES 512u
/* Device ids in a policy: they become labels and log prefixes. */
#define LIMIT_ID_BYTES 32u
/* An SELinux context: user, role and type of refpolicy have at most 40 characters each, a range 22. */
#define LIMIT_LABEL_BYTES 192u
/* Objects one guest has relabelled: 8 disks, boot files, firmware, TPM state, with room. */
#define LIMIT_SVIRT_OBJECTS 32u
/* Waiting for others who label or restore: each takes milliseconds; a disk that hangs is no reason to. */
#define LIMIT_SVIRT_LOCK_MS 10000u

/* --- programs ------------------------------------------------------------------------------- */

/* One log line, whole (rule 49). */
#define LIMIT_LOG_LINE_BYTES 400u
/* Options of one verb: a --help that fits a screen. */
#define LIMIT_OPTIONS 40u
/* Waiting for what cgroup.kill killed: a process that frees 64 GiB of memory needs some seconds. */
#define LIMIT_CGROUP_KILL_MS 10000
/* Waiting for another launch that makes its folder: it may have to kill what a dead one left, twice over. */
#define LIMIT_CGROUP_LOCK_MS 30000u
/* A program of another make (sandbox/foreign.h): words of its command line and paths it may read beside
 * its libraries, and the message that says them. */
#define LIMIT_FOREIGN_ARGS         64u
#define LIMIT_FOREIGN_FILES        32u
#define LIMIT_FOREIGN_CONFIG_BYTES 16384u
/* Its libraries and theirs: qemu-storage-daemon has 20, qemu-system-x86_64 170. */
#define LIMIT_FOREIGN_PATHS 256u
/* Libraries that one file names, and the length of a name: QEMU names 60, of 30 letters. */
#define LIMIT_ELF_NEEDED     128u
#define LIMIT_ELF_NAME_BYTES 128u
/* From its start to its first instruction: paging its libraries in from a slow disk. */
#define LIMIT_FOREIGN_MS 10000
/* Its threads: qemu-storage-daemon's pool for a disk has up to 64. */
#define LIMIT_FOREIGN_THREADS 128u
/* Permanent state of a TPM: libtpms has 128 KiB of NV memory and needs less than twice that to write it. */
#define LIMIT_VTPM_STATE_BYTES (256u << 10)
/* Key material in one secret: an RSA-4096 key in DER is 2.4 KiB. */
#define LIMIT_SECRET_BYTES 16384u

/* --- the launch policy (policy/) ------------------------------------------------------------- */

/* A policy file: the largest of the examples is 6 KiB; compliance-policy 3.2 sets 256 KiB. */
#define LIMIT_POLICY_BYTES (256u << 10)
/* Objects and lists inside one another: the schema needs 6; compliance-policy 3.2 sets 16. */
#define LIMIT_POLICY_DEPTH 16u
/* Values in one file: every list of the schema full is about 2000. */
#define LIMIT_POLICY_VALUES 8192u
/* Members of one object: the schema's largest has 16; the rest are x- keys. */
#define LIMIT_POLICY_MEMBERS 256u
/* Hosts one policy lets a guest run on: a few racks. */
#define LIMIT_POLICY_CHIPS 256u
/* Launch digests one policy accepts: the current one and what is being rolled out. */
#define LIMIT_POLICY_DIGESTS 16u
/* Keys one guest may be given: two a disk. */
#define LIMIT_POLICY_KEYS 16u
/* Waivers: more exceptions than rules would be no policy. */
#define LIMIT_POLICY_WAIVERS 32u
/* Names of frameworks in the labels. */
#define LIMIT_POLICY_FRAMEWORKS 16u
/* Advisories of Intel's a policy refuses by name; an id, as they are spelled, with its zero. */
#define LIMIT_POLICY_ADVISORIES     32u
#define LIMIT_POLICY_ADVISORY_BYTES 20u
/* A label; a sentence (summary, reason) in a policy. */
#define LIMIT_POLICY_LABEL_BYTES 64u
#define LIMIT_POLICY_TEXT_BYTES  256u

/* --- virtio and vhost-user ------------------------------------------------------------------- */

/* Regions of guest memory: what SET_MEM_TABLE can carry; ours has two, below and above the hole. */
#define LIMIT_MEM_REGIONS 8u
/* Entries of a virtqueue: what Linux and QEMU use; the latency of one full ring is bounded by it. */
#define LIMIT_VRING_SIZE 256u
/* Buffers of one request: a whole ring; blk says 128 in seg_max, two less for header and status. */
#define LIMIT_CHAIN_SEGS 256u
/* Queues of one device: console and vsock have the most that we serve, three. */
#define LIMIT_VRINGS 4u
/* A back end's answer: it does no input or output before it answers; longer means it is gone. */
#define LIMIT_VU_REPLY_MS 5000
/* Requests a queue is served in one turn, and bytes they move: moved in well under that time. */
#define LIMIT_VU_TURN       32u
#define LIMIT_VU_TURN_BYTES (32u << 20)
/* Sectors of one discard or write-zeroes piece, and pieces of a discard: 16 MiB can be written as
 * zeros where the file system cannot do better, so a write-zeroes request has one piece. */
#define LIMIT_BLK_ZERO_SECTORS 32768u
#define LIMIT_BLK_PIECES       16u
/* One read or write: 126 segments of half a megabyte; Linux asks for ten of them at most. */
#define LIMIT_BLK_SEG_BYTES     (512u << 10)
#define LIMIT_BLK_REQUEST_BYTES (64u << 20)
/* A flush counts for that many bytes of a turn: a slow disk does ten a second. */
#define LIMIT_BLK_FLUSH_BYTES (4u << 20)
/* Random bytes a request: the kernel's generator gives 256 without waiting; Linux asks for 64. */
#define LIMIT_RNG_BYTES 256u
/* Console bytes in one write: PIPE_BUF, what a pipe or terminal that is ready takes in one go. */
#define LIMIT_CONSOLE_BYTES 4096u
/* Streams of one guest at a time: the agent needs one, workloads a few; each may hold 64 KiB. */
#define LIMIT_VSOCK_STREAMS 64u
/* Bytes a guest may send ahead of the host's reader, per stream; must be a power of two. */
#define LIMIT_VSOCK_BYTES 65536u
/* Refusals waiting for a buffer of the guest; when they are full its requests wait. */
#define LIMIT_VSOCK_RESETS 64u

/* --- attestation ------------------------------------------------------------------------------ */

/* One blob of certificates: a certificate table has at most 16 KiB in practice, a bundle of all AMD
 * intermediates in PEM 25 KiB, a CRL less. */
#define LIMIT_CERT_BLOB_BYTES 262144u
/* Certificates of one verification: the nine of AMD, a leaf of each kind, and as many again. */
#define LIMIT_CERTS 32u
/* CRLs of one verification: VCEK and VLEK path of four products. */
#define LIMIT_CRLS 8u
/* TCB infos and QE identities of one verification: one of each counts, caches give some of each. */
#define LIMIT_TDX_DOCS 8u
/* Advisories of one platform's TCB: the oldest levels of 2026 name a dozen. */
#define LIMIT_TDX_ADVISORIES 64u
/* Entries of a certificate table: six GUIDs are defined. */
#define LIMIT_CERT_TABLE_ENTRIES 16u
/* Certificates of one SEV verification: the platform's four, AMD's two, for a few products. */
#define LIMIT_SEV_CERTS 24u
/* A firmware image whose launch digest is predicted: OVMF builds are 2 to 4 MiB. */
#define LIMIT_FIRMWARE_BYTES (16u << 20)
/* Sections of its SEV or TDX metadata (OVMF has 6 to 8), and the memory they name, in pages: the work
 * areas are 10 MiB; every page is a hash. */
#define LIMIT_FIRMWARE_SECTIONS 32u
#define LIMIT_FIRMWARE_PAGES    65536u
/* One piece given to libattest: an IMA list of months is the longest. */
#define LIMIT_ATTEST_BYTES (16u << 20)
/* vCPUs of a prediction: what KVM takes; each is a page hashed. */
#define LIMIT_DIGEST_VCPUS 4096u
/* Parameter areas of an IGVM file: real ones have a handful. */
#define LIMIT_IGVM_AREAS 64u
/* Sections of a PE image: a kernel has four, a unified image a dozen. */
#define LIMIT_PE_SECTIONS 96u
/* Evidence of any kind: a TDX quote buffer is 16 KiB, a TPM event log 1 MiB. */
#define LIMIT_EVIDENCE_BYTES (1u << 20)
/* Files of an endorsement cache and members of a bundle: four a product, a VCEK a machine and TCB. */
#define LIMIT_ENDORSE_FILES 16384u
/* A bundle: that many VCEKs of 1.4 KiB in blocks of 512, their headers, their digests. */
#define LIMIT_ENDORSE_BUNDLE_BYTES (64u << 20)
/* An answer of AMD's or Intel's service, and the issuer chain in its header: TCB info is 20 KiB, two
 * certificates URL-encoded 4 KiB. */
#define LIMIT_ENDORSE_BODY_BYTES   262144u
#define LIMIT_ENDORSE_HEADER_BYTES 32768u
/* Nesting of JSON and CBOR from outside: a reference value in a CoRIM is 11 deep, a token's key 7. */
#define LIMIT_JSON_DEPTH 16u
#define LIMIT_CBOR_DEPTH 16u
/* Members of one CBOR map, compared pairwise for names that come twice: tokens have ten. */
#define LIMIT_CBOR_PAIRS 256u
/* Reference values of one CoRIM: AMD's profile has 20 for a guest, a vendor's file a few dozen guests. */
#define LIMIT_CORIM_VALUES 512u
/* Files of reference values, and launch digests from them. */
#define LIMIT_CORIM_FILES   8u
#define LIMIT_CORIM_DIGESTS 64u
/* Records of one conceptual message wrapper: a report, an event log, a device each. */
#define LIMIT_CMW_RECORDS 16u
/* Keys that check tokens: a cloud's attestation service publishes a dozen. */
#define LIMIT_TOKEN_KEYS 32u
/* One token: a CoCo token with an event log's claims is 30 KiB. */
#define LIMIT_TOKEN_BYTES 262144u
/* A public key inside a token: RSA-8192's has 1062 bytes. */
#define LIMIT_TOKEN_AKPUB_BYTES 2048u
/* Digest algorithms of one event log: SHA-1, the three SHA-2, SM3, and some to come. */
#define LIMIT_EVENTLOG_BANKS 8u
/* Register banks of one quote: TPM_ALG_SHA1 and what came after it. */
#define LIMIT_TPM_BANKS 6u
/* Quotes in one piece of evidence: one a bank. */
#define LIMIT_TPM_QUOTES 6u
/* Services of an SVSM manifest: two are defined. */
#define LIMIT_SVSM_SERVICES 16u
/* Boots whose logs come in one blob: Windows keeps about ten files. */
#define LIMIT_EVENTLOG_BOOTS 16u
/* Data of the first event of a log without a header: firmware versions are some dozen bytes. */
#define LIMIT_EVENTLOG_OLD_DATA_BYTES 4096u

/* --- encrypted guests ------------------------------------------------------------------------- */

/* Memory slots of a guest: RAM below and above the hole, and as many for firmware to come. */
#define LIMIT_SEV_SLOTS 4u
/* A TD's quotes on their way: what QEMU allows; each is one message of 1 KiB to casemate-quote. */
#define LIMIT_QUOTE_PENDING 16u
/* A quote: version 4 with its certificates is 5 KiB, Linux gives a guest 16 KiB for one. */
#define LIMIT_QUOTE_BYTES 16384u
/* How long the quoting service may take: what QEMU allows; a first quote fetches certificates. */
#define LIMIT_QUOTE_MS 30000
/* The guest's buffer for a quote: what QEMU allows. */
#define LIMIT_QUOTE_BUFFER_BYTES 131072u
/* A certificate table for guest requests: the guest's buffer in Linux is 16 KiB, firmware's less. */
#define LIMIT_SNP_CERTS_BYTES 65536u
/* The simulator's platform file: three certificates and a key are 6 KiB, the rest is a script. */
#define LIMIT_SIM_PLATFORM_BYTES 65536u
/* Faults in one script: a scenario is about one or two; a sweep makes a file per step. */
#define LIMIT_SIM_FAULTS 32u
/* VMs of one simulator: a monitor has one; tests that mix two up want two, with room. */
#define LIMIT_SIM_VMS 8u
/* guest_memfds of one simulated VM: QEMU makes one for each block of RAM and firmware. */
#define LIMIT_SIM_GMEMS 32u
/* A blob handed to the simulated firmware: KVM takes no longer one (ABI 2.3). */
#define LIMIT_SIM_BLOB_BYTES 16384u
/* Memory slots of one simulated VM: QEMU asks for more than it has blocks, ROM aliases among them. */
#define LIMIT_SIM_SLOTS 64u

/* --- key broker ------------------------------------------------------------------------------- */

/* Body of a request or an answer: a report as arrays of numbers is 6 KiB, three certificates 20 KiB,
 * a full certificate table 64 KiB. */
#define LIMIT_KBS_BODY_BYTES 131072u
/* Nesting of its JSON: the deepest of ours is 6. */
#define LIMIT_KBS_JSON_DEPTH 16u
/* One member of a public key: an RSA-4096 modulus in base64url is 683. */
#define LIMIT_KBS_KEY_TEXT_BYTES 700u
/* Certificates with one piece of evidence, and their bytes: what a certificate table holds. */
#define LIMIT_KBS_CERTS      8u
#define LIMIT_KBS_CERT_BYTES 16384u
/* Request headers: ours are 300 bytes; a token as bearer is 4 to 10 KiB. */
#define LIMIT_KBS_HEADER_BYTES 32768u
/* Sessions at a time: each is 3 KiB; a guest needs one for a second. */
#define LIMIT_KBS_SESSIONS 256u
/* A session's age: what the protocol's servers use, five minutes. */
#define LIMIT_KBS_SESSION_MS 300000u
/* Connections of guests at a time, and of administrators: each holds a TLS state of 40 KiB. */
#define LIMIT_KBS_CONNECTIONS 64u
/* A connection's whole life, and its longest silence: three requests take less than a second. */
#define LIMIT_KBS_CONNECTION_MS 30000u
#define LIMIT_KBS_SILENCE_MS    10000u
/* Waiting for the ledger: a disk that needs longer for one entry is as good as gone. */
#define LIMIT_KBS_LEDGER_MS 5000u
/* Refusals written to the ledger in a minute: evidence costs a stranger nothing, disk space does. */
#define LIMIT_KBS_REFUSALS_MINUTE 60u
/* Configuration file, and trust roots, certificates or CRLs named in it. */
#define LIMIT_BROKER_CONFIG_BYTES 65536u
#define LIMIT_BROKER_BLOBS        8u
/* Launch digests the store allows for one policy: a kernel and its predecessor, some vCPU counts. */
#define LIMIT_BROKER_DIGESTS 32u
/* Entries listed of one folder of the store. */
#define LIMIT_BROKER_LIST 4096u
/* Pieces of evidence that one run of a broker keeps for auditors: 40 MiB; then it warns and stops. */
#define LIMIT_BROKER_EVIDENCE 4096u
/* Waiting for another process's change of the store: each is one small transaction. */
#define LIMIT_BROKER_DB_MS 2000
/* PKCS#11 slots looked at: a hardware module has a few dozen partitions at most. */
#define LIMIT_BROKER_SLOTS 64u
/* Tenants of one broker, and certificates that may administer one: a department's list. */
#define LIMIT_BROKER_TENANTS 64u
#define LIMIT_BROKER_ADMINS  16u
/* Requests a minute: one guest's boot needs three; a rack behind one address, a hundred boots; all. */
#define LIMIT_BROKER_RATE_SESSION 60u
#define LIMIT_BROKER_RATE_PEER    600u
#define LIMIT_BROKER_RATE_ALL     30000u
/* Peers remembered for that: more at once share a place, so nobody is asked for memory. */
#define LIMIT_BROKER_PEERS 1024u
/* Proven sessions of one policy: its guests on a few racks; the table has eight times that. */
#define LIMIT_BROKER_SESSIONS_POLICY 32u
/* Attestation tokens: seconds they hold; what the protocol's servers give is five minutes. */
#define LIMIT_BROKER_TOKEN_S 3600u

/* --- ledger --------------------------------------------------------------------------------- */

/* Sandbox receipts of one entry: a guest's processes (LIMIT_DEVICES and four), and one to spare. */
#define LIMIT_LEDGER_RECEIPTS 16u
/* One entry: the longest strings of a message, every byte escaped to six, are 6.1 KiB; 16 receipts of
 * at most 744 bytes, 11.7 KiB. */
#define LIMIT_LEDGER_ENTRY_BYTES 20480u
/* Entries of one ledger: three levels of tiles; at ten a minute, three years. */
#define LIMIT_LEDGER_ENTRIES 0xffffffu
/* A signed note from elsewhere: 16 signatures of the largest kind there is, ML-DSA-44. */
#define LIMIT_LEDGER_NOTE_BYTES 65536u
#define LIMIT_LEDGER_SIGNATURES 16u
/* A proof: an entry in base 64, 24 hashes, a signed note. */
#define LIMIT_LEDGER_PROOF_BYTES 98304u
