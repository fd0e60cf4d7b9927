/*
 * mon_acpi: the ACPI tables of the machine (docs/launch.md, "ACPI"; ACPI 6.4).
 *
 * Trust:   nothing from outside but the number of vCPUs, which is in its range.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "base/cdefs.h"

#define ACPI_GPA   0xe0000u
#define ACPI_BYTES 0x2000u

/* Fill ACPI_BYTES at ret with the tables as they stand at ACPI_GPA; vcpus is 1 to LIMIT_VCPUS. */
void mon_acpi_build(uint8_t *ret, unsigned int vcpus);
