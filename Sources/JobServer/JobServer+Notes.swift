internal import JobModel

extension JobServer {
    /// What holds of a job and may surprise whoever submits it; nil where nothing does.
    func notes(on spec: JobSpec) -> [String]? {
        let written = spec.mounts.filter { $0.kind == .bind && !$0.readOnly }.map(\.destination)
        guard !written.isEmpty, nodes.values.contains(where: { $0.spec != nil }) else { return nil }
        let advice =
            spec.collect.isEmpty
            ? ": write into $MARTLET_RESULTS, or name the files in `collect`"
            : ", but for what `collect` names in the working directory"
        return [
            """
            tasks on other machines write to copies of \(written.joined(separator: ", ")) of their own, unless they see the very \
            same there, and what they write does not come back\(advice)
            """
        ]
    }
}
