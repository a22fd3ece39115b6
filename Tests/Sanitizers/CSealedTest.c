// A program that is to enter containers runs from a file that nobody can write to, with its own arguments and environment; for
// any other word it runs as it is.
#include "CSealed.h"
#include "Check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/// As it is called by itself: `open` for what stays as it is, `run` for what is sealed.
static int called(int argc, char **argv) {
    int sealed = strcmp(argv[1], "open") != 0;
    char name[16];
    CHECK(argc == 3 && strcmp(argv[2], "an argument") == 0 && getenv("CSEALED") && getenv("CSEALED")[0] == '1');
    CHECK((strcmp(argv[0], CS_SEALED_NAME) == 0) == sealed);
    CHECK(prctl(PR_GET_NAME, name) == 0 && (strcmp(name, "martlet-runtime") == 0) == sealed);
    if (!sealed) return 0;
    CHECK(open("/proc/self/exe", O_WRONLY | O_CLOEXEC) < 0);
    int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(own == 3 && ftruncate(own, 0) < 0);
    return 0;
}

static void call(const char *program, const char *first, const char *word, uid_t user) {
    pid_t child = fork();
    if (child == 0) {
        CHECK(user == 0 || (setgid(user) == 0 && setuid(user) == 0));
        char *argv[] = {(char *)(uintptr_t)first, (char *)(uintptr_t)word, "an argument", NULL};
        char *environment[] = {"CSEALED=1", NULL};
        execve(program, argv, environment);
        CHECK(!"execve");
    }
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "%s as %u: %#x\n", word, user, (unsigned)status);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) return called(argc, argv);
    const char *const verbs[] = {"create", "run", "exec", "serve"};
    for (size_t i = 0; i < 4; i++) {
        call("/proc/self/exe", argv[0], verbs[i], 0);
        // The name alone makes no program sealed.
        call("/proc/self/exe", CS_SEALED_NAME, verbs[i], 0);
        // Who may not mount takes the copy in memory.
        if (geteuid() == 0) call("/proc/self/exe", argv[0], verbs[i], 65534);
    }
    call("/proc/self/exe", argv[0], "open", 0);
    return 0;
}
