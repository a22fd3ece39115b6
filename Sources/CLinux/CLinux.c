#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/close_range.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_DESCRIPTORS 8

static int result(long value) { return value < 0 ? -errno : (int)value; }

char **cl_environ(void) { return environ; }

int64_t cl_clone3(uint64_t flags, pid_t *pid_here, int cgroup) {
    // A child of one's own parent ends with that parent's signal, clone(2), and takes no other.
    struct clone_args arguments = {.flags = flags, .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD};
    if (pid_here) {
        arguments.flags |= CLONE_PARENT_SETTID;
        arguments.parent_tid = (uint64_t)(uintptr_t)pid_here;
    }
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)cgroup;
    }
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    return pid < 0 ? -errno : pid;
}

int cl_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
    return result(syscall(SYS_openat2, dir, path, &how, sizeof how));
}

int cl_close_range(unsigned first, unsigned last, unsigned flags) {
    return result(syscall(SYS_close_range, first, last, flags));
}

int cl_pidfd_open(pid_t pid) { return result(syscall(SYS_pidfd_open, pid, 0)); }

int cl_pidfd_send_signal(int pidfd, int signal) {
    return result(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int cl_syncfs(int fd) { return syncfs(fd) == 0 ? 0 : -errno; }

int cl_pivot_root(const char *new_root, const char *put_old) {
    return result(syscall(SYS_pivot_root, new_root, put_old));
}

int cl_open_tree(int dir, const char *path, unsigned flags) {
    return result(syscall(SYS_open_tree, dir, path, flags | OPEN_TREE_CLOEXEC));
}

int cl_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    return result(syscall(SYS_move_mount, from_dir, from, to_dir, to, flags));
}

int cl_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation) {
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
    return result(syscall(SYS_mount_setattr, dir, path, flags, &attributes, sizeof attributes));
}

int cl_mount_idmap(int mount, int user_namespace, unsigned flags) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace};
    return result(syscall(SYS_mount_setattr, mount, "", flags, &attributes, sizeof attributes));
}

int cl_fsopen(const char *type) { return result(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }

int cl_fsconfig(int fs, unsigned command, const char *key, const void *value, int aux) {
    return result(syscall(SYS_fsconfig, fs, command, key, value, aux));
}

int cl_fsmount(int fs, unsigned attributes) {
    return result(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

int cl_set_mempolicy(int mode, const unsigned long *mask, unsigned long bits) {
    return result(syscall(SYS_set_mempolicy, mode, mask, bits));
}

int cl_mbind(void *address, unsigned long length, int mode, const unsigned long *mask, unsigned long bits) {
    return result(syscall(SYS_mbind, address, length, mode, mask, bits, 0));
}

// glibc 2.36 has no declaration; linux/sched/types.h clashes with its sched.h.
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int cl_sched_setattr(uint32_t policy, uint64_t flags, int32_t nice, uint32_t priority, uint64_t runtime, uint64_t deadline,
                     uint64_t period) {
    struct scheduling attributes = {sizeof attributes, policy, flags, nice, priority, runtime, deadline, period};
    return result(syscall(SYS_sched_setattr, 0, &attributes, 0));
}

int cl_keyctl(int operation, unsigned long a, unsigned long b) {
    return result(syscall(SYS_keyctl, operation, a, b, 0, 0));
}

int cl_personality(unsigned long persona) { return result(personality(persona)); }

int cl_ioprio_set(int class, int priority) {
    return result(syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, class << 13 | priority));
}

int cl_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    return result(syscall(SYS_capset, &header, data));
}

int cl_seccomp_filter(const void *instructions, unsigned short count, unsigned flags) {
    struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)(uintptr_t)instructions};
    return result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return result(prctl(option, a, b, c, d));
}

int cl_wait(pid_t pid, bool block, struct cl_exit *out) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    memset(out, 0, sizeof *out);
    // The raw call gives the usage too, which glibc's waitid does not.
    long status;
    do {
        status = syscall(SYS_waitid, pid < 0 ? P_ALL : P_PID, pid, &info, WEXITED | (block ? 0 : WNOHANG), &out->usage);
    } while (status < 0 && errno == EINTR);
    if (status < 0)
        return -errno;
    out->pid = info.si_pid;
    out->signalled = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    out->code = info.si_status;
    return info.si_pid;
}

union control {
    char bytes[CMSG_SPACE(sizeof(int) * MOST_DESCRIPTORS)];
    struct cmsghdr align;
};

ssize_t cl_send(int socket, const void *bytes, size_t length, const int *descriptors, size_t count) {
    if (count > MOST_DESCRIPTORS)
        return -EINVAL;
    struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    union control control;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

ssize_t cl_receive(int socket, void *bytes, size_t length, int *descriptors, size_t *count) {
    struct iovec vector = {.iov_base = bytes, .iov_len = length};
    union control control;
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    ssize_t received;
    *count = 0;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0)
        return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(descriptors, CMSG_DATA(header), *count * sizeof(int));
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (size_t i = 0; i < *count; i++)
            close(descriptors[i]);
        *count = 0;
        return -EMSGSIZE;
    }
    return received;
}

int cl_peer(int socket, pid_t *pid, uid_t *uid) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return -errno;
    *pid = peer.pid;
    *uid = peer.uid;
    return 0;
}

