import FoundationEssentials
import JobModel
import NodeLink
import Testing

struct FrameTests {
    private static func stream(_ messages: [ToAgent]) throws -> [UInt8] {
        var writer = FrameWriter()
        return try messages.flatMap { try writer.message($0) } + writer.heartbeat()
    }

    private static let messages: [ToAgent] = [
        .hello(HeadHello(head: "h")), .cancel([attempt(1, 2, 3), attempt(9, 8, 7)]),
        .run([
            task(
                attempt(), cpus: [0, 1],
                point: Point([
                    .init(name: "lr", value: .double(1e-5)), .init(name: "n", value: .int(3)),
                    .init(name: "s", value: .string("é\u{0}\"\n")),
                    .init(name: "b", value: .bool(true)),
                ]))
        ]),
        .acknowledge([]), .forget(JobID(4)), .shutdown,
    ]

    /// Messages have no equality; their text has.
    private static func describe(_ frame: Frame) throws -> String {
        "\(frame.sequence) \(frame.kind == .message ? "\(try frame.decode(ToAgent.self))" : "beat")"
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func readsTheSameFramesHoweverTheBytesAreCut(seed: UInt64) throws {
        var random = Seeded(seed)
        let bytes = try Self.stream(Self.messages)
        var reader = FrameReader()
        var found: [String] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...40, using: &random))
            rest = rest.dropFirst(piece.count)
            reader.append(piece)
            while let frame = try reader.next() { found.append(try Self.describe(frame)) }
        }
        var expected = Self.messages.enumerated().map { "\($0 + 1) \($1)" }
        expected.append("\(Self.messages.count + 1) beat")
        #expect(found == expected)
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func bytesThatWereChangedAreAnErrorAndNeverACrash(seed: UInt64) throws {
        var random = Seeded(seed)
        var bytes = try Self.stream(Self.messages)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: at)
            default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
            }
        }
        var reader = FrameReader()
        reader.append(bytes)
        var last: UInt64 = 0
        do {
            while let frame = try reader.next() {
                // Whatever was done to the bytes, no frame is skipped or repeated.
                #expect(frame.sequence == last + 1)
                last = frame.sequence
                if frame.kind == .message { _ = try frame.decode(ToAgent.self) }
            }
        } catch {
            // A LinkError, as the signatures say; that it is thrown is the test.
        }
    }

    @Test func noiseIsAnErrorOrWaitsForMore() {
        for seed in 0..<500 as Range<UInt64> {
            var random = Seeded(seed)
            var reader = FrameReader()
            reader.append(
                (0..<Int.random(in: 0...200, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                })
            // Either is right; a frame out of noise is not.
            #expect((try? reader.next()) ?? nil == nil)
        }
    }

    @Test func aLongFrameIsRefusedBeforeItsBytesCome() {
        var reader = FrameReader()
        var header = Frame(.message, sequence: 1).bytes
        header.replaceSubrange(0..<4, with: [1, 0, 0, 1])
        reader.append(header)
        #expect(throws: LinkError.self) { try reader.next() }
    }

    @Test(arguments: [0, 2, .max] as [UInt64])
    func aGapEndsTheConnection(sequence: UInt64) {
        var reader = FrameReader()
        reader.append(Frame(.heartbeat, sequence: sequence).bytes)
        #expect(throws: LinkError.self) { try reader.next() }
    }

    @Test func aMessageThatNoPeerWouldReadIsNotWritten() throws {
        var writer = FrameWriter()
        let long = HeadHello(head: String(repeating: "x", count: Frame.largestPayload))
        #expect(throws: LinkError.self) { try writer.message(ToAgent.hello(long)) }
        // And it was not counted.
        var reader = FrameReader()
        reader.append(writer.heartbeat())
        #expect(try reader.next()?.sequence == 1)
    }

    @Test func everyRecordSurvivesTheWire() throws {
        var exit = ExitRecord(
            attempt: attempt(1, 2, 3),
            status: .startFailure(step: "mount", subject: "/x", errno: 2),
            ended: Timestamp(milliseconds: 5))
        exit.metrics = ["loss": 0.1, "acc": -1e300]
        exit.matchedLogCauses = [0, 2]
        exit.enforcement = Enforcement(cpu: "affinity", memory: "none", pids: "none")
        var writer = FrameWriter()
        var reader = FrameReader()
        reader.append(try writer.message(FromAgent.exited([exit])))
        guard case .exited(let read)? = try reader.next()?.decode(FromAgent.self) else {
            Issue.record("another message came")
            return
        }
        #expect(read == [exit])
    }

    @Test func aRequestForAStreamThatIsNotKnownIsStillAMessage() throws {
        let text = #"{"stream":{"_0":7,"_1":{"aThingOfTheFuture":{"depth":3}}}}"#
        let frame = Frame(.message, sequence: 1, payload: Data(text.utf8))
        guard case .stream(7, .unknown) = try frame.decode(ToAgent.self) else {
            Issue.record("it reads as another message")
            return
        }
    }
}
