internal import JobModel
internal import LinuxSystem

/// What is wrong with a job's network and can be told at the submit, while the local node is the only one.
enum NetworkCheck {
    /// - Parameter held: ports of tasks that run; those are waited for.
    static func check(_ spec: JobSpec, count: Int, held: [PortMapping]) throws(ErrorReport) {
        guard case .private(let ports) = spec.network else { return }
        if let port = spec.network.fixedPorts.first, count > 1, spec.limits.parallel != 1 {
            throw ErrorReport(
                error: "ports: \(count) tasks cannot all have \(port.hostName)",
                hint:
                    "\":\(port.taskPort)\" gives each a free port, which `martlet show` lists; or limits: {parallel: 1}",
                isUsage: true)
        }
        guard ProgramPath.find("pasta") != nil else {
            throw ErrorReport(
                error: "network: private needs pasta, and the PATH of the server has none",
                hint:
                    "install the package passt, then `martlet server stop`; or write network: host")
        }
        for port in ports where port.hostPort != 0 && !held.contains(where: port.conflicts) {
            try probe(port)
        }
    }

    private static func probe(_ port: PortMapping) throws(ErrorReport) {
        let isUDP = port.transport == .udp
        do throws(SystemError) {
            _ = try PortReservation(address: port.address, port: port.hostPort, isUDP: isUDP)
        } catch {
            let holder = PortHolder.find(port: port.hostPort, isUDP: isUDP)
            throw ErrorReport(
                error: "\(error.step) \(error.subject): "
                    + (holder.map { "\($0) has it" } ?? SystemError.text(error.errno)),
                hint: error.hint)
        }
    }
}
