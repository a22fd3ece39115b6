// libcurl for Swift: its header, and typed doors to its variadic functions, which Swift cannot call.
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

typedef size_t (*mcurl_data)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode mcurl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode mcurl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}
/// libcurl copies the text.
static inline CURLcode mcurl_set_text(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode mcurl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode mcurl_set_function(CURL *easy, CURLoption option, mcurl_data function) {
    return curl_easy_setopt(easy, option, function);
}
static inline CURLcode mcurl_get_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}
static inline CURLcode mcurl_get_pointer(CURL *easy, CURLINFO info, void **value) {
    return curl_easy_getinfo(easy, info, value);
}
static inline CURLMcode mcurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
/// The handle and the result of a finished transfer; false where the message is of another kind.
static inline bool mcurl_done(const CURLMsg *message, CURL **easy, CURLcode *code) {
    if (message->msg != CURLMSG_DONE) return false;
    *easy = message->easy_handle;
    *code = message->data.result;
    return true;
}