static int unix_socket(const char *path, int type, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    return result(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

int cl_unix_listen(const char *path, int type, int backlog) {
    struct sockaddr_un address;
    int fd = unix_socket(path, type, &address);
    if (fd < 0)
        return fd;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int cl_unix_connect(const char *path, int type) {
    struct sockaddr_un address;
    int fd = unix_socket(path, type, &address);
    if (fd < 0)
        return fd;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

void cl_default_signals(void) {
    // The kernel's own structure: all zeroes is SIG_DFL without flags. SIGKILL and SIGSTOP refuse, as they may.
    unsigned long action[4] = {0};
    for (int number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, action, NULL, 8);
}

int cl_fcntl(int fd, int command, int argument) { return result(fcntl(fd, command, argument)); }

int cl_ioctl(int fd, unsigned long request, void *argument) { return result(ioctl(fd, request, argument)); }

int64_t cl_character_device(int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISCHR(status.st_mode))
        return -ENODEV;
    return ((int64_t)major(status.st_rdev) << 32) | (int64_t)minor(status.st_rdev);
}

int cl_sched_setaffinity(pid_t pid, const uint64_t *words, size_t count) {
    return result(syscall(SYS_sched_setaffinity, pid, count * sizeof *words, words));
}

int cl_sched_getaffinity(pid_t pid, uint64_t *words, size_t count) {
    int bytes = result(syscall(SYS_sched_getaffinity, pid, count * sizeof *words, words));
    return bytes < 0 ? bytes : bytes / (int)sizeof *words;
}

int cl_mknodat(int dir, const char *path, mode_t mode, unsigned major_number, unsigned minor_number) {
    return result(mknodat(dir, path, mode, makedev(major_number, minor_number)));
}

int cl_sethostname(const char *name, size_t length) { return result(sethostname(name, length)); }

int cl_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return -posix_spawn_file_actions_addclosefrom_np(actions, first);
}

// Between clone and exec, in the copy of a process that may have had threads: system calls alone.
static void become_daemon(const char *path, char *const *argv, char *const *environment, int log, int news) {
    cl_default_signals();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0 && cl_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) >= 0)
        execve(path, argv, environment);
    int error = -errno;
    // Nobody may read any more; then nobody asks.
    ssize_t ignored = write(news, &error, sizeof error);
    (void)ignored;
    _exit(127);
}

int cl_start_daemon(const char *path, char *const *argv, char *const *environment, int log) {
    int news[2];
    if (pipe2(news, O_CLOEXEC) < 0)
        return -errno;
    int64_t child = cl_clone3(0, NULL, -1);
    if (child == 0) {
        setsid();
        int daemon = (int)cl_clone3(0, NULL, -1);
        if (daemon == 0)
            become_daemon(path, argv, environment, log, news[1]);
        _exit(write(news[1], &daemon, sizeof daemon) == sizeof daemon ? 0 : 1);
    }
    close(news[1]);
    int pid = child < 0 ? (int)child : 0, error = 0, word;
    struct cl_exit middle;
    if (child > 0)
        cl_wait((pid_t)child, true, &middle);
    // The daemon's pid, what a call failed with, or both; the end of the pipe comes with a successful exec.
    ssize_t got;
    while ((got = read(news[0], &word, sizeof word)) != 0) {
        if (got == sizeof word)
            *(word > 0 ? &pid : &error) = word;
        else if (errno != EINTR)
            break;
    }
    close(news[0]);
    return error != 0 ? error : pid;
}

int cl_accept(int listener) { return result(accept4(listener, NULL, NULL, SOCK_CLOEXEC)); }

int cl_unshare(uint64_t flags) { return result(syscall(SYS_unshare, flags)); }

int cl_setns(int fd, uint64_t flags) { return result(syscall(SYS_setns, fd, (int)flags)); }

int cl_setresuid(uid_t id) { return result(syscall(SYS_setresuid, id, id, id)); }

int cl_setresgid(gid_t id) { return result(syscall(SYS_setresgid, id, id, id)); }

int cl_memfd(const char *name) { return result(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)); }

int64_t cl_filesystem_type(const char *path) {
    struct statfs status;
    return statfs(path, &status) < 0 ? -errno : (int64_t)status.f_type;
}

int64_t cl_filesystem_type_of(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) < 0 ? -errno : (int64_t)status.f_type;
}

void cl_trim_heap(void) { malloc_trim(0); }

int cl_eventfd(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

static int bpf(int command, union bpf_attr *attributes) {
    // The kernel demands zeroes behind the fields of a command, padding included, so each caller clears all of it.
    return result(syscall(SYS_bpf, command, attributes, sizeof *attributes));
}

int cl_bpf_load_device(const uint64_t *instructions, size_t count) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (uint64_t)(uintptr_t)instructions;
    attributes.insn_cnt = (uint32_t)count;
    attributes.license = (uint64_t)(uintptr_t) "Apache-2.0";
    return bpf(BPF_PROG_LOAD, &attributes);
}

int cl_bpf_attach_device(int cgroup, int program, int replaced) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)cgroup;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    if (replaced >= 0) {
        attributes.attach_flags |= BPF_F_REPLACE;
        attributes.replace_bpf_fd = (uint32_t)replaced;
    }
    return bpf(BPF_PROG_ATTACH, &attributes);
}

int cl_bpf_detach_device(int cgroup, int program) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)cgroup;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    return bpf(BPF_PROG_DETACH, &attributes);
}

int cl_bpf_attached_devices(int cgroup, uint32_t *identifiers, size_t count) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.query.target_fd = (uint32_t)cgroup;
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_ids = (uint64_t)(uintptr_t)identifiers;
    attributes.query.prog_cnt = (uint32_t)count;
    int failed = bpf(BPF_PROG_QUERY, &attributes);
    return failed < 0 ? failed : (int)attributes.query.prog_cnt;
}

int cl_bpf_program(uint32_t identifier) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_id = identifier;
    return bpf(BPF_PROG_GET_FD_BY_ID, &attributes);
}
