internal import JobModel
internal import NodeLink

extension Array {
    /// Parts that fit one message: not too many elements, and not too many bytes.
    func batches(by weight: (Element) -> Int) -> [[Element]] {
        var batches: [[Element]] = []
        var left = 0
        for element in self {
            let weight = weight(element)
            if left < weight || (batches.last?.count ?? Frame.batch) >= Frame.batch {
                batches.append([])
                // A character takes up to six bytes where it is escaped, hence an eighth.
                left = Frame.largestPayload / 8
            }
            batches[batches.count - 1].append(element)
            left -= weight
        }
        return batches
    }
}

extension StartRecord {
    /// About the bytes of it in a message, without escapes.
    var weight: Int { 256 }
}

extension ExitRecord {
    /// About the bytes of it in a message, without escapes.
    var weight: Int {
        let files = files.map(\.weight) ?? 0
        let names = files + metrics.keys.reduce(0) { $0 + $1.utf8.count + 32 }
        return switch status {
        case .startFailure(let step, let subject, _):
            512 + names + step.utf8.count + subject.utf8.count
        case .lost(let why): 512 + names + why.utf8.count
        case .code, .signal, .neverStarted: 512 + names
        }
    }
}

extension AttemptFiles {
    /// About the bytes of it in a message, without escapes.
    fileprivate var weight: Int {
        list.reduce((problems ?? []).reduce(64) { $0 + $1.utf8.count }) { sum, file in
            let more =
                switch file.content {
                case .text(let text)?: text.utf8.count
                // Up to three digits and a comma each.
                case .bytes(let bytes)?: bytes.count * 4
                case nil: 0
                }
            let target = if case .link(let target) = file.kind { target.utf8.count } else { 0 }
            return sum + 128 + file.path.utf8.count + target + more
        }
    }
}
