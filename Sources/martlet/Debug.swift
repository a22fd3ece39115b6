import ArgumentParser
import ContainerRuntime
import JobModel
import LinuxSystem
import NodeAgent
import NodeLink
import OCISpec
import TerminalUI

struct Debug: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look inside.", subcommands: [Plan.self])

    struct Plan: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Print what would be set up for a task's container, step by step, and run nothing.")
        @OptionGroup var options: SpecOptions
        @Option(help: "Which task of the sweep.") var index = 0

        func run() throws {
            let (spec, _) = try options.read()
            let expansion = try SweepExpansion(spec.sweep)
            guard (0..<expansion.count).contains(index) else {
                throw Failure(.usage, "there is no task \(index); the sweep has \(expansion.count)")
            }
            let directory = Directories.current().jobDirectory(0)
            let root: RootFilesystem =
                spec.image == "host"
                ? .host : .layers(["<layers of \(spec.image)>"], ImageProcess())
            let planner = TaskPlanner(
                template: JobTemplate(
                    job: JobID(0), spec: spec, taskCount: expansion.count, root: root,
                    directory: directory),
                secrets: spec.secrets.mapValues { _ in "<secret>" },
                seccomp: try spec.confinement.seccomp())
            let attempt = AttemptID(task: TaskID(job: JobID(0), index: index), number: 1)
            let task = RunTask(
                attempt: attempt, point: expansion.point(at: index),
                placement: Placement(
                    node: "here", cpus: Array(0..<spec.resources.cpus), numaNodes: [0]))
            let container = planner.container(
                for: task,
                directories: TaskDirectories(job: directory, attempt: attempt))
            let filter = try container.seccomp.spec.map { try SeccompFilter(compiling: $0) }
            Terminal.write("confinement   \(spec.confinement)\n")
            for step in ContainerPlan(container, on: .expected(), seccomp: filter).steps {
                Terminal.write("\(step)\n")
            }
            for variable in container.environment { Terminal.write("              \(variable)\n") }
        }
    }
}
