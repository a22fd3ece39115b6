internal import ContainerRuntime
internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// From an exit to the report of it.
extension Agent {
    /// An exit from a journal: its writable layer is gone.
    func adopt(_ exit: ContainerExit) {
        finish(exit, upper: nil)
    }

    /// Frees what the attempt held, and reports it, at once or when its files have been collected. Takes `upper`.
    func finish(_ exit: ContainerExit, upper: Int32?) {
        guard let id = AttemptID(exit.id), ended[id] == nil, live[id]?.phase != .collecting else {
            if let upper { close(upper) }
            return
        }
        release(id)
        guard let template = templates.find(id.task.job) else {
            live[id] = nil
            if let former = orphans.updateValue((exit, upper), forKey: id)?.upper { close(former) }
            return
        }
        let finisher = TaskFinisher(template: template, attempt: id)
        if let collection = finisher.collection(exit, upper: upper) {
            live[id, default: Live(phase: .collecting)].phase = .collecting
            collections.append(collection)
            if collections.count == 1 { collectSoon() }
        } else {
            report(finisher.finish(exit))
        }
    }

    func adoptOrphans(of template: JobTemplate) {
        for (id, orphan) in orphans where id.task.job == template.job {
            orphans[id] = nil
            finish(orphan.exit, upper: orphan.upper)
        }
    }

    /// A slice of copying in every round of the loop, so that large files keep nobody else waiting.
    private func collectSoon() {
        loop.after(collectionWaits ? Self.diskPause : 0) { [unowned self] in
            guard let collection = self.collections.first else { return }
            do throws(SystemError) {
                if try collection.step() {
                    self.collections.removeFirst()
                    self.report(collection.finisher.finish(collection.exit))
                }
                self.collectionWaits = false
            } catch {
                // The layer stays where it is, so nothing is lost by waiting.
                self.collectionWaits = true
                self.diskIsFull(error)
            }
            if !self.collections.isEmpty { self.collectSoon() }
        }
    }

    // MARK: Reports, a few milliseconds of them at once

    func report(_ start: StartRecord) {
        outgoingStarts.append(start)
        flushSoon()
    }

    func report(_ record: ExitRecord) {
        release(record.attempt)
        live[record.attempt] = nil
        ended[record.attempt] = record
        outgoingExits.append(record)
        flushSoon()
    }

    private func flushSoon() {
        guard !isFlushPlanned else { return }
        isFlushPlanned = true
        loop.after(2) { [unowned self] in self.flush() }
    }

    private func flush() {
        isFlushPlanned = false
        defer {
            outgoingStarts = []
            outgoingExits = []
        }
        // Without a head, or before its hello is answered: the hello will hold them all.
        guard let session, !isHelloOwed else { return }
        // A task that began and ended meanwhile is told by its end alone.
        let starts = outgoingStarts.filter { live[$0.attempt] != nil }
        for batch in starts.batches { session.send(.started(batch)) }
        for batch in outgoingExits.batches { session.send(.exited(batch)) }
    }
}

extension Array {
    /// Parts that fit one message.
    fileprivate var batches: [[Element]] {
        stride(from: 0, to: count, by: Frame.batch).map {
            Array(self[$0..<Swift.min($0 + Frame.batch, count)])
        }
    }
}
