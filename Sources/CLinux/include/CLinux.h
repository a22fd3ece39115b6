// System calls and macros that Swift cannot import: variadic or missing in glibc 2.36, or built from macros.
//
// Admission rule: a function is here only if Swift cannot say it. Each returns >= 0 or -errno, keeps no state, and does
// not allocate. Nothing here may be called with invalid pointers; lengths are in bytes.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/xattr.h>

/// `environ`: a mutable global, which Swift 6 refuses to read.
char **cl_environ(void);

/// clone3(2) without a new stack: returns twice, like fork. `cgroup` is a directory descriptor or -1. Where `pid_here` is not
/// NULL, the child's pid stands there before the child runs (CLONE_PARENT_SETTID).
/// The child of a process with one thread may run any code.
int64_t cl_clone3(uint64_t flags, pid_t *pid_here, int cgroup);

int cl_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int cl_close_range(unsigned first, unsigned last, unsigned flags);
int cl_pidfd_open(pid_t pid);
int cl_pidfd_send_signal(int pidfd, int signal);
int cl_syncfs(int fd);
int cl_pivot_root(const char *new_root, const char *put_old);

// The new mount API (Linux 5.2, 5.12 for mount_setattr).
int cl_open_tree(int dir, const char *path, unsigned flags);
int cl_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int cl_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation);
/// MOUNT_ATTR_IDMAP with the ids of a user namespace.
int cl_mount_idmap(int mount, int user_namespace, unsigned flags);
int cl_fsopen(const char *type);
int cl_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux);
int cl_fsmount(int fs, unsigned attributes);

int cl_set_mempolicy(int mode, const unsigned long *mask, unsigned long bits);
/// mbind(2) without flags: pages that are there already stay where they are.
int cl_mbind(void *address, unsigned long length, int mode, const unsigned long *mask, unsigned long bits);
/// sched_setattr(2) on the calling thread; times are nanoseconds.
int cl_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority, uint64_t runtime, uint64_t deadline,
                     uint64_t period);
/// personality(2).
int cl_personality(unsigned long persona);
/// ioprio_set(2) on the calling thread.
int cl_ioprio_set(int class, int priority);
/// Bits as in capability(7); version 3 of capset(2).
int cl_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
/// seccomp(2), SECCOMP_SET_MODE_FILTER, with `count` of struct sock_filter. Returns the listener where `flags` ask for one.
int cl_seccomp_filter(const void *instructions, unsigned short count, unsigned flags);
/// keyctl(2).
int cl_keyctl(int operation, unsigned long a, unsigned long b);
int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

/// How a child ended. `code` is the exit code or the signal's number.
struct cl_exit {
    pid_t pid;
    bool signalled;
    int code;
    struct rusage usage;
};
/// Reaps one ended child. Returns its pid, 0 where none has ended, -ECHILD where there is none.
/// `pid` -1 means any; `block` waits.
int cl_wait(pid_t pid, bool block, struct cl_exit *result);

/// Sends bytes with up to 8 descriptors; returns bytes sent.
ssize_t cl_send(int socket, const void *bytes, size_t length, const int *descriptors, size_t count);
/// Receives bytes with up to 8 descriptors, opened close-on-exec; returns bytes received, -EMSGSIZE where the message was
/// cut (its descriptors are closed).
ssize_t cl_receive(int socket, void *bytes, size_t length, int *descriptors, size_t *count);
/// SO_PEERCRED.
int cl_peer(int socket, pid_t *pid, uid_t *uid);
/// Binds or connects a Unix socket of `type` (SOCK_STREAM, SOCK_SEQPACKET), close-on-exec and non-blocking where asked.
int cl_unix_listen(const char *path, int type, int backlog);
int cl_unix_connect(const char *path, int type);

/// Sets every signal to its default, those too that glibc keeps for itself and a parent may have left ignored.
void cl_default_signals(void);

/// fcntl(2) with an integer argument.
int cl_fcntl(int fd, int command, int argument);
int cl_ioctl(int fd, unsigned long request, void *argument);
/// Device number of a character device at fd, or -ENODEV where it is none.
int64_t cl_character_device(int fd);
/// cpu_set_t is a macro world: the mask as 64-bit words, lowest CPU first. Get returns the words filled.
int cl_sched_setaffinity(pid_t pid, const uint64_t *words, size_t count);
int cl_sched_getaffinity(pid_t pid, uint64_t *words, size_t count);
int cl_mknodat(int dir, const char *path, mode_t mode, unsigned major, unsigned minor);
int cl_sethostname(const char *name, size_t length);
/// posix_spawn_file_actions_addclosefrom_np(3).
int cl_spawn_close_from(posix_spawn_file_actions_t *actions, int first);
/// Starts a program in a session of its own, whose parent is gone at once, so that nobody has to reap it: stdin from
/// /dev/null, both outputs into `log`, no other descriptor, signals at their defaults. Returns its pid, or what exec failed with.
int cl_start_daemon(const char *path, char *const *argv, char *const *environment, int log);
/// accept4(2), close-on-exec.
int cl_accept(int listener);
int cl_unshare(uint64_t flags);
/// setns(2); with a pidfd, several namespaces at once (Linux 5.8).
int cl_setns(int fd, uint64_t flags);
/// Real, effective and saved id of the calling thread alone, which after a bare clone3 is the process.
int cl_setresuid(uid_t id);
int cl_setresgid(gid_t id);
/// memfd_create(2), close-on-exec.
int cl_memfd(const char *name);
/// f_type of statfs(2): the magic number of the file system that holds `path`.
int64_t cl_filesystem_type(const char *path);
/// The same of what is open at `fd`.
int64_t cl_filesystem_type_of(int fd);

/// eventfd(2), close-on-exec and non-blocking: <sys/eventfd.h> is not among the headers that Swift imports.
int cl_eventfd(void);

// bpf(2) for BPF_PROG_TYPE_CGROUP_DEVICE.
/// Loads `count` instructions. Returns a descriptor, close-on-exec.
int cl_bpf_load_device(const uint64_t *instructions, size_t count);
/// Attaches beside others (BPF_F_ALLOW_MULTI), or in the place of `replaced` unless that is -1.
int cl_bpf_attach_device(int cgroup, int program, int replaced);
int cl_bpf_detach_device(int cgroup, int program);
/// Identifiers of the programs attached there, at most `count`; returns how many.
int cl_bpf_attached_devices(int cgroup, uint32_t *identifiers, size_t count);
/// The program of an identifier, close-on-exec.
int cl_bpf_program(uint32_t identifier);

/// malloc_trim(3): <malloc.h> is not among the headers that Swift imports.
void cl_trim_heap(void);
