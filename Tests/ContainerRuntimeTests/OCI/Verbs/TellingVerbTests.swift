import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Verbs that tell of containers and of the runtime, and those that halt: `ps list pause resume events spec features`.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct TellingVerbTests {
    @Test(arguments: Runner.everybody)
    func containersAreListed(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        #expect(try bundle.runtime("list", "--quiet").output == "")
        let running = try bundle.startSleeping()
        bundle.process.args = ["true"]
        let created = try bundle.write()
        #expect(try bundle.runtime("create", created).status == 0)
        let ids = [running, created].sorted()
        for option in ["--quiet", "-q"] {
            #expect(try bundle.runtime("list", option).output == ids.map { $0 + "\n" }.joined())
        }
        let pid = try bundle.record(running).pid
        let lines = try bundle.runtime("list").output.split(separator: "\n").map {
            $0.split(separator: " ")
        }
        #expect(lines.first == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])
        #expect(
            lines.contains {
                $0.prefix(4) == [running[...], "\(pid)", "running", bundle.folder.path[...]]
            })
        for option in ["--format", "-f"] {
            let json = try bundle.runtime("list", option, "json").output
            #expect(json.hasPrefix("[{") && json.contains(#""id":"\#(running)""#))
            #expect(json.contains(#""pid":\#(pid)"#) && json.contains(#""status":"created""#))
        }
        #expect(try bundle.runtime("list", "--format", "xml").status == 1)
    }

    @Test(arguments: Runner.everybody)
    func itsProcessesAreTold(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping("sleep 201 & sleep 202 & exec sleep 203")
        let pid = try bundle.record(id).pid
        func pids(_ option: String) throws -> [Int32] {
            try bundle.runtime("ps", option, "json", id).output.split { "[], \n".contains($0) }
                .compactMap { Int32($0) }
        }
        // Without a cgroup the first is all that is known.
        let count =
            try ContainerCgroup(record: bundle.record(id).cgroup).directories.isEmpty ? 1 : 3
        #expect(try eventually { try pids("--format").count == count })
        #expect(try pids("-f").contains(pid))
        let table = try bundle.runtime("ps", id).output.split(separator: "\n")
        #expect(table.count == count + 1 && table[0].contains("PID"))
        let own = try bundle.runtime("ps", id, "-o", "pid,args").output.split(separator: "\n")
        #expect(own.contains { $0.contains("\(pid) sleep 203") }, "\(own)")
        #expect(try bundle.runtime("ps", "--format", "xml", id).status == 1)
    }

    @Test(.enabled(if: geteuid() == 0 && LiveCgroups.has("freezer"), "nothing to pause with"))
    func aContainerIsPausedAndResumed() throws {
        let (bundle, clock) = (try TestBundle(), try TestBundle())
        let ticking = "while :; do echo >> /tmp/ticks; sleep 0.01; done"
        let id = try bundle.startSleeping(ticking)
        _ = try clock.startSleeping(ticking)
        func count(_ bundle: TestBundle) -> Int {
            (try? Files.text(bundle.image.path + "/tmp/ticks"))?.utf8.count ?? 0
        }
        func count() -> Int { count(bundle) }
        #expect(eventually { count() > 0 })
        #expect(try bundle.runtime("pause", id).status == 0)
        #expect(try bundle.state(id).status == .paused)
        let (before, time) = (count(), count(clock))
        #expect(eventually { count(clock) > time + 10 })
        #expect(count() == before)
        #expect(try bundle.runtime("pause", id).status == 1)
        #expect(try bundle.runtime("resume", id).status == 0)
        #expect(try bundle.state(id).status == .running)
        #expect(eventually { count() > before })
        #expect(try bundle.runtime("resume", id).status == 1)
    }

    @Test(arguments: Runner.ordinary)
    func withoutACgroupNothingIsPausedAndThatIsTold(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        guard try ContainerCgroup(record: bundle.record(id).cgroup).directories.isEmpty else {
            return
        }
        #expect(try bundle.runtime("pause", id).errors.contains("no cgroup"))
        #expect(try bundle.state(id).status == .running)
    }

    @Test(arguments: Runner.everybody)
    func whatItUsesIsToldOnceOrAgainAndAgain(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let id = try bundle.startSleeping()
        let once = try bundle.runtime("events", "--stats", id)
        #expect(once.output.hasPrefix(#"{"type":"stats","id":"\#(id)""#), "\(once.errors)")
        #expect(once.output.split(separator: "\n").count == 1)
        let running = try bundle.begin(["events", "--interval", "50ms", id])
        #expect(eventually { running.output.split(separator: "\n").count >= 3 })
        #expect(try bundle.runtime("kill", id, "KILL").status == 0)
        #expect(try running.end().status == 0)
        #expect(try bundle.runtime("events", "--interval", "soon", id).status == 1)
    }

    @Test(arguments: zip(Runner.everybody, ["--bundle", "-b", "-b"]))
    func aDocumentToBeginWithIsWrittenAndRuns(runner: Runner, option: String) throws {
        let bundle = try TestBundle(runner)
        let folder = bundle.folder.path + "/state/bundle"
        try Files.makeDirectories(folder)
        chown(folder, runner.uid, runner.uid)
        let rootless = runner == .root ? [] : ["--rootless"]
        #expect(try bundle.runtime(["spec"] + rootless + [option, folder]).status == 0)
        var spec = try RuntimeSpec(json: Files.read(folder + "/config.json"))
        #expect(spec.linux.namespaces.contains { $0.kind == .user } == (runner != .root))
        #expect(try bundle.runtime(["spec", option, folder]).errors.contains("config.json"))
        spec.process?.terminal = false
        spec.process?.args = ["/bin/echo", "ran"]
        spec.root?.path = bundle.image.path
        try Files.writeAtomically(folder + "/config.json", spec.json(), durable: false)
        let ended = try bundle.plain(["run", "--bundle", folder, try bundle.write()])
        #expect(ended.output == "ran\n", "\(ended.errors)")
    }

    @Test(arguments: Runner.everybody)
    func itTellsWhatItCanDo(runner: Runner) throws {
        let text = try TestBundle(runner).runtime("features").output
        for part in [#""ociVersionMax""#, #""createRuntime""#, #""rbind""#, #""SCMP_ACT_NOTIFY""#] {
            #expect(text.contains(part))
        }
    }
}
