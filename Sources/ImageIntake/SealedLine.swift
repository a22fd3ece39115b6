internal import CCrypto
internal import Glibc
internal import Layers
internal import LinuxSystem
internal import OCISpec

/// A TCP connection between two nodes on which nothing can be read or forged by others: records under AES-256-GCM, with a key for
/// each direction made of the delivery's key and of what both ends drew for this connection.
///
/// A record is its length (4 bytes, little-endian), the sealed bytes and the tag of 16; an empty one says that its sender lives.
final class SealedLine {
    static let longestRecord = 1 << 20
    /// Seconds after which a silent peer is dead; one that waits itself says so more often.
    static let (patience, beat) = (8, 2.0)

    private let socket: Int32
    private let sealer: OpaquePointer
    private let opener: OpaquePointer

    /// Takes over a connected socket. `key` is the delivery's.
    init(_ socket: Int32, key: [UInt8], isCaller: Bool) throws(SystemError) {
        var time = timeval(tv_sec: Self.patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        do throws(SystemError) {
            var random = SystemRandomNumberGenerator()
            let ours = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
            try Files.writeAll(socket, ours, "peer")
            let theirs = try Self.read(32, socket)
            let drawn = isCaller ? ours + theirs : theirs + ours
            guard let sealer = ccrypto_line_new(Self.key(key, isCaller, drawn), 1) else {
                throw SystemError("seal", "peer", errno: ENOMEM)
            }
            guard let opener = ccrypto_line_new(Self.key(key, !isCaller, drawn), 0) else {
                ccrypto_line_free(sealer)
                throw SystemError("seal", "peer", errno: ENOMEM)
            }
            (self.socket, self.sealer, self.opener) = (socket, sealer, opener)
        } catch {
            close(socket)
            throw error
        }
    }

    deinit {
        ccrypto_line_free(sealer)
        ccrypto_line_free(opener)
        close(socket)
    }

    private static func key(_ key: [UInt8], _ ofCaller: Bool, _ drawn: [UInt8]) -> [UInt8] {
        var sum = SHA256Sum()
        (key + [ofCaller ? 1 : 0] + drawn).withUnsafeBytes { sum.update($0) }
        return sum.bytes()
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var record = [UInt8](repeating: 0, count: 4 + bytes.count + CCRYPTO_TAG)
        withUnsafeBytes(of: UInt32(bytes.count).littleEndian) {
            record.replaceSubrange(..<4, with: $0)
        }
        let result = record.withUnsafeMutableBufferPointer { record -> Int32 in
            guard let start = record.baseAddress else { return -1 }
            return ccrypto_seal(
                sealer, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
                Int32(bytes.count), start + 4, start + 4 + bytes.count)
        }
        guard result == 0 else { throw SystemError("seal", "peer", errno: EIO) }
        try Files.writeAll(socket, record, "peer")
    }

    func send(_ bytes: [UInt8]) throws(SystemError) {
        let result: Result<Void, SystemError> = bytes.withUnsafeBytes { bytes in
            do throws(SystemError) {
                return .success(try send(bytes))
            } catch { return .failure(error) }
        }
        try result.get()
    }

    /// The next record that is not empty.
    func receive() throws(SystemError) -> [UInt8] {
        while true {
            let head = try Self.read(4, socket)
            let length = head.reversed().reduce(0) { $0 << 8 | Int($1) }
            guard length <= Self.longestRecord else {
                throw SystemError("read", "peer", errno: EMSGSIZE)
            }
            let sealed = try Self.read(length + CCRYPTO_TAG, socket)
            var bytes = [UInt8](repeating: 0, count: length)
            let result = sealed.withUnsafeBufferPointer { sealed -> Int32 in
                guard let start = sealed.baseAddress else { return -1 }
                return ccrypto_open(opener, start, Int32(length), &bytes, start + length)
            }
            guard result == 0 else { throw SystemError("unseal", "peer", errno: EBADMSG) }
            if !bytes.isEmpty { return bytes }
        }
    }

    private static func read(_ count: Int, _ socket: Int32) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(socket, $0.baseAddress.map { $0 + filled }, count - filled)
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw SystemError("read", "peer", errno: got < 0 ? errno : EPIPE) }
            filled += got
        }
        return bytes
    }
}
