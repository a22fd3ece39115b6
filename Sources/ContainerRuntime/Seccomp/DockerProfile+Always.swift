extension DockerProfile {
    /// What every program may call, as it concerns itself, or what the kernel checks by other means.
    static let always: [String] = words(
        files + memory + processes + identities + scheduling + waiting + time + endpoints
            + messages + confinement + tracing + numa + ofThisMachine)

    /// Paths and descriptors; who may do what is a matter of modes, capabilities and mounts.
    private static let files = """
        access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
        fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl
        fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64
        fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch
        inotify_init inotify_init1 inotify_rm_watch ioctl lchown lchown32 lgetxattr link linkat listmount listxattr
        listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat
        name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2
        read readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile
        sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync
        sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes
        vmsplice write writev cachestat io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup
        io_submit\n
        """

    /// The caller's own address space, and memory shared by descriptor.
    private static let memory = """
        brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
        mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages\n
        """

    /// Starting, ending and signalling; clone and clone3 have rules of their own.
    private static let processes = """
        execve execveat exit exit_group fork get_robust_list get_thread_area getpgid getpgrp getpid getppid getsid gettid
        kill pause pidfd_open pidfd_send_signal prctl process_mrelease restart_syscall rseq rt_sigaction rt_sigpending
        rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
        rt_tgsigqueueinfo set_robust_list set_thread_area set_tid_address setpgid setsid sigaltstack signalfd signalfd4
        sigprocmask sigreturn tgkill tkill uretprobe vfork wait4 waitid waitpid\n
        """

    /// Users, groups, capabilities, limits: the kernel lets nobody have more thereby than he may.
    private static let identities = """
        capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
        getresuid getresuid32 getrlimit getrusage getuid getuid32 prlimit64 setfsgid setfsgid32 setfsuid setfsuid32
        setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
        setreuid32 setrlimit setuid setuid32 sysinfo ugetrlimit uname\n
        """

    private static let scheduling = """
        getcpu getpriority ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min sched_getaffinity
        sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
        sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield setpriority\n
        """

    private static let waiting = """
        epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
        eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake _newselect poll ppoll ppoll_time64
        pselect6 pselect6_time64 select\n
        """

    /// Setting a clock needs CAP_SYS_TIME, which adjtimex(2) and its kin check themselves.
    private static let time = """
        adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
        clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
        timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
        timerfd_gettime64 timerfd_settime timerfd_settime64 times\n
        """

    /// socket(2) itself has rules by address family.
    private static let endpoints = """
        accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
        recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair\n
        """

    /// System V and POSIX; the container has an IPC namespace of its own.
    private static let messages = """
        ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
        mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt
        shmget\n
        """

    /// What can only take away.
    private static let confinement = """
        getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp\n
        """

    /// Debuggers, and MPI's copies between processes of one node; since Linux 4.8 a tracer cannot get past a filter.
    private static let tracing = "process_vm_readv process_vm_writev ptrace\n"

    /// Not in Docker's list without CAP_SYS_NICE. Other processes' pages are moved only by who could trace them.
    private static let numa =
        "get_mempolicy mbind set_mempolicy set_mempolicy_home_node move_pages\n"

    #if arch(x86_64)
        private static let ofThisMachine = "arch_prctl modify_ldt"
    #elseif arch(arm64)
        private static let ofThisMachine =
            "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"
    #else
        private static let ofThisMachine = "riscv_hwprobe riscv_flush_icache"
    #endif
}
