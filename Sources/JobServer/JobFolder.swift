internal import Glibc
internal import JobModel
internal import LinuxSystem

/// A job's directory, made before the job has a number, so that a full disk refuses the submit and not the job.
struct JobFolder {
    private let staged: String
    private let jobs: String
    private let seams: ServerSeams

    static func stage(
        _ source: String, in directories: Directories, _ seams: ServerSeams
    ) throws(ErrorReport) -> JobFolder {
        let jobs = directories.state + "/jobs"
        let staged = jobs + "/.submit-\(getpid())-\(UInt64.random(in: .min ... .max))"
        let folder = JobFolder(staged: staged, jobs: jobs, seams: seams)
        guard seams.writesFolder() else { return folder }
        do throws(SystemError) {
            try Files.makeDirectories(staged + "/tasks", mode: 0o755)
            try Files.writeAtomically(staged + "/spec.yaml", source.utf8, durable: false)
        } catch {
            folder.discard()
            throw ErrorReport(
                error: "submit: \(error)",
                hint: error.isDiskFull ? "make room in \(jobs)" : nil)
        }
        return folder
    }

    /// Gives it the job's number. Where that fails the node makes the directory, without the spec's text.
    func place(_ id: JobID) {
        if seams.writesFolder() { rename(staged, jobs + "/\(id)") }
    }

    /// Makes the directory of a job that has none: a server was killed, or the disk full, before it had its name. Where that fails
    /// now, too, whoever needs it says so.
    static func mend(_ id: JobID, in directories: Directories) {
        try? Files.makeDirectories(directories.jobDirectory(id.rawValue) + "/tasks", mode: 0o755)
    }

    /// The job was there already; its directory gets this text where it has none.
    func lend(to id: JobID) {
        guard seams.writesFolder() else { return }
        let text = "\(jobs)/\(id)/spec.yaml"
        if !Files.exists(text) { rename(staged + "/spec.yaml", text) }
    }

    /// Puts another text in the place of a job's, and keeps the former one beside it.
    static func renew(_ source: String, of id: JobID, in directories: Directories)
        throws(SystemError)
    {
        mend(id, in: directories)
        let text = directories.jobDirectory(id.rawValue) + "/spec.yaml"
        var number = 1
        while Files.exists(text + ".\(number)") { number += 1 }
        // A job whose folder could not be placed has no text.
        rename(text, text + ".\(number)")
        try Files.writeAtomically(text, source.utf8, durable: false)
    }

    func discard() { if seams.writesFolder() { Self.remove(staged) } }

    /// Above the numbers of all directories: where the database is gone, jobs to come do not write into those of others.
    static func nextNumber(_ directories: Directories) throws(SystemError) -> Int64 {
        let names = try Files.names(in: directories.state + "/jobs")
        return (names.compactMap { Int64($0) }.max() ?? 0) + 1
    }

    /// Removes what killed servers had begun. No other server may be at work.
    static func sweep(_ directories: Directories) {
        let jobs = directories.state + "/jobs"
        // What cannot be read now is swept by the next server.
        for name in (try? Files.names(in: jobs)) ?? [] where name.hasPrefix(".submit-") {
            remove(jobs + "/" + name)
        }
    }

    private static func remove(_ staged: String) {
        rmdir(staged + "/tasks")
        // The text, or what was written of it.
        for name in (try? Files.names(in: staged)) ?? [] { unlink(staged + "/" + name) }
        rmdir(staged)
    }
}
