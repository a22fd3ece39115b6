import OCISpec

// Bytes as an image reference: what is read is written in full, and reads back as the same.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzReference(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    do {
        let reference = try ImageReference(text)
        for again in [reference.description, reference.familiar] {
            guard try ImageReference(again) == reference else { fatalError("\(text): \(again)") }
        }
        guard reference.description.utf8.allSatisfy({ $0 > 32 && $0 < 127 }),
            !reference.path.split(separator: "/").contains("..")
        else { fatalError("\(text): \(reference)") }
    } catch {
        guard error is ReferenceError else { fatalError("\(text): \(error)") }
    }
    if let digest = Digest(text) {
        guard digest.description == text else { fatalError("\(text): \(digest)") }
    }
    return 0
}

let seeds = [
    "python", "docker.io/library/python:3.12", "[::1]:5000/a/b_c__d-e.f:tag",
    "localhost/x@sha256:" + String(repeating: "ab", count: 32), "a:b:c", "https://x/y", "A/b",
].map { Array($0.utf8) }
