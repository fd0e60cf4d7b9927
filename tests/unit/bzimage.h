/*
 * bzimage: a kernel image made of pattern bytes with a right setup header, for tests.
 *
 * Trust:   test inputs only.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BZIMAGE_SETUP_BYTES (5u * 512u) /* setup_sects 4 */

/* len is at least BZIMAGE_SETUP_BYTES + 1; the protected-mode part is what is behind the setup. */
static inline void bzimage_make(uint8_t *ret, size_t len)
{
	static const struct {
		uint16_t at;
		uint8_t v;
	} bytes[] = {
		{ 0x1F1, 4 },                     /* setup_sects */
		{ 0x1FE, 0x55 }, { 0x1FF, 0xAA }, /* boot_flag */
		{ 0x200, 0xEB }, { 0x201, 0x6A }, /* jump: the header ends at 0x26C */
		{ 0x202, 'H' }, { 0x203, 'd' }, { 0x204, 'r' }, { 0x205, 'S' }, { 0x206, 0x0F },
		{ 0x207, 0x02 }, /* protocol 2.15 */
		{ 0x211, 1 },    /* LOADED_HIGH */
		{ 0x22C, 0xFF }, { 0x22D, 0xFF }, { 0x22E, 0xFF },
		{ 0x22F, 0x7F },                  /* initrd_addr_max */
		{ 0x234, 1 },                     /* relocatable_kernel */
		{ 0x25B, 0x01 },                  /* pref_address 0x1000000 */
		{ 0x262, 0x00 }, { 0x263, 0x02 }, /* init_size 0x2000000 */
	};

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(i * 7 + (i >> 8));
	memset(ret + 0x1F1, 0, 0x290 - 0x1F1);
	for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
		ret[bytes[i].at] = bytes[i].v;
}
