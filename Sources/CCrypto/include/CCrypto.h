// libcrypto for Swift: SHA-256 by the functions that need no provider and no memory and so cannot fail (SHA256_Init(3)), and
// AES-256-GCM (EVP_EncryptInit(3), "AEAD Interface").
#pragma once

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

enum { CCRYPTO_KEY = 32, CCRYPTO_TAG = 16 };

typedef struct ccrypto_line ccrypto_line;

/// One direction of a line under a key that was never used before; NULL where there is no memory.
ccrypto_line *ccrypto_line_new(const uint8_t key[CCRYPTO_KEY], int seals);
void ccrypto_line_free(ccrypto_line *line);
/// The next record: `out` takes as many bytes as `in` has, and the tag. Returns 0, or -1 on failure.
int ccrypto_seal(ccrypto_line *line, const uint8_t *in, int length, uint8_t *out, uint8_t tag[CCRYPTO_TAG]);
/// The reverse; -1 where the record is not the next one that was sealed under the key. `out` is worth nothing then.
int ccrypto_open(ccrypto_line *line, const uint8_t *in, int length, uint8_t *out, const uint8_t tag[CCRYPTO_TAG]);
