// libseccomp: from names of system calls to a BPF program.
#pragma once

#include <linux/filter.h>
#include <seccomp.h>
