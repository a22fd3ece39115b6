import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// A process of this test that sleeps.
private struct Sleep {
    let pid: pid_t

    init() {
        let command = ["/bin/sleep", "60"]
        let argv = command.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        posix_spawn(&pid, "/bin/sleep", nil, nil, argv, nil)
        self.pid = pid
    }

    /// True once it is reaped.
    var hasEnded: Bool {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid
    }
}

/// Limits, stops, and what happens when agents and launchers die.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct LifeTests {
    private static let python: String? = Files.exists("/usr/bin/python3") ? "/usr/bin/python3" : nil

    @Test(arguments: Runner.possible)
    func aTimeLimitAsksFirstAndThenKillsTheTree(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        // It has to be up before the limit strikes, even where the machine is busy.
        let rule = StopRule(timeLimit: 400, signal: SIGTERM, grace: 5_000)
        let polite = try launcher.run(
            launcher.spec("trap 'echo asked; exit 9' TERM; while :; do sleep 0.02; done"), rule)
        #expect(polite.exit.status == .code(9))
        #expect(polite.output == "asked\n")
        #expect(polite.exit.timedOut)
        #expect(!polite.exit.stopped)
        let deaf = try launcher.run(
            launcher.spec("trap '' TERM; sleep 30 & sleep 30"),
            StopRule(timeLimit: 100, signal: SIGTERM, grace: 100))
        #expect(deaf.exit.status == .signal(SIGKILL))
        #expect(deaf.exit.timedOut)
        #expect(deaf.exit.ended - deaf.exit.started < 5_000)
    }

    @Test(arguments: Runner.possible)
    func aStopEndsTheWholeTree(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(
            launcher.spec("sleep 31.25 & sh -c 'sleep 31.25' & sleep 31.25"), StopRule(grace: 100))
        try launcher.awaitStart(id)
        try launcher.send(.stop(id: id))
        let ended = try launcher.finish(id)
        #expect(ended.exit.stopped)
        #expect(!ended.exit.timedOut)
        #expect(Self.processes(named: "31.25", below: launcher.pid).isEmpty)
    }

    @Test(arguments: Runner.possible)
    func theLastWordOfAnAgentIsHeard(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(launcher.spec("sleep 0.2"))
        try launcher.awaitStart(id)
        let children = Launcher.descendants(of: launcher.pid)
        // While it stands still a container ends, and its agent goes: it has something to tell, to nobody, before it hears.
        kill(launcher.pid, SIGSTOP)
        #expect(eventually { children.allSatisfy(Self.isZombie) })
        try launcher.hangUp(after: .shutdown)
        kill(launcher.pid, SIGCONT)
        #expect(launcher.ends())
    }

    /// Processes whose command line holds `text` and that the launcher (or nobody any more) is above of.
    private static func processes(named text: String, below launcher: pid_t) -> [pid_t] {
        Launcher.descendants(of: launcher).filter {
            ((try? Files.text("/proc/\($0)/cmdline")) ?? "").contains(text)
        }
    }

    @Test(arguments: Runner.possible)
    func containersDieWithTheirLauncher(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(launcher.spec("echo up; sleep 30 & sleep 30"))
        try launcher.awaitStart(id)
        let tree = Launcher.descendants(of: launcher.pid)
        #expect(!tree.isEmpty)
        launcher.killLauncher()
        #expect(eventually { tree.allSatisfy { kill($0, 0) != 0 || Self.isZombie($0) } })
        // No exit was recorded, so nobody can take it for a success.
        #expect(try LauncherJournal.read(launcher.journal).exits.isEmpty)
    }

    /// The kernel forgets PR_SET_PDEATHSIG when ids change, and any program may.
    @Test(arguments: Runner.possible)
    func whatOutlivesItsLauncherIsEndedBeforeTheNextOneGreets(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let clearing = runner == .root ? ["--reuid", "65534"] : ["--pdeathsig", "clear"]
        let id = try launcher.start(
            ContainerSpec(
                root: .host, arguments: ["/usr/bin/setpriv"] + clearing + ["/bin/sleep", "77.5"]))
        try launcher.awaitStart(id)
        let started = eventually {
            Self.processes(named: "sleep\u{0}77.5", below: launcher.pid).count == 1
        }
        try #require(started)
        let survivors = Self.processes(named: "sleep\u{0}77.5", below: launcher.pid)
        launcher.killLauncher()
        #expect(survivors.allSatisfy { kill($0, 0) == 0 })
        try launcher.startAgain()
        #expect(survivors.allSatisfy { kill($0, 0) != 0 || Self.isZombie($0) })
        #expect(try launcher.shell("echo on").output == "on\n")
    }

    /// Killed at any moment of a start; what it started is not seen again.
    @Test(arguments: Runner.possible)
    func noStartOutlivesItsLauncher(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        for round in 0..<12 {
            let mark = "88.\(getpid())\(round)"
            for _ in 0..<4 {
                try launcher.start(
                    ContainerSpec(
                        root: .layers([launcher.image.path]), arguments: ["sleep", mark]))
            }
            // Some are being set up, some not begun.
            for _ in 0..<(round * 20_000) { _ = getppid() }
            launcher.killLauncher()
            try launcher.startAgain()
            let alive = try Files.names(in: "/proc").filter {
                ((try? Files.text("/proc/\($0)/cmdline")) ?? "").contains("sleep\u{0}" + mark)
            }
            #expect(alive.isEmpty)
        }
    }

    /// A process that has the pid of a dead container by now is not touched.
    @Test func aPidThatIsSomebodyElsesIsLeftAlone() throws {
        let folder = try Folder()
        let path = folder.path + "/containers"
        let container: Sleep
        do {
            let table = try ContainerTable(path)
            let long = try table.begin()
            table.pid(long).pointee = getpid()
            table.begun(long)
            let entry = try table.begin()
            container = Sleep()
            table.pid(entry).pointee = container.pid
            table.begun(entry)
        }
        // This test began before its entry did, so it goes on to see this.
        _ = try ContainerTable(path)
        #expect(container.hasEnded)
    }

    static func isZombie(_ pid: pid_t) -> Bool {
        ((try? Files.text("/proc/\(pid)/stat")) ?? ") Z ").contains(") Z ")
    }

    @Test(arguments: Runner.possible)
    func exitsAreJournalledAndToldUntilAcknowledged(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ended = try launcher.start(launcher.spec("exit 4"))
        _ = try launcher.finish(ended, acknowledge: false)
        let running = try launcher.start(launcher.spec("sleep 30"))
        try launcher.awaitStart(running)
        guard case .hello(_, let alive, let exited, _) = try launcher.reconnect() else {
            Issue.record("no hello")
            return
        }
        #expect(alive.map(\.id) == [running])
        #expect(exited.map(\.id) == [ended])
        #expect(exited.first?.status == .code(4))
        #expect(try launcher.finish(ended).exit.status == .code(4))
        guard case .hello(_, _, let rest, _) = try launcher.reconnect() else {
            Issue.record("no hello")
            return
        }
        #expect(rest.isEmpty)
        #expect(try LauncherJournal.read(launcher.journal).exits.map(\.id) == [ended])
        try launcher.send(.stop(id: running))
        #expect(try launcher.finish(running).exit.stopped)
    }

    @Test func aStartThatIsSentAgainRunsOnce() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        let shared = launcher.folder.path + "/shared"
        try Files.makeDirectories(shared)
        let spec = launcher.spec("echo x >> /shared/count") {
            $0.mounts = [.init(source: shared, destination: "/shared")]
        }
        let null = try OwnedFD.open("/dev/null", O_RDWR)
        for _ in 0..<3 {
            try launcher.send(.start(id: "1_1.1", spec, StopRule()), [null.raw, null.raw])
        }
        while case .started = try launcher.receive().event {}
        #expect(try launcher.shell("true").exit.status == .code(0))
        #expect(try Files.text(shared + "/count") == "x\n")
    }

    /// A stopped or slow agent must not stall the time limits of others.
    @Test func anAgentThatDoesNotReadHoldsNothingUp() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        let null = try OwnedFD.open("/dev/null", O_RDWR)
        let count = 600
        for number in 0..<count {
            let spec = launcher.spec("exit 0") {
                // Long names make long exits, so that the socket fills.
                $0.arguments = ["/missing/" + String(repeating: "x", count: 3000)]
            }
            try launcher.send(.start(id: "9_\(number).1", spec, StopRule()), [null.raw, null.raw])
        }
        let journalled = try eventually {
            try LauncherJournal.read(launcher.journal).exits.count == count
        }
        #expect(journalled)
        var told: Set<String> = []
        while told.count < count {
            if case .exited(let exit) = try launcher.receive().event { told.insert(exit.id) }
        }
    }

    /// The last message that waited must not leave the launcher looking for room for ever.
    @Test func aLauncherThatHasToldEverythingRests() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        let null = try OwnedFD.open("/dev/null", O_RDWR)
        // As many as it takes until the socket is full and one waits.
        let count = 120
        for number in 0..<count {
            let spec = launcher.spec("exit 0") {
                $0.arguments = ["/missing/" + String(repeating: "x", count: 3000)]
            }
            try launcher.send(.start(id: "9_\(number).1", spec, StopRule()), [null.raw, null.raw])
            #expect(
                try eventually {
                    try LauncherJournal.read(launcher.journal).exits.count == number + 1
                })
        }
        for _ in 0..<count { _ = try launcher.receive() }
        #expect(eventually { launcher.isAsleep })
    }

    @Test func aStepThatFailsOnVeryMuchIsToldAllTheSame() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        let ended = try launcher.shell("true") {
            $0.arguments = ["/" + String(repeating: "x/", count: 10_000)]
        }
        guard case .startFailure(let step, let subject, _) = ended.exit.status else {
            Issue.record("it ended with \(ended.exit.status)")
            return
        }
        #expect(step == "exec")
        #expect(subject.hasPrefix("/x/x/"))
    }

    /// Out of descriptors, a start waits for the next end; the task is not to blame.
    @Test func aStartForWhichThereAreNoDescriptorsWaits() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        let first = try launcher.start(launcher.spec("sleep 30"))
        try launcher.awaitStart(first)
        // Room for the two that come with a request, and one more.
        let open = try Files.names(in: "/proc/\(launcher.pid)/fd").count
        try Self.limitDescriptors(of: launcher.pid, to: "\(open + 3):")
        let waiting = try launcher.start(launcher.spec("echo late"))
        // The greeting of the next connection comes after the request before it.
        guard case .hello(_, let running, _, _) = try launcher.reconnect() else {
            Issue.record("no hello")
            return
        }
        #expect(Set(running.map(\.id)) == [first, waiting])
        #expect(try launcher.output(waiting).isEmpty)
        try Self.limitDescriptors(of: launcher.pid, to: "1024:")
        try launcher.send(.stop(id: first))
        #expect(try launcher.finish(waiting).output == "late\n")
    }

    /// `soft:` of prlimit(1).
    private static func limitDescriptors(of pid: pid_t, to limit: String) throws {
        let command = ["/usr/bin/prlimit", "--pid", "\(pid)", "--nofile=" + limit]
        let argv = command.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var child: pid_t = 0
        try check(-posix_spawn(&child, command[0], nil, nil, argv, nil), "start", command[0])
        var status: Int32 = 0
        waitpid(child, &status, 0)
        #expect(status == 0)
    }

    /// SIGTERM comes with every shutdown of the machine; the task is not to blame.
    @Test(arguments: Runner.possible)
    func aLauncherThatIsToldToEndLosesItsContainersAndBlamesNone(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(launcher.spec("sleep 30"))
        try launcher.awaitStart(id)
        kill(launcher.pid, SIGTERM)
        #expect(throws: SystemError.self) { while true { _ = try launcher.receive() } }
        #expect(try LauncherJournal.read(launcher.journal).exits.isEmpty)
    }

    /// Signals that are blocked are fetched by sigwait or signalfd: such a program is not deaf.
    @Test(.enabled(if: Self.python != nil, "python3 is not installed"))
    func aProgramThatWaitsForItsSignalHasItsGrace() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        let program = """
            import signal
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            print("ready", flush=True)
            print("got", signal.sigwait([signal.SIGTERM]).name, flush=True)
            """
        let id = try launcher.start(
            ContainerSpec(
                root: .host, arguments: [try #require(Self.python), "-c", program]),
            StopRule(grace: 10_000))
        #expect(try eventually { try launcher.output(id) == "ready\n" })
        try launcher.send(.stop(id: id))
        let ended = try launcher.finish(id)
        #expect(ended.output == "ready\ngot SIGTERM\n")
        #expect(ended.exit.status == .code(0))
    }

    @Test(arguments: Runner.possible)
    func aStopIsToldOnceBehindAnInitToo(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let id = try launcher.start(
            launcher.spec(
                "trap 'echo asked' TERM; echo up; while [ ! -e /end ]; do sleep 0.02; done"
            ) { $0.withInit = true }, StopRule(grace: 400))
        #expect(try eventually { try launcher.output(id) == "up\n" })
        try launcher.send(.stop(id: id))
        #expect(try launcher.finish(id).output == "up\nasked\n")
    }

    @Test func aMessageThatMakesNoSenseEndsItsConnectionOnly() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        try launcher.sendRaw([0, 1, 255, 255, 255, 255, 255, 255, 255, 127])
        #expect(throws: SystemError.self) { _ = try launcher.receive() }
        _ = try launcher.reconnect()
        #expect(try launcher.shell("echo on").output == "on\n")
    }

    @Test func aSpecLargerThanADatagramArrives() throws {
        let launcher = try LauncherUnderTest(Runner.possible[0])
        let large = String(repeating: "y", count: 100_000)
        let ended = try launcher.shell("echo ${#LARGE1} ${#LARGE2} ${#LARGE3}") { spec in
            spec.environment = (1...3).map { "LARGE\($0)=" + large }
        }
        #expect(ended.output == "100000 100000 100000\n")
    }

    @Test(arguments: Runner.possible)
    func theLauncherHasOneThreadAndStaysSmall(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        for _ in 0..<50 { #expect(try launcher.shell("true").exit.status == .code(0)) }
        let before = try Files.names(in: "/proc/\(launcher.pid)/fd").count
        for _ in 0..<50 { _ = try launcher.shell("true") }
        let status = try Files.text("/proc/\(launcher.pid)/status")
        #expect(status.contains("\nThreads:\t1\n"))
        // Of its own: what it has of the program's file is the file's.
        let resident = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        let kilobytes = resident?.split(separator: " ").dropLast().last.flatMap { Int($0) }
        #expect(try #require(kilobytes) < 2 << 10)
        #expect(try Files.names(in: "/proc/\(launcher.pid)/fd").count <= before + 1)
        #expect(try Files.names(in: "/proc/\(launcher.pid)/task/\(launcher.pid)/..").count == 1)
    }

    @Test(arguments: Runner.possible)
    func manyStartsOverlap(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let ids = try (0..<40).map { _ in try launcher.start(launcher.spec("echo $$")) }
        var outcomes: [String: ContainerExit.Status] = [:]
        while outcomes.count < ids.count {
            if case .exited(let exit) = try launcher.receive().event {
                outcomes[exit.id] = exit.status
            }
        }
        #expect(outcomes.values.allSatisfy { $0 == .code(0) })
        for id in ids { #expect(try launcher.output(id) == "1\n") }
    }
}
