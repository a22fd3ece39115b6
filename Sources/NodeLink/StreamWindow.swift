/// How far the sender of a stream may be ahead of its receiver.
public enum StreamWindow {
    /// Bytes, of every stream in either direction when it is opened.
    public static let first = 256 << 10
    /// Bytes, of one that carries much.
    public static let largest = 4 << 20
    /// Milliseconds: where a whole window is taken in less, it was the window that held the sender up, and it is doubled. On a
    /// slow link it stays, so that what waits in ssh's own buffers delays a message by about as much, and no more.
    static let quick: Int64 = 200
}

/// Kept by the sender.
struct SendWindow {
    /// Bytes that may be sent now.
    private(set) var room = StreamWindow.first
    /// No receiver keeps as much for one stream.
    private static let absurd = 1 << 30

    mutating func use(_ count: Int) { room -= count }

    mutating func add(_ credit: Int) throws(LinkError) {
        guard credit > 0, credit <= Self.absurd, room + credit <= Self.absurd else {
            throw LinkError("a credit of \(credit) bytes for a stream")
        }
        room += credit
    }
}

/// Kept by the receiver. What may still come, what has come and was not consumed, and what was consumed and is yet to be
/// credited are one window together.
struct ReceiveWindow {
    private(set) var size = StreamWindow.first
    private(set) var room = StreamWindow.first
    /// Come, and not yet consumed.
    private(set) var held = 0
    /// Consumed since the clock was last read, and what it said then.
    private var measured = 0
    private var since: Int64?

    mutating func take(_ count: Int) throws(LinkError) {
        guard count <= room else {
            throw LinkError("a stream's \(count) bytes where \(room) were allowed")
        }
        room -= count
        held += count
    }

    /// Returns the credit to send now; 0 where it is not worth a frame yet.
    mutating func consume(_ count: Int, at now: Int64) -> Int {
        let count = min(count, held)
        held -= count
        measured += count
        grow(at: now)
        let credit = size - room - held
        guard credit >= size / 4 else { return 0 }
        room += credit
        return credit
    }

    private mutating func grow(at now: Int64) {
        guard let since else {
            since = now
            return
        }
        guard measured >= size else { return }
        if now - since < StreamWindow.quick { size = min(size * 2, StreamWindow.largest) }
        measured = 0
        self.since = now
    }
}
