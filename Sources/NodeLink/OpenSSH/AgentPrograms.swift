internal import CCrypto
internal import Glibc
public import LinuxSystem
internal import OCISpec
internal import Synchronization

/// The programs that a node needs, as the head has them: those of its own architecture lie beside its own executable, others
/// in `<data>/agents/<uname -m>/`. One for all nodes; any thread.
public final class AgentPrograms: Sendable {
    private let own: String
    private let others: String
    private let known = Mutex<[String: (stamp: [Int64], bundle: AgentBundle)]>([:])

    /// - Parameters:
    ///   - own: the directory with this machine's `martlet-agent`, `martlet-runtime` and, where it was built, `martlet-nvml`.
    ///   - directories: whose data directory may have those of other architectures.
    public init(in own: String, _ directories: Directories) {
        self.own = own
        others = directories.data + "/agents"
    }

    /// Those beside this executable.
    public convenience init(_ directories: Directories) throws(SystemError) {
        let agent = try Daemon.sibling("martlet-agent")
        self.init(in: RootedPath.split(agent).parent, directories)
    }

    /// - Parameter machine: as `uname -m` has it there; nil for this machine's own.
    func bundle(for machine: String?) throws(LinkProblem) -> AgentBundle {
        let directory = machine.map { others + "/" + $0 } ?? own
        do throws(SystemError) {
            let files = try AgentBundle.files(in: directory)
            // Programs that are installed anew under a head that runs are another bundle.
            let stamp = files.flatMap(\.stamp)
            if let known = known.withLock({ $0[directory] }), known.stamp == stamp {
                return known.bundle
            }
            let bundle = try AgentBundle(files)
            known.withLock { $0[directory] = (stamp, bundle) }
            return bundle
        } catch {
            throw Self.missing(machine, directory, error)
        }
    }

    /// `uname -m` of this machine.
    static let ownMachine: String = {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: name.machine) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
    }()

    private static func missing(_ machine: String?, _ directory: String, _ error: SystemError)
        -> LinkProblem
    {
        guard let machine else {
            return LinkProblem(
                .agentFails, "\(error)",
                remedy: "martlet-agent and martlet-runtime belong beside martlet")
        }
        return LinkProblem(
            .otherArchitecture,
            "the node is \(machine), and there are no programs for it (this machine is \(ownMachine))",
            remedy: "put martlet-agent and martlet-runtime that were built there into \(directory)")
    }
}
