internal import CZstd

/// Single frames of zstd (RFC 8878), whole in memory.
enum Zstandard {
    /// zstd's own choice between speed and size.
    private static let level: Int32 = 3

    static func compress(_ bytes: [UInt8]) throws(TreeError) -> [UInt8] {
        let bound = ZSTD_compressBound(bytes.count)
        var result = 0
        let out = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            result = ZSTD_compress(buffer.baseAddress, bound, bytes, bytes.count, level)
            count = ZSTD_isError(result) == 0 ? result : 0
        }
        guard ZSTD_isError(result) == 0 else { throw failure(result) }
        return out
    }

    /// Of a frame that is to hold `size` bytes, no more and no fewer.
    static func decompress(_ frame: ArraySlice<UInt8>, size: Int) throws(TreeError) -> [UInt8] {
        var result = 0
        let out = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            result = frame.withUnsafeBytes {
                ZSTD_decompress(buffer.baseAddress, size, $0.baseAddress, $0.count)
            }
            count = ZSTD_isError(result) == 0 ? result : 0
        }
        guard ZSTD_isError(result) == 0 else { throw failure(result) }
        guard out.count == size else {
            throw TreeError(.corrupt, "\(out.count) bytes came where \(size) were announced")
        }
        return out
    }

    private static func failure(_ result: Int) -> TreeError {
        TreeError(.corrupt, "zstd: \(String(cString: ZSTD_getErrorName(result)))")
    }
}
