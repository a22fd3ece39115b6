// The runtime's own executable as nobody can write to it. A process that is about to run a program in a container is in there
// with the runtime's own file: an image whose program is /proc/self/exe, or whose loader is, gets hold of it (CVE-2019-5736).
//
// Where overlayfs can be mounted, the file is run through a read-only one with no upper layer that hangs nowhere: whatever
// somebody changes there, there is nothing to write to. That takes 0.2 ms; else a sealed copy in memory takes about 1 ms a MiB.
//
// In C, and a constructor of the highest priority, since what is run before this is run twice: Swift's own start takes longer
// than all that is done here.
#include "CSealed.h"

#include <CLinux.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OWN "/proc/self/exe"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/// What makes processes that enter containers; NULL where nothing does. That one of these words may also be a file's name costs
/// that call 1 ms.
static const char *entering_verb(int argc, char **argv) {
    static const char *const verbs[] = {"create", "run", "exec", "serve"};
    for (int i = 1; i < argc; i++)
        for (size_t verb = 0; verb < sizeof verbs / sizeof *verbs; verb++)
            if (strcmp(argv[i], verbs[verb]) == 0)
                return verbs[verb];
    return NULL;
}

/// The name alone is anybody's to give, and the machine's own files may lie on an overlay, too.
static bool is_sealed(const char *name) {
    if (strcmp(name, CS_SEALED_NAME) != 0)
        return false;
    int file = open(OWN, O_RDONLY | O_CLOEXEC);
    struct statfs system;
    bool sealed = file >= 0 && (fcntl(file, F_GET_SEALS) == SEALS || (fstatfs(file, &system) == 0 && system.f_type == OVERLAYFS_SUPER_MAGIC));
    if (file >= 0)
        close(file);
    return sealed;
}

struct option {
    const char *key, *value;
};

static int new_mount(const char *type, struct option option) {
    int fs = cl_fsopen(type);
    if (fs < 0)
        return fs;
    int result = cl_fsconfig(fs, FSCONFIG_SET_STRING, option.key, option.value, 0);
    if (result >= 0)
        result = cl_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    if (result >= 0)
        result = cl_fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
    close(fs);
    return result;
}

/// overlayfs.rst: without an upper layer it takes two lower ones; the second is an empty directory.
static int read_only(void) {
    char path[PATH_MAX], layers[64];
    ssize_t length = readlink(OWN, path, sizeof path - 1);
    if (length <= 0)
        return -errno;
    path[length] = 0;
    char *name = strrchr(path, '/');
    if (!name)
        return -ENOENT;  // replaced while it starts: "(deleted)" has its slash, too
    *name++ = 0;
    int file = -1, overlay = -1, empty = -1;
    int program = open(*path ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (program >= 0)
        empty = new_mount("tmpfs", (struct option){"mode", "0"});
    snprintf(layers, sizeof layers, "/proc/self/fd/%d:/proc/self/fd/%d", program, empty);
    if (empty >= 0)
        overlay = new_mount("overlay", (struct option){"lowerdir", layers});
    if (overlay >= 0)
        file = openat(overlay, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int opened[] = {program, empty, overlay};
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++)
        if (opened[i] >= 0)
            close(opened[i]);
    return file;
}

static int copy(void) {
    int from = open(OWN, O_RDONLY | O_CLOEXEC);
    int to = from < 0 ? -1 : memfd_create("martlet-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (to < 0)
        return -1;
    ssize_t sent;
    while ((sent = sendfile(to, from, NULL, 1 << 24)) > 0) {}
    close(from);
    if (sent < 0)
        return -1;
    // Refused for as long as the kernel itself holds one of its pages, which it does for moments (memfd_wait_for_pins).
    for (int i = 0; i < 1000; i++) {
        if (fcntl(to, F_ADD_SEALS, SEALS) == 0)
            return to;
        if (errno != EBUSY)
            return -1;
        usleep(1000);
    }
    return -1;
}

static void run(int file, char **argv, char **environment) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    argv[0] = (char[]){CS_SEALED_NAME};
    execve(path, argv, environment);
}

/// Goes on in the sealed program, with the same arguments, environment and pid.
__attribute__((constructor(101))) static void seal(int argc, char **argv, char **environment) {
    const char *verb = entering_verb(argc, argv);
    if (!verb)
        return;
    if (is_sealed(argv[0])) {
        // Else it would be called by the number of a descriptor.
        prctl(PR_SET_NAME, "martlet-runtime");
        return;
    }
    // Ordinary users may mount no overlay here.
    int file = read_only();
    if (file >= 0)
        run(file, argv, environment);
    file = copy();
    if (file >= 0)
        run(file, argv, environment);
    fprintf(stderr, "martlet-runtime: seal own program: %s; is /proc mounted, and is there memory?\n", strerror(errno));
    // 1 could be the status of the program that exec was to run.
    _exit(strcmp(verb, "exec") == 0 ? 255 : 1);
}
