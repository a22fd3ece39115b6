#include "CIsal.h"

#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct cisal_inflate {
    struct inflate_state state;
};

cisal_inflate *cisal_inflate_new(void) {
    cisal_inflate *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    isal_inflate_init(&self->state);
    cisal_inflate_reset(self);
    return self;
}

void cisal_inflate_free(cisal_inflate *self) { free(self); }

void cisal_inflate_reset(cisal_inflate *self) {
    isal_inflate_reset(&self->state);
    // The header is read by the caller (isa-l #224: it must lie in one buffer); the trailer is verified here.
    self->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
}

static uint32_t capped(size_t length) { return length > INT_MAX ? (uint32_t)INT_MAX : (uint32_t)length; }

int cisal_inflate_step(cisal_inflate *self, const uint8_t *in, size_t in_length, size_t *consumed, uint8_t *out,
                       size_t out_length, size_t *produced) {
    struct inflate_state *state = &self->state;
    uint32_t in_cap = capped(in_length), out_cap = capped(out_length);
    state->next_in = (uint8_t *)(uintptr_t)in;
    state->avail_in = in_cap;
    state->next_out = out;
    state->avail_out = out_cap;
    int result = isal_inflate(state);
    *consumed = in_cap - state->avail_in;
    *produced = out_cap - state->avail_out;
    if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT && result != ISAL_OUT_OVERFLOW) return -1;
    return state->block_state == ISAL_BLOCK_FINISH ? 1 : 0;
}

struct cisal_deflate {
    struct isal_zstream stream;
    uint8_t level_buffer[ISAL_DEF_LVL1_LARGE];
};

cisal_deflate *cisal_deflate_new(void) {
    cisal_deflate *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    isal_deflate_init(&self->stream);
    self->stream.level = 1;
    self->stream.level_buf = self->level_buffer;
    self->stream.level_buf_size = sizeof self->level_buffer;
    self->stream.gzip_flag = IGZIP_GZIP;
    return self;
}

void cisal_deflate_free(cisal_deflate *self) { free(self); }

int cisal_deflate_step(cisal_deflate *self, const uint8_t *in, size_t in_length, size_t *consumed, uint8_t *out,
                       size_t out_length, size_t *produced, int last) {
    struct isal_zstream *stream = &self->stream;
    uint32_t in_cap = capped(in_length), out_cap = capped(out_length);
    stream->next_in = (uint8_t *)(uintptr_t)in;
    stream->avail_in = in_cap;
    stream->next_out = out;
    stream->avail_out = out_cap;
    stream->end_of_stream = last && in_cap == in_length;
    stream->flush = NO_FLUSH;
    int result = isal_deflate(stream);
    *consumed = in_cap - stream->avail_in;
    *produced = out_cap - stream->avail_out;
    if (result != COMP_OK) return -1;
    return stream->internal_state.state == ZSTATE_END ? 1 : 0;
}
