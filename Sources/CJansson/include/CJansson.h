// Jansson, a JSON reader and writer: the runtime is started for every container, and cannot wait for Foundation.
#pragma once

#include <jansson.h>
