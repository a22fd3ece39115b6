internal import ContainerRuntime
internal import JobModel
internal import NodeLink

extension TaskPlanner {
    /// A command in the surroundings of a task: its environment, user, directory and CPUs, unless it says otherwise.
    func command(
        _ command: SessionCommand, beside task: RunTask, _ directories: TaskDirectories,
        _ interaction: Interaction, _ devices: DeviceGrant = DeviceGrant()
    ) -> ExecSpec {
        let container = container(for: task, directories: directories, devices: devices)
        var spec = ExecSpec(arguments: command.arguments)
        spec.environment = Self.laid(command.environment, over: container.environment)
        spec.workingDirectory = command.directory ?? container.workingDirectory
        spec.identity = .named(command.user ?? container.user)
        spec.terminal = interaction.terminal.map(TerminalSize.init)
        spec.cpus = container.cpus
        spec.memoryPolicy = container.memoryPolicy
        return spec
    }

    private static func laid(_ top: [String], over bottom: [String]) -> [String] {
        let names = Set(top.map { $0.prefix { $0 != "=" } })
        return bottom.filter { !names.contains($0.prefix { $0 != "=" }) } + top
    }
}

extension TerminalSize {
    init(_ size: WindowSize) { self.init(rows: size.rows, columns: size.columns) }
}
