import Testing

/// Jobs on a machine with cgroup v2 alone, through the built executables: what holds their tasks, wherever the launcher is.
@Suite(
    "Jobs on cgroup v2", .serialized,
    .enabled(if: EmulatedMachine.isLong, "a server takes a minute there: MARTLET_TEST_LONG=1"),
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
            # Where many emulated CPUs share few, it gives up before the server has come up.
            until \(place.start) env martlet server start; do sleep 1; done
            \(jobs)
            martlet server stop --tasks
            \(place.isScope ? "remove-cgroup /sys/fs/cgroup/jobs/martlet.daemons; remove-cgroup /sys/fs/cgroup/jobs" : "")
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
            task --name cpus --cpus 2 --memory 64MiB --pids 20 -- sh -c 'grep Cpus_allowed_list /proc/self/status; grep -m 1 heap /proc/self/numa_maps'
            martlet show 1_0 >$RESULTS/memory; martlet show 3_0 >$RESULTS/cpus
            martlet logs cpus >$RESULTS/seen
            martlet logs pids >$RESULTS/refused 2>&1
            """)
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
        #expect(out["refused"]?.contains("fork") == held, "\(out)")
    }

    @Test(
        "an ordinary user's systemd scope holds tasks by what systemd delegates: no cpuset, so by time"
    )
    func userScope() throws {
        let out = try EmulatedMachine.shared(.debian).run(
            """
            busybox-root /tmp/root
            export XDG_RUNTIME_DIR=/run/user/1000
            until as-dev systemd-run -q --user --scope -p Delegate=yes martlet server start; do sleep 1; done
            as-dev martlet submit --name held --image /tmp/root --cpus 2 --memory 64MiB --pids 20 -- sleep 1000
            until as-dev martlet show 1_0 | grep enforced; do sleep 1; done
            cat /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/*.scope/martlet-*/*/cpu.max
            as-dev martlet server stop --tasks
            """)
        #expect(
            out.output.contains("cpu by cgroup-v2, memory by cgroup-v2, pids by cgroup-v2"),
            "\(out)")
        #expect(out.output.contains("\n200000 100000\n"), "\(out)")
    }
}
