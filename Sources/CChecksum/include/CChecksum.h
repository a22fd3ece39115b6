// CRC-32C by the processor's instruction for it, where it has one: Swift has no name for that.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) without its final complement. `crc` is what came out for the bytes before, at first all ones.
uint32_t cchecksum_crc32c(uint32_t crc, const uint8_t *bytes, size_t length);
/// The same without any such instruction, for processors that have none.
uint32_t cchecksum_crc32c_plain(uint32_t crc, const uint8_t *bytes, size_t length);
