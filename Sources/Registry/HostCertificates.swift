internal import Glibc
internal import LinuxSystem

/// What containers-certs.d(5) has for one host: whom to believe, and who to be.
struct HostCertificates: Hashable, Sendable {
    struct Client: Hashable, Sendable {
        /// Paths of PEM files.
        var certificate: String
        var key: String
    }
    /// All `*.crt`, one after the other (PEM). They count beside the machine's own.
    var authorities: [UInt8] = []
    /// The first `*.cert` that there is, with the `*.key` of its name.
    var client: Client?

    /// Reads the first directory of the host's name: of the user's, the machine's, and Docker's. Nil where there is none.
    static func of(_ host: String, environment: [String: String], system: String)
        throws(RegistryError) -> HostCertificates?
    {
        guard !host.contains("/"), host != "..", host != "." else { return nil }
        let user = environment["HOME"].map { $0 + "/.config/containers" }
        for parent in [user, system + "/containers", system + "/docker"] {
            guard let parent else { continue }
            let directory = "\(parent)/certs.d/\(host)"
            // One that is not there, or not for us, is passed over.
            guard let names = try? Files.names(in: directory) else { continue }
            return try HostCertificates(directory, names.sorted())
        }
        return nil
    }

    private init(_ directory: String, _ names: [String]) throws(RegistryError) {
        for name in names where name.hasSuffix(".crt") {
            do throws(SystemError) {
                authorities += try Files.read(directory + "/" + name) + [10]
            } catch {
                throw RegistryError(
                    .local(error.errno), "read", directory + "/" + name,
                    SystemError.text(error.errno))
            }
        }
        let certificates = names.filter { $0.hasSuffix(".cert") }.map { String($0.dropLast(5)) }
        let keys = names.filter { $0.hasSuffix(".key") }.map { String($0.dropLast(4)) }
        if let lone = Set(certificates).symmetricDifference(keys).min() {
            throw RegistryError(
                .local(ENOENT), "read", directory,
                "of \(lone).cert and \(lone).key one is missing")
        }
        if let name = certificates.first {
            client = Client(
                certificate: "\(directory)/\(name).cert", key: "\(directory)/\(name).key")
        }
    }

    /// For hosts that the registry names: they may have certificates of the same authority, and are not told who we are.
    var forOthers: HostCertificates {
        var certificates = self
        certificates.client = nil
        return certificates
    }
}

/// How far the other side is believed.
struct Trust: Hashable, Sendable {
    /// Whether plain HTTP and unverified TLS are allowed.
    var isInsecure = false
    var certificates: HostCertificates?
}
