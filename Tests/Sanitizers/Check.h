#pragma once

#include <stdio.h>
#include <stdlib.h>

/// Ends the program where a promise is not kept.
#define CHECK(promise)                                                          \
    do {                                                                        \
        if (!(promise)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #promise); \
            exit(1);                                                            \
        }                                                                       \
    } while (0)
