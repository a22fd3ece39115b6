import ArgumentParser
import Glibc
import JobModel
import LinuxSystem
import ServerAPI
import TerminalUI

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Print what tasks wrote: byte for byte for one task, with the index before each line for several."
    )

    @Argument(help: "last, 42, 42_7, 42_[3-9] or a name.") var job: String = "last"
    @Flag(name: .shortAndLong, help: "Go on until the tasks have ended.") var follow = false
    @Flag(name: .customLong("stdout"), help: "Standard output alone.") var onlyOutput = false
    @Flag(name: .customLong("stderr"), help: "Standard error alone.") var onlyErrors = false

    func run() throws {
        let connection = try Connection.open()
        let selection = try connection.resolve([job])[0]
        var readers: [Int: [LogReader]] = [:]
        while true {
            let report = try connection.client.report(ReportRequest(selection))
            let single = report.tasks.count == 1
            for task in report.tasks where task.attempt > 0 {
                for (descriptor, path) in [(Int32(1), task.stdout), (2, task.stderr)] {
                    guard let path, descriptor == 1 ? !onlyErrors : !onlyOutput else { continue }
                    let known = readers[task.index]?.firstIndex { $0.path == path }
                    let place = known ?? readers[task.index, default: []].count
                    if known == nil {
                        readers[task.index, default: []].append(
                            LogReader(
                                path: path, descriptor: descriptor,
                                prefix: single ? nil : "\(task.index): "))
                    }
                    readers[task.index]?[place].copy(isLast: task.state.isFinal || !follow)
                }
            }
            guard follow, !report.state.isFinal, !report.tasks.allSatisfy({ $0.state.isFinal })
            else { return }
            // Files have no event across file systems; a fifth of a second is soon enough for eyes.
            usleep(200_000)
        }
    }
}

/// One log file, from where it was left.
struct LogReader {
    let path: String
    let descriptor: Int32
    /// Put before each line; nil passes bytes on as they are.
    let prefix: String?
    private var offset = 0
    private var partial: [UInt8] = []

    init(path: String, descriptor: Int32, prefix: String?) {
        self.path = path
        self.descriptor = descriptor
        self.prefix = prefix
    }

    /// Writes what is new. A line without its end waits for more, unless nothing more comes.
    mutating func copy(isLast: Bool) {
        // It is made when the attempt starts.
        guard let file = try? OwnedFD.open(path, O_RDONLY) else { return }
        lseek(file.raw, off_t(offset), SEEK_SET)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(file.raw, &buffer, buffer.count)
            guard count > 0 else { break }
            offset += count
            write(Array(buffer[..<count]))
        }
        if isLast, !partial.isEmpty {
            emit(Array((prefix ?? "").utf8) + partial + [10])
            partial = []
        }
    }

    private mutating func write(_ bytes: [UInt8]) {
        guard let prefix else { return emit(bytes) }
        partial += bytes
        var out: [UInt8] = []
        while let end = partial.firstIndex(of: 10) {
            out += Array(prefix.utf8) + partial[...end]
            partial.removeFirst(end + 1)
        }
        emit(out)
    }

    private func emit(_ bytes: [UInt8]) {
        if descriptor == 1 { Terminal.write(bytes) } else { Terminal.writeError(bytes) }
    }
}
