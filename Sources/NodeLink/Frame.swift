public import FoundationEssentials

/// One frame: length of the payload (4 bytes) · type (1) · flags (1) · stream (2) · sequence (8) · payload, little-endian.
/// Sequences count from 1 in each direction of each connection; a gap means a broken peer, and ends the connection.
public struct Frame: Sendable {
    public enum Kind: UInt8, Sendable {
        case message = 1
        /// Says that the peer lives; carries nothing.
        case heartbeat = 2
        /// Bytes of a stream, as they are.
        case data = 3
        /// So many more bytes of a stream may come: 4 bytes, little-endian.
        case credit = 4
        /// Nothing more comes of a stream in this direction. Empty where that is all there was; else why not, in UTF-8.
        case end = 5

        /// A longer payload is refused unread.
        var largestPayload: Int {
            switch self {
            case .message: Frame.largestPayload
            case .heartbeat: 0
            case .data, .end: Frame.largestData
            case .credit: 4
            }
        }
    }
    public static let headerSize = 16
    /// Bytes of a message. Senders split lists long before.
    public static let largestPayload = 1 << 24
    /// Bytes of a stream in one frame: what a message waits for at most.
    public static let largestData = 1 << 16
    /// Tasks or records in one message.
    public static let batch = 512

    public let kind: Kind
    /// Which stream it is of; 0 for messages and heartbeats.
    public let stream: UInt16
    public let sequence: UInt64
    public let payload: Data

    public init(_ kind: Kind, stream: UInt16 = 0, sequence: UInt64, payload: Data = Data()) {
        self.kind = kind
        self.stream = stream
        self.sequence = sequence
        self.payload = payload
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerSize + payload.count)
        withUnsafeBytes(of: UInt32(payload.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes += [kind.rawValue, 0, UInt8(truncatingIfNeeded: stream), UInt8(stream >> 8)]
        withUnsafeBytes(of: sequence.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: payload)
        return bytes
    }
}

/// How each side of a link knows that the other lives, in milliseconds: the interval of Slurm's and OpenSSH's keep-alives
/// is of the same order, and three of them may be lost.
public enum Heartbeat {
    /// Sent where nothing else was for so long.
    public static let interval: Int64 = 5000
    /// Silence after which the connection is given up.
    public static let patience: Int64 = 20_000
}

/// What is wrong with a peer.
public struct LinkError: Error, Sendable, CustomStringConvertible {
    public let description: String
    /// The end of what the transport's program said on stderr.
    public let words: String
    public init(_ description: String, words: String = "") {
        let last = words.split(whereSeparator: \.isNewline).last
        self.description = last.map { "\(description): \($0)" } ?? description
        self.words = words
    }
}

/// Bytes as they come → frames, in order and without a gap.
public struct FrameReader: Sendable {
    private var bytes: [UInt8] = []
    private var start = 0
    private var lastSequence: UInt64 = 0

    public init() {}

    public mutating func append(_ more: some Collection<UInt8>) {
        if start > 1 << 16 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// The next whole frame, or nil where more bytes are needed. After an error the connection is of no more use.
    public mutating func next() throws(LinkError) -> Frame? {
        guard bytes.count - start >= Frame.headerSize else { return nil }
        func number(_ offset: Int, _ width: Int) -> UInt64 {
            (0..<width).reduce(0) { $0 | UInt64(bytes[start + offset + $1]) << (8 * UInt64($1)) }
        }
        let length = Int(number(0, 4))
        guard let kind = Frame.Kind(rawValue: bytes[start + 4]) else {
            throw LinkError("a frame of unknown type \(bytes[start + 4])")
        }
        guard length <= kind.largestPayload else {
            throw LinkError("a frame of type \(kind) with \(length) bytes")
        }
        let (stream, sequence) = (UInt16(number(6, 2)), number(8, 8))
        guard bytes.count - start >= Frame.headerSize + length else { return nil }
        guard sequence == lastSequence + 1 else {
            throw LinkError("frame \(sequence) after frame \(lastSequence)")
        }
        lastSequence = sequence
        let body = start + Frame.headerSize
        start = body + length
        return Frame(
            kind, stream: stream, sequence: sequence, payload: Data(bytes[body..<start]))
    }
}

/// Messages, and bytes of streams → frames, numbered in the order in which they have to be written.
public struct FrameWriter: Sendable {
    private var sequence: UInt64 = 0
    public init() {}

    /// Throws where the message does not encode or is longer than any peer reads; then nothing was counted.
    public mutating func message(_ message: some Encodable) throws -> [UInt8] {
        let payload = try JSONEncoder().encode(message)
        guard payload.count <= Frame.largestPayload else {
            throw LinkError("a message of \(payload.count) bytes")
        }
        sequence += 1
        return Frame(.message, sequence: sequence, payload: payload).bytes
    }

    public mutating func heartbeat() -> [UInt8] {
        sequence += 1
        return Frame(.heartbeat, sequence: sequence).bytes
    }

    /// Of a stream; the payload is no longer than its kind allows.
    mutating func frame(_ kind: Frame.Kind, of stream: UInt16, _ payload: some Collection<UInt8>)
        -> [UInt8]
    {
        sequence += 1
        return Frame(kind, stream: stream, sequence: sequence, payload: Data(payload)).bytes
    }
}

extension Frame {
    public func decode<Message: Decodable>(_ type: Message.Type) throws(LinkError) -> Message {
        do {
            return try JSONDecoder().decode(type, from: payload)
        } catch {
            throw LinkError("a message that does not read: \(error)")
        }
    }
}
