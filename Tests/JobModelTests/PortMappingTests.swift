import JobModel
import Testing

@Suite("Published ports")
struct PortMappingTests {
    private static func port(
        _ address: String, _ host: UInt16, _ task: UInt16, _ transport: PortMapping.Transport = .tcp
    ) -> PortMapping {
        PortMapping(address: address, hostPort: host, taskPort: task, transport: transport)
    }

    @Test(
        "every form is read",
        arguments: [
            ("8888", [port("127.0.0.1", 8888, 8888)]),
            ("18888:8888", [port("127.0.0.1", 18888, 8888)]),
            (":8888", [port("127.0.0.1", 0, 8888)]), ("0:8888", [port("127.0.0.1", 0, 8888)]),
            ("127.0.0.2:8080:80", [port("127.0.0.2", 8080, 80)]),
            ("0.0.0.0::80", [port("0.0.0.0", 0, 80)]), ("[::1]:8080:80", [port("::1", 8080, 80)]),
            ("5353:53/udp", [port("127.0.0.1", 5353, 53, .udp)]),
            (
                "9000-9001:7000-7001",
                [port("127.0.0.1", 9000, 7000), port("127.0.0.1", 9001, 7001)]
            ),
            (":7000-7001", [port("127.0.0.1", 0, 7000), port("127.0.0.1", 0, 7001)]),
        ])
    func forms(text: String, ports: [PortMapping]) throws {
        #expect(try PortMapping.parse(text) == ports)
    }

    @Test(
        "what is no port is refused",
        arguments: [
            "", ":", "x", "70000", "0", "8888:0", "1:2:3", "127.0.0.1:80", "300.0.0.1:1:2",
            "80/sctp", "9000-9002:9000-9001", "9002-9000", "[::1]", "[::1]8080:80", "1:2:3:4",
            "1-2000", "-1:80", "80-",
        ])
    func refused(text: String) {
        #expect(throws: PortMapping.Malformed.self) { try PortMapping.parse(text) }
    }

    @Test("two ports of a node conflict where one listener would keep the other away")
    func conflicts() {
        let one = Self.port("127.0.0.1", 80, 1)
        #expect(one.conflicts(with: Self.port("127.0.0.1", 80, 2)))
        #expect(one.conflicts(with: Self.port("0.0.0.0", 80, 2)))
        #expect(Self.port("::", 80, 2).conflicts(with: one))
        #expect(!one.conflicts(with: Self.port("127.0.0.2", 80, 1)))
        #expect(!one.conflicts(with: Self.port("127.0.0.1", 80, 1, .udp)))
        #expect(!one.conflicts(with: Self.port("127.0.0.1", 81, 1)))
        #expect(!Self.port("127.0.0.1", 0, 1).conflicts(with: Self.port("127.0.0.1", 0, 1)))
    }
}
