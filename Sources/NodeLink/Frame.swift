public import FoundationEssentials

/// One frame: length of the payload (4 bytes) · type (1) · flags (1) · stream (2) · sequence (8) · payload, little-endian.
/// Sequences count from 1 in each direction of each connection; a gap means a broken peer, and ends the connection.
public struct Frame: Sendable {
    public enum Kind: UInt8, Sendable {
        case message = 1
        /// Says that the peer lives; carries nothing.
        case heartbeat = 2
    }
    public static let headerSize = 16
    /// A longer payload is refused unread. Senders split lists long before.
    public static let largestPayload = 1 << 24
    /// Tasks or records in one message.
    public static let batch = 512

    public let kind: Kind
    public let sequence: UInt64
    public let payload: Data

    public init(_ kind: Kind, sequence: UInt64, payload: Data = Data()) {
        self.kind = kind
        self.sequence = sequence
        self.payload = payload
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerSize + payload.count)
        withUnsafeBytes(of: UInt32(payload.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes += [kind.rawValue, 0, 0, 0]
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
    public init(_ description: String) { self.description = description }
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
        guard length <= Frame.largestPayload else { throw LinkError("a frame of \(length) bytes") }
        guard let kind = Frame.Kind(rawValue: bytes[start + 4]) else {
            throw LinkError("a frame of unknown type \(bytes[start + 4])")
        }
        let sequence = number(8, 8)
        guard bytes.count - start >= Frame.headerSize + length else { return nil }
        guard sequence == lastSequence + 1 else {
            throw LinkError("frame \(sequence) after frame \(lastSequence)")
        }
        lastSequence = sequence
        let body = start + Frame.headerSize
        start = body + length
        return Frame(kind, sequence: sequence, payload: Data(bytes[body..<start]))
    }
}

/// Messages → frames.
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
