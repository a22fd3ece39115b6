import Foundation
import JobModel

@testable import JobServer

/// A sampler whose every answer follows from all that it was told, in its order: one that a later server tells something else, or in
/// another order, gives other points.
///
/// `@unchecked Sendable`: touched by the thread that drives the simulation alone.
final class WholeSampler: @unchecked Sendable {
    private var history: UInt64 = 1
    private(set) var words: [String] = []

    private struct Word: Decodable {
        var point: Int?
        var tell: Int?
        var state: String?
        var metrics: [String: Double]?
        var params: [String: ParameterValue]?
        var ask: Int?

        // The hello's metrics are a list.
        private enum Key: String, CodingKey { case point, tell, state, metrics, params, ask }
        init(from decoder: any Decoder) throws {
            let line = try decoder.container(keyedBy: Key.self)
            point = try line.decodeIfPresent(Int.self, forKey: .point)
            tell = try line.decodeIfPresent(Int.self, forKey: .tell)
            state = try line.decodeIfPresent(String.self, forKey: .state)
            metrics = try? line.decodeIfPresent([String: Double].self, forKey: .metrics)
            params = try line.decodeIfPresent([String: ParameterValue].self, forKey: .params)
            ask = try line.decodeIfPresent(Int.self, forKey: .ask)
        }
    }

    /// The answer, where it is a question.
    func hear(_ bytes: [UInt8]) -> [UInt8]? {
        words.append(String(decoding: bytes, as: UTF8.self))
        guard let word = try? JSONDecoder().decode(Word.self, from: Data(bytes)) else { return nil }
        if let tell = word.tell {
            let loss = word.metrics?["loss"] ?? -1
            let what = UInt64(tell) << 40 ^ loss.bitPattern ^ UInt64(word.state?.count ?? 0)
            history = SplitMix.mix(history ^ what)
        }
        guard let ask = word.ask else { return nil }
        let x = SplitMix.mix(history ^ UInt64(ask)) >> 40
        return Array(#"{"point": \#(ask), "params": {"x": \#(x)}}"#.utf8)
    }
}
