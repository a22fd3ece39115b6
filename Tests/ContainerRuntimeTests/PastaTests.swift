import Testing

@testable import ContainerRuntime

/// What pasta is asked for, and what is read off the machine for it.
@Suite struct PastaTests {
    private static let offline = MachineNetwork(four: "", six: "", resolvers: "")
    private static let route = """
        Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
        """

    @Test func theMachinesLoopbackIsNeverOfferedToAContainer() {
        let arguments = Pasta.arguments([], Self.offline)
        for (option, value) in [("-T", "none"), ("-U", "none"), ("-t", "none"), ("-u", "none")] {
            let place = arguments.firstIndex(of: option)
            #expect(place.map { arguments[$0 + 1] } == value, "\(option)")
        }
        #expect(arguments.contains("--no-map-gw"))
    }

    @Test func eachPortIsBoundAtItsAddress() {
        let arguments = Pasta.arguments(
            [
                .init(address: "127.0.0.1", hostPort: 1, containerPort: 2),
                .init(address: "::", hostPort: 3, containerPort: 4),
                .init(address: "127.0.0.1", hostPort: 5, containerPort: 6, isUDP: true),
            ], Self.offline)
        let pairs = Array(zip(arguments, arguments.dropFirst())).filter {
            ["-t", "-u"].contains($0.0)
        }
        #expect(pairs.map { $0.0 + $0.1 } == ["-t127.0.0.1/1:2", "-t::/3:4", "-u127.0.0.1/5:6"])
    }

    @Test func aDefaultRouteIsFoundInEitherTable() {
        #expect(MachineNetwork(four: Self.route, six: "", resolvers: "").hasRoute)
        #expect(!Self.offline.hasRoute)
        let zeros = String(repeating: "0", count: 32)
        func six(_ interface: String) -> String {
            "\(zeros) 00 \(zeros) 00 \(zeros) 00000400 00000001 00000000 00000003     \(interface)\n"
        }
        #expect(MachineNetwork(four: "", six: six("eth0"), resolvers: "").hasRoute)
        #expect(!MachineNetwork(four: "", six: six("lo"), resolvers: "").hasRoute)
    }

    @Test(arguments: [
        ("nameserver 127.0.0.53\noptions edns0\nsearch lan\n", true),
        ("nameserver ::1\n", true), ("nameserver 10.0.0.1\n", false),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.1\n", false), ("", false),
    ])
    func resolversOnTheLoopbackAreAskedThroughPasta(file: String, isLoopback: Bool) {
        let machine = MachineNetwork(four: "", six: "", resolvers: file)
        #expect(machine.asksLoopback == isLoopback)
        #expect(Pasta.arguments([], machine).contains("--dns-forward") == isLoopback)
        if file.contains("search") {
            #expect(
                machine.resolversInside == "nameserver 169.254.1.1\noptions edns0\nsearch lan\n")
        }
    }

    @Test func aComplaintIsWithoutWhatItSaysOfSyslog() {
        let said = "Failed to send 69 bytes to syslog\nFailed to bind any port\n\nexiting\n"
        #expect(Pasta.complaint(Array(said.utf8)) == "Failed to bind any port; exiting")
    }
}
