import Testing

/// Jobs on a machine with cgroup v2 alone, through the built executables: what holds their tasks, wherever the launcher is.
@Suite(
    "Jobs on cgroup v2", .serialized,
    .enabled(if: EmulatedMachine.isLong, "half a minute a place: MARTLET_TEST_LONG=1"),
    .enabled(if: EmulatedMachine.isPossible, "qemu-system-x86 is not installed"))
struct JobTests {
    /// Who runs the server, and in which cgroup.
    enum Place: String, CaseIterable {
        case rootAtTheTop
        case rootInAScope
        case userWithDelegation
        case userWithout

        /// Before the command that starts the server.
        var start: String {
            switch self {
            case .rootAtTheTop: ""
            case .rootInAScope: "scope jobs"
            case .userWithDelegation: "delegated jobs"
            case .userWithout: "as-dev"
            }
        }
        /// Before every other one.
        var user: String { [.rootAtTheTop, .rootInAScope].contains(self) ? "" : "as-dev" }
        var isScope: Bool { [.rootInAScope, .userWithDelegation].contains(self) }
        var isHeldByCgroups: Bool { self != .userWithout }
    }

    /// Runs `jobs` against a server in `place`, between its start and its stop; nothing of it may stay.
    private func run(_ place: Place, _ jobs: String) throws -> GuestResult {
        try EmulatedMachine.shared.run(
            """
            busybox-root /tmp/root
            martlet() { \(place.user) env martlet "$@"; }
            task() { martlet run --image /tmp/root "$@" || echo $?; }
            \(place.start) env martlet server start
            \(jobs)
            martlet server stop --tasks
            find /sys/fs/cgroup -name 'martlet*' >$RESULTS/rest
            \(place.isScope ? "remove-cgroup /sys/fs/cgroup/jobs" : "")
            """)
    }

    @Test(
        "memory, processes and CPUs are held by the cgroup, or told to be held otherwise",
        arguments: Place.allCases)
    func limits(place: Place) throws {
        let out = try run(
            place,
            """
            task --name memory --memory 32MiB -- dd if=/dev/zero of=/dev/null bs=256M count=1
            task --name pids --pids 10 -- sh -c 'for i in $(seq 30); do sleep 2 & done; wait'
            task --name cpus --cpus 2 --memory 64MiB --pids 20 -- sh -c 'grep _allowed_list /proc/self/status; grep -m 1 heap /proc/self/numa_maps'
            martlet show 1_0 >$RESULTS/memory; martlet show 3_0 >$RESULTS/cpus
            martlet logs cpus >$RESULTS/seen
            martlet logs pids >$RESULTS/refused 2>&1
            """)
        // Cancelled, it did not succeed.
        #expect(out["waited"] == "1")
        #expect(out["rest"] == "", "cgroups that outlived their launcher")
        let memory = try #require(out["memory"])
        let held = place.isHeldByCgroups
        #expect(memory.contains("memory by \(held ? "cgroup-v2" : "rlimit")"), "\(memory)\(out)")
        if held { #expect(memory.contains("out of memory"), "\(memory)") }
        let cpus = try #require(out["cpus"])
        #expect(
            cpus.contains(
                held
                    ? "cpu by cgroup-v2, memory by cgroup-v2, pids by cgroup-v2"
                    : "cpu by affinity, memory by rlimit, pids by none"), "\(cpus)")
        // Both on one node, the whole of it, and its memory with them.
        let seen = try #require(out["seen"])
        let node = seen.contains("Cpus_allowed_list:\t0-1\n") ? 0 : 1
        if node == 1 { #expect(seen.contains("Cpus_allowed_list:\t2-3\n"), "\(out)") }
        #expect(cpus.contains("NUMA nodes  \(node)\n"))
        // numa_maps (proc(5)): the policy, and where the pages are.
        #expect(seen.contains("prefer (many):\(node) ") && seen.contains(" N\(node)="), "\(seen)")
        #expect(!seen.contains(" N\(1 - node)="))
        // What it prefers is no wall.
        #expect(seen.contains("Mems_allowed_list:\t0-1\n"), "\(seen)")
        #expect(out["refused"]?.contains("fork") == held, "\(out)")
    }

    /// Whose systemd makes the scope.
    enum ScopeOwner: String, CaseIterable {
        case root
        case user

        /// Before every command.
        var user: String { self == .root ? "" : "as-dev" }
        var manager: String { self == .root ? "" : "--user" }
    }

    @Test(
        "in a scope of systemd's, tasks are held by what systemd delegates: to a user no cpuset, so by time",
        .enabled(if: EmulatedMachine.isLong, "boots a Debian with systemd: MARTLET_TEST_LONG=1"),
        arguments: ScopeOwner.allCases)
    func systemdScope(owner: ScopeOwner) throws {
        let out = try EmulatedMachine.shared(.debian).run(
            """
            busybox-root /tmp/root
            export XDG_RUNTIME_DIR=/run/user/1000
            \(owner.user) systemd-run -q \(owner.manager) --scope -p Delegate=yes --unit jobs-\(owner) martlet server start
            \(owner.user) martlet submit --name held --image /tmp/root --cpus 2 --memory 64MiB --pids 20 -- \
                sh -c 'grep _allowed_list /proc/self/status; sleep 1000'
            until \(owner.user) martlet logs 1_0 >$RESULTS/seen && [ -s $RESULTS/seen ]; do sleep 0.1; done
            find /sys/fs/cgroup -path '*/jobs-\(owner).scope/martlet-*/*/cpu.max' -exec cat {} + >$RESULTS/time
            \(owner.user) martlet cancel 1 >/dev/null
            waited=0
            \(owner.user) martlet wait 1 || waited=$?
            echo $waited >$RESULTS/waited
            \(owner.user) martlet show 1_0 >$RESULTS/shown
            \(owner.user) martlet server stop --tasks
            find /sys/fs/cgroup -name 'martlet*' >$RESULTS/rest
            rm -rf /tmp/root /tmp/martlet /home/dev/martlet
            """)
        let shown = try #require(out["shown"])
        #expect(
            shown.contains("cpu by cgroup-v2, memory by cgroup-v2, pids by cgroup-v2"), "\(shown)")
        #expect(out["time"] == (owner == .root ? "max 100000" : "200000 100000"))
        #expect(
            shown.contains(
                "CPUs by \(owner == .root ? "cgroup-v2" : "affinity"), memory policy preferred-many"
            ),
            "\(shown)")
        #expect(out["seen"]?.contains("Mems_allowed_list:\t0-1") == true, "\(out)")
        // Cancelled, it did not succeed.
        #expect(out["waited"] == "1")
        #expect(out["rest"] == "", "cgroups that outlived their launcher")
    }
}
