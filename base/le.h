/*
 * le: wire integers as byte arrays with a type (style rule 25). They have alignment 1, need no
 *     packing, and cannot be used unconverted.
 *
 * Trust:   the bytes may come from anywhere; every pattern is a number.
 * Owns:    nothing.
 * Threads: any.
 */
#pragma once

#include <stdint.h>

typedef struct {
	uint8_t b[2];
} le16;
typedef struct {
	uint8_t b[4];
} le32;
typedef struct {
	uint8_t b[8];
} le64;
typedef struct {
	uint8_t b[2];
} be16;
typedef struct {
	uint8_t b[4];
} be32;
typedef struct {
	uint8_t b[8];
} be64;

static inline uint16_t le16_get(le16 x)
{
	return (uint16_t)(x.b[0] | x.b[1] << 8);
}

static inline uint32_t le32_get(le32 x)
{
	return (uint32_t)x.b[0] | (uint32_t)x.b[1] << 8 | (uint32_t)x.b[2] << 16 |
	       (uint32_t)x.b[3] << 24;
}

static inline uint64_t le64_get(le64 x)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | x.b[i];
	return v;
}

static inline le16 le16_of(uint16_t v)
{
	return (le16){ { (uint8_t)v, (uint8_t)(v >> 8) } };
}

static inline le32 le32_of(uint32_t v)
{
	return (le32){ { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) } };
}

static inline le64 le64_of(uint64_t v)
{
	le64 x;

	for (int i = 0; i < 8; i++)
		x.b[i] = (uint8_t)(v >> (8 * i));
	return x;
}

static inline uint16_t be16_get(be16 x)
{
	return (uint16_t)(x.b[0] << 8 | x.b[1]);
}

static inline uint32_t be32_get(be32 x)
{
	return (uint32_t)x.b[0] << 24 | (uint32_t)x.b[1] << 16 | (uint32_t)x.b[2] << 8 |
	       (uint32_t)x.b[3];
}

static inline uint64_t be64_get(be64 x)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | x.b[i];
	return v;
}

static inline be16 be16_of(uint16_t v)
{
	return (be16){ { (uint8_t)(v >> 8), (uint8_t)v } };
}

static inline be32 be32_of(uint32_t v)
{
	return (be32){ { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v } };
}

static inline be64 be64_of(uint64_t v)
{
	be64 x;

	for (int i = 0; i < 8; i++)
		x.b[i] = (uint8_t)(v >> (8 * (7 - i)));
	return x;
}
