import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `create start state kill delete run`, in the order of runtime.md, "Lifecycle".
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct LifecycleTests {
    @Test(arguments: Runner.everybody)
    func aContainerIsCreatedStartedKilledAndDeleted(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.spec.annotations = ["a": "b"]
        bundle.process.args = [
            "sh", "-c", "touch /tmp/ran; trap 'exit 0' USR1; while :; do sleep 0.01; done",
        ]
        let id = try bundle.write()
        #expect(try bundle.runtime("create", id).status == 0)
        let created = try bundle.state(id)
        #expect(created.status == .created && created.bundle == bundle.folder.path)
        #expect(created.ociVersion == bundle.spec.ociVersion && created.annotations == ["a": "b"])
        #expect(try Files.text("/proc/\(try #require(created.pid))/stat") != "")
        #expect(!Files.exists(bundle.image.path + "/tmp/ran"))
        #expect(try bundle.runtime("create", id).errors.contains("exists"))

        #expect(try bundle.runtime("start", id).status == 0)
        #expect(eventually { Files.exists(bundle.image.path + "/tmp/ran") })
        #expect(try bundle.state(id).status == .running)
        #expect(try bundle.runtime("start", id).status == 1)
        #expect(try bundle.runtime("delete", id).status == 1)

        // It may have ended since it was last looked at.
        let isStopped = try eventually {
            _ = try bundle.runtime("kill", id, "USR1")
            return try bundle.state(id).status == .stopped
        }
        #expect(isStopped)
        #expect(try bundle.runtime("kill", id, "TERM").status == 1)
        #expect(try bundle.runtime("delete", id).status == 0)
        #expect(try bundle.runtime("state", id).errors.contains("does not exist"))
        #expect(try Files.names(in: bundle.folder.path + "/state").isEmpty)
    }

    @Test(arguments: Runner.everybody)
    func runEndsAsItsProgramDid(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        #expect(try bundle.run("exit 7").status == 7)
        #expect(try bundle.run("sh -c 'kill -9 $$'; exit $?").status == 137)
        #expect(try bundle.run(["no-such-program"]).status == 1)
    }

    /// What comes between a container's creation and its start is its own, too. Without a process namespace of its own, a
    /// signal that nobody takes ends the program, and only that.
    @Test(arguments: Runner.everybody)
    func aSignalThatComesEarlyIsPassedOn(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.namespaces.removeAll { $0.kind == .pid }
        bundle.spec.mounts.removeAll { $0.destination == "/proc" }
        (bundle.linux.maskedPaths, bundle.linux.readonlyPaths) = ([], [])
        let (begun, go) = (bundle.folder.path + "/rootfs/tmp/begun", bundle.folder.path + "/go")
        var hook = HookSpec(path: "/bin/sh")
        hook.env = ["PATH=/usr/bin:/bin"]
        hook.args = ["sh", "-c", "touch \(begun); until [ -e \(go) ]; do sleep 0.01; done"]
        bundle.spec.hooks.createRuntime = [hook]
        bundle.process.args = ["sleep", "100"]
        let running = try bundle.begin(["run", try bundle.write()])
        #expect(eventually { Files.exists(begun) })
        running.signal(SIGTERM)
        try bundle.folder.write("go", "")
        let ended = try running.end()
        #expect(ended.status == 128 + SIGTERM && !ended.wasKilled, "\(ended.errors)")
        #expect(try Files.names(in: bundle.folder.path + "/state").isEmpty)
    }

    @Test(arguments: Runner.everybody)
    func signalsArePassedOn(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.args = [
            "sh", "-c",
            "trap 'exit 9' USR2; touch /tmp/ready; while :; do sleep 0.01; done",
        ]
        let running = try bundle.begin(["run", try bundle.write()])
        #expect(eventually { Files.exists(bundle.image.path + "/tmp/ready") })
        running.signal(SIGUSR2)
        #expect(try running.end().status == 9)
    }

    @Test(arguments: zip(Runner.everybody, ["KILL", "SIGKILL", "9"]))
    func aSignalIsNamedOrNumbered(runner: Runner, name: String) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        #expect(try bundle.runtime("kill", id, "NOSUCH").status == 1)
        #expect(try bundle.runtime("kill", id, name).status == 0)
        #expect(try eventually { try bundle.state(id).status == .stopped })
    }

    /// Where there is a cgroup it knows them all, and otherwise the first alone is known.
    @Test(arguments: zip(Runner.everybody, ["--all", "-a", "-a"]))
    func allOfItIsKilled(runner: Runner, option: String) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.namespaces.removeAll { $0.kind == .pid }
        bundle.spec.mounts.removeAll { $0.destination == "/proc" }
        (bundle.linux.maskedPaths, bundle.linux.readonlyPaths) = ([], [])
        // What nobody could reach would stay.
        let others = runner == .root ? "sleep 201 & sleep 202 & " : ""
        let id = try bundle.startSleeping(others + "exec sleep 203")
        let record = try bundle.record(id)
        let all = try ContainerCgroup(record: record.cgroup)
        if runner == .root { #expect(eventually { all.processes.count == 3 }) }
        #expect(try bundle.runtime("kill", option, id, "KILL").status == 0)
        #expect(try eventually { try bundle.state(id).status == .stopped })
        #expect(eventually { all.processes.isEmpty })
    }

    @Test(arguments: zip(Runner.everybody, ["--force", "-f", "-f"]))
    func whatRunsIsDeletedByForce(runner: Runner, option: String) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let record = try bundle.record(id)
        #expect(try bundle.runtime("delete", id).errors.contains("--force"))
        #expect(try bundle.runtime("delete", option, id).status == 0)
        #expect(!ContainerHome.lives(record))
        #expect(try bundle.runtime("state", id).status == 1)
        // That there is none is what was asked for.
        #expect(try bundle.runtime("delete", option, id).status == 0)
    }
}
