import CZlib
import Glibc

@testable import ImageStore
@testable import Layers

// Bytes as a deflate stream: ISA-L writes nowhere but where it is told to, and what zlib makes of a stream ISA-L makes, too.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzInflate(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard count > 2, let start else { return 0 }
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let steps = (input: Int(bytes[0]) + 1, output: (Int(bytes[1]) + 1) * 16)
    var stream = Array(bytes[2...])
    let plain = inflated(&stream)
    if let plain { stream += trailer(plain) }
    let ours = Inflater.allCases.map { engine in decoded(stream, engine, steps) }
    if let plain {
        guard ours[0] == plain, ours[1] == plain else { fatalError("they differ") }
    } else if ours[1] == nil, ours[0] != nil {
        fatalError("ISA-L takes what zlib refuses, and finds its sum right")
    }
    return 0
}

private let outputLimit = 1 << 20

/// By zlib at once; nil where it is no whole stream. What stands behind its end is cut off.
private func inflated(_ stream: inout [UInt8]) -> [UInt8]? {
    var state = z_stream()
    guard czlib_inflate_raw(&state) == Z_OK else { fatalError("zlib") }
    defer { inflateEnd(&state) }
    var output = [UInt8](repeating: 0, count: outputLimit)
    let (result, used, made) = stream.withUnsafeMutableBufferPointer { input in
        output.withUnsafeMutableBufferPointer { output in
            state.next_in = input.baseAddress
            state.avail_in = UInt32(input.count)
            state.next_out = output.baseAddress
            state.avail_out = UInt32(output.count)
            let result = inflate(&state, Z_FINISH)
            return (
                result, input.count - Int(state.avail_in), output.count - Int(state.avail_out)
            )
        }
    }
    guard result == Z_STREAM_END else { return nil }
    stream = Array(stream[..<used])
    return Array(output[..<made])
}

private func trailer(_ plain: [UInt8]) -> [UInt8] {
    let sum = UInt32(truncatingIfNeeded: crc32(0, plain, UInt32(plain.count)))
    return [sum, UInt32(plain.count)].flatMap { word in
        (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
}

/// In steps, each with input and output that end where memory ends; nil where it is refused or does not end.
private func decoded(_ stream: [UInt8], _ inflater: Inflater, _ steps: (input: Int, output: Int))
    -> [UInt8]?
{
    let input = edge.input(steps.input)
    let output = edge.output(steps.output)
    var (at, plain): (Int, [UInt8]) = (0, [])
    do {
        let engine = try inflater.makeEngine()
        try engine.reset()
        while plain.count <= outputLimit {
            let part = stream[at..<min(at + steps.input, stream.count)]
            let place = UnsafeMutableRawBufferPointer(
                rebasing: input[(input.count - part.count)...])
            place.copyBytes(from: part)
            let step = try engine.step(UnsafeRawBufferPointer(place), into: output)
            guard step.consumed <= part.count, step.produced <= output.count else {
                fatalError("more than there was")
            }
            plain += output[..<step.produced]
            at += step.consumed
            if step.ended { return plain }
            if step.consumed == 0, step.produced == 0 { return nil }
        }
    } catch {}
    return nil
}

// nonisolated(unsafe): libFuzzer calls from one thread.
nonisolated(unsafe) private let edge = Edge()

/// Memory before pages that nobody may touch.
private struct Edge {
    private let size = 64 << 10
    private let memory: UnsafeMutableRawPointer

    init() {
        let pages = mmap(nil, 4 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let pages, pages != MAP_FAILED,
            mprotect(pages, size, PROT_READ | PROT_WRITE) == 0,
            mprotect(pages + 2 * size, size, PROT_READ | PROT_WRITE) == 0
        else { fatalError("mmap") }
        memory = pages
    }

    func input(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory + size - count, count: count)
    }

    func output(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory + 3 * size - count, count: count)
    }
}

let seeds: [[UInt8]] = [
    LayerCase.formats().archive, (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) },
    [UInt8](repeating: 65, count: 3000), [],
].flatMap { plain in
    Inflater.allCases.map { [63, 63] + Packed.gzip(plain, $0).dropFirst(10).dropLast(8) }
}
