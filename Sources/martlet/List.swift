import ArgumentParser
import JobModel
import ServerAPI
import TerminalUI

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "List jobs.")

    @Flag(help: "Print as JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print the jobs' numbers alone.") var quiet = false

    func run() throws {
        let jobs = try Connection.open().client.jobs()
        if json { return JSONOutput.write(JobList(jobs: jobs)) }
        if quiet { return Terminal.write(jobs.map { "\($0.id)\n" }.joined()) }
        if jobs.isEmpty {
            return Terminal.write("no jobs yet; `martlet run --help` shows how to begin\n")
        }
        var table = Table([
            .init("job", .right), .init("name"), .init("state"), .init("done", .right),
            .init("failed", .right), .init("image"),
            .init("submitted"), .init(""),
        ])
        for job in jobs {
            table.add([
                "\(job.id)", job.name, job.state.rawValue,
                "\(job.counts.finished)/\(job.counts.total)",
                "\(job.counts.failed + job.counts.lost)", job.image.reference,
                String(job.submitted.prefix(19)), job.reason ?? "",
            ])
        }
        Terminal.write(
            table.lines(width: Terminal.isOutputTerminal ? Terminal.width : nil).joined(
                separator: "\n") + "\n")
    }
}

/// Jobs as JSON.
struct JobList: Encodable {
    let schema = JobModel.schemaVersion
    let jobs: [JobSummary]
}
