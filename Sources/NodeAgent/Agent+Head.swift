internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What the head says, and what it is told when it comes.
extension Agent {
    /// Connections that have not said hello; more than these are a mistake.
    private static let mostGuests = 16

    func acceptHead(_ listener: Int32) {
        let raw: Int32
        do throws(SystemError) {
            guard let fd = try UnixSocket.accept(listener) else { return }
            raw = fd.release()
        } catch {
            // No descriptor is left for it, and it goes on waiting: looked at again later, not in every round of the loop.
            note("a head cannot be heard: \(error)")
            loop.forget(listener)
            loop.after(Self.shortagePause) { [unowned self] in self.listen() }
            return
        }
        do throws(SystemError) {
            if guests.count >= Self.mostGuests { guests.removeFirst().close() }
            guests.append(
                try HeadSession(raw, loop) { [unowned self] session, message in
                    self.handle(message, from: session)
                } onEnd: { [unowned self] session in
                    self.guests.removeAll { $0 === session }
                    guard self.session === session else { return }
                    self.session = nil
                    self.hangUpAll()
                })
        } catch { close(raw) }
    }

    private func handle(_ message: ToAgent, from guest: HeadSession) {
        if case .hello(let hello) = message { return greet(guest, hello) }
        // Only the head that said hello last is listened to.
        guard guest === session else { return guest.close() }
        switch message {
        case .hello: break
        case .job(let template):
            let template = resolved(template)
            // They were made of what it said before.
            discardPrepared { $0.task.job == template.job }
            templates.add(template)
            adoptOrphans(of: template)
            for id in live.keys where id.task.job == template.job { tellLimit(of: id) }
        case .run(let tasks):
            for task in tasks { accept(task) }
            pump()
        case .cancel(let attempts): cancel(attempts)
        case .recall(let attempts): recall(attempts)
        case .pause(let attempts): pause(attempts)
        case .resume(let attempts): resume(attempts)
        case .acknowledge(let attempts): acknowledge(attempts)
        case .forget(let job):
            discard(job)
            templates.remove(job)
            releaseImage(of: job)
            releaseTrees(of: job)
        case .jobs(let jobs):
            keep(jobs)
            releaseImages(but: jobs)
            releaseTrees(but: jobs)
        case .open(let id, let attempt, let request): openSession(id, attempt, request)
        case .session(let id, let message): take(id, message)
        case .stream(let number, let request): openStream(number, request, guest)
        case .shutdown: shutdown()
        }
    }

    private func greet(_ guest: HeadSession, _ hello: HeadHello) {
        guests.removeAll { $0 === guest }
        if let reason = objection(to: hello) {
            note("\(hello.name ?? hello.head) is refused: \(reason)")
            guest.send(.refused(reason: reason))
            return guest.close()
        }
        if session !== guest { session?.close() }
        hangUpAll()
        session = guest
        isHelloOwed = true
        if identity.isAnother(hello.head) {
            note("head \(hello.head) takes this node over; what the former one left is ended")
            startAnew()
        }
        identity.remember(hello)
        answerHello()
    }

    /// As soon as the launcher has said what runs, or is known not to start.
    func answerHello() {
        guard isHelloOwed, !isStartingAnew, launcherEpoch != nil || search.hasFailed else { return }
        isHelloOwed = false
        // The hello and what follows it hold them all.
        outgoingStarts = []
        outgoingExits = []
        toldHold = nil
        // Never the same as what another agent says that found none.
        toldLauncher = launcherEpoch ?? "none-\(epoch)"
        let starts = live.values.compactMap(\.started).batches(by: \.weight)
        // Those with files follow, as many at a time as the files allow.
        let exits = ended.values.filter { $0.files == nil }.batches(by: \.weight)
        let withFiles = ended.values.filter { $0.files != nil }
        let untold = (Array(exits.dropFirst().joined()) + withFiles).map(\.attempt)
        named = Set(live.keys).union(orphans.keys).union(untold)
        inventory.facts?.refresh()
        var hello = AgentHello(
            agentEpoch: epoch, launcherEpoch: toldLauncher, bootID: Self.bootID(),
            inventory: inventory, accepted: Array(named),
            started: starts.first ?? [], exited: exits.first ?? [])
        hello.skills = [AgentSkill.streams, AgentSkill.files]
        if launcherSkills > 0 { hello.skills?.append(AgentSkill.pause) }
        hello.clock = Timestamp(milliseconds: Clock.now())
        hello.programs = AgentBundle.hashOfThisProcess
        session?.send(.hello(hello))
        tellRungs(followers.values.flatMap(\.records))
        for batch in starts.dropFirst() { session?.send(.started(batch)) }
        for batch in exits.dropFirst() { session?.send(.exited(batch)) }
        for record in withFiles { tell(record) }
        tellHold()
    }

    /// Changes with every boot, random(4).
    private static func bootID() -> String {
        // Where /proc is hidden the boot is unknown, and stays the same unknown.
        let text = (try? Files.text("/proc/sys/kernel/random/boot_id")) ?? "unknown"
        return String(text.prefix { !$0.isWhitespace })
    }

    private func acknowledge(_ attempts: [AttemptID]) {
        for id in attempts {
            if ended.removeValue(forKey: id) != nil { discard(id) }
            followers[id] = nil
            if let upper = orphans.removeValue(forKey: id)?.upper { close(upper) }
        }
        journals.settle(attempts)
        withLauncher { launcher throws(SystemError) in
            try launcher.acknowledge(attempts.map(\.description))
        }
    }

    private func shutdown() {
        note("told to shut down")
        session?.close()
        session = nil
        hangUpAll()
        unlink(directories.agentSocket)
        isShuttingDown = true
        endLauncher()
    }

    // MARK: Holds

    func hold(_ cause: Hold, _ reason: String?) {
        guard holds[cause] != reason else { return }
        holds[cause] = reason
        if let reason { note("held: \(reason)") }
        tellHold()
    }

    private func tellHold() {
        guard !isHelloOwed else { return }
        let reason = Hold.allCases.lazy.compactMap { self.holds[$0] }.first
        guard reason != toldHold else { return }
        toldHold = reason
        session?.send(.held(reason: reason))
    }
}
