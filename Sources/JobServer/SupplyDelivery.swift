internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What is to be brought where.
struct SupplyDelivery: Sendable {
    let job: JobID
    let spec: JobSpec
    /// As the head's own store holds it.
    let root: RootFilesystem
    let node: NodeSpec
    /// Of the node's line: on another one it ends.
    let connection: Int

    /// Brings it all; blocks.
    func bring(_ progress: (String) -> Void) throws(SupplyError) -> NodeSupplies {
        guard case .host = root else {
            throw SupplyError(.unfit, "images do not go to other machines yet")
        }
        guard !spec.mounts.contains(where: { $0.kind == .bind }) else {
            throw SupplyError(.unfit, "directories do not go to other machines yet")
        }
        var supplies = NodeSupplies(root: root)
        do throws(SystemError) {
            supplies.secrets = try Secrets.read(spec.secrets)
        } catch { throw SupplyError(.passing, "\(error)") }
        return supplies
    }
}

struct SupplyError: Error {
    enum Kind: Sendable {
        /// Another try may succeed.
        case passing
        /// The job cannot run on that node.
        case unfit
    }
    let kind: Kind
    let reason: String

    init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }
}
