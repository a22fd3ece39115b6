internal import ImageStore
internal import NodeLink
internal import OCISpec
internal import Registry
internal import Threads

/// Sends one node to the registries of one image, for as long as that goes well.
final class WebOffer: Sendable {
    private struct State: Sendable {
        /// Blobs that registries did not give.
        var missed: Set<Digest> = []
        var isOver = false
    }
    private let origin: ImageOrigin
    private let node: String
    private let notes: DeliveryNotes
    private let state = Monitor(State())

    /// Blobs after which a node is sent nowhere any more: an unreachable registry is not waited for with each.
    private static let patience = 3

    init(_ origin: ImageOrigin, to node: String, _ notes: DeliveryNotes) {
        self.origin = origin
        self.node = node
        self.notes = notes
    }

    /// Where the node gets a blob; nowhere where the head, or another node, is to send it. Asks registries, so it blocks.
    func places(of digest: Digest, _ without: [String], _ report: WebReport?) -> [WebPlace] {
        guard let report else { return refuse("its agent is of an older version") }
        guard report.hasCurl else { return refuse("it has no curl (apt-get install curl)") }
        if let failure = report.failure { tell(Self.shown(failure)) }
        let isRefused = state.quietly { state in
            if without.contains(WebPlace.source) { state.missed.insert(digest) }
            if state.missed.count >= Self.patience { state.isOver = true }
            return state.isOver || state.missed.contains(digest)
        }
        guard !isRefused else { return [] }
        do throws(RegistryError) {
            return try origin.locations(of: digest).map {
                WebPlace(
                    url: $0.url, authorization: $0.authorization, isInsecure: $0.isInsecure)
            }
        } catch { return refuse(error.reason) }
    }

    private func refuse(_ reason: String) -> [WebPlace] {
        state.quietly { $0.isOver = true }
        tell(reason)
        return []
    }

    private func tell(_ reason: String) {
        notes.tell("node \(node) does not pull by itself, this machine sends it images: \(reason)")
    }

    /// What another machine said, for a log.
    private static func shown(_ text: String) -> String {
        String(text.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }.prefix(300))
    }
}

/// What a server wants people to know of deliveries, each text once.
final class DeliveryNotes: Sendable {
    private let told = Monitor<Set<String>>([])
    private let note: @Sendable (String) -> Void
    /// Texts remembered; with more of them all may be said again.
    private static let most = 1000

    init(_ note: @escaping @Sendable (String) -> Void) { self.note = note }

    func tell(_ text: String) {
        let isNew = told.quietly { told in
            if told.count >= Self.most { told = [] }
            return told.insert(text).inserted
        }
        if isNew { note(text) }
    }
}
