internal import Glibc
internal import LinuxSystem

/// A container ahead of its time: its child has set it up, and waits before the program until it is released. That takes
/// what a start costs out of the time between two tasks.
///
/// Whatever goes wrong before the release is nobody's news: an earlier task may still make what this one will need, so it is then
/// started as any other.
struct Prepared {
    let request: StartRequest
    /// Nil where it could not be set up.
    var container: Launcher.Running?
    let sources: [Source]

    /// What a path named when it was mounted: an earlier task, or a person, may put something else in its place.
    struct Source: Equatable {
        let path: String
        let device: UInt
        let inode: UInt

        init(_ path: String) {
            var status = stat()
            // What is missing is nothing, and may come to be.
            if stat(path, &status) < 0 { status = Glibc.stat() }
            self.path = path
            (device, inode) = (status.st_dev, status.st_ino)
        }
    }

    var isCurrent: Bool { sources.allSatisfy { $0 == Source($0.path) } }
}

extension Launcher {
    /// Takes the request.
    func prepare(_ request: StartRequest) {
        // Before the child looks.
        let sources = request.spec.mounts.filter { $0.kind != .tmpfs }.map {
            Prepared.Source($0.source)
        }
        // Out of processes, or of whatever else: at its time it may be otherwise, and else it is told then.
        let container = try? launch(request, waits: true)
        prepared[request.id] = Prepared(request: request, container: container, sources: sources)
    }

    /// Its time has come.
    func release(_ id: String, _ rule: StopRule) {
        guard let prepared = prepared.removeValue(forKey: id) else { return }
        var request = prepared.request
        request.rule = rule
        guard var container = prepared.container else { return begin(request) }
        guard container.failure == nil, container.status >= 0, prepared.isCurrent,
            (try? UnixSocket.send(container.status, [0])) != nil
        else {
            letGo(container)
            return begin(request)
        }
        container.rule = rule
        container.start.at = Clock.now()
        container.startedSinceBoot = Clock.sinceBoot()
        container.began = Clock.monotonic()
        container.request = request
        running[id] = container
        watchTime(of: id)
    }

    /// It is not wanted any more.
    func discard(_ id: String) {
        guard let prepared = prepared.removeValue(forKey: id) else { return }
        prepared.request.close()
        if let container = prepared.container { letGo(container) }
    }

    /// Ends one that has not run its program.
    private func letGo(_ container: Running) {
        if container.status >= 0 { closeStatus(container.status) }
        byPID[container.pid] = nil
        discarded[container.pid] = container
        discarded[container.pid]?.status = -1
        kill(container.pid, SIGKILL)
    }

    /// What a child says that waits, or comes as far as that.
    func readPreparation(_ id: String) {
        guard let status = prepared[id]?.container?.status, status >= 0 else { return }
        for news in ChildNews.read(status) {
            switch news {
            case .upper(let descriptor): prepared[id]?.container?.upper = descriptor
            case .failure(let step, let subject, let errno):
                prepared[id]?.container?.failure = (step, subject, errno)
            case .end:
                closeStatus(status)
                prepared[id]?.container?.status = -1
            // Nobody sits at it, and it has the machine's network.
            case .terminal(let descriptor), .network(let descriptor): close(descriptor)
            }
        }
    }

    /// Its child has failed.
    func preparationEnded(_ id: String) {
        guard let container = prepared[id]?.container else { return }
        prepared[id]?.container = nil
        free(container)
    }

    /// Released, and failed in what may have been done too early.
    func startAnew(_ request: StartRequest, _ failed: Running) {
        free(failed)
        begin(request)
    }

    /// Gives back what a container holds that has ended and is not told of.
    func free(_ container: Running) {
        table.end(container.entry)
        if container.status >= 0 { closeStatus(container.status) }
        if let timer = container.timer { loop.cancel(timer) }
        if let layers = container.flattened { flattened.give(layers) }
        if let slot = container.slot { cgroups.give(slot, isUsedUp: container.upper != nil) }
        if let upper = container.upper { close(upper) }
        if let layer = container.layer { layers?.remove(layer) }
    }
}
