import Foundation
import Testing

/// Holds the structure: which room may see which, read off the import lines themselves.
@Suite("Import facts")
struct ImportFactsTests {
    /// Read once for all of them.
    private static let tree = try? SourceTree.load()
    private var house: SourceTree? { Self.tree }

    @Test(
        "one module alone reaches each large library",
        arguments: [
            ("Yams", ["SpecFile"]), ("GRDB", ["StateStore"]), ("CCurl", ["Registry"]),
            ("Hummingbird", ["ServerAPI"]), ("HummingbirdCore", ["ServerAPI"]),
            ("CIsal", ["ImageStore"]),
            ("CSeccomp", ["ContainerRuntime"]), ("TOMLKit", ["Registry"]),
            ("CZstd", ["Layers", "TreeSync"]), ("CZlib", ["ImageStore", "Layers"]),
            ("CCrypto", ["ImageIntake", "Layers", "NodeLink"]),
            ("CChecksum", ["Layers", "NodeLink"]),
            ("ArgumentParser", ["martlet"]),
        ])
    func soleImporters(library: String, owners: [String]) throws {
        let house = try #require(house)
        let importers = house.modules.filter { $0.value.contains(library) }.map(\.key)
        #expect(Set(importers).isSubset(of: owners), "\(library) is for \(owners)")
    }

    @Test(
        "pure modules do no I/O",
        arguments: ["JobModel", "OCISpec", "OCIRuntimeSpec", "Scheduling", "Simulation"])
    func pureModules(module: String) throws {
        let imports = try #require(house?.modules[module])
        let allowed: Set = [
            "JobModel", "OCISpec", "Scheduling", "DequeModule", "HeapModule",
            "FoundationEssentials", "Glibc",
        ]
        #expect(imports.isSubset(of: allowed), "found \(imports.subtracting(allowed))")
    }

    /// The levels of the design, lowest first: an arrow may point to the same level or down, never up.
    @Test("nothing imports upwards")
    func levels() throws {
        let levels: [[String]] = [
            [
                "CLinux", "CChecksum", "CCrypto", "CCurl", "CIsal", "CSealed", "CSeccomp", "CZstd",
                "CZlib",
            ],
            ["JobModel", "Scheduling", "Simulation", "OCISpec", "OCIRuntimeSpec"],
            ["LinuxSystem"],
            ["Threads"],
            [
                "SpecFile", "Topology", "StateStore", "Registry", "Layers", "ImageStore",
                "ContainerRuntime", "NodeLink",
            ],
            ["ImageIntake", "TreeSync"], ["NodeAgent", "JobServer", "ServerAPI", "TerminalUI"],
            ["martlet", "martlet-agent", "martlet-nvml", "martlet-runtime"],
        ]
        let level = Dictionary(
            uniqueKeysWithValues: levels.enumerated().flatMap { rank, names in
                names.map { ($0, rank) }
            })
        let house = try #require(house)
        for (module, imports) in house.modules {
            let own = try #require(level[module], "\(module) has no place in the design")
            for other in imports {
                guard let theirs = level[other] else { continue }
                #expect(theirs <= own, "\(module) imports \(other), which stands above it")
            }
        }
    }

    @Test(
        "what is fully static reaches no shared library and no threads",
        arguments: ["martlet-agent", "martlet-runtime"])
    func staticExecutables(executable: String) throws {
        let reached = try #require(house).closure(of: executable)
        let forbidden: Set = [
            "CCurl", "CIsal", "GRDB", "Hummingbird", "NIOCore", "NIOPosix", "NIOHTTP1",
            "Foundation",
            "FoundationNetworking", "Dispatch", "Logging", "Yams", "StateStore", "Registry",
            "JobServer", "ServerAPI",
        ]
        #expect(reached.isDisjoint(with: forbidden), "reaches \(reached.intersection(forbidden))")
        if executable == "martlet-runtime" {
            #expect(reached.isDisjoint(with: ["FoundationEssentials", "Threads"]))
        }
    }

    @Test("every module says in one place what it owns and where to start")
    func everyModuleIsDescribed() throws {
        let house = try #require(house)
        #expect(house.modules.count >= 15)
        for (module, files) in house.files where files.contains(module + ".swift") {
            let text = try house.text(of: module + ".swift", in: module)
            let comment = text.split(separator: "\n").filter { $0.hasPrefix("///") }.joined()
            #expect(comment.contains("Start "), "\(module).swift does not say where to start")
        }
        for module in house.modules.keys where module.first?.isUppercase == true {
            let isC = module.hasPrefix("C") && module.dropFirst().first?.isUppercase == true
            let main = isC ? "include/\(module).h" : module + ".swift"
            #expect(
                house.files[module]?.contains(main) == true, "\(module) has no file of its name")
        }
    }

    @Test(
        "what is fully static asks for no loader",
        .enabled(if: SourceTree.hasExecutables, "run `make build` first"),
        arguments: ["martlet-agent", "martlet-runtime"])
    func noLoader(executable: String) throws {
        let bytes = try Data(contentsOf: SourceTree.executables.appendingPathComponent(executable))
        // elf(5), 64 bit: the program headers begin at e_phoff, and one of type PT_INTERP names a loader.
        func word(_ offset: Int, _ size: Int) -> Int {
            bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let (start, size, count) = (word(32, 8), word(54, 2), word(56, 2))
        #expect(count > 0)
        for header in 0..<count { #expect(word(start + header * size, 4) != 3) }
    }
}

/// The modules below Sources and what their files import.
struct SourceTree {
    var modules: [String: Set<String>] = [:]
    var files: [String: [String]] = [:]

    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    static let root = repository.appendingPathComponent("Sources")
    static let executables = repository.appendingPathComponent(".build/bin")
    static let hasExecutables = FileManager.default.fileExists(
        atPath: executables.appendingPathComponent("martlet-runtime").path)

    func text(of file: String, in module: String) throws -> String {
        try String(
            contentsOf: Self.root.appendingPathComponent(module).appendingPathComponent(file),
            encoding: .utf8)
    }

    static func load() throws -> SourceTree {
        var tree = SourceTree()
        for module in try FileManager.default.contentsOfDirectory(atPath: root.path) {
            let folder = root.appendingPathComponent(module)
            let names = FileManager.default.enumerator(atPath: folder.path)?.allObjects ?? []
            tree.modules[module] = []
            for name in names.compactMap({ $0 as? String }) where name.hasSuffix(".swift") {
                let text = try String(
                    contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                tree.files[module, default: []].append(name)
                tree.modules[module]?.formUnion(imports(in: text))
            }
            if tree.files[module] == nil { tree.files[module] = names.compactMap { $0 as? String } }
        }
        return tree
    }

    /// `public import struct A.B` → `A`.
    static func imports(in text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
                words[..<at].allSatisfy({
                    ["public", "internal", "package", "@testable", "@_exported"].contains($0)
                })
            else { return nil }
            let kinds: Set<Substring> = [
                "struct", "class", "enum", "func", "protocol", "typealias", "var",
            ]
            let name =
                kinds.contains(words[at + 1]) && at + 2 < words.count
                ? words[at + 2] : words[at + 1]
            return name.split(separator: ".").first.map(String.init)
        }
    }

    func closure(of module: String) -> Set<String> {
        var seen: Set<String> = []
        var open = [module]
        while let next = open.popLast() {
            for other in modules[next] ?? [] where seen.insert(other).inserted {
                open.append(other)
            }
        }
        return seen
    }
}
