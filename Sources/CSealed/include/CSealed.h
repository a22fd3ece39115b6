// An executable that links this module runs from a form of its own file that nobody can write to, see CSealed.c.
#pragma once

/// What such an executable calls itself as its first argument.
#define CS_SEALED_NAME "martlet-runtime (sealed)"
