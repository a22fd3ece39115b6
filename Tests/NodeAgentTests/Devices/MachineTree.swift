import Foundation
import LinuxSystem

/// The files of a machine with two NVIDIA GPUs, as far as anybody looks at them. Numbers of ordinary devices stand for theirs:
/// memory's are of major 1 (mem(4)), where 5 is zero and 7 full.
struct MachineTree {
    let folder: Folder
    var path: String { folder.path }

    static let isPossible = geteuid() == 0
    static let reason = "only root makes device nodes"

    init() throws {
        folder = try Folder()
        chmod(folder.path, 0o755)
        try folder.write("sys/devices/system/cpu/online", "0\n")
        try folder.write("proc/meminfo", "MemTotal: 1000 kB\n")
        try folder.write("proc/devices", "Character devices:\n  1 nvidia\n\nBlock devices:\n")
        try folder.write(
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\n"
        )
        for minor in [5, 7] {
            try folder.write(
                "proc/driver/nvidia/gpus/0000:0\(minor):00.0/information",
                "Model: \t\t NVIDIA H100\nGPU UUID: \t GPU-\(minor)\nDevice Minor: \t \(minor)\n")
            try device("nvidia\(minor)", minor: minor)
        }
        try device("nvidiactl", minor: 255)
    }

    func device(_ name: String, minor: Int) throws {
        try FileManager.default.createDirectory(
            atPath: path + "/dev", withIntermediateDirectories: true)
        try run(["/bin/mknod", "-m", "666", path + "/dev/" + name, "c", "1", "\(minor)"])
    }

    /// A library as a driver has it, with the version in its file's name.
    func library(_ name: String, soname: String) throws {
        let source = try folder.write("library.c", "int x;\n")
        let directory = path + "/" + RootedPath.split(name).parent
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        try run([
            "/usr/bin/cc", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname," + soname, "-o",
            path + "/" + name, source,
        ])
    }

    private func run(_ command: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw SystemError("run", "\(command)", errno: EIO)
        }
    }

    /// A description of devices of the kind example.com/gpu.
    func describe(_ devices: String) throws {
        try folder.write(
            "etc/cdi/example.json",
            #"{"cdiVersion": "0.7.0", "kind": "example.com/gpu", "devices": [\#(devices)]}"#)
    }
}
