internal import FoundationEssentials
internal import JobModel

// How small lists stand in one column.

/// `0,1,2`; empty lists are NULL.
enum NumberList {
    static func text(_ numbers: [Int]) -> String? {
        numbers.isEmpty ? nil : numbers.map(String.init).joined(separator: ",")
    }

    static func numbers(_ text: String?) -> [Int] {
        (text ?? "").split(separator: ",").compactMap { Int($0) }
    }
}

/// A JSON object: few tasks have one.
enum GangText {
    static func text(_ gang: Gang) throws -> String {
        String(decoding: try JSONEncoder().encode(gang), as: UTF8.self)
    }

    static func gang(_ text: String?) throws -> Gang? {
        try text.map { try JSONDecoder().decode(Gang.self, from: Data($0.utf8)) }
    }
}

/// A JSON object: few jobs have one.
enum DecisionText {
    static func text(_ decisions: JobDecisions) throws -> String? {
        guard !decisions.isEmpty else { return nil }
        return String(decoding: try JSONEncoder().encode(decisions), as: UTF8.self)
    }

    static func decisions(_ text: String?) throws -> JobDecisions {
        guard let text else { return JobDecisions() }
        return try JSONDecoder().decode(JobDecisions.self, from: Data(text.utf8))
    }
}

enum BestText {
    static func text(_ best: BestReport?) throws -> String? {
        try best.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) }
    }

    static func best(_ text: String?) throws -> BestReport? {
        try text.map { try JSONDecoder().decode(BestReport.self, from: Data($0.utf8)) }
    }
}

/// Counts in the order of `StateCode`; older rows have fewer.
enum CountList {
    static func text(_ counts: TaskCounts) -> String {
        TaskState.allCases.sorted { StateCode.code($0) < StateCode.code($1) }
            .map { String(counts[$0]) }.joined(separator: ",")
    }

    static func counts(_ text: String?, of total: Int) -> TaskCounts {
        var counts = TaskCounts()
        let numbers = NumberList.numbers(text)
        guard (6...TaskState.allCases.count).contains(numbers.count) else {
            counts.queued = total
            return counts
        }
        for state in TaskState.allCases where StateCode.code(state) < numbers.count {
            counts[state] = numbers[StateCode.code(state)]
        }
        return counts
    }
}

/// A JSON object of numbers. What JSON cannot say (infinities, NaN) is left out.
enum Metrics {
    static func text(_ metrics: [String: Double]) throws -> String {
        let finite = metrics.filter(\.value.isFinite)
        return String(decoding: try JSONEncoder().encode(finite), as: UTF8.self)
    }

    static func values(_ text: String?) throws -> [String: Double] {
        guard let text else { return [:] }
        return try JSONDecoder().decode([String: Double].self, from: Data(text.utf8))
    }
}
