internal import JobModel
internal import LinuxSystem
internal import OCIRuntimeSpec
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
                hint: "the source of a mount has to exist when the job is submitted",
                isUsage: true)
        }
        for (name, source) in spec.secrets {
            if case .file(let path) = source, !Files.exists(path) {
                throw ErrorReport(
                    error: "secret \(name): there is no file \(path)", isUsage: true)
            }
        }
        try nodes(spec)
        try confinement(spec.confinement)
        return try await points(of: spec)
    }

    /// The points of a job that was checked before.
    @concurrent
    static func points(of spec: JobSpec) async throws(ErrorReport) -> SweepExpansion {
        do throws(SweepError) {
            try SweepCheck.check(spec.sweep)
            let expansion = try SweepExpansion(spec.sweep)
            try SweepCheck.check(count: expansion.count)
            return expansion
        } catch {
            throw ErrorReport(error: "sweep: \(error)", isUsage: true)
        }
    }

    private static func nodes(_ spec: JobSpec) throws(ErrorReport) {
        guard spec.resources.nodes != 1 else { return }
        guard spec.resources.nodes > 1 else {
            throw ErrorReport(error: "a task needs at least one node", isUsage: true)
        }
        guard spec.network == .host else {
            throw ErrorReport(
                error: "a task on several nodes cannot have a private network",
                hint: "its parts would not reach each other", isUsage: true)
        }
        guard spec.interaction == nil else {
            throw ErrorReport(
                error: "nobody can sit at a task on several nodes",
                hint: "submit it, and then `martlet exec` into its rank 0", isUsage: true)
        }
    }

    private static func confinement(_ confinement: Confinement) throws(ErrorReport) {
        guard case .profile(let document) = confinement else { return }
        do throws(SpecError) {
            _ = try SeccompProfile(json: Array(document.json.utf8), name: document.path)
        } catch {
            throw ErrorReport(error: "seccomp: \(error)", isUsage: true)
        }
    }

    private static func image(_ reference: String) throws(ErrorReport) {
        if reference == "host" { return }
        if ["/", "./", "../"].contains(where: reference.hasPrefix) {
            guard Files.exists(reference) else {
                throw ErrorReport(
                    error: "image \(reference): there is no such path", isUsage: true)
            }
            return
        }
        if reference.hasPrefix("~/") { return }
        do throws(ReferenceError) { _ = try ImageReference(reference) } catch {
            throw ErrorReport(error: "\(error)", isUsage: true)
        }
    }
}

/// Holds of every sweep whose points are computed: what comes over the socket was perhaps not read by our own reader.
enum SweepCheck {
    static func check(_ sweep: ParameterSweep) throws(SweepError) {
        for axis in sweep.grid + sweep.zip { try check(axis) }
        if let first = sweep.zip.first,
            let other = sweep.zip.first(where: { $0.values.count != first.values.count })
        {
            throw SweepError(
                "zip: '\(first.name)' has \(first.values.count) values, '\(other.name)' has \(other.values.count)"
            )
        }
        if let table = sweep.from,
            let row = table.rows.firstIndex(where: { $0.count != table.names.count })
        {
            throw SweepError(
                "from: row \(row + 1) has \(table.rows[row].count) values for \(table.names.count) names"
            )
        }
        if let sample = sweep.sample { try check(sample) }
        // Conditions would look at all of them first.
        var count = 1
        let sections =
            sweep.grid.map(\.values.count) + sweep.zip.prefix(1).map(\.values.count)
            + [sweep.sample?.count, sweep.from?.rows.count].compactMap { $0 }
        for section in sections {
            let (product, overflow) = count.multipliedReportingOverflow(by: section)
            count = overflow ? .max : product
        }
        try check(count: count)
    }

    static func check(count: Int) throws(SweepError) {
        guard count <= SweepExpansion.limit else {
            let counted = count == .max ? "more points than can be counted" : "\(count) points"
            throw SweepError("it has \(counted); at most \(SweepExpansion.limit) are taken")
        }
    }

    private static func check(_ axis: ParameterSweep.Axis) throws(SweepError) {
        let isSound =
            switch axis.values {
            case .list(let values): !values.isEmpty
            case .range(let first, let last):
                first <= last && !last.subtractingReportingOverflow(first).overflow
                    && last - first < Int64.max
            case .steps(_, _, let count), .linear(_, _, let count), .logarithmic(_, _, let count):
                count > 0
            }
        guard isSound else { throw SweepError("'\(axis.name)' has no values") }
    }

    private static func check(_ sample: SampleSection) throws(SweepError) {
        guard sample.count > 0 else { throw SweepError("sample: count is \(sample.count)") }
        for dimension in sample.space {
            let isSound =
                switch dimension.distribution {
                case .uniform(let low, let high): low <= high
                case .loguniform(let low, let high): 0 < low && low <= high
                case .int(let low, let high):
                    low <= high && !high.subtractingReportingOverflow(low).overflow
                case .normal(_, let deviation): deviation >= 0
                case .choice(let values, let weights):
                    !values.isEmpty && (weights.isEmpty || weights.count == values.count)
                }
            guard isSound else { throw SweepError("sample: '\(dimension.name)' has no values") }
        }
    }
}
