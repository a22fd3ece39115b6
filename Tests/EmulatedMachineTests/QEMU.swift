import Foundation

/// The process that emulates: started, asked, ended.
struct QEMU: Sendable {
    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
    static let program = ["/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64"].first
    {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    private let consoleFile: String
    private let process = Process()
    private let input: FileHandle
    private let output: FileHandle

    init(_ model: EmulatedMachine.Model, sharing folder: String) throws {
        let root = model.root
        let place = Self.repository + "/.build/machine/" + model.kernel
        try Self.prepare("kernel", model.kernel)
        if root == .debian { try Self.prepare("debian") }
        let swift = try Self.swiftLibraries()
        consoleFile = folder + "/console"
        var shared = ["results": folder, "martlet": Self.repository]
        switch root {
        case .host: shared["usr"] = "/usr"
        case .debian: shared["root"] = Self.repository + "/.build/machine/debian"
        }
        shared["swift"] = swift
        // The wrapper, which has a process group of its own, ends what nobody is there to end any more. Signals but SIGKILL
        // may be blocked in both, as they are in the thread that starts them.
        // no_timer_check: a kernel whose emulated CPU gets no time takes the timer for broken, and panics.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        process.arguments =
            ["--signal=KILL", "3600", Self.program ?? "qemu-system-x86_64"] + Self.hardware
            + Self.memory(model.numaNodes)
            + [
                "-kernel", place + "/vmlinuz", "-initrd", place + "/initramfs",
                "-append",
                "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check root=\(root.rawValue)"
                    + (swift.map { " swift=\($0)" } ?? ""),
                "-serial", "file:" + consoleFile,
            ]
            + shared.sorted { $0.key < $1.key }.flatMap { tag, path in
                let access = tag == "results" ? "" : ",readonly=on"
                return [
                    "-virtfs",
                    "local,path=\(path),mount_tag=\(tag),security_model=none,multidevs=remap"
                        + access,
                ]
            }
        let (asking, answering, errors) = (Pipe(), Pipe(), folder + "/qemu")
        try Data().write(to: URL(fileURLWithPath: errors))
        process.standardInput = asking
        process.standardOutput = answering
        process.standardError = FileHandle(forWritingAtPath: errors)
        (input, output) = (asking.fileHandleForWriting, answering.fileHandleForReading)
        try process.run()
    }

    private static let hardware = [
        "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", "4",
        "-m", "1024M",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
        "-chardev", "stdio,id=port,signal=off", "-device", "virtserialport,chardev=port",
    ]

    /// Each node with its CPUs; of four, two and two lie in one package.
    private static func memory(_ nodes: Int) -> [String] {
        let cpus = 4 / nodes
        let each = (0..<nodes).flatMap { node in
            [
                "-object", "memory-backend-ram,id=memory\(node),size=\(1024 / nodes)M", "-numa",
                "node,nodeid=\(node),cpus=\(node * cpus)-\((node + 1) * cpus - 1),memdev=memory\(node)",
            ]
        }
        let pairs = (0..<nodes).flatMap { a in (a + 1..<nodes).map { (a, $0) } }
        return each
            + pairs.flatMap { a, b in
                let isNear = nodes > 2 && a / 2 == b / 2
                return ["-numa", "dist,src=\(a),dst=\(b),val=\(isNear ? 12 : 20)"]
            }
    }

    private static func prepare(_ what: String...) throws {
        let outcome = try command(repository + "/.ci/machine", what)
        guard outcome.status == 0 else { throw QEMUError(what: outcome.output) }
    }

    /// Where `martlet` finds the libraries that came with the compiler; nil where it holds them itself.
    private static func swiftLibraries() throws -> String? {
        let lines = try command("/usr/bin/ldd", [repository + "/.build/bin/martlet"]).output
        let line = lines.split(separator: "\n").first { $0.contains("libswiftCore.so") }
        return line?.split(separator: " ").first { $0.hasPrefix("/") }
            .map { URL(fileURLWithPath: String($0)).deletingLastPathComponent().path }
            .flatMap { $0.hasPrefix("/usr/") ? nil : $0 }
    }

    private static func command(
        _ program: String, _ arguments: [String]
    ) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
    }

    // MARK: While it runs

    var isRunning: Bool { process.isRunning }

    /// Everything that the kernel and the first programs have said.
    var console: String {
        String(
            decoding: FileManager.default.contents(atPath: consoleFile) ?? Data(), as: UTF8.self)
    }

    /// A machine that has ended reads nothing, and is no reason to die of SIGPIPE.
    func ask(_ line: String) throws {
        if process.isRunning { try input.write(contentsOf: Data(line.utf8)) }
    }

    /// One line without its end; what there was of it where the machine ended, nil where time ran out.
    func answer(within seconds: Int) -> String? {
        let deadline = Date().addingTimeInterval(Double(seconds))
        var line: [UInt8] = []
        while true {
            let milliseconds = deadline.timeIntervalSinceNow * 1000
            guard milliseconds > 0 else { return nil }
            var poller = pollfd(fd: output.fileDescriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, Int32(milliseconds)) == 1 else { continue }
            var byte: UInt8 = 0
            guard read(output.fileDescriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") else {
                return String(decoding: line, as: UTF8.self)
            }
            line.append(byte)
        }
    }

    /// Ends at once, and is gone when this returns.
    func end() {
        guard process.isRunning else { return }
        kill(-process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

struct QEMUError: Error, CustomStringConvertible {
    let what: String
    var description: String { "the emulated machine was not prepared: " + what }
}
