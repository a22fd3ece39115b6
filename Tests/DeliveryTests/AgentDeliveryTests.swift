import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Testing
import Threads

@testable import JobServer
@testable import Layers

/// An agent of the built executable, and the head's link to it.
private final class RealAgent: Sendable {
    static let program = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(".build/bin/martlet-agent").path
    let home: String
    private let pid = Monitor<Int32?>(nil)
    private let connection = Monitor<AgentLink.Connection?>(nil)
    private let link = Mutex<AgentLink?>(nil)

    init(_ home: String) throws {
        self.home = home
        try FileManager.default.createDirectory(
            atPath: home + "/run", withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        let made = try AgentLink(
            .socket(home + "/run/agent.sock"), head: "test",
            startAgent: { [pid, home] in
                let started = try Daemon.start(
                    ["/usr/bin/env", "MARTLET_HOME=\(home)", Self.program, "serve"],
                    log: home + "/agent.log")
                pid.withLock { $0 = started }
            },
            deliver: { [connection] event in
                switch event {
                case .connected(_, let new): connection.withLock { $0 = new }
                case .disconnected: connection.withLock { $0 = nil }
                case .message: break
                }
            })
        link.withLock { $0 = made }
        try made.start()
    }

    func channel() throws -> DeliveryChannel {
        let connection = try #require(connection.wait(seconds: 30) { $0 })
        return try DeliveryChannel.open(try #require(link.withLock { $0 }), on: connection)
    }

    func forget(_ job: Int64) throws {
        let connection = try #require(connection.wait(seconds: 30) { $0 })
        link.withLock { $0 }?.send(.forget(JobID(job)), on: connection)
    }

    /// The process that takes an image in.
    func intake() -> Int32? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.first { pid in
            let command = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline"))
            let environment = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/environ"))
            return command?.range(of: Data("\0layers\0".utf8)) != nil
                && environment?.range(of: Data("MARTLET_HOME=\(home)\0".utf8)) != nil
        }
    }

    /// Or has not in ten seconds.
    private func connectionEnds() {
        _ = connection.wait(seconds: 10) { $0 == nil ? true : nil as Bool? }
    }

    deinit {
        let link = link.withLock { $0 }
        // Its launcher would outlive an agent that is killed.
        if let connection = connection.quietly({ $0 }) {
            link?.send(.shutdown, on: connection)
            connectionEnds()
        }
        link?.close()
        if let pid = pid.quietly({ $0 }) { kill(pid, SIGTERM) }
        if let intake = intake() { kill(intake, SIGTERM) }
    }
}

@Suite(
    "Images by the agent itself",
    .enabled(
        if: FileManager.default.fileExists(atPath: RealAgent.program), "run `make build` first"))
struct AgentDeliveryTests {
    @Test(
        "an intake that is killed loses only what had not come, and a forgotten job lets its image go"
    )
    func killed() throws {
        let site = try Site()
        let image = try site.image(layers: 2, bytes: 30 << 20)
        let agent = try RealAgent(site.path + "/n")
        let isKilled = Mutex(false)
        let error = #expect(throws: DeliveryError.self) {
            _ = try site.delivery.deliver(
                image, for: JobID(5), to: "n", over: try agent.channel(),
                progress: { [agent] progress in
                    guard progress.done > 16 << 20, !isKilled.withLock({ $0 }),
                        let pid = agent.intake()
                    else { return }
                    isKilled.withLock { $0 = true }
                    kill(pid, SIGKILL)
                })
        }
        #expect(error?.kind == .nodeGone)
        #expect(try !Files.names(in: site.path + "/n/data/partials").isEmpty)
        let root = try site.delivery.deliver(
            image, for: JobID(5), to: "n", over: try agent.channel())
        guard case .layers(let layers, _) = root else { return }
        #expect(layers.count == 2 && layers.allSatisfy(Files.exists))
        #expect(layers.allSatisfy { $0.hasPrefix(site.path + "/n/data/") })
        let node = LayerStore(
            paths: StorePaths(root: site.path + "/n/data"), settings: LayerSettings())
        #expect(node.uses.all().uses.count == 1)
        try agent.forget(5)
        for _ in 0..<500 where !node.uses.all().uses.isEmpty { usleep(10_000) }
        #expect(node.uses.all().uses.isEmpty)
        #expect(try node.prune(PruneOptions(all: true)).layers == 2)
    }
}
