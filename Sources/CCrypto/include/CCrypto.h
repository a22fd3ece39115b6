// libcrypto for Swift: its digests alone.
#pragma once

#include <openssl/evp.h>
