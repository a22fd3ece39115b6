// Calls the functions of CLinux with what they are promised and with what they must refuse, for AddressSanitizer and
// UndefinedBehaviorSanitizer to watch. What they do to a machine is tested from Swift.
#include "CLinux.h"
#include "Check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/// Memory of exactly this size, behind which nothing may be touched.
static void *exactly(size_t size) {
    void *memory = malloc(size);
    CHECK(memory);
    return memory;
}

static int ended(int64_t child) {
    struct cl_exit *result = exactly(sizeof *result);
    CHECK(child > 0 && cl_wait((pid_t)child, true, result) == child);
    int code = result->signalled ? -result->code : result->code;
    free(result);
    return code;
}

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void processes(void) {
    struct cl_exit none;
    CHECK(cl_wait(-1, false, &none) == -ECHILD);
    pid_t *there = exactly(sizeof *there);
    int64_t child = cl_clone3(0, there, -1);
    if (child == 0) _exit(7);
    CHECK(*there == child && ended(child) == 7);
    free(there);

    child = cl_clone3(0, NULL, -1);
    if (child == 0)
        for (;;) pause();
    CHECK(cl_wait((pid_t)child, false, &none) == 0);
    int pidfd = cl_pidfd_open((pid_t)child);
    CHECK(pidfd >= 0 && cl_pidfd_send_signal(pidfd, SIGKILL) == 0 && ended(child) == -SIGKILL);
    CHECK(cl_pidfd_send_signal(pidfd, SIGKILL) == -ESRCH && close(pidfd) == 0);
    CHECK(cl_pidfd_open(-1) == -EINVAL);
    CHECK(cl_clone3(0, NULL, open("/dev/null", O_RDONLY | O_CLOEXEC)) == -EBADF);
}

static void child_only(void) {
    int64_t child = cl_clone3(0, NULL, -1);
    if (child == 0) {
        cl_default_signals();
        CHECK(cl_capset(0, 0, 0) == 0 && cl_capset(~0ULL, ~0ULL, 0) == -EPERM);
        CHECK(cl_setresgid(getgid()) == 0 && cl_setresuid(getuid()) == 0);
        CHECK(cl_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && cl_prctl(-1, 0, 0, 0, 0) == -EINVAL);
        CHECK(cl_sethostname("x", 1) == -EPERM && cl_unshare(~0ULL) == -EINVAL);
        CHECK(cl_pivot_root("/", "/") == -EPERM);
        CHECK(cl_close_range(3, ~0U, 0) == 0 && open_descriptors() == 3);
        _exit(0);
    }
    CHECK(ended(child) == 0);
}

static void messages(void) {
    int pair[2], sent[9], before = open_descriptors();
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    for (int i = 0; i < 9; i++) sent[i] = pair[i % 2];
    size_t count = 0;
    int *received = exactly(8 * sizeof *received);
    char *text = exactly(4);
    for (size_t descriptors = 0; descriptors <= 8; descriptors++) {
        CHECK(cl_send(pair[0], "text", 4, sent, descriptors) == 4);
        CHECK(cl_receive(pair[1], text, 4, received, &count) == 4 && count == descriptors);
        CHECK(memcmp(text, "text", 4) == 0);
        for (size_t i = 0; i < count; i++) {
            CHECK(cl_fcntl(received[i], F_GETFD, 0) == FD_CLOEXEC && close(received[i]) == 0);
        }
    }
    CHECK(cl_send(pair[0], "text", 4, sent, 9) == -EINVAL);
    CHECK(cl_send(pair[0], "longer", 6, sent, 8) == 6);
    CHECK(cl_receive(pair[1], text, 4, received, &count) == -EMSGSIZE && count == 0);
    pid_t *pid = exactly(sizeof *pid);
    uid_t *uid = exactly(sizeof *uid);
    CHECK(cl_peer(pair[0], pid, uid) == 0 && *pid == getpid() && *uid == getuid());
    CHECK(cl_peer(0, pid, uid) == -ENOTSOCK);
    CHECK(close(pair[0]) == 0 && cl_receive(pair[1], text, 4, received, &count) == 0);
    CHECK(cl_send(pair[1], "text", 4, NULL, 0) == -EPIPE && close(pair[1]) == 0);
    free(pid), free(uid), free(text), free(received);
    CHECK(open_descriptors() == before);
}

