internal import ImageStore
internal import JobModel
internal import Layers
internal import LinuxSystem
internal import NodeLink
internal import TreeSync

/// What is to be brought where.
struct SupplyDelivery: Sendable {
    let job: JobID
    let spec: JobSpec
    /// Nil where the job runs on the machine's own root.
    let image: StoredImage?
    let node: NodeSpec
    /// Streams of the node's connection; on a later one this ends.
    let open: NodeFiles.Open

    /// Brings it all; blocks.
    func bring(
        _ images: ImageDelivery, _ mounts: MountDelivery,
        _ tell: @escaping @Sendable (SupplyNews) -> Void
    ) throws(SupplyError) -> NodeSupplies {
        let progress: @Sendable (String) -> Void = { tell(.progress($0)) }
        var supplies = NodeSupplies(root: .host)
        do throws(SystemError) {
            supplies.secrets = try Secrets.read(spec.secrets)
        } catch { throw SupplyError(.passing, "\(error)") }
        if let image { supplies.root = try bring(image, images, progress) }
        for source in Set(spec.mounts.filter { $0.kind == .bind }.map(\.source)).sorted() {
            supplies.mounts[source] = try bring(source, mounts, tell)
        }
        return supplies
    }

    private static let tries = 3

    private func treeChannel() throws(TreeError) -> DeliveryChannel {
        do throws(LinkError) {
            return try DeliveryChannel.open(open, .tree)
        } catch { throw TreeError(.other, "\(error)") }
    }

    private func bring(
        _ source: String, _ mounts: MountDelivery, _ tell: @escaping @Sendable (SupplyNews) -> Void
    ) throws(SupplyError) -> NodeSupplies.Mount {
        var tries = 0
        while true {
            do throws(TreeError) {
                return try mounts.bring(
                    source, for: job, over: try treeChannel(), note: { tell(.note($0)) },
                    { tell(.progress($0)) })
            } catch {
                tries += 1
                // Somebody wrote there, or the node's intake was killed: what has come stays, and the rest may come at once.
                if [.changed, .other].contains(error.kind), tries < Self.tries { continue }
                let isUnfit = [.unfit, .tooLarge].contains(error.kind)
                throw SupplyError(isUnfit ? .unfit : .passing, "mount \(error)")
            }
        }
    }

    private func bring(
        _ image: StoredImage, _ images: ImageDelivery,
        _ progress: @escaping @Sendable (String) -> Void
    ) throws(SupplyError) -> RootFilesystem {
        let channel: DeliveryChannel
        do throws(LinkError) {
            channel = try DeliveryChannel.open(open)
        } catch { throw SupplyError(.passing, "\(error)") }
        do throws(DeliveryError) {
            return try images.deliver(
                image, for: job, to: node.name, over: channel,
                pulls: node.pulls == true,
                progress: { progress("receives the image: \($0.amount)") })
        } catch {
            throw SupplyError(
                [.unsupported, .notFound].contains(error.kind) ? .unfit : .passing,
                error.reason + (error.hint.map { "; \($0)" } ?? ""))
        }
    }
}

/// What is told while it is brought.
enum SupplyNews: Sendable {
    /// How far it is.
    case progress(String)
    /// What the job's user may not expect.
    case note(String)
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
