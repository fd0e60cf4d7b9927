/*
 * mon_acpi: the ACPI tables of the machine (docs/launch.md, "ACPI"; ACPI 6.4).
 *
 * Trust:   nothing from outside but the number of vCPUs, which is in its range.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cdefs.h"

#define ACPI_GPA          0xe0000u
#define ACPI_BYTES        0x2000u

#define ACPI_RSDP_BYTES   36u
#define ACPI_LOADER_BYTES (9u * 128u)

/* The same tables for firmware that places them itself, with the script that tells it how. */
struct acpi_files {
	uint8_t rsdp[ACPI_RSDP_BYTES];
	uint8_t tables[ACPI_BYTES];
	size_t tables_len;
	uint8_t loader[ACPI_LOADER_BYTES];
};

/* Names of the files, as the script has them. */
#define ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define ACPI_FILE_TABLES "etc/acpi/tables"
#define ACPI_FILE_LOADER "etc/table-loader"

/* Fill ACPI_BYTES at ret with the tables as they stand at ACPI_GPA; vcpus is 1 to LIMIT_VCPUS. */
void mon_acpi_build(uint8_t *ret, unsigned int vcpus);

/* Build the files; PCI memory is [window_start, PCI_WINDOW_END). */
void mon_acpi_build_files(struct acpi_files *ret, unsigned int vcpus, uint32_t window_start);