static void sockets(const char *directory) {
    char path[256];
    memset(path, 'x', sizeof path);
    // sun_path has 108 bytes, one of which ends it.
    path[108] = 0;
    CHECK(cl_unix_listen(path, SOCK_STREAM, 1) == -ENAMETOOLONG);
    CHECK(cl_unix_connect(path, SOCK_STREAM) == -ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/socket", directory);
    CHECK(cl_unix_connect(path, SOCK_STREAM) == -ENOENT);
    int listener = cl_unix_listen(path, SOCK_STREAM, 1), caller = cl_unix_connect(path, SOCK_STREAM);
    int accepted = cl_accept(listener);
    CHECK(listener >= 0 && caller >= 0 && accepted >= 0);
    CHECK(cl_unix_listen(path, SOCK_STREAM, 1) == -EADDRINUSE && cl_accept(caller) == -EINVAL);
    close(listener), close(caller), close(accepted), unlink(path);
}

static void files(const char *directory) {
    int dir = cl_openat2(AT_FDCWD, directory, O_DIRECTORY | O_RDONLY, 0, 0);
    CHECK(dir >= 0 && cl_syncfs(dir) == 0 && cl_syncfs(-1) == -EBADF);
    // RESOLVE_BENEATH, linux/openat2.h
    CHECK(cl_openat2(dir, "../x", O_RDONLY, 0, 0x08) == -EXDEV);
    CHECK(cl_mknodat(dir, "fifo", S_IFIFO | 0600, 0, 0) == 0 && cl_mknodat(dir, "fifo", S_IFIFO, 0, 0) == -EEXIST);
    CHECK(unlinkat(dir, "fifo", 0) == 0 && cl_character_device(dir) == -ENODEV && cl_character_device(-1) == -EBADF);
    int null = cl_openat2(AT_FDCWD, "/dev/null", O_RDWR, 0, 0), bytes = 0;
    CHECK(cl_character_device(null) == ((int64_t)1 << 32 | 3) && cl_ioctl(null, FIONREAD, &bytes) == -ENOTTY);
    int memory = cl_memfd("memory");
    CHECK(memory >= 0 && cl_fcntl(memory, F_GETFD, 0) == FD_CLOEXEC);
    CHECK(cl_filesystem_type("/proc") == 0x9fa0 && cl_filesystem_type("/does/not/exist") == -ENOENT);
    close(dir), close(null), close(memory);
}

static void affinity(void) {
    size_t words = 128;
    uint64_t *mask = exactly(words * sizeof *mask);
    int filled = cl_sched_getaffinity(0, mask, words);
    CHECK(filled > 0 && cl_sched_setaffinity(0, mask, (size_t)filled) == 0);
    CHECK(cl_sched_getaffinity(0, mask, 0) == -EINVAL && cl_sched_setaffinity(0, mask, 0) == -EINVAL);
    free(mask);
    // A kernel without NUMA has no such call.
    int policy = cl_set_mempolicy(0, NULL, 0);
    CHECK(policy == 0 || policy == -ENOSYS);
    CHECK(cl_set_mempolicy(99, NULL, 0) == (policy == 0 ? -EINVAL : -ENOSYS));
}

static void mounts(void) {
    CHECK(cl_open_tree(-1, "x", 0) == -EBADF && cl_move_mount(-1, "x", -1, "y", 0) == -EBADF);
    CHECK(cl_mount_setattr(-1, "x", 0, MOUNT_ATTR_RDONLY, 0, 0) == -EBADF);
    CHECK(cl_fsconfig(-1, 0, "k", "v", 0) == -EINVAL && cl_fsmount(-1, 0) < 0 && cl_fsopen("no such type") < 0);
    int fs = cl_fsopen("tmpfs");
    if (fs == -EPERM) return;
    CHECK(fs >= 0 && cl_fsconfig(fs, FSCONFIG_SET_STRING, "size", "1m", 0) == 0);
    CHECK(cl_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
    int mount = cl_fsmount(fs, MOUNT_ATTR_NODEV);
    CHECK(mount >= 0 && cl_mount_setattr(mount, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0) == 0);
    CHECK(cl_mknodat(mount, "x", S_IFREG | 0600, 0, 0) == -EROFS);
    int tree = cl_open_tree(mount, "", AT_EMPTY_PATH);
    CHECK(tree >= 0);
    close(fs), close(mount), close(tree);
}

static void daemons(const char *directory) {
    char path[256], word[8] = "";
    snprintf(path, sizeof path, "%s/log", directory);
    int log = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char *argv[] = {"sh", "-c", "echo begun", NULL};
    CHECK(cl_start_daemon("/does/not/exist", argv, cl_environ(), log) == -ENOENT);
    CHECK(cl_start_daemon("/bin/sh", argv, cl_environ(), log) > 0);
    // It is nobody's child: its word alone says that it ran.
    for (int i = 0; i < 5000 && pread(log, word, 6, 0) < 6; i++) usleep(1000);
    CHECK(strcmp(word, "begun\n") == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    CHECK(cl_spawn_close_from(&actions, 3) == 0 && cl_spawn_close_from(&actions, -1) == -EBADF);
    posix_spawn_file_actions_destroy(&actions);
    close(log), unlink(path);
}

int main(void) {
    char directory[] = "/tmp/martlet-sanitizers-XXXXXX";
    CHECK(mkdtemp(directory));
    processes();
    child_only();
    messages();
    sockets(directory);
    files(directory);
    affinity();
    mounts();
    daemons(directory);
    cl_trim_heap();
    CHECK(rmdir(directory) == 0);
    return 0;
}
