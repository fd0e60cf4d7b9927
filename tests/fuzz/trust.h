/*
 * trust: whom the fuzz targets of tokens believe: two public keys of RFCs and a root of the same, so that
 *        inputs with right signatures and chains are at hand (make_corpus_tokens.py).
 *
 * Trust:   tests only: their private keys are known to everybody.
 * Owns:    one set of keys, for good.
 * Threads: one.
 */
#pragma once

#include "attest/jws.h"

const struct jws_trust *fuzz_trust(void);
