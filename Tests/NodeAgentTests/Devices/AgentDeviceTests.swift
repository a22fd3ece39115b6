import Foundation
import JobModel
import LinuxSystem
import NodeLink
import OCISpec
import Testing

@testable import NodeAgent

/// Devices of a machine that the test makes up, in real containers, through a real agent.
@Suite(
    .enabled(if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
    .enabled(if: AgentUnderTest.busybox != nil, "busybox-static is not installed"),
    .enabled(if: MachineTree.isPossible, "only root makes device nodes"), .serialized)
struct AgentDeviceTests {
    /// How a task with these GPUs ended, and what it said. Its image asks for all GPUs.
    private func run(
        _ machine: MachineTree, gpus: [String], _ line: String
    ) async throws -> (record: ExitRecord, output: String) {
        let agent = try AgentUnderTest(systemRoot: machine.path)
        let head = try TestHead(agent)
        #expect(try await eventually { head.isConnected })
        var template = agent.template { $0.command = ["/busybox", "sh", "-c", line] }
        var process = ImageProcess()
        process.environment = ["NVIDIA_VISIBLE_DEVICES=all", "PATH=/usr/bin"]
        template.root = .layers([try agent.busyboxRoot()], process)
        let id = attempt()
        let placement = Placement(node: "local", cpus: [], numaNodes: [], gpus: gpus)
        head.run(template, [RunTask(attempt: id, point: Point(), placement: placement)])
        #expect(try await eventually { head.exit(id) != nil })
        let record = try #require(head.exit(id))
        // One that is refused has no files.
        return (record, (try? agent.output(id)) ?? "")
    }

    private static let look = "/busybox ls /dev; echo $NVIDIA_VISIBLE_DEVICES"

    @Test func aTaskHasItsGPUAndItsDriver() async throws {
        let machine = try MachineTree()
        let libraries = "/usr/lib/x86_64-linux-gnu/"
        #if arch(x86_64)
            try machine.library(
                "usr/lib/x86_64-linux-gnu/libcuda.so.550.54.14", soname: "libcuda.so.1")
            try machine.folder.write("usr/lib/x86_64-linux-gnu/libfake.so.550.54.14", "no library")
        #endif
        let program = try machine.folder.write(
            "usr/bin/nvidia-smi", "#!/busybox sh\necho smi $MARTLET_GPUS $CUDA_DEVICE_ORDER\n")
        chmod(program, 0o755)
        let (record, output) = try await run(
            machine, gpus: ["GPU-5"],
            Self.look + """
                ; nvidia-smi; /busybox head -c 3 /dev/nvidia5 | /busybox wc -c
                /busybox ls \(libraries); /busybox readlink \(libraries)libcuda.so \(libraries)libcuda.so.1
                /busybox readlink \(libraries)libcuda.so.1
                /busybox grep -c libcuda.so.1 /etc/ld.so.cache
                /busybox touch \(libraries)libcuda.so.550.54.14 2>&1
                """)
        #expect(record.status == .code(1), "\(output)")
        let words = output.split(separator: "\n").map(String.init)
        #expect(words.contains("nvidia5") && words.contains("nvidiactl"), "\(output)")
        #expect(!words.contains("nvidia7"))
        #expect(words.contains("GPU-5") && words.contains("smi GPU-5 PCI_BUS_ID"), "\(output)")
        #if arch(x86_64)
            #expect(
                words.suffix(6).dropLast() == [
                    "libcuda.so", "libcuda.so.1", "libcuda.so.550.54.14", "libcuda.so.550.54.14",
                    "1",
                ], "\(output)")
            #expect(words.last?.contains("Read-only") == true)
        #endif
    }

    @Test func anImageThatAsksForGPUsGetsNone() async throws {
        let (record, output) = try await run(try MachineTree(), gpus: [], Self.look)
        #expect(record.status == .code(0))
        #expect(!output.contains("nvidia") && output.hasSuffix("\nvoid\n"), "\(output)")
    }

    @Test func aDescribedDeviceIsGivenWithItsEdits() async throws {
        let machine = try MachineTree()
        let file = try machine.folder.write("opt/vendor.conf", "vendor\n")
        try machine.describe(
            #"""
            {"name": "0", "containerEdits": {
              "env": ["VENDOR=yes"],
              "deviceNodes": [{"path": "/dev/vendor/0", "hostPath": "/dev/nvidia5"}],
              "mounts": [{"hostPath": "/opt/vendor.conf", "containerPath": "/etc/vendor.conf", "options": ["ro", "bind"]}],
              "additionalGids": [4242]}}
            """#)
        _ = file
        let (record, output) = try await run(
            machine, gpus: ["example.com/gpu=0"],
            "/busybox cat /etc/vendor.conf; /busybox head -c 4 /dev/vendor/0 | /busybox wc -c; echo $VENDOR; /busybox id -G; /busybox ls /dev"
        )
        #expect(record.status == .code(0), "\(output)")
        #expect(output.hasPrefix("vendor\n4\nyes\n0 4242\n"), "\(output)")
        #expect(!output.contains("nvidia"))
    }

    @Test(
        arguments: [
            (#""deviceNodes": [{"path": "/dev/x", "hostPath": "/opt/file"}]"#, "no device"),
            (#""deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/none"}]"#, "lacks a device"),
            (#""deviceNodes": [{"path": "/dev/../etc/x", "hostPath": "/dev/nvidia5"}]"#, "climbs"),
            (
                #""mounts": [{"hostPath": "/opt/file", "containerPath": "/../../etc/shadow"}]"#,
                "climbs"
            ),
            (
                #""hooks": [{"hookName": "createContainer", "path": "/opt/file", "args": ["x", "y"]}]"#,
                "/opt/file y"
            ),
        ])
    func aDescriptionThatMeansHarmIsRefused(edits: String, reason: String) async throws {
        let machine = try MachineTree()
        try machine.folder.write("opt/file", "")
        try machine.describe(#"{"name": "0", "containerEdits": {\#(edits)}}"#)
        let (record, _) = try await run(machine, gpus: ["example.com/gpu=0"], "true")
        guard case .startFailure(_, let subject, _) = record.status else {
            Issue.record("\(record.status)")
            return
        }
        #expect(subject.contains(reason), "\(subject)")
    }

    @Test func aGPUThatIsNotThereIsNamed() async throws {
        let (record, _) = try await run(try MachineTree(), gpus: ["GPU-9"], "true")
        guard case .startFailure("devices", let subject, ENODEV) = record.status else {
            Issue.record("\(record.status)")
            return
        }
        #expect(subject.contains("GPU-9"))
    }
}
