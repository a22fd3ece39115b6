internal import JobModel
internal import LinuxSystem
internal import OCISpec

/// What is wrong with a submit and can be told before any task starts.
enum SubmitCheck {
    /// The job's points. Off the actor: conditions look at every point.
    @concurrent
    static func expansion(of spec: JobSpec) async throws(ErrorReport) -> SweepExpansion {
        try image(spec.image)
        for mount in spec.mounts where mount.kind == .bind && !Files.exists(mount.source) {
            throw ErrorReport(
                error: "mount \(mount.source): there is no such path",
                hint: "the source of a mount has to exist when the job is submitted")
        }
        for (name, source) in spec.secrets {
            if case .file(let path) = source, !Files.exists(path) {
                throw ErrorReport(error: "secret \(name): there is no file \(path)")
            }
        }
        return try await points(of: spec)
    }

    /// The points of a job that was checked before.
    @concurrent
    static func points(of spec: JobSpec) async throws(ErrorReport) -> SweepExpansion {
        do throws(SweepError) { return try SweepExpansion(spec.sweep) } catch {
            throw ErrorReport(error: "sweep: \(error)")
        }
    }

    private static func image(_ reference: String) throws(ErrorReport) {
        if reference == "host" { return }
        if ["/", "./", "../"].contains(where: reference.hasPrefix) {
            guard Files.exists(reference) else {
                throw ErrorReport(error: "image \(reference): there is no such path")
            }
            return
        }
        if reference.hasPrefix("~/") { return }
        do throws(ReferenceError) { _ = try ImageReference(reference) } catch {
            throw ErrorReport(error: "\(error)")
        }
    }
}
