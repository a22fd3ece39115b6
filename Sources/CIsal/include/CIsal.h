// ISA-L's inflate and deflate, these behind opaque pointers: its state structures are large and hold unions.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct cisal_inflate cisal_inflate;

/// NULL where there is no memory.
cisal_inflate *cisal_inflate_new(void);
void cisal_inflate_free(cisal_inflate *state);
/// Begins another raw deflate stream that is followed by a gzip trailer.
void cisal_inflate_reset(cisal_inflate *state);
/// Decodes until the output is full, the input is used up or the stream and its trailer end.
/// Sets what was consumed and produced. Returns 1 at the end of the member (its CRC and length were right), 0 where there
/// is more to come, -1 where the data is bad.
int cisal_inflate_step(cisal_inflate *state, const uint8_t *in, size_t in_length, size_t *consumed, uint8_t *out,
                       size_t out_length, size_t *produced);

typedef struct cisal_deflate cisal_deflate;

/// A gzip stream without name and time, at ISA-L's level 1; NULL where there is no memory.
cisal_deflate *cisal_deflate_new(void);
void cisal_deflate_free(cisal_deflate *state);
/// As above; `last` says that no more input follows. Returns 1 when the stream is complete, 0 for more, -1 on failure.
int cisal_deflate_step(cisal_deflate *state, const uint8_t *in, size_t in_length, size_t *consumed, uint8_t *out,
                       size_t out_length, size_t *produced, int last);
