internal import FoundationEssentials
internal import OCISpec

/// Messages on a delivery's stream: length of the message (4 bytes) · length of what follows it (4 bytes), little-endian · the
/// message in JSON · bytes of a blob.
public enum DeliveryFrame {
    static let headerSize = 8
    /// Longer messages are refused unread: manifest and configuration, 4 MiB each at most, in base64.
    static let longestMessage = 16 << 20
    /// Bytes of a blob that are verified together, and asked for again together.
    public static let chunk = 8 << 20

    public static func bytes(_ message: some Encodable, body: Int = 0) throws(LinkError) -> [UInt8]
    {
        do {
            let json = try JSONEncoder().encode(message)
            var bytes: [UInt8] = []
            bytes.reserveCapacity(headerSize + json.count)
            for length in [json.count, body] {
                withUnsafeBytes(of: UInt32(length).littleEndian) { bytes.append(contentsOf: $0) }
            }
            bytes.append(contentsOf: json)
            return bytes
        } catch {
            throw LinkError("a message of a delivery does not encode: \(error)")
        }
    }
}

/// A stream's bytes as they come → messages, each with the bytes of a blob that came with it.
public struct DeliveryReader: Sendable {
    private var bytes: [UInt8] = []
    private var start = 0

    public init() {}

    public mutating func append(_ more: some Collection<UInt8>) {
        if start > DeliveryFrame.chunk {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// The next whole message; nil where more bytes are needed. After an error the stream is of no more use.
    public mutating func next<Message: Decodable>(_ type: Message.Type) throws(LinkError) -> (
        message: Message, body: ArraySlice<UInt8>
    )? {
        let available = bytes.count - start
        guard available >= DeliveryFrame.headerSize else { return nil }
        let (length, bodyLength) = (number(at: start), number(at: start + 4))
        guard length <= DeliveryFrame.longestMessage, bodyLength <= DeliveryFrame.chunk else {
            throw LinkError("a delivery's message of \(length) and \(bodyLength) bytes")
        }
        guard available >= DeliveryFrame.headerSize + length + bodyLength else { return nil }
        let json = start + DeliveryFrame.headerSize
        let body = json + length
        start = body + bodyLength
        do {
            let message = try JSONDecoder().decode(type, from: Data(bytes[json..<body]))
            return (message, bytes[body..<start])
        } catch {
            throw LinkError("a delivery's message that does not read: \(error)")
        }
    }

    private func number(at offset: Int) -> Int {
        (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
}
