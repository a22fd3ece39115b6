#include "CCrypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct ccrypto_line {
    EVP_CIPHER_CTX *context;
    uint64_t records;
};

ccrypto_line *ccrypto_line_new(const uint8_t key[CCRYPTO_KEY], int seals) {
    // A fully static program must not load what a machine's configuration names.
    if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL)) return NULL;
    ccrypto_line *line = calloc(1, sizeof *line);
    if (!line) return NULL;
    line->context = EVP_CIPHER_CTX_new();
    if (!line->context || !EVP_CipherInit_ex(line->context, EVP_aes_256_gcm(), NULL, key, NULL, seals)) {
        ccrypto_line_free(line);
        return NULL;
    }
    return line;
}

void ccrypto_line_free(ccrypto_line *line) {
    if (!line) return;
    EVP_CIPHER_CTX_free(line->context);
    free(line);
}

/// The number of the record is its nonce: under one key none comes twice.
static int begin(ccrypto_line *line) {
    uint8_t nonce[12] = {0};
    memcpy(nonce, &line->records, sizeof line->records);
    if (++line->records == 0) return 0;
    return EVP_CipherInit_ex(line->context, NULL, NULL, NULL, nonce, -1);
}

int ccrypto_seal(ccrypto_line *line, const uint8_t *in, int length, uint8_t *out, uint8_t tag[CCRYPTO_TAG]) {
    int written = 0, rest = 0;
    if (!begin(line) || !EVP_CipherUpdate(line->context, out, &written, in, length) ||
        !EVP_CipherFinal_ex(line->context, out + written, &rest) ||
        !EVP_CIPHER_CTX_ctrl(line->context, EVP_CTRL_AEAD_GET_TAG, CCRYPTO_TAG, tag))
        return -1;
    return written + rest == length ? 0 : -1;
}

int ccrypto_open(ccrypto_line *line, const uint8_t *in, int length, uint8_t *out, const uint8_t tag[CCRYPTO_TAG]) {
    int written = 0, rest = 0;
    uint8_t expected[CCRYPTO_TAG];
    memcpy(expected, tag, sizeof expected);
    if (!begin(line) || !EVP_CipherUpdate(line->context, out, &written, in, length) ||
        !EVP_CIPHER_CTX_ctrl(line->context, EVP_CTRL_AEAD_SET_TAG, CCRYPTO_TAG, expected) ||
        EVP_CipherFinal_ex(line->context, out + written, &rest) <= 0)
        return -1;
    return written + rest == length ? 0 : -1;
}
