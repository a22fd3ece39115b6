import Foundation
import JobModel
import LinuxSystem
import Testing
import Threads

@testable import ServerAPI

/// Servers that are killed while they are asked.
@Suite("Questions to dying servers")
struct DyingServerTests {
    private static let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"
    private static let deaths: [DyingServer.Act] = [
        .hangUp, .hangUp, .cut("HTTP/1.1 200 OK\r\ncontent-le"),
        .cut("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n["),
        .cut("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n"),
    ]

    private static func server() throws -> (DyingServer, folder: String) {
        let folder = NSTemporaryDirectory() + "/martlet-dying-" + UUID().uuidString
        try Files.makePrivateDirectory(folder)
        return (DyingServer(folder + "/sock"), folder)
    }

    /// Counts how often somebody had to look for the next server.
    private static func client(_ server: DyingServer) -> (APIClient, Monitor<Int>) {
        let revivals = Monitor(0)
        let client = APIClient(socketPath: server.path, patience: Patience(milliseconds: 0)) {
            revivals.withLock { $0 += 1 }
        }
        return (client, revivals)
    }

    @Test("what changes nothing is asked until a server has answered")
    func questions() throws {
        let (server, folder) = try Self.server()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (client, revivals) = Self.client(server)
        try server.serve(Self.deaths + [.answer(Self.whole)])
        #expect(try client.nodes().isEmpty)
        #expect(revivals.withLock { $0 } == 5)
    }

    @Test("wait, logs and show ask by POST, and as often", arguments: ["ends", "report", "cancel"])
    func posts(question: String) throws {
        let (server, folder) = try Self.server()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (client, revivals) = Self.client(server)
        let error = #"{"schema":1,"error":"it was asked"}"#
        let answer = "HTTP/1.1 400 No\r\ncontent-length: \(error.utf8.count)\r\n\r\n\(error)"
        try server.serve(Self.deaths + [.answer(answer)])
        let selection = TaskSelection(job: JobID(1))
        #expect {
            switch question {
            case "ends": _ = try client.ends(of: [JobID(1)], count: 1, milliseconds: 0)
            case "report": _ = try client.report(ReportRequest(selection))
            default: _ = try client.cancel(SelectionRequest([selection]))
            }
        } throws: {
            ($0 as? ErrorReport)?.error == "it was asked"
        }
        #expect(revivals.withLock { $0 } == 5)
        #expect(server.asked.allSatisfy { $0.contains("POST") && $0.contains("/\(question)") })
    }

    @Test("what changes something goes out once, and waits for a server that takes it")
    func changes() throws {
        let (server, folder) = try Self.server()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let request = SelectionRequest([TaskSelection(job: JobID(1))])
        // Nobody listens: the next server is started, and asked.
        let reply = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"counts\":[3]}"
        let client = APIClient(socketPath: server.path) { try server.serve([.answer(reply)]) }
        #expect(try client.retry(request) == [3])
        #expect(server.asked.count == 1)

        let (other, otherFolder) = try Self.server()
        defer { try? FileManager.default.removeItem(atPath: otherFolder) }
        let (asking, _) = Self.client(other)
        try other.serve([.cut("HTTP/1.1 200 OK\r\n"), .answer(reply)])
        #expect(throws: ServerGone.self) { try asking.retry(request) }
        #expect(other.asked.count == 1)
        // Takes the second away.
        #expect(try asking.retry(request) == [3])
    }

    @Test("a submit with a key is the same job, and goes out again")
    func submits() throws {
        let (server, folder) = try Self.server()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (client, _) = Self.client(server)
        let reply = #"{"schema":1,"id":7,"name":"j","tasks":1}"#
        try server.serve([
            .hangUp, .cut("HTTP/1.1 200 OK\r\n"),
            .answer("HTTP/1.1 200 OK\r\ncontent-length: \(reply.utf8.count)\r\n\r\n\(reply)"),
        ])
        let spec = JobSpec(name: "j", image: "host", command: ["true"])
        #expect(try client.submit(SubmitRequest(spec: spec, source: "", key: "k")).id == JobID(7))
        #expect(server.asked.count == 2)
    }

    @Test("one who waits outlasts many servers that are killed meanwhile")
    func manyDeaths() throws {
        let (server, folder) = try Self.server()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let client = APIClient(socketPath: server.path) {}
        try server.serve([DyingServer.Act](repeating: .hangUp, count: 12) + [.answer(Self.whole)])
        #expect(try client.ends(of: [JobID(1)], count: 1, milliseconds: 0).isEmpty)
    }

    @Test("somebody who is never answered is told so")
    func patience() throws {
        let (server, folder) = try Self.server()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (client, revivals) = Self.client(server)
        try server.serve([DyingServer.Act](repeating: .hangUp, count: 8))
        #expect(throws: (any Error).self) { try client.nodes() }
        #expect(revivals.withLock { $0 } == 7)
    }
}
