// libcrypto for Swift: SHA-256 alone, by the functions that need no provider and no memory and so cannot fail (SHA256_Init(3)).
#pragma once

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
