public import JobModel
public import LinuxSystem

/// The way to one node: how ssh is called, what is installed there, and how many may knock at once. One for each link.
public struct OpenSSH: Sendable {
    public let command: SSHCommand
    let programs: AgentPrograms
    let budget: ConnectionBudget

    /// - Parameters:
    ///   - programs, budget: the same for all nodes of a head.
    ///   - environment: where `MARTLET_SSH` may name another program than `ssh`.
    public init(
        _ node: NodeSpec, programs: AgentPrograms, budget: ConnectionBudget,
        environment: [String: String] = ProcessEnvironment.all()
    ) throws(LinkProblem) {
        command = try SSHCommand(node, environment: environment)
        self.programs = programs
        self.budget = budget
    }
}
