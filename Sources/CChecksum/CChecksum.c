#include "CChecksum.h"

#include <string.h>
#if defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define WITH_INSTRUCTION __attribute__((target("crc")))
#define STEP8(crc, word) __crc32cd((uint32_t)(crc), word)
#define STEP1(crc, byte) __crc32cb((uint32_t)(crc), byte)
// HWCAP_CRC32 of asm/hwcap.h.
static int has_instruction(void) { return (getauxval(AT_HWCAP) & (1UL << 7)) != 0; }
#else
#include <nmmintrin.h>
#define WITH_INSTRUCTION __attribute__((target("sse4.2")))
#define STEP8(crc, word) _mm_crc32_u64(crc, word)
#define STEP1(crc, byte) _mm_crc32_u8((uint32_t)(crc), byte)
static int has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#endif

WITH_INSTRUCTION static uint32_t by_instruction(uint32_t crc, const uint8_t *bytes, size_t length) {
    uint64_t wide = crc;
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = STEP8(wide, word);
    }
    for (; length > 0; bytes++, length--) wide = STEP1(wide, *bytes);
    return (uint32_t)wide;
}

uint32_t cchecksum_crc32c_plain(uint32_t crc, const uint8_t *bytes, size_t length) {
    for (; length > 0; bytes++, length--) {
        crc ^= *bytes;
        // The polynomial, reflected.
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return crc;
}

uint32_t cchecksum_crc32c(uint32_t crc, const uint8_t *bytes, size_t length) {
    return has_instruction() ? by_instruction(crc, bytes, length) : cchecksum_crc32c_plain(crc, bytes, length);
}
