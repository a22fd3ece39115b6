// zlib for Swift: its header, and inits that are macros.
#pragma once

#include <string.h>
#include <zlib.h>

/// Raw deflate: header and trailer are the caller's.
static inline int czlib_inflate_raw(z_stream *stream) {
    memset(stream, 0, sizeof *stream);
    return inflateInit2(stream, -MAX_WBITS);
}
/// gzip without name and time.
static inline int czlib_deflate_gzip(z_stream *stream, int level) {
    memset(stream, 0, sizeof *stream);
    return deflateInit2(stream, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
}
