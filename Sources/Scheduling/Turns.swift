import JobModel

/// Who is served next: the higher priority; then who was passed by and has room reserved; then who has the smaller share of the
/// cluster, counting what this plan gave; then who came first.
struct Turns {
    private struct Turn {
        let place: Int
        let priority: Int
        /// When room was reserved for it.
        let reserved: Timestamp?
        var share: Double
        let step: Double

        func precedes(_ other: Turn) -> Bool {
            if priority != other.priority { return priority > other.priority }
            if reserved != other.reserved {
                guard let reserved, let theirs = other.reserved else { return reserved != nil }
                return reserved < theirs
            }
            if share != other.share { return share < other.share }
            return place < other.place
        }
    }

    /// A binary heap, the next one first.
    private var heap: [Turn] = []

    init(_ demands: [ClusterSnapshot.Demand]) {
        heap.reserveCapacity(demands.count)
        for (place, demand) in demands.enumerated() where demand.ready > 0 {
            heap.append(
                Turn(
                    place: place, priority: demand.priority.rawValue,
                    reserved: demand.reservation?.made, share: demand.share, step: demand.step))
        }
        for place in heap.indices.reversed() { sink(place) }
    }

    /// Position of the demand whose turn it is.
    var next: Int? { heap.first?.place }

    /// It got one more placement.
    mutating func grant() {
        heap[0].share += heap[0].step
        sink(0)
    }

    /// It gets no more.
    mutating func drop() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        sink(0)
    }

    private mutating func sink(_ from: Int) {
        var place = from
        while true {
            var first = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < heap.count && heap[child].precedes(heap[first]) { first = child }
            guard first != place else { return }
            heap.swapAt(first, place)
            place = first
        }
    }
}
