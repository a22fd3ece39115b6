internal import CCrypto
package import OCISpec

/// SHA-256 of bytes as they come, with the CPU's instructions for it.
struct SHA256Sum: ~Copyable {
    private var context = SHA256_CTX()

    init() { SHA256_Init(&context) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
    }

    /// Of all bytes so far. Once.
    consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256_Final(&bytes, &context)
        return Digest(sha256: bytes)
    }
}

/// SHA-256 of bytes in memory.
package func digestOf(_ bytes: some Collection<UInt8>) -> Digest {
    var sum = SHA256Sum()
    Array(bytes).withUnsafeBytes { sum.update($0) }
    return sum.finish()
}
