import Testing

/// Where memory and processes go on a machine of two NUMA nodes, by config.json.
@Suite(
    "NUMA nodes and config.json", .serialized,
    .enabled(if: EmulatedMachine.isPossible, "qemu-system-x86 is not installed"))
struct NUMATests {
    @Test("linux.memoryPolicy decides where pages are taken from")
    func memoryPolicy() throws {
        let bundle = Bundle(
            arguments: ["grep", "-m", "1", "heap", "/proc/self/numa_maps"],
            linux: #""memoryPolicy": {"mode": "MPOL_BIND", "nodes": "1"},"#)
        let out = try EmulatedMachine.shared.run(
            """
            busybox-root /tmp/bundle/rootfs
            cp config.json /tmp/bundle
            martlet-runtime run -b /tmp/bundle policy
            """, files: ["config.json": bundle.json])
        // numa_maps, proc(5): the policy, and the pages on each node.
        #expect(out.output.contains(" bind:1 ") && out.output.contains(" N1="), "\(out)")
        #expect(!out.output.contains(" N0="))
    }

    @Test("process.execCPUAffinity holds a joining process to its CPUs")
    func execCPUAffinity() throws {
        let bundle = Bundle(
            arguments: ["sleep", "1000"],
            process: #""execCPUAffinity": {"initial": "0", "final": "2-3"},"#)
        let out = try EmulatedMachine.shared.run(
            """
            busybox-root /tmp/bundle/rootfs
            cp config.json /tmp/bundle
            martlet-runtime run -d -b /tmp/bundle joined >/dev/null 2>&1
            martlet-runtime exec joined grep Cpus_allowed_list /proc/self/status
            martlet-runtime delete --force joined
            """, files: ["config.json": bundle.json])
        #expect(out.output == "Cpus_allowed_list:\t2-3\n", "\(out)")
    }
}
