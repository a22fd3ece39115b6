/// What one end of a connection sends on a stream, asked for when it can be written: so none waits in memory for that.
public protocol StreamSource {
    /// Up to `limit` bytes, at least one. Must not call back into the connection that asks.
    mutating func next(_ limit: Int) -> StreamPiece
}

public enum StreamPiece: Sendable {
    case bytes([UInt8])
    /// Nothing now; `StreamTable.wake` when there is.
    case later
    /// That was all, or why there is no more.
    case end(String?)
}

/// What came of a stream.
public enum StreamEvent: Sendable, Equatable {
    /// Counts against the window until it is said to be consumed.
    case data([UInt8])
    /// No more comes: nil where that was all, else why.
    case end(String?)
}

/// The streams of one connection, as one end of it knows them: windows both ways, and who may send next. Does no I/O.
///
/// The head opens streams. The agent's `end` is the last of one, and frees its number; what the head had sent meanwhile finds
/// no stream there, and is dropped.
public struct StreamTable<Source: StreamSource> {
    private struct Entry {
        var source: Source
        var sending = SendWindow()
        var receiving = ReceiveWindow()
        /// Stands in `ready`.
        var isReady = true
        var hasSentEnd = false
        var hasReceivedEnd = false
    }

    private let isHead: Bool
    private var entries: [UInt16: Entry] = [:]
    /// Those that may have something to send and the room for it, the next one first.
    private var ready: [UInt16] = []
    private var lastNumber: UInt16 = 0
    /// More at once are a mistake.
    public static var most: Int { 1024 }

    public init(isHead: Bool) { self.isHead = isHead }

    public var hasWork: Bool { !ready.isEmpty }
    public func contains(_ number: UInt16) -> Bool { entries[number] != nil }

    /// A number that is not in use.
    mutating func freeNumber() throws(LinkError) -> UInt16 {
        guard entries.count < Self.most else {
            throw LinkError("\(Self.most) streams are open on this connection")
        }
        repeat {
            lastNumber = lastNumber == .max ? 1 : lastNumber + 1
        } while entries[lastNumber] != nil
        return lastNumber
    }

    public mutating func open(_ number: UInt16, _ source: Source) throws(LinkError) {
        guard number > 0, entries[number] == nil else {
            throw LinkError("stream \(number) is opened a second time")
        }
        entries[number] = Entry(source: source)
        ready.append(number)
    }

    /// Its source has something again. Nothing where it has ended.
    public mutating func wake(_ number: UInt16) {
        guard let entry = entries[number], !entry.isReady, !entry.hasSentEnd,
            entry.sending.room > 0
        else { return }
        entries[number]?.isReady = true
        ready.append(number)
    }

    /// One frame of the stream whose turn it is; empty where none has anything to send.
    public mutating func next(_ writer: inout FrameWriter) -> [UInt8] {
        while !ready.isEmpty {
            let number = ready.removeFirst()
            entries[number]?.isReady = false
            guard let room = entries[number]?.sending.room, room > 0,
                let piece = entries[number]?.source.next(min(room, Frame.largestData))
            else { continue }
            switch piece {
            case .later: continue
            case .bytes(let bytes):
                entries[number]?.sending.use(bytes.count)
                wake(number)
                return writer.frame(.data, of: number, bytes)
            case .end(let reason): return end(number, reason, &writer)
            }
        }
        return []
    }

    /// Ends this direction at once, whatever its source still has.
    public mutating func end(_ number: UInt16, _ reason: String?, _ writer: inout FrameWriter)
        -> [UInt8]
    {
        guard let entry = entries[number], !entry.hasSentEnd else { return [] }
        entries[number]?.hasSentEnd = true
        if !isHead { entries[number] = nil }
        if entry.isReady { ready.removeAll { $0 == number } }
        let text = reason.map { $0.isEmpty ? "it failed" : $0 } ?? ""
        return writer.frame(.end, of: number, text.utf8.prefix(4096))
    }

    /// The credit to send for what was consumed; empty where none is due.
    public mutating func consume(
        _ count: Int, of number: UInt16, at now: Int64, _ writer: inout FrameWriter
    ) -> [UInt8] {
        guard let credit = entries[number]?.receiving.consume(count, at: now), credit > 0,
            entries[number]?.hasReceivedEnd == false
        else { return [] }
        return withUnsafeBytes(of: UInt32(credit).littleEndian) {
            writer.frame(.credit, of: number, $0)
        }
    }

    /// Takes in a frame of a stream; throws where the peer breaks the rules, which ends the connection.
    public mutating func take(_ frame: Frame) throws(LinkError) -> StreamEvent? {
        let number = frame.stream
        guard let entry = entries[number] else {
            guard isHead else { return nil }
            throw LinkError("a frame of stream \(number), which is not open")
        }
        guard !entry.hasReceivedEnd || frame.kind == .credit else {
            throw LinkError("more of stream \(number) after its end")
        }
        switch frame.kind {
        case .data:
            try entries[number]?.receiving.take(frame.payload.count)
            return .data(Array(frame.payload))
        case .credit:
            try entries[number]?.sending.add(Self.credit(frame))
            wake(number)
            return nil
        case .end:
            entries[number]?.hasReceivedEnd = true
            if isHead { close(number) }
            return .end(
                frame.payload.isEmpty ? nil : String(decoding: frame.payload, as: UTF8.self))
        case .message, .heartbeat: return nil
        }
    }

    private static func credit(_ frame: Frame) -> Int {
        frame.payload.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private mutating func close(_ number: UInt16) {
        if entries.removeValue(forKey: number)?.isReady == true {
            ready.removeAll { $0 == number }
        }
    }
}
