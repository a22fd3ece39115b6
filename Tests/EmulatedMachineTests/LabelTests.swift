import Testing

/// Labels of AppArmor, which this machine may not have: Debian's kernel has it.
@Suite(
    "AppArmor", .serialized,
    .enabled(if: EmulatedMachine.isPossible, "qemu-system-x86 is not installed"))
struct LabelTests {
    /// `line` is run as the image's neighbour, in the container's mount namespace before its root is entered.
    private func found(_ profile: String, after line: String = "true") throws -> [String: String] {
        var bundle = Bundle(arguments: ["cat", "/proc/self/attr/current"])
        bundle.process = #""apparmorProfile": "\#(profile)","#
        bundle.hooks = """
            "hooks": {"createContainer": [
                {"path": "/opt/busybox/sh", "args": ["sh", "-ec", "\(line)"], "env": ["PATH=/opt/busybox"]}
            ]},
            """
        let out = try EmulatedMachine.shared.run(
            """
            cat /sys/module/apparmor/parameters/enabled >$RESULTS/enabled
            mkdir /tmp/labels
            sed "s/CGROUP/labels/" config.json >/tmp/labels/config.json
            busybox-root /tmp/labels/rootfs
            echo untouched >/tmp/labels/victim
            status=0
            (cd /tmp/labels && martlet-runtime run labels) >$RESULTS/said 2>$RESULTS/why || status=$?
            echo $status >$RESULTS/status
            cp /tmp/labels/victim $RESULTS/victim
            rm -r /tmp/labels
            """, files: ["config.json": bundle.json])
        try #require(out["enabled"] == "Y")
        return ["said", "why", "status", "victim"].reduce(into: [:]) { $0[$1] = out[$1] }
    }

    @Test(
        "a label that the kernel takes is that of the program",
        .enabled(if: EmulatedMachine.isLong, "takes long: MARTLET_TEST_LONG=1"))
    func taken() throws {
        let found = try found("unconfined")
        #expect(found["status"] == "0", "\(found)")
        #expect(found["said"] == "unconfined")
    }

    /// CVE-2025-65105.
    @Test(
        "a label that the kernel does not know is an error",
        .enabled(if: EmulatedMachine.isLong, "takes long: MARTLET_TEST_LONG=1"))
    func unknown() throws {
        let found = try found("nonesuch")
        #expect(found["status"] == "1")
        #expect(found["said"] == "")
        #expect(found["why"]?.contains("process.apparmorProfile") == true, "\(found)")
    }

    /// CVE-2025-52881: else the container would run without its label, and nobody would know.
    @Test("a label is not written to what somebody has mounted in its place")
    func forged() throws {
        let found = try found(
            "unconfined",
            after: """
                for file in /tmp/labels/rootfs/proc/1/attr/apparmor/exec \
                /tmp/labels/rootfs/proc/1/attr/exec; do mount --bind /tmp/labels/victim $file; done
                """)
        #expect(found["status"] == "1", "\(found)")
        #expect(found["victim"] == "untouched")
        #expect(found["why"]?.contains("process.apparmorProfile") == true, "\(found)")
    }
}
