internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// Sends files of an attempt, and opens each only when its turn comes.
final class FileReadStream: AgentStream {
    private let files: KeptAttempt
    private var parts: ArraySlice<FileRead.Part>
    private var file: Int32?
    private var sent: Int64 = 0

    /// - Parameter directory: the attempt's.
    init(_ parts: [FileRead.Part], in directory: String) throws(SystemError) {
        files = try KeptAttempt(directory)
        self.parts = parts[...]
    }

    deinit { close() }

    func next(_ limit: Int) -> StreamPiece {
        while let part = parts.first {
            do throws(SystemError) {
                if file == nil { file = try files.open(part.path).release() }
                guard let file else { continue }
                let wanted = min(Int64(limit), part.length - sent)
                guard wanted > 0 else {
                    close()
                    parts = parts.dropFirst()
                    continue
                }
                let bytes = try KeptAttempt.read(
                    file, Int(wanted), at: part.offset + sent, part.path)
                guard !bytes.isEmpty else { return .end("\(part.path): it has become shorter") }
                sent += Int64(bytes.count)
                return .bytes(bytes)
            } catch { return .end("\(part.path): \(SystemError.text(error.errno))") }
        }
        return .end(nil)
    }

    func headEnded(_ reason: String?) {}

    func close() {
        if let file { Glibc.close(file) }
        (file, sent) = (nil, 0)
    }
}
