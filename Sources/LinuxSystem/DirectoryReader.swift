internal import Glibc

/// The entries of one directory, without `.` and `..`, in no order: readdir(3).
public final class DirectoryReader {
    public struct Entry {
        /// Bytes with their NUL.
        public let name: [CChar]
        public let type: UInt8
        private var bytes: [UInt8] { name.dropLast().map { UInt8(bitPattern: $0) } }
        /// Nil where it is not UTF-8.
        public var text: String? { String(validating: bytes, as: UTF8.self) }
        public var repaired: String { String(decoding: bytes, as: UTF8.self) }
    }

    public let raw: Int32
    private let stream: OpaquePointer

    public init(_ directory: consuming OwnedFD, _ path: String) throws(SystemError) {
        raw = directory.release()
        guard let stream = fdopendir(raw) else {
            let error = SystemError.last("opendir", path)
            close(raw)
            throw error
        }
        self.stream = stream
    }

    deinit { closedir(stream) }

    public func next() -> Entry? {
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if name == [46, 0] || name == [46, 46, 0] { continue }
            return Entry(name: name, type: entry.pointee.d_type)
        }
        return nil
    }
}
