// Bytes as what comes over a link: frames without a gap, and streams whose windows hold whatever the peer says.

import FoundationEssentials

/// Has something to send for ever, so that credits are used.
struct Endless: StreamSource {
    func next(_ limit: Int) -> StreamPiece {
        guard limit > 0 else { fatalError("asked for nothing") }
        return .bytes([UInt8](repeating: 0, count: min(limit, 512)))
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrames(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    for isHead in [true, false] {
        // However they are cut, the same frames come out, up to the same error.
        guard read(bytes, by: max(1, count), isHead) == read(bytes, by: 7, isHead) else {
            fatalError("cut otherwise, other frames")
        }
    }
    return 0
}

private func read(_ bytes: [UInt8], by piece: Int, _ isHead: Bool) -> [String] {
    var (reader, writer) = (FrameReader(), FrameWriter())
    var table = StreamTable<Endless>(isHead: isHead)
    var (last, seen) = (UInt64(0), [String]())
    // Data that came and is not consumed, by stream: never more than a window, which none enlarges here.
    var held: [UInt16: Int] = [:]
    do throws(LinkError) {
        for number in 1...2 as ClosedRange<UInt16> { try table.open(number, Endless()) }
        for start in stride(from: 0, to: bytes.count, by: piece) {
            reader.append(bytes[start..<min(start + piece, bytes.count)])
            while let frame = try reader.next() {
                guard frame.sequence == last + 1 else { fatalError("a gap") }
                last = frame.sequence
                if let event = try table.take(frame), case .data(let more) = event {
                    held[frame.stream, default: 0] += more.count
                    guard held[frame.stream, default: 0] <= StreamWindow.first else {
                        fatalError("more than a window")
                    }
                }
                seen.append("\(frame.kind) \(frame.stream) \(frame.payload.count)")
                guard table.next(&writer).count <= Frame.headerSize + Frame.largestData else {
                    fatalError("a frame that no peer reads")
                }
            }
        }
    } catch { seen.append("\(error)") }
    return seen
}

private func stream(_ parts: [(Frame.Kind, UInt16, [UInt8])]) -> [UInt8] {
    parts.enumerated().flatMap { place, part in
        Frame(
            part.0, stream: part.1, sequence: UInt64(place + 1), payload: Data(part.2)
        ).bytes
    }
}

let seeds = [
    stream([(.message, 0, Array(#"{"shutdown":{}}"#.utf8)), (.heartbeat, 0, [])]),
    stream([
        (.data, 1, [1, 2, 3]), (.credit, 1, [0, 0, 1, 0]), (.data, 2, [4]), (.end, 1, []),
        (.end, 2, Array("no such file".utf8)),
    ]),
    stream([(.end, 1, []), (.data, 1, [1])]),
]
