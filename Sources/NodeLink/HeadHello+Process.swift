internal import Glibc
internal import LinuxSystem

extension HeadHello {
    /// Of this process, by its user's and its machine's name.
    /// - Parameters:
    ///   - lease: `NodeSpec.lease`.
    ///   - epoch: increases with every process that uses this database.
    public static func ofThisProcess(head: String, lease: Int64? = nil, epoch: Int64? = nil)
        -> HeadHello
    {
        let environment = ProcessEnvironment.all()
        var host = [CChar](repeating: 0, count: 256)
        gethostname(&host, host.count - 1)
        let machine = String(
            decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let user = environment["USER"] ?? environment["LOGNAME"] ?? "uid \(getuid())"
        return HeadHello(head: head, name: "\(user)@\(machine)", lease: lease, epoch: epoch)
    }
}
