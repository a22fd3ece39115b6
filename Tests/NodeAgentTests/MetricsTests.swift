import Foundation
import JobModel
import NodeLink
import Testing

@testable import NodeAgent

struct MetricsTests {
    private static func values(_ lines: String...) -> [String: Double] {
        MetricsFile.lastValues(lines.map { Array($0.utf8)[...] }.reversed())
    }

    @Test func laterLinesHold() {
        #expect(
            Self.values(#"{"loss": 2, "step": 1}"#, #"{"loss": 1.5}"#, #"{"loss": 1"#)
                == ["loss": 1.5, "step": 1])
    }

    @Test func oneLongLineGivesNoMoreThanManyWould() {
        let fields = (0..<20_000).map { "\"m\($0)\": \($0)" }.joined(separator: ", ")
        let values = Self.values("{" + fields + "}")
        #expect(values.count == MetricsFile.mostNames)
        #expect(values["m19999"] == 19_999)
    }

    @Test func aNameThatIsTextIsNoMetric() {
        let long = String(repeating: "x", count: MetricsFile.longestName + 1)
        #expect(Self.values("{\"\(long)\": 1, \"loss\": 2}") == ["loss": 2])
    }

    @Test func everyBatchOfTheWorstRecordsFitsAMessage() throws {
        var worst = ExitRecord(
            attempt: attempt(), status: .code(0), ended: Timestamp(milliseconds: 1))
        for number in 0..<MetricsFile.mostNames {
            let digits = String(number)
            // Six bytes each where they are escaped.
            let rest = String(
                repeating: "\u{1}", count: MetricsFile.longestName - digits.utf8.count)
            worst.metrics[digits + rest] = -1.2345678901234567e-300
        }
        let records = Array(repeating: worst, count: 20)
        let batches = records.batches(by: \.weight)
        #expect(batches.joined().count == records.count)
        var writer = FrameWriter()
        for batch in batches { _ = try writer.message(FromAgent.exited(batch)) }
    }

    @Test func plainRecordsFillAMessageByTheirNumber() {
        let record = ExitRecord(
            attempt: attempt(), status: .code(0), ended: Timestamp(milliseconds: 1))
        let batches = Array(repeating: record, count: 2 * Frame.batch + 1).batches(by: \.weight)
        #expect(batches.map(\.count) == [Frame.batch, Frame.batch, 1])
    }
}
