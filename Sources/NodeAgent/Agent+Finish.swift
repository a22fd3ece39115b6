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
        // First of all: what is left in its pipes belongs into its logs.
        taskEnded(id, ExitStatus(exit.status))
        guard let template = templates.find(id.task.job) else {
            if live[id]?.isStopping == true { return reportPlainly(exit, id, upper) }
            live[id] = nil
            if let former = orphans.updateValue((exit, upper), forKey: id)?.upper { close(former) }
            return
        }
        readLastRungs(of: id, template)
        let finisher = TaskFinisher(template: template, attempt: id)
        // A former agent may have finished it: what the machine's directories hold now is not what the task left.
        if live[id]?.isOurs != true, let record = finisher.formerRecord(of: exit) {
            if let upper { close(upper) }
            return report(record)
        }
        if upper == nil, exit.status == .code(0), finisher.collectsFromLayer {
            return list(finisher, withCheckpoint: true) {
                finisher.finishWithoutLayer(exit, hasFiles: $0)
            }
        }
        if let collection = finisher.collection(exit, upper: upper) {
            enqueue(.collecting(collection), id)
        } else {
            conclude(finisher, exit)
        }
    }

    private func conclude(_ finisher: TaskFinisher, _ exit: ContainerExit) {
        let id = finisher.attempt
        let isLast = live[AttemptID(task: id.task, number: id.number + 1)] == nil
        if exit.status == .code(0), isLast {
            // An empty one is of no use to anybody; any other stays, and that is no error.
            rmdir(finisher.directories.checkpoint)
        }
        list(finisher, withCheckpoint: exit.status != .code(0)) {
            finisher.finish(exit, hasFiles: $0)
        }
    }

    /// Of one whose end nobody saw: what it wrote until then is still told of.
    func reportWithFiles(_ record: ExitRecord) {
        guard let template = templates.find(record.attempt.task.job) else { return report(record) }
        let finisher = TaskFinisher(template: template, attempt: record.attempt)
        list(finisher, withCheckpoint: true) { hasFiles in
            var record = record
            if hasFiles { record.files = AttemptFiles() }
            return record
        }
    }

    /// Lists what the attempt left where the head has to fetch it, and then reports.
    private func list(
        _ finisher: TaskFinisher, withCheckpoint: Bool,
        then record: @escaping (Bool) -> ExitRecord
    ) {
        guard isKept(finisher.template) else { return report(record(false)) }
        let survey = FileSurvey(
            finisher.directories.attempt, withCheckpoint: withCheckpoint, record)
        // Most have hardly anything, and are done at once.
        if let done = try? survey.attempt() { return report(record(done)) }
        enqueue(.listing(survey), finisher.attempt)
    }

    private func enqueue(_ piece: Finishing, _ id: AttemptID) {
        live[id, default: Live(phase: .collecting)].phase = .collecting
        finishing.append(piece)
        if finishing.count == 1 { finishSoon() }
    }

    /// Of a job that nobody tells any more. Takes `upper`.
    func reportPlainly(_ exit: ContainerExit, _ id: AttemptID, _ upper: Int32?) {
        if let upper { close(upper) }
        report(TaskFinisher.record(exit, id))
    }

    func adoptOrphans(of template: JobTemplate) {
        for (id, orphan) in orphans where id.task.job == template.job {
            orphans[id] = nil
            finish(orphan.exit, upper: orphan.upper)
        }
    }

    /// Milliseconds of it in one round of the loop, so that large files and trees keep nobody else waiting.
    private static let finishingSlice: Int64 = 5

    private func finishSoon() {
        loop.after(finishingWaits ? Self.shortagePause : 0) { [unowned self] in
            let end = Clock.monotonic() + Self.finishingSlice
            repeat {
                self.finishPiece()
            } while !self.finishing.isEmpty
                && !self.finishingWaits && Clock.monotonic() < end
            if !self.finishing.isEmpty { self.finishSoon() }
        }
    }

    private func finishPiece() {
        guard let piece = finishing.first else { return }
        do throws(SystemError) {
            switch piece {
            case .collecting(let collection):
                if try collection.step() {
                    finishing.removeFirst()
                    conclude(collection.finisher, collection.exit)
                }
            case .listing(let survey):
                if let hasFiles = try survey.step() {
                    finishing.removeFirst()
                    report(survey.record(hasFiles))
                }
            }
            finishingWaits = false
        } catch {
            // The layer stays where it is, so nothing is lost by waiting.
            finishingWaits = true
            runsShort(error)
        }
    }

    // MARK: Reports, some milliseconds of them at once

    /// Milliseconds. A start can wait: one that has ended meanwhile is told by its end alone, which halves the messages of short
    /// tasks.
    private static let (startsPause, exitsPause): (Int64, Int64) = (20, 2)

    func report(_ start: StartRecord) {
        outgoingStarts.append(start)
        guard !areStartsPlanned else { return }
        areStartsPlanned = true
        loop.after(Self.startsPause) { [unowned self] in self.tellStarts() }
    }

    func report(_ record: ExitRecord) {
        var record = record
        if live[record.attempt]?.isGivenUp == true { record.status = .lost(Self.leaseEnd) }
        release(record.attempt)
        live[record.attempt] = nil
        ended[record.attempt] = record
        taskEnded(record.attempt, record.status)
        tell(record)
    }

    func tell(_ record: ExitRecord) {
        outgoingExits.append(record)
        tellExitsSoon()
    }

    private func tellExitsSoon() {
        guard !areExitsPlanned else { return }
        areExitsPlanned = true
        loop.after(Self.exitsPause) { [unowned self] in self.tellExits() }
    }

    private func tellStarts() {
        areStartsPlanned = false
        let starts = outgoingStarts.filter { live[$0.attempt] != nil }
        outgoingStarts = []
        // Without a head, or before its hello is answered: the hello will hold them all.
        guard !isHelloOwed else { return }
        for batch in starts.batches(by: \.weight) { session?.send(.started(batch)) }
    }

    private func tellExits() {
        areExitsPlanned = false
        // Without a head, or before its hello is answered: the hello will hold them all.
        guard !isHelloOwed, let session else {
            outgoingExits = []
            return
        }
        // No more at once, since the files of each may have to be read; and what is acknowledged meanwhile has none any more.
        let next = outgoingExits.prefix(Frame.batch)
        let exits = next.filter { ended[$0.attempt] != nil }.map {
            complete($0, isBusy: !session.isCalm)
        }
        outgoingExits.removeFirst(next.count)
        for batch in exits.batches(by: \.weight) { session.send(.exited(batch)) }
        if !outgoingExits.isEmpty { tellExitsSoon() }
    }
}
