internal import ImageStore
internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Threads

/// One image on its way to one node: a thread hears what the node lacks, another sends it, a part of each blob in turn.
final class NodeDelivery: Sendable {
    private struct Wanted: Sendable {
        let feed: BlobFeed
        var offset: Int64
        /// Of the node's question: it may ask for the same once more.
        let question: Int
    }
    private enum Next: Sendable {
        case message(ToIntake)
        case piece(Wanted)
    }
    private struct State: Sendable {
        /// What is to be said before anything more is sent: by the thread that sends, since nothing may come between a part of a
        /// blob and what announces it.
        var messages: [ToIntake] = []
        /// The next to be sent first; each blob once.
        var wanted: [Wanted] = []
        var questions = 0
        var result: Result<[String], DeliveryError>?
        /// Nothing more is said to the node.
        var isOver = false
    }
    let node: String
    private let channel: DeliveryChannel
    private let chains: DeliveryChains
    private let key: String
    /// Among all deliveries of this head.
    private let id: String
    private let open: @Sendable (Digest) throws(ImageError) -> BlobFeed
    private let progress: @Sendable (DeliveryProgress) -> Void
    /// Nil for a node that is not told to pull.
    private let web: WebOffer?
    private let state = Monitor(State())

    init(
        _ node: String, _ channel: DeliveryChannel, _ chains: DeliveryChains,
        key: String, web: WebOffer? = nil,
        progress: @escaping @Sendable (DeliveryProgress) -> Void,
        open: @escaping @Sendable (Digest) throws(ImageError) -> BlobFeed
    ) {
        self.node = node
        self.channel = channel
        self.chains = chains
        self.key = key
        self.web = web
        id = chains.newName(node)
        self.progress = progress
        self.open = open
    }

    /// Returns the layers' directories there. The node may go on serving others after that.
    func run(_ order: ImageOrder, isCancelled: () -> Bool) throws(DeliveryError) -> [String] {
        do {
            try say(.order(order))
            _ = try WorkerThread("deliver") { self.send() }
            _ = try WorkerThread("hear") { self.hear() }
        } catch {
            channel.close()
            throw DeliveryError(.nodeGone, node: node, "\(error)")
        }
        while true {
            if let result = state.wait(seconds: 0.2, { $0.result }) { return try result.get() }
            if isCancelled() {
                conclude(.failure(DeliveryError(.cancelled, node: node, "cancelled")))
                channel.close()
            }
        }
    }

    /// The first to be known is the one that counts.
    private func conclude(_ result: Result<[String], DeliveryError>) {
        state.withLock { if $0.result == nil { $0.result = result } }
    }

    private func say(_ message: ToIntake, body: Int = 0) throws(LinkError) {
        try channel.write(DeliveryFrame.bytes(message, body: body))
    }

    // MARK: What the node says

    private func hear() {
        var reader = DeliveryReader()
        do throws(LinkError) {
            while true {
                let bytes = try channel.read()
                if bytes.isEmpty { throw LinkError("the node's intake has ended") }
                reader.append(bytes)
                while let (message, _) = try reader.next(FromIntake.self) { take(message) }
            }
        } catch {
            conclude(.failure(DeliveryError(.nodeGone, node: node, "\(error)")))
        }
        state.withLock { $0.isOver = true }
        chains.forget(id)
        channel.close()
    }

    private func take(_ message: FromIntake) {
        switch message {
        case .listening(var address):
            (address.name, address.key) = (id, key)
            chains.join(address)
        case .wants(let place, let without, let report): want(place, without, report)
        case .progress(let done, let total):
            progress(DeliveryProgress(node: node, done: done, total: total))
        case .ready(let layers): settle(.success(layers))
        case .failed(let failure): settle(.failure(DeliveryError(failure, node: node)))
        }
    }

    private func settle(_ result: Result<[String], DeliveryError>) {
        conclude(result)
        chains.leave(id) { [state] in state.withLock { $0.isOver = true } }
    }

    private func want(_ place: BlobPlace, _ without: [String], _ report: WebReport?) {
        do throws(ImageError) {
            if let web, case let places = web.places(of: place.digest, without, report),
                !places.isEmpty
            {
                chains.lead(place.digest, by: id)
                state.withLock { $0.wanted.removeAll { $0.feed.blob.digest == place.digest } }
                // Where it cannot be told, the end of the channel tells it.
                try? say(.web(place.digest, places))
                return
            }
            if let peer = chains.source(of: place.digest, for: id, without: without) {
                state.withLock { state in
                    state.wanted.removeAll { $0.feed.blob.digest == place.digest }
                    state.messages.append(.peer(place.digest, peer))
                }
                return
            }
            let feed = try open(place.digest)
            guard (0..<feed.blob.size).contains(place.offset) else {
                throw ImageError(
                    .corrupt, "send", place.digest.short,
                    "the node asks for byte \(place.offset) of \(feed.blob.size)")
            }
            state.withLock { state in
                state.wanted.removeAll { $0.feed.blob.digest == place.digest }
                state.questions += 1
                state.wanted.append(
                    Wanted(feed: feed, offset: place.offset, question: state.questions))
            }
        } catch { refuse(error) }
    }

    private func refuse(_ error: ImageError) {
        let failure = DeliveryFailure(error)
        conclude(.failure(DeliveryError(failure, node: node)))
        state.withLock { $0.messages.append(.failed(failure)) }
    }

    // MARK: What it is sent

    private func send() {
        do {
            while let what = take() {
                guard case .piece(let next) = what else {
                    if case .message(let message) = what { try say(message) }
                    continue
                }
                let length = next.feed.length(at: next.offset)
                let place = BlobPlace(next.feed.blob.digest, at: next.offset)
                let sum = try next.feed.sum(at: next.offset)
                try say(.chunk(place, sum: sum), body: Int(length))
                var offset = next.offset
                while offset < next.offset + length {
                    let piece = try next.feed.piece(at: offset, before: next.offset + length)
                    try channel.write(piece)
                    offset += Int64(piece.count)
                }
                goOn(next, from: offset)
            }
            try say(.end)
        } catch let error as ImageError {
            conclude(.failure(DeliveryError(DeliveryFailure(error), node: node)))
            channel.close()
        } catch {
            conclude(.failure(DeliveryError(.nodeGone, node: node, "\(error)")))
            channel.close()
        }
    }

    /// Waits for something to send; nil where nothing will be wanted any more.
    private func take() -> Next? {
        state.wait { state -> Next?? in
            if !state.messages.isEmpty {
                return .some(.some(.message(state.messages.removeFirst())))
            }
            if state.isOver { return .some(nil) }
            return state.wanted.first.map { .some(.piece($0)) }
        }
    }

    private func goOn(_ sent: Wanted, from offset: Int64) {
        state.withLock { state in
            // The node may have asked for something else of it meanwhile.
            guard let at = state.wanted.firstIndex(where: { $0.question == sent.question })
            else { return }
            var next = state.wanted.remove(at: at)
            next.offset = offset
            if offset < sent.feed.blob.size { state.wanted.append(next) }
        }
    }
}
