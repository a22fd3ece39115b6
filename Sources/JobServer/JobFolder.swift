internal import Glibc
internal import JobModel
internal import LinuxSystem

/// A job's directory, made before the job has a number, so that a full disk refuses the submit and not the job.
struct JobFolder {
    private let staged: String
    private let jobs: String

    static func stage(_ source: String, in directories: Directories) throws(ErrorReport)
        -> JobFolder
    {
        let jobs = directories.state + "/jobs"
        let staged = jobs + "/.submit-\(getpid())-\(UInt64.random(in: .min ... .max))"
        let folder = JobFolder(staged: staged, jobs: jobs)
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
    func place(_ id: JobID) { rename(staged, jobs + "/\(id)") }

    func discard() {
        unlink(staged + "/spec.yaml")
        rmdir(staged + "/tasks")
        rmdir(staged)
    }
}
