internal import FoundationEssentials
internal import Glibc
internal import Layers
internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Threads

/// Hands on to other nodes what comes of an image, for the time of one delivery, to whoever knows its key.
final class PeerServer: Sendable {
    /// Where others reach it; name and key are the head's to fill in.
    let address: PeerAddress
    private let listener: OwnedFD

    init(_ supply: ChunkSupply, key: [UInt8]) throws(SystemError) {
        let socket = try PeerSocket.listen()
        let port = Int(try TCPSocket.port(of: socket.raw))
        address = PeerAddress(hosts: PeerSocket.ownAddresses(), port: port, name: "", key: "")
        let raw = socket.raw
        listener = socket
        _ = try WorkerThread("peers") { Self.accept(raw, supply, key) }
    }

    /// Takes no more callers; those that are here are served.
    func close() { shutdown(listener.raw, Int32(SHUT_RDWR)) }

    private static func accept(_ listener: Int32, _ supply: ChunkSupply, _ key: [UInt8]) {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            if socket < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                return
            }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            // Without a thread the caller finds nobody, and asks the head.
            if (try? WorkerThread("peer") { try? serve(socket, supply, key) }) == nil {
                Glibc.close(socket)
            }
        }
    }

    private static func serve(_ socket: Int32, _ supply: ChunkSupply, _ key: [UInt8]) throws {
        let line = try SealedLine(socket, key: key, isCaller: false)
        let place = try JSONDecoder().decode(BlobPlace.self, from: Data(line.receive()))
        guard let arrival = supply[place.digest] else { return }
        var offset = place.offset
        while offset < arrival.blob.size {
            guard let ready = try arrival.ready(past: offset, seconds: SealedLine.beat) else {
                try line.send([])
                continue
            }
            let part = Int64(DeliveryFrame.chunk)
            let end = min(ready, (offset / part + 1) * part)
            let bytes = try arrival.read(at: offset, Int(end - offset))
            let head = PeerPart(
                offset: offset, length: bytes.count, sum: digestOf(bytes))
            try line.send(Array(JSONEncoder().encode(head)))
            var start = 0
            while start < bytes.count {
                let piece = bytes[start..<min(bytes.count, start + 256 << 10)]
                try line.send(Array(piece))
                start += piece.count
            }
            offset = end
        }
        // The caller closes once it has it all.
        _ = try? line.receive()
    }
}

/// What comes next on a line between nodes.
struct PeerPart: Codable {
    var offset: Int64
    var length: Int
    var sum: Digest
}

/// Gets a blob from another node.
enum PeerCall {
    /// Returns once all of it is here, or nobody wants it any more; throws where the other node does not give it.
    static func fetch(_ arrival: ChunkArrival, from peer: PeerAddress) throws {
        guard let key = hexBytes(peer.key) else {
            throw SystemError("call", "a peer", errno: EINVAL)
        }
        let socket = try PeerSocket.connect(peer.hosts, peer.port)
        let line = try SealedLine(socket, key: key, isCaller: true)
        let place = BlobPlace(arrival.blob.digest, at: arrival.received)
        try line.send(Array(JSONEncoder().encode(place)))
        while arrival.isWanted {
            let part = try JSONDecoder().decode(PeerPart.self, from: Data(line.receive()))
            guard (0...DeliveryFrame.chunk).contains(part.length) else {
                throw SystemError("read", "peer", errno: EMSGSIZE)
            }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(part.length)
            while bytes.count < part.length { bytes += try line.receive() }
            let answer = bytes.withUnsafeBytes {
                arrival.take($0, at: part.offset, sum: part.sum, from: peer.name)
            }
            guard answer == .taken || !arrival.isWanted else {
                throw SystemError("read", "peer", errno: EBADMSG)
            }
        }
    }

    static func hexBytes(_ text: String) -> [UInt8]? {
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == 64, text.count == 64 else { return nil }
        return stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
