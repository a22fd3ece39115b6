internal import Glibc
internal import LinuxSystem

/// The agent: one at a time, the latest; what it missed is told to the next.
extension Launcher {
    func acceptAgent() {
        // A connection that cannot be accepted is tried again by its owner.
        guard let fd = try? UnixSocket.accept(listener.raw) else { return }
        // What the agent before it had still sent is carried out first: it may have started containers that the new one must see.
        if agent != nil {
            readRequests()
            dropAgent()
        }
        let raw = fd.release()
        agent = raw
        isAgentDeaf = false
        do throws(SystemError) {
            try loop.watch(raw, for: .read) { [unowned self] ready in
                if ready.contains(.write) { self.flush() }
                if ready != .write { self.readRequests() }
            }
        } catch { return dropAgent() }
        // Containers still being set up count as running, and exits are named before they are told one by one: whoever asks
        // the agent meanwhile must not hear that such an attempt was never started.
        tell(
            .hello(
                epoch: epoch, running: running.values.map(\.start) + postponed.map(\.start),
                exited: ended.values.map(\.exit)))
        // One message each: each may carry a descriptor, and all together may be large.
        for ended in ended.values { tell(.exited(ended.exit)) }
    }

    func dropAgent() {
        guard let fd = agent else { return }
        loop.forget(fd)
        close(fd)
        agent = nil
        outbox = []
        awaitsRoom = false
        // They were for somebody who sat there.
        forgetExecs()
        // The next one has not asked for them.
        for id in Array(prepared.keys) { discard(id) }
        endIfUnknown()
    }

    /// Everything that waits, then back to the loop.
    func readRequests() {
        guard let fd = agent else { return }
        // Nothing is begun any more. What is left unread was never started, as after any death.
        if isShuttingDown { return dropAgent() }
        while true {
            var poller = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 0) > 0 else { return }
            do throws(SystemError) {
                guard let (bytes, descriptors) = try LauncherWire.receive(fd, &buffer) else {
                    return dropAgent()
                }
                handle(bytes, descriptors)
            } catch { return dropAgent() }
            if agent == nil || isShuttingDown { return }
        }
    }

    /// Takes the descriptors.
    private func handle(_ bytes: ArraySlice<UInt8>, _ descriptors: [Int32]) {
        var descriptors = descriptors
        defer { for descriptor in descriptors { close(descriptor) } }
        // An agent of another build, or none of ours: it gets no second message.
        guard let request = try? LauncherRequest(bytes) else { return dropAgent() }
        switch request {
        case .start(let id, let spec, let rule):
            guard let request = startRequest(id, spec, rule, descriptors) else { return }
            descriptors = []
            begin(request)
        case .prepare(let id, let spec, let rule):
            guard let request = startRequest(id, spec, rule, descriptors) else { return }
            descriptors = []
            prepare(request)
        case .release(let id, let rule): release(id, rule)
        case .discard(let id): discard(id)
        case .stop(let id): stop(id)
        case .pause(let id): pause(id)
        case .resume(let id): resume(id)
        case .limit(let id, let limit): setLimit(limit, of: id)
        case .exec(let id, let container, let spec): exec(id, in: container, spec, descriptors)
        case .hangUp(let id): hangUp(id)
        case .acknowledge(let ids):
            for id in ids {
                guard let exit = ended.removeValue(forKey: id), let upper = exit.upper else {
                    continue
                }
                close(upper)
                if let layer = exit.layer { layers?.remove(layer) }
            }
            journal.forget(waiting: ended.values.lazy.map(\.exit))
            startPostponed()
        case .shutdown: shutDown()
        }
    }

    /// Nil where it is known: sent again by a new agent, it runs, or it has run.
    private func startRequest(
        _ id: String, _ spec: ContainerSpec, _ rule: StopRule, _ descriptors: [Int32]
    ) -> StartRequest? {
        guard !isKnown(id), (2...3).contains(descriptors.count) else { return nil }
        return StartRequest(
            id: id, spec: spec, rule: rule, stdout: descriptors[0], stderr: descriptors[1],
            stdin: descriptors.count == 3 ? descriptors[2] : nil)
    }

    private func isKnown(_ id: String) -> Bool {
        running[id] != nil || prepared[id] != nil || ended[id] != nil
            || postponed.contains { $0.id == id }
    }

    /// Sends now, or as soon as the agent reads again.
    func tell(_ event: LauncherEvent) {
        guard agent != nil, !isAgentDeaf else { return }
        outbox.append(event)
        if !awaitsRoom { flush() }
    }

    private func flush() {
        guard let fd = agent else { return }
        var sent = 0
        do throws(SystemError) {
            // A socket that polls writable takes a whole message: three quarters of its buffer are free.
            while sent < outbox.count, Self.hasRoom(fd) {
                try send(outbox[sent], to: fd)
                sent += 1
                if !isKnown { becomeKnown() }
            }
            outbox.removeFirst(sent)
            if awaitsRoom == outbox.isEmpty {
                awaitsRoom = !outbox.isEmpty
                try loop.change(fd, to: interest)
            }
        } catch {
            // The agent has gone, and what it missed is told to the next one. Its own last words are yet to be read, above all that
            // everything is to end: `readRequests` comes to them, and to their end.
            isAgentDeaf = true
            outbox = []
            awaitsRoom = false
            do throws(SystemError) { try loop.change(fd, to: interest) } catch { dropAgent() }
        }
    }

    /// What the agent's socket is watched for.
    private var interest: EventLoop.Ready {
        (isShuttingDown ? [] : EventLoop.Ready.read).union(awaitsRoom ? .write : [])
    }

    private func send(_ event: LauncherEvent, to fd: Int32) throws(SystemError) {
        var descriptor: Int32?
        // Sent, it is the agent's: the terminal goes with its last holder.
        var terminal: Int32?
        defer { if let terminal { close(terminal) } }
        switch event {
        case .exited(let exit):
            // Acknowledged while it waited here: then its layer has been closed, and nobody asks any more.
            guard let kept = ended[exit.id] else { return }
            descriptor = kept.upper
        case .started(let start): terminal = takeTerminal(start.id)
        case .execStarted(let id): terminal = takeTerminal(id)
        case .hello, .execEnded: break
        }
        try LauncherWire.send(fd, event.bytes, (descriptor ?? terminal).map { [$0] } ?? [])
    }

    private static func hasRoom(_ fd: Int32) -> Bool {
        var poller = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
        return poll(&poller, 1, 0) > 0
    }

    /// Kills every container and then ends; starts nothing and hears nobody any more. An agent that connects meanwhile waits,
    /// and finds that this launcher has died.
    func shutDown() {
        guard !isShuttingDown else { return }
        isShuttingDown = true
        loop.forget(listener.raw)
        if let agent {
            do throws(SystemError) { try loop.change(agent, to: interest) } catch { dropAgent() }
        }
        for request in postponed { request.close() }
        postponed = []
        for container in running.values { kill(container.pid, SIGKILL) }
        for id in Array(prepared.keys) { discard(id) }
        stopIfDone()
    }

    func stopIfDone() {
        if isShuttingDown, running.isEmpty, discarded.isEmpty { loop.stop() }
    }
}
