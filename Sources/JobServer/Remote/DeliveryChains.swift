internal import NodeLink
internal import OCISpec
internal import Threads

/// Which node gets a blob from which, among those that take it in at the same time: each from the one that asked for it before, so
/// that one of them alone gets it from the head. Deliveries are known by names of their own.
final class DeliveryChains: Sendable {
    private struct State: Sendable {
        var lastNumber = 0
        /// Of those that hand blobs on.
        var addresses: [String: PeerAddress] = [:]
        /// Who asked for a blob, in the order of asking: who gets it from somebody stands behind that one, so that nobody waits for
        /// himself.
        var chains: [Digest: [String]] = [:]
        /// From whom each gets each blob.
        var sources: [String: [Digest: String]] = [:]
        /// Whom each could not reach.
        var unreached: [String: Set<String>] = [:]
        /// Have all that they want themselves.
        var ends: [String: @Sendable () -> Void] = [:]
    }
    private let state = Monitor(State())

    func newName(_ node: String) -> String {
        state.quietly { state in
            state.lastNumber += 1
            return "\(node)#\(state.lastNumber)"
        }
    }

    func join(_ address: PeerAddress) {
        state.quietly { $0.addresses[address.name] = address }
    }

    /// From where `name` is to get a blob; nil: from the head. Those of `without` it cannot reach.
    func source(of digest: Digest, for name: String, without: [String]) -> PeerAddress? {
        let (address, ends) = state.quietly { state in
            var chain = state.chains[digest] ?? []
            if !chain.contains(name) { chain.append(name) }
            state.chains[digest] = chain
            let avoided = state.unreached[name, default: []].union(without)
            state.unreached[name] = avoided
            let former = state.sources[name]?[digest]
            // Damage on the way from the head, too, is asked for again: by whom the head feeds.
            let before = chain.prefix { $0 != name }
            let source = before.last { state.addresses[$0] != nil && !avoided.contains($0) }
            state.sources[name, default: [:]][digest] = source
            let ends = former == source ? [] : Self.takeEnds(&state)
            return (source.flatMap { state.addresses[$0] }, ends)
        }
        for end in ends { end() }
        return address
    }

    /// It gets a blob from elsewhere, and those that ask after it may get it from this one.
    func lead(_ digest: Digest, by name: String) {
        let ends = state.quietly { state in
            if state.chains[digest]?.contains(name) != true {
                state.chains[digest, default: []].append(name)
            }
            state.sources[name]?[digest] = nil
            return Self.takeEnds(&state)
        }
        for end in ends { end() }
    }

    /// It has all that it wants: `end` is called once nobody gets anything from it any more.
    func leave(_ name: String, _ end: @escaping @Sendable () -> Void) {
        let ends = state.quietly { state in
            state.sources[name] = nil
            state.ends[name] = end
            return Self.takeEnds(&state)
        }
        for end in ends { end() }
    }

    /// Its connection has ended.
    func forget(_ name: String) {
        let ends = state.quietly { state in
            Self.drop(name, &state)
            state.sources[name] = nil
            return Self.takeEnds(&state)
        }
        for end in ends { end() }
    }

    /// Of those that are done and from whom nobody gets anything.
    private static func takeEnds(_ state: inout State) -> [@Sendable () -> Void] {
        let needed = Set(state.sources.values.flatMap(\.values))
        var ends: [@Sendable () -> Void] = []
        for (name, end) in state.ends where !needed.contains(name) {
            ends.append(end)
            drop(name, &state)
        }
        return ends
    }

    private static func drop(_ name: String, _ state: inout State) {
        state.addresses[name] = nil
        state.ends[name] = nil
        state.unreached[name] = nil
        for (digest, chain) in state.chains where chain.contains(name) {
            let rest = chain.filter { $0 != name }
            state.chains[digest] = rest.isEmpty ? nil : rest
        }
    }
}
