import FoundationEssentials
import Testing

@testable import NodeLink

/// Streams as numbers: both ends of a connection without one.
struct StreamTableTests {
    /// Gives as many bytes as it has, all of one value.
    struct Supply: StreamSource {
        var value: UInt8 = 1
        var left: Int
        var isEnding = true
        mutating func next(_ limit: Int) -> StreamPiece {
            guard left > 0 else { return isEnding ? .end(nil) : .later }
            let count = min(limit, left)
            left -= count
            return .bytes([UInt8](repeating: value, count: count))
        }
    }

    /// Frames out of what a table wrote.
    private static func frames(_ bytes: [UInt8], _ reader: inout FrameReader) throws -> [Frame] {
        reader.append(bytes)
        var frames: [Frame] = []
        while let frame = try reader.next() { frames.append(frame) }
        return frames
    }

    @Test func streamsTakeTurnsAFrameEach() throws {
        var table = StreamTable<Supply>(isHead: false)
        var (writer, reader) = (FrameWriter(), FrameReader())
        for number in 1...3 as ClosedRange<UInt16> {
            try table.open(number, Supply(left: 3 * Frame.largestData))
        }
        var turns: [UInt16] = []
        while table.hasWork {
            for frame in try Self.frames(table.next(&writer), &reader) {
                turns.append(frame.stream)
                #expect(frame.kind == (turns.count > 9 ? .end : .data))
            }
        }
        #expect(turns == [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
    }

    @Test func aSenderStopsAtItsWindowAndGoesOnWithEachCredit() throws {
        var table = StreamTable<Supply>(isHead: true)
        var (writer, reader) = (FrameWriter(), FrameReader())
        try table.open(7, Supply(left: 10 * StreamWindow.first))
        func send() throws -> Int {
            var sent = 0
            while table.hasWork {
                sent += try Self.frames(table.next(&writer), &reader).reduce(0) {
                    $0 + $1.payload.count
                }
            }
            return sent
        }
        #expect(try send() == StreamWindow.first)
        let credit = Frame(.credit, stream: 7, sequence: 1, payload: Data([0, 0, 1, 0]))
        #expect(try table.take(credit) == nil)
        #expect(try send() == 1 << 16)
    }

    @Test func aPeerThatOverrunsItsWindowIsAnError() throws {
        var table = StreamTable<Supply>(isHead: false)
        try table.open(1, Supply(left: 0, isEnding: false))
        let full = Data(repeating: 0, count: Frame.largestData)
        for number in 1...4 as ClosedRange<UInt64> {
            let event = try table.take(Frame(.data, stream: 1, sequence: number, payload: full))
            #expect(event == .data(Array(full)))
        }
        #expect(throws: LinkError.self) {
            try table.take(Frame(.data, stream: 1, sequence: 5, payload: Data([0])))
        }
    }

    @Test(arguments: [Data(), Data([0, 0, 0, 0]), Data([255, 255, 255, 255])])
    func aCreditThatNobodyGivesIsAnError(payload: Data) throws {
        var table = StreamTable<Supply>(isHead: false)
        try table.open(1, Supply(left: 0))
        #expect(throws: LinkError.self) {
            try table.take(Frame(.credit, stream: 1, sequence: 1, payload: payload))
        }
    }

    @Test func theHeadIsToldNothingOfStreamsThatItDidNotOpen() throws {
        var table = StreamTable<Supply>(isHead: true)
        for kind in [Frame.Kind.data, .credit, .end] {
            #expect(throws: LinkError.self) {
                try table.take(Frame(kind, stream: 3, sequence: 1, payload: Data([1, 0, 0, 0])))
            }
        }
    }

    @Test func whatTheHeadSentToAStreamThatHasEndedIsDropped() throws {
        var table = StreamTable<Supply>(isHead: false)
        var writer = FrameWriter()
        try table.open(3, Supply(left: 0))
        #expect(!table.next(&writer).isEmpty)
        for kind in [Frame.Kind.data, .credit, .end] {
            let frame = Frame(kind, stream: 3, sequence: 1, payload: Data([1, 0, 0, 0]))
            #expect(try table.take(frame) == nil)
        }
        // And its number is free.
        try table.open(3, Supply(left: 1))
    }

    @Test func theHeadsNumbersAreFreeAgainOnceTheAgentHasEnded() throws {
        var table = StreamTable<Supply>(isHead: true)
        var writer = FrameWriter()
        let number = try table.freeNumber()
        try table.open(number, Supply(left: 0))
        #expect(!table.end(number, "enough", &writer).isEmpty)
        #expect(table.contains(number))
        // What was under way still comes.
        let late = Frame(.data, stream: number, sequence: 1, payload: Data([1]))
        #expect(try table.take(late) == .data([1]))
        let end = Frame(.end, stream: number, sequence: 2, payload: Data("enough".utf8))
        #expect(try table.take(end) == .end("enough"))
        #expect(!table.contains(number))
    }

    @Test func aWindowGrowsWhereItIsTakenInQuicklyAndStaysWhereTheLinkIsSlow() throws {
        func size(after rounds: Int, each pause: Int64) throws -> Int {
            var window = ReceiveWindow()
            for round in 0..<rounds {
                let count = window.room
                try window.take(count)
                _ = window.consume(count, at: Int64(round) * pause)
            }
            return window.size
        }
        #expect(try size(after: 20, each: 250) == StreamWindow.first)
        #expect(try size(after: 20, each: 20) == StreamWindow.largest)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func whatIsCreditedIsWhatWasConsumedAndTheGrowth(seed: UInt64) throws {
        var random = Seeded(seed)
        var window = ReceiveWindow()
        var (sent, credited, now) = (0, StreamWindow.first, Int64(0))
        for _ in 0..<500 {
            let count = Int.random(in: 0...window.room, using: &random)
            try window.take(count)
            sent += count
            now += Int64.random(in: 0...100, using: &random)
            credited += window.consume(
                Int.random(in: 0...window.held, using: &random), at: now)
            // Never less is open than the peer was told, nor more than a window is held.
            #expect(window.room == credited - sent)
            #expect(window.held <= window.size && window.room + window.held <= window.size)
        }
    }
}
