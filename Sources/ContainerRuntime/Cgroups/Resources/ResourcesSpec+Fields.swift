internal import LinuxSystem
internal import OCIRuntimeSpec

extension ResourcesSpec {
    /// Names of the limits that are asked for; device rules and what is ignored are none.
    var limitFields: [String] {
        // As v1 has them, since all of them are something there.
        guard let plan = try? ResourceWrites(self, .init()) else { return ["linux.resources"] }
        return plan.writes.filter { !$0.isOptional }.map(\.field)
    }
}
