internal import Glibc
internal import JobModel
internal import LinuxSystem

/// Brings a bundle to a node: one more ssh, through whose stdin it goes, for each base that turns out not to hold it.
struct AgentInstall {
    let ssh: SSHCommand
    let bundle: AgentBundle
    let wake: Int32
    let isCancelled: () -> Bool

    /// A base for each candidate, and one try more where one appears meanwhile.
    private static let mostTries = 5

    /// Blocks; returns once the programs are there.
    func run() throws(LinkProblem) {
        var passed = 0
        var last: LinkProblem?
        for _ in 0..<Self.mostTries {
            let script = RemoteScript.install(
                hash: bundle.hash, directory: ssh.node.directory, skipping: passed)
            let visit = try SSHVisit(ssh, script)
            let source = BundleSource(bundle)
            let (word, _) = try visit.greet(
                sending: { () throws(SystemError) in try source.next() }, wake: wake,
                isCancelled: isCancelled)
            switch word {
            case .installed: return
            case .failed(let number, let base):
                passed = max(passed + 1, number)
                last = failure(visit.words(), base)
            case .nowhere: throw last ?? Self.nowhere(visit.words(), ssh)
            case .ready, .missing:
                throw LinkProblem(.agentFails, "the node does not say whether the programs came")
            }
        }
        throw last ?? LinkProblem(.agentFails, "the programs cannot be installed")
    }

    private func failure(_ words: String, _ base: String) -> LinkProblem {
        var problem = LinkProblem(
            words: words, of: ssh.node, otherwise: "the programs do not unpack themselves")
        if problem.kind != .noSpace { problem.kind = .agentFails }
        problem.reason = "installing into \(LinkProblem.neutralised(base)): \(problem.reason)"
        return problem
    }

    private static func nowhere(_ words: String, _ ssh: SSHCommand) -> LinkProblem {
        let said = LinkProblem(words: words, of: ssh.node, otherwise: "")
        return LinkProblem(
            .noSpace,
            "no directory there takes programs and runs them"
                + (said.reason.isEmpty ? "" : " (\(said.reason))"),
            remedy: "give --directory on a file system with room that is not mounted noexec")
    }
}

/// The bytes of a bundle, piece by piece.
private final class BundleSource {
    private let bundle: AgentBundle
    private var index = 0
    private var file: Int32 = -1
    private var left: Int64 = 0

    init(_ bundle: AgentBundle) { self.bundle = bundle }
    deinit { if file >= 0 { close(file) } }

    /// Empty at the end.
    func next() throws(SystemError) -> [UInt8] {
        while left == 0 {
            if file >= 0 { close(file) }
            file = -1
            guard index < bundle.files.count else {
                defer { index += 1 }
                return index == bundle.files.count ? bundle.tail : []
            }
            file = try OwnedFD.open(bundle.files[index].path, O_RDONLY).release()
            left = bundle.files[index].size
            index += 1
        }
        var bytes: [UInt8] = []
        let count = try AgentBundle.copy(file, min(left, 1 << 18), "program") { bytes += $0 }
        // Shorter than it was: the node will find the hash wrong.
        left = count == 0 ? 0 : left - count
        return bytes
    }
}
