internal import CCrypto
internal import OCISpec

/// SHA-256 of bytes as they come, with the CPU's instructions for it (EVP_DigestInit(3)).
struct SHA256: ~Copyable {
    private let context: OpaquePointer

    /// Ends the process where there is no memory for some hundred bytes, as Swift's own allocations do.
    init() {
        guard let context = EVP_MD_CTX_new(),
            EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
        else { preconditionFailure("libcrypto has no SHA-256, or no memory") }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// Of all bytes so far. Once.
    consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &bytes, &count)
        return Digest(sha256: Array(bytes.prefix(Int(count))))
    }
}

/// SHA-256 of bytes in memory.
func digestOf(_ bytes: some Collection<UInt8>) -> Digest {
    let hash = SHA256()
    Array(bytes).withUnsafeBytes { hash.update($0) }
    return hash.finish()
}
