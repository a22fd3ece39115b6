// What CIsal has compressed it decompresses, in steps of any size; bad data is refused, and nothing outside of the buffers is
// touched.
#include "CIsal.h"
#include "Check.h"

#include <string.h>

enum { PLAIN = 70000, GZIP_HEADER = 10 };

static size_t deflated(const uint8_t *plain, size_t length, uint8_t *out, size_t room, size_t step) {
    cisal_deflate *state = cisal_deflate_new();
    CHECK(state);
    size_t in_at = 0, out_at = 0, consumed, produced;
    int result = 0;
    while (result == 0) {
        size_t part = length - in_at < step ? length - in_at : step;
        result = cisal_deflate_step(state, plain + in_at, part, &consumed, out + out_at, room - out_at, &produced,
                                    in_at + part == length);
        in_at += consumed, out_at += produced;
        CHECK(result == 1 || out_at < room);
    }
    CHECK(result == 1 && in_at == length);
    cisal_deflate_free(state);
    return out_at;
}

/// Each step reads and writes memory of exactly its size.
static int inflated(cisal_inflate *state, const uint8_t *in, size_t length, size_t step, const uint8_t *plain) {
    size_t in_at = GZIP_HEADER, out_at = 0, consumed, produced;
    for (;;) {
        size_t part = length - in_at < step ? length - in_at : step;
        uint8_t *from = malloc(part ? part : 1), *to = malloc(step);
        CHECK(from && to);
        memcpy(from, in + in_at, part);
        int result = cisal_inflate_step(state, from, part, &consumed, to, step, &produced);
        CHECK(consumed <= part && produced <= step);
        int same = plain == NULL || (out_at + produced <= PLAIN && memcmp(to, plain + out_at, produced) == 0);
        free(from), free(to);
        in_at += consumed, out_at += produced;
        if (!same) return -1;
        if (result != 0) return result;
        if (consumed == 0 && produced == 0) return 0;
    }
}

int main(void) {
    uint8_t *plain = malloc(PLAIN), *packed = malloc(2 * PLAIN);
    CHECK(plain && packed);
    uint32_t random = 1;
    for (size_t i = 0; i < PLAIN; i++) {
        random = random * 1103515245 + 12345;
        plain[i] = (uint8_t)(i % 3000 < 1500 ? random >> 16 : i / 100);
    }
    cisal_inflate *state = cisal_inflate_new();
    CHECK(state);
    const size_t steps[] = {1, 7, 4096, PLAIN};
    for (size_t i = 0; i < 4; i++) {
        size_t length = deflated(plain, PLAIN, packed, 2 * PLAIN, steps[i]);
        for (size_t j = 0; j < 4; j++) {
            cisal_inflate_reset(state);
            CHECK(inflated(state, packed, length, steps[j], plain) == 1);
        }
        cisal_inflate_reset(state);
        CHECK(inflated(state, packed, length / 2, 512, plain) == 0);
        packed[length - 5] ^= 1;
        cisal_inflate_reset(state);
        CHECK(inflated(state, packed, length, 512, plain) == -1);
        packed[length - 5] ^= 1;
        for (size_t at = GZIP_HEADER; at < length; at += 97) {
            packed[at] ^= 0x55;
            cisal_inflate_reset(state);
            inflated(state, packed, length, 512, NULL);
            packed[at] ^= 0x55;
        }
    }
    cisal_inflate_free(state);
    free(plain), free(packed);
    return 0;
}
