internal import ContainerRuntime
internal import FoundationEssentials
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What the head has told of jobs, also on disk, so that a new agent can finish what an old one had started before the head
/// comes again. Holds no secret: a spec names where secrets are read, and values that the head sent stay in memory.
struct JobTemplates {
    private let directory: String
    private var known: [JobID: JobTemplate] = [:]
    /// Of jobs whose profile has been read: all tasks of one share it.
    private var seccomp: [JobID: ContainerSpec.Seccomp] = [:]

    init(directory: String) { self.directory = directory }

    mutating func add(_ template: JobTemplate) {
        known[template.job] = template
        var kept = template
        kept.secrets = nil
        // Where it cannot be kept, a new agent waits for the head to tell it again.
        guard let json = try? JSONEncoder().encode(kept) else { return }
        if mkdir(directory, 0o700) < 0, errno != EEXIST { return }
        try? Files.writeAtomically(path(template.job), json, mode: 0o600, durable: false)
    }

    /// From memory, else from the disk.
    mutating func find(_ job: JobID) -> JobTemplate? {
        if let template = known[job] { return template }
        // Missing or torn: the head will tell it.
        guard let bytes = try? Files.read(path(job), limit: Frame.largestPayload),
            let template = try? JSONDecoder().decode(JobTemplate.self, from: Data(bytes)),
            template.job == job
        else { return nil }
        known[job] = template
        return template
    }

    mutating func seccomp(of template: JobTemplate) throws(SystemError) -> ContainerSpec.Seccomp {
        if let seccomp = seccomp[template.job] { return seccomp }
        let read = try template.spec.confinement.seccomp()
        seccomp[template.job] = read
        return read
    }

    mutating func remove(_ job: JobID) {
        known[job] = nil
        seccomp[job] = nil
        unlink(path(job))
    }

    mutating func removeAll() {
        known = [:]
        seccomp = [:]
        sweep(except: [])
    }

    /// Removes from the disk what no attempt here needs: the head tells a job again before it sends more of it.
    func sweep(except needed: Set<JobID>) {
        let kept = Set(needed.map { "\($0).json" })
        // No directory, nothing to remove.
        for name in (try? Files.names(in: directory)) ?? [] where !kept.contains(name) {
            unlink(directory + "/" + name)
        }
    }

    private func path(_ job: JobID) -> String { directory + "/\(job).json" }
}
