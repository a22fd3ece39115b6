import ArgumentParser
import Glibc
import JobModel
import LinuxSystem
import ServerAPI
import TerminalUI

struct Logs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Print what tasks wrote: byte for byte for one task, with the index before each line for several, and with the node for tasks on several nodes."
    )

    @Argument(help: "last, 42, 42_7, 42_[3-9], a name, or NAME_7.", completion: Completions.jobs)
    var job: String = "last"
    @Flag(name: .shortAndLong, help: "Go on until the tasks have ended.") var follow = false
    @Flag(name: .customLong("stdout"), help: "Standard output alone.") var onlyOutput = false
    @Flag(name: .customLong("stderr"), help: "Standard error alone.") var onlyErrors = false

    func run() throws {
        let connection = try Connection.open()
        let selection = try connection.resolve([job])[0]
        let total = try connection.client.summary(selection.job).counts.total
        var left = selection.ranges(of: total)
        let isSingle = left.reduce(0) { $0 + $1.count } == 1
        var readers: [Int: TaskReader] = [:]
        var isFirstLook = true
        while true {
            // Before the tasks are asked for: what a job that has ended says of them is final.
            let isOver = try connection.client.summary(selection.job).state.isFinal
            var ended: [Int] = []
            var request = ReportRequest(
                TaskSelection(job: selection.job, ranges: left),
                states: Set(TaskState.allCases).subtracting([.queued]))
            request.follow = true
            try connection.client.pages(of: request) { page in
                for task in page.tasks {
                    if task.state.isFinal { ended.append(task.index) }
                    guard task.attempt > 0 else { continue }
                    var reader =
                        readers.removeValue(forKey: task.index)
                        ?? TaskReader(
                            prefix: isSingle ? nil : "\(task.index): ",
                            attempt: isFirstLook ? task.attempt : 1)
                    reader.copy(task, wanted: wanted, isLast: task.state.isFinal || !follow)
                    if !task.state.isFinal { readers[task.index] = reader }
                }
            }
            guard follow, !isOver else { return }
            left = Self.subtract(ended, from: left)
            if left.isEmpty { return }
            isFirstLook = false
            // Files have no event across file systems; a fifth of a second is soon enough for eyes.
            usleep(200_000)
        }
    }

    private var wanted: [Int32] { (onlyErrors ? [] : [1]) + (onlyOutput ? [] : [2]) }

    /// - Parameter indexes: ascending.
    static func subtract(_ indexes: [Int], from ranges: [Range<Int>]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var rest = indexes.sorted()[...]
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            var start = range.lowerBound
            while let index = rest.first, index < range.upperBound {
                rest = rest.dropFirst()
                guard index >= start else { continue }
                if start < index { result.append(start..<index) }
                start = index + 1
            }
            if start < range.upperBound { result.append(start..<range.upperBound) }
        }
        return result
    }
}

/// The log files of one task, attempt after attempt.
struct TaskReader {
    let prefix: String?
    /// The attempt that is read.
    private var attempt: Int
    private var files: [LogReader] = []

    init(prefix: String?, attempt: Int) {
        self.prefix = prefix
        self.attempt = attempt
    }

    /// Writes what is new: first the rest of the attempts before the present one, which ended unseen.
    mutating func copy(_ task: TaskReport, wanted: [Int32], isLast: Bool) {
        while attempt <= task.attempt {
            if files.isEmpty { files = wanted.flatMap { files(of: task, $0) } }
            let isOver = attempt < task.attempt
            for place in files.indices { files[place].copy(isLast: isLast || isOver) }
            guard isOver else { return }
            attempt += 1
            files = []
        }
    }

    private func files(of task: TaskReport, _ descriptor: Int32) -> [LogReader] {
        guard let path = descriptor == 1 ? task.stdout : task.stderr else { return [] }
        // `…/tasks/<index>/<attempt>/stdout`, and of tasks on several nodes `…/nodes/<node>/tasks/<index>/<attempt>/stdout`.
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 6 else { return [] }
        parts[parts.count - 2] = "\(attempt)"
        let place = parts.count - 5
        guard let nodes = task.nodes, parts[place - 1] == "nodes" else {
            return [
                LogReader(
                    path: parts.joined(separator: "/"), descriptor: descriptor, prefix: prefix)
            ]
        }
        return nodes.map { node in
            parts[place] = node
            return LogReader(
                path: parts.joined(separator: "/"), descriptor: descriptor,
                prefix: "\(task.index)@\(node): ")
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
