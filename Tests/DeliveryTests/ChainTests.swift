import Foundation
import ImageStore
import JobModel
import LinuxSystem
import NodeLink
import OCISpec
import Synchronization
import Testing
import Threads

@testable import ImageIntake
@testable import JobServer
@testable import Layers

@Suite("Images handed on from node to node")
struct ChainTests {
    private static let digest = digestOf(Array("a".utf8))

    private func chains(_ names: [String]) -> DeliveryChains {
        let chains = DeliveryChains()
        for name in names { chains.join(PeerAddress(hosts: [], port: 1, name: name, key: "")) }
        return chains
    }

    @Test("each node gets a blob from the one that asked before it, and the first from the head")
    func order() {
        let chains = chains(["a", "b", "c"])
        #expect(chains.source(of: Self.digest, for: "a", without: []) == nil)
        #expect(chains.source(of: Self.digest, for: "b", without: [])?.name == "a")
        #expect(chains.source(of: Self.digest, for: "c", without: [])?.name == "b")
        // The first asks again for what came damaged: nobody behind it may serve it.
        #expect(chains.source(of: Self.digest, for: "a", without: []) == nil)
    }

    @Test("a node that gets a blob from elsewhere hands it on to those that ask after it")
    func lead() {
        let chains = chains(["a", "b", "c"])
        _ = chains.source(of: Self.digest, for: "a", without: [])
        chains.lead(Self.digest, by: "b")
        chains.lead(Self.digest, by: "b")
        #expect(chains.source(of: Self.digest, for: "c", without: [])?.name == "b")
        // Where it is not to be had elsewhere it stands where it stood.
        #expect(chains.source(of: Self.digest, for: "b", without: ["registry"])?.name == "a")
        #expect(chains.source(of: Self.digest, for: "b", without: ["a"]) == nil)
    }

    @Test("a node that cannot be reached, or has gone, is passed over")
    func bypass() {
        let chains = chains(["a", "b", "c"])
        for name in ["a", "b", "c"] { _ = chains.source(of: Self.digest, for: name, without: []) }
        #expect(chains.source(of: Self.digest, for: "c", without: ["b"])?.name == "a")
        #expect(chains.source(of: Self.digest, for: "c", without: ["a"]) == nil)
        chains.forget("a")
        #expect(chains.source(of: Self.digest, for: "b", without: []) == nil)
    }

    @Test("a node stays for as long as another gets something from it")
    func staying() {
        let chains = chains(["a", "b"])
        for name in ["a", "b"] { _ = chains.source(of: Self.digest, for: name, without: []) }
        let ended = Mutex<[String]>([])
        chains.leave("a") { ended.withLock { $0.append("a") } }
        #expect(ended.withLock { $0 } == [])
        chains.leave("b") { ended.withLock { $0.append("b") } }
        #expect(ended.withLock { $0.sorted() } == ["a", "b"])
    }

    /// Delivers to all nodes at once; what left the head for each, and what failed.
    private func deliver(
        _ site: Site, _ image: StoredImage, _ nodes: [Node], _ wires: [Wire]
    ) -> [String] {
        let failures = Mutex<[String]>([])
        let threads = zip(nodes, wires).compactMap { node, wire in
            try? WorkerThread(node.name) {
                do {
                    let layers = try site.deliver(image, to: node, wire)
                    for (ours, theirs) in zip(image.layers, layers) {
                        let same = FileManager.default.contentsEqual(atPath: ours, andPath: theirs)
                        if !same { throw LinkError("\(node.name) has something else") }
                    }
                } catch { failures.withLock { $0.append("\(error)") } }
            }
        }
        for thread in threads { thread.join() }
        return failures.withLock { $0 }
    }

    @Test("for eight nodes that reach each other hardly more than the image leaves the head")
    func eight() throws {
        let site = try Site()
        let image = try site.image(layers: 2, bytes: 12 << 20)
        let nodes = (0..<8).map { site.node("n\($0)") }
        let wires = nodes.map { _ in Wire() }
        #expect(deliver(site, image, nodes, wires) == [])
        let sent = wires.reduce(0) { $0 + $1.sent }
        #expect(Double(sent) < 1.3 * Double(24 << 20), "\(sent) bytes left the head")
    }

    @Test("a node that dies in the chain is bypassed, and what has come stays")
    func deadNode() throws {
        let site = try Site()
        let image = try site.image(layers: 1, bytes: 40 << 20)
        let nodes = (0..<4).map { site.node("n\($0)") }
        // Whoever is fed by the head loses its link in the middle.
        let wires = nodes.map { _ in Wire(cutAfter: 20 << 20) }
        let failures = deliver(site, image, nodes, wires)
        #expect(failures.count < 4)
        let rest = nodes.map { _ in Wire() }
        #expect(deliver(site, image, nodes, rest) == [])
        #expect(rest.reduce(0) { $0 + $1.sent } < 42 << 20)
    }

    @Test("what is sealed opens in order, under the same key, and unchanged")
    func sealing() throws {
        signal(SIGPIPE, SIG_IGN)
        func lines(_ key: [UInt8], _ other: [UInt8]) throws -> (SealedLine, SealedLine, Int32) {
            let (a, b) = try UnixSocket.pair(.stream).release()
            let box = Monitor<UncheckedLine?>(nil)
            let thread = try WorkerThread("other") {
                if let line = try? SealedLine(b, key: other, isCaller: false) {
                    box.withLock { $0 = UncheckedLine(line: line) }
                }
            }
            let caller = try SealedLine(a, key: key, isCaller: true)
            thread.join()
            return (caller, try #require(box.quietly { $0 }).line, a)
        }
        let key = [UInt8](repeating: 1, count: 32)
        let (caller, server, socket) = try lines(key, key)
        let text = Array("a layer".utf8)
        try caller.send(text)
        #expect(try server.receive() == text)
        try server.send([])
        try server.send(text + text)
        #expect(try caller.receive() == text + text)
        // Neither forged nor repeated.
        try Files.writeAll(socket, [7, 0, 0, 0] + [UInt8](repeating: 3, count: 23), "line")
        #expect(throws: SystemError.self) { try server.receive() }
        let (stranger, victim, _) = try lines([UInt8](repeating: 2, count: 32), key)
        try stranger.send(text)
        #expect(throws: SystemError.self) { try victim.receive() }
    }
}

private struct UncheckedLine: @unchecked Sendable {
    // @unchecked: handed from the thread that made it to the one that waited for that.
    let line: SealedLine
}
