// Both ways to a checksum agree with each other and with the published value, whatever the length and the place of the bytes.
#include "CChecksum.h"
#include "Check.h"

#include <string.h>

int main(void) {
    // RFC 3720 §B.4: 32 zero bytes; and the check value of the catalogue of parametrised CRCs.
    uint8_t zeros[32] = {0};
    CHECK(~cchecksum_crc32c(UINT32_MAX, zeros, 32) == 0x8A9136AAu);
    CHECK(~cchecksum_crc32c(UINT32_MAX, (const uint8_t *)"123456789", 9) == 0xE3069283u);
    for (size_t length = 0; length < 64; length++) {
        // Of exactly this size, so that a step too far is seen.
        uint8_t *bytes = malloc(length ? length : 1);
        CHECK(bytes);
        for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)(i * 37 + length);
        uint32_t whole = cchecksum_crc32c_plain(UINT32_MAX, bytes, length);
        CHECK(cchecksum_crc32c(UINT32_MAX, bytes, length) == whole);
        size_t part = length / 3;
        CHECK(cchecksum_crc32c(cchecksum_crc32c(UINT32_MAX, bytes, part), bytes + part, length - part) == whole);
        free(bytes);
    }
    return 0;
}
