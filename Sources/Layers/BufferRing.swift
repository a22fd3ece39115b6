/// A few buffers used in turn: one is filled while the lane still hashes those before it.
final class BufferRing {
    private let buffers: [UnsafeMutableRawBufferPointer]
    private let lane: HashLane
    private let stream: HashLane.Stream
    private var submitted = 0
    var count: Int { buffers.count }

    init(count: Int, size: Int, lane: HashLane, stream: HashLane.Stream) {
        self.lane = lane
        self.stream = stream
        buffers = (0..<count).map { _ in .allocate(byteCount: size, alignment: 64) }
    }

    deinit {
        // The lane may still be reading.
        lane.wait(until: submitted, of: stream)
        for buffer in buffers { buffer.deallocate() }
    }

    /// The next buffer, once its former bytes have been hashed. Those of the buffer before it stay as they are.
    func next() -> UnsafeMutableRawBufferPointer {
        lane.wait(until: submitted - buffers.count + 1, of: stream)
        return buffers[submitted % buffers.count]
    }

    /// Hands the first `count` bytes of that buffer to the lane.
    func submit(_ count: Int) -> UnsafeRawBufferPointer {
        let bytes = UnsafeRawBufferPointer(rebasing: buffers[submitted % buffers.count][..<count])
        lane.submit(stream, bytes)
        submitted += 1
        return bytes
    }
}
