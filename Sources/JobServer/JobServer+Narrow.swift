public import JobModel
internal import Scheduling
internal import StateStore

extension JobServer {
    /// Those of the selected tasks whose points fulfil a condition, and of which the last attempt passed its time limit.
    /// - Parameters:
    ///   - condition: in the language of `SweepExpression`; nil means every point.
    ///   - timedOut: false means however they ended.
    public func narrow(
        _ selections: [TaskSelection], condition: String?, timedOut: Bool
    ) async throws(ErrorReport) -> [TaskSelection] {
        var narrowed: [TaskSelection] = []
        for selection in selections {
            var selection = selection
            if let condition { selection = try await self.selection(selection, where: condition) }
            if timedOut { selection = try await lateOnes(of: selection) }
            narrowed.append(selection)
        }
        return narrowed
    }

    private func selection(_ selection: TaskSelection, where text: String)
        async throws(ErrorReport) -> TaskSelection
    {
        let condition: SweepExpression
        do throws(SweepExpression.Malformed) { condition = try SweepExpression(text) } catch {
            throw ErrorReport(
                error: "--where \"\(text)\": \(error.message)",
                hint: "for example \"lr < 0.01 and opt == 'adam'\"", isUsage: true)
        }
        let expansion = try await points(of: selection.job)
        if let unknown = condition.names.first(where: { !expansion.names.contains($0.name) }) {
            throw ErrorReport(
                error:
                    "--where \"\(text)\": job \(selection.job) has no parameter '\(unknown.name)'",
                hint: expansion.names.isEmpty
                    ? "it has none at all"
                    : "it has \(expansion.names.joined(separator: ", "))", isUsage: true)
        }
        return await Self.selection(selection, condition, expansion)
    }

    /// Off the actor: it looks at every point.
    @concurrent
    private static func selection(
        _ selection: TaskSelection, _ condition: SweepExpression, _ expansion: SweepExpansion
    ) async -> TaskSelection {
        let indexes = selection.ranges(of: expansion.count).joined().filter {
            condition.holds(for: expansion.point(at: $0))
        }
        return TaskSelection(job: selection.job, ranges: IndexRanges.covering(indexes.sorted()))
    }

    private func lateOnes(of selection: TaskSelection) async throws(ErrorReport) -> TaskSelection {
        guard let store else { throw ErrorReport(error: "the server is not running") }
        try await settle()
        let id = selection.job
        let late = try await read { () throws(StoreError) in try store.timedOut(of: id) }
        let ranges = selection.ranges(of: try job(id).taskCount)
        let indexes = late.filter { index in ranges.contains { $0.contains(index) } }
        return TaskSelection(job: id, ranges: IndexRanges.covering(indexes))
    }
}
