import JobModel
import LinuxSystem
import Testing

@testable import NodeLink

/// The programs' way from one file to a directory, by the programs themselves.
@Suite(
    .serialized,
    .enabled(
        if: Files.exists(LinkedNode.programs + "/martlet-agent"),
        "needs the programs (`make build`)"))
struct BundleTests {
    private let folder: String
    private let bundle: AgentBundle

    init() throws {
        folder = "/tmp/martlet-bundle-\(UInt32.random(in: 0 ... .max))"
        try Files.makeDirectories(folder + "/agents")
        bundle = try AgentBundle(in: LinkedNode.programs)
        try shell("cat \(bundle.files.map(\.path).joined(separator: " ")) >\(folder)/bundle")
        let file = try OwnedFD.open(folder + "/bundle", 0o2001)
        try Files.writeAll(file.raw, bundle.tail, "bundle")
    }

    @discardableResult
    private func shell(_ script: String) throws -> (status: Int32, text: String) {
        let ended = try ProgramOutput.run("/bin/sh", ["-c", "exec 2>&1; \(script)"])
        return (ended.status, String(decoding: ended.output, as: UTF8.self))
    }

    private func unpack(_ hash: String? = nil) throws -> (status: Int32, text: String) {
        try shell(
            "chmod 700 \(folder)/bundle; \(folder)/bundle unpack \(hash ?? bundle.hash) \(folder)/agents"
        )
    }

    private func remove() throws { try shell("rm -rf \(folder)") }

    @Test func unpacksItselfAndSaysWhatItIs() throws {
        defer { try? remove() }
        for _ in 0..<2 {
            let (status, text) = try unpack()
            #expect(status == 0, "\(text)")
            #expect(try Files.names(in: folder + "/agents") == [bundle.hash])
        }
        let said = try shell("\(folder)/agents/\(bundle.hash)/martlet-agent hash")
        #expect(said.text == bundle.hash + "\n")
    }

    @Test func oneThatIsBrokenMakesWay() throws {
        defer { try? remove() }
        #expect(try unpack().status == 0)
        let runtime = "\(folder)/agents/\(bundle.hash)/martlet-runtime"
        try shell("echo x >\(runtime)")
        #expect(try unpack().status == 0)
        #expect(try shell("cmp \(runtime) \(LinkedNode.programs)/martlet-runtime").status == 0)
        #expect(try Files.names(in: folder + "/agents") == [bundle.hash])
    }

    @Test(arguments: [
        "truncate -s -1 bundle", "truncate -s -100000 bundle",
        // One byte in the middle of the second program.
        "printf X | dd of=bundle bs=1 conv=notrunc seek=$(($(stat -c %s bundle) - 5000000)) 2>/dev/null",
    ])
    func whatWasCutShortOrChangedIsNotInstalled(damage: String) throws {
        defer { try? remove() }
        try shell("cd \(folder); \(damage)")
        #expect(try unpack().status != 0)
        #expect(try Files.names(in: folder + "/agents") == [])
    }

    @Test func versionsThatNobodyRunsGoButForTheNewestTwo() throws {
        defer { try? remove() }
        for age in 1...4 {
            let name = "\(folder)/agents/" + String(repeating: "\(age)", count: 32)
            try shell(
                "mkdir \(name); cp /bin/sleep \(name)/martlet-agent; touch -d '-\(age) hours' \(name)"
            )
        }
        try shell("mkdir \(folder)/agents/.new-x; touch -d '-2 days' \(folder)/agents/.new-x")
        let running = try AttachedCommand([
            "\(folder)/agents/" + String(repeating: "3", count: 32) + "/martlet-agent", "1000",
        ])
        #expect(try unpack().status == 0)
        let kept = [1, 3].map { String(repeating: "\($0)", count: 32) } + [bundle.hash]
        #expect(try Set(Files.names(in: folder + "/agents")) == Set(kept))
        _ = running.pid
    }
}
