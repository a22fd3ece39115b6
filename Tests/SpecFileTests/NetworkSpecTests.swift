import Foundation
import JobModel
import SpecFile
import Testing

@Suite("Networks in specs")
struct NetworkSpecTests {
    private func parse(_ text: String, _ overrides: [SpecOverride] = []) throws -> JobSpec {
        try SpecFile.parse(
            text: "image: host\ncommand: [x]\n" + text, path: "sweep.yaml", overrides: overrides,
            directory: "/specs", workingDirectory: "/here", home: "/home/me")
    }

    @Test("the machine's own network is the default; private is asked for, by name or by ports")
    func modes() throws {
        #expect(try parse("").network == .host)
        #expect(try parse("network: host").network == .host)
        #expect(try parse("network: private").network == .private(ports: []))
        let notebook = PortMapping(hostPort: 8888, taskPort: 8888)
        #expect(try parse("ports: [8888]").network == .private(ports: [notebook]))
        #expect(
            try parse("network: private\nports: \"8888:8888\"").network
                == .private(ports: [notebook]))
    }

    @Test("flags add ports to those of the file")
    func flags() throws {
        let spec = try parse(
            "ports: [8888]",
            [SpecOverride(["ports"], ":6006", origin: "--publish", mode: .append)])
        #expect(spec.network.ports.map(\.taskPort) == [8888, 6006])
        #expect(spec.network.fixedPorts.map(\.taskPort) == [8888])
    }

    @Test(
        "mistakes are told where they stand",
        arguments: [
            ("network: bridge", "3:10", "host, private"),
            ("network: host\nports: [80]", "3:10", "network: private"),
            ("ports: [80, 70000]", "3:13", "8888:8888"),
            ("ports: [\"{port}:8888\"]\nsweep: {grid: {port: [1, 2]}}", "3:10", "\":8888\""),
            ("ports: [\"80:1\", \"0.0.0.0:80:2\"]", "3:17", "one port of the node"),
            ("resources: {nodes: 2}\nnetwork: private", "4:10", "not reach each other"),
        ])
    func mistakes(text: String, place: String, words: String) {
        do {
            _ = try parse(text)
            Issue.record("it was taken")
        } catch {
            #expect("\(error)".contains("sweep.yaml:\(place)"), "\(error)")
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test("a spec that was stored before there were private networks is on the machine's")
    func stored() throws {
        var object = try #require(
            JSONSerialization.jsonObject(with: JSONEncoder().encode(try parse("ports: [80]")))
                as? [String: Any])
        #expect(object.removeValue(forKey: "network") != nil)
        let old = try JSONDecoder().decode(
            JobSpec.self, from: JSONSerialization.data(withJSONObject: object))
        #expect(old.network == .host)
    }
}
