import ContainerRuntime
import JobModel
import NodeLink
import OCIRuntimeSpec
import Testing

@testable import NodeAgent

/// What a task is confined in.
struct ConfinementTests {
    private static let json = #"""
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
          {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"},
          {"names": ["chroot"], "action": "SCMP_ACT_KILL", "excludes": {"caps": ["CAP_SYS_CHROOT"]}},
          {"names": ["mount"], "action": "SCMP_ACT_KILL", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}
        """#

    @Test func aProfileReadsAsATaskWithItsCapabilitiesNeedsIt() throws {
        let confinement = Confinement.profile(.init(path: "/p.json", json: Self.json))
        guard case .profile(let spec) = try confinement.seccomp() else {
            Issue.record("no profile")
            return
        }
        #expect(spec.defaultAction == "SCMP_ACT_ALLOW")
        // Docker's capabilities have CAP_SYS_CHROOT, and not CAP_SYS_ADMIN.
        #expect(spec.syscalls.map(\.names) == [["mkdir"], ["mount"]])
        // Or the task would lose speculative store bypass before Linux 5.16.
        #expect(spec.flags == ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"])
    }

    @Test func theLauncherIsToldOfIt() {
        for (confinement, isPrivileged) in [(Confinement.unfiltered, false), (.privileged, true)] {
            let template = PlannerTests.template { $0.confinement = confinement }
            let id = attempt(7, 3, 2)
            let container = TaskPlanner(template: template, secrets: [:], seccomp: .unconfined)
                .container(
                    for: RunTask(
                        attempt: id, point: Point(),
                        placement: Placement(node: "local", cpus: [], numaNodes: [])),
                    directories: TaskDirectories(job: template.directory, attempt: id))
            #expect(container.seccomp == .unconfined)
            #expect(container.isPrivileged == isPrivileged)
        }
    }

    @Test func noFilterIsAskedForByName() throws {
        #expect(try Confinement.standard.seccomp() == .standard)
        #expect(try Confinement.unfiltered.seccomp() == .unconfined)
        #expect(try Confinement.privileged.seccomp() == .unconfined)
    }

    @Test func aProfileThatDoesNotReadIsAnErrorThatNamesIt() {
        #expect {
            try Confinement.profile(.init(path: "/p.json", json: "{}")).seccomp()
        } throws: {
            "\($0)".contains("/p.json: defaultAction: missing")
        }
    }
}
