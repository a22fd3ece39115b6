import Testing

/// The emulated machine is what the other tests take it for.
@Suite(
    "Emulated machine", .serialized,
    .enabled(if: EmulatedMachine.isPossible, "qemu-system-x86 is not installed"))
struct MachineTests {
    @Test("it has two NUMA nodes and every controller of cgroup v2")
    func hardware() throws {
        let out = try EmulatedMachine.shared.run(
            """
            cat /sys/devices/system/node/node1/cpulist >$RESULTS/cpus
            cat /sys/fs/cgroup/cgroup.controllers >$RESULTS/controllers
            grep -c cgroup /proc/self/mounts >$RESULTS/hierarchies
            """)
        #expect(out["cpus"] == "2-3")
        #expect(out["hierarchies"] == "1")
        let controllers = Set((out["controllers"] ?? "").split(separator: " "))
        #expect(controllers.isSuperset(of: ["cpu", "cpuset", "io", "memory", "hugetlb", "pids"]))
    }

    @Test("a script that fails, or leaves something behind, fails its test and hinders no other")
    func strictness() throws {
        let machine = try EmulatedMachine.shared
        let failed = try #require(throws: GuestFailure.self) { try machine.run("false; true") }
        #expect(failed.result.status == 1)
        for rest in ["sleep 1000 &", "mkdir /sys/fs/cgroup/rest", "mount -t tmpfs rest /mnt"] {
            let failure = try #require(throws: GuestFailure.self) {
                try machine.run("mkdir -p /mnt; " + rest)
            }
            #expect(failure.why.contains("left behind"))
        }
        #expect(try machine.run("echo well; echo bad >&2").output == "well\n")
    }

    @Test(
        "a script without an end is ended with its machine, and the next one gets another",
        .enabled(if: EmulatedMachine.isLong, "boots twice: MARTLET_TEST_LONG=1"))
    func deadline() throws {
        let machine = try EmulatedMachine.shared
        _ = try machine.run("true")
        let failure = try #require(throws: GuestFailure.self) {
            try machine.run(
                "echo begun; echo 'seen by the kernel' >/dev/kmsg; sleep 1000", seconds: 10)
        }
        #expect(failure.why.contains("no answer"))
        #expect(failure.result.output == "begun\n")
        #expect(!machine.isRunning)
    }
}
