internal import CCrypto
package import OCISpec

/// SHA-256 of bytes as they come, with the CPU's instructions for it.
package struct SHA256Sum: ~Copyable {
    private var context = SHA256_CTX()

    package init() { SHA256_Init(&context) }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
    }

    /// Of all bytes so far. Once.
    package consuming func finish() -> Digest { Digest(sha256: bytes()) }

    /// The same as 32 bytes.
    package consuming func bytes() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256_Final(&bytes, &context)
        return bytes
    }
}

/// SHA-256 of bytes in memory.
package func digestOf(_ bytes: some Collection<UInt8>) -> Digest {
    var sum = SHA256Sum()
    let isDone: Void? = bytes.withContiguousStorageIfAvailable {
        sum.update(UnsafeRawBufferPointer($0))
    }
    if isDone == nil { Array(bytes).withUnsafeBytes { sum.update($0) } }
    return sum.finish()
}
