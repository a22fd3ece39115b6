internal import JobModel
internal import LinuxSystem
internal import Scheduling
internal import StateStore

// Who is told of a job is written with what there is to tell, and told until it has succeeded, by whichever server there is.

extension JobRecord {
    /// Names the run of the job that goes on: a `retry` begins another one, of which everybody is told anew.
    fileprivate var run: Int64 { decisions.retried?.milliseconds ?? 0 }
}

extension JobServer {
    /// Tries in all: the last one some hours after the first.
    private static let notifyTries = 8
    /// Milliseconds between tries, at most.
    private static let longestPatience: Int64 = 3_600_000

    /// Of a job that has ended.
    func ends(of id: JobID, _ outcome: JobState) -> [StoredNotification] {
        guard let job = state.job(id), let notify = job.spec.notify else { return [] }
        let event = outcome == .failed && notify.on.contains(.failed) ? "failed" : "finished"
        return notifications(job, event, outcome, round: job.ended?.milliseconds ?? 0)
    }

    /// Of a job one of whose tasks has failed with this row.
    func notifications(of row: StoreWrite) -> [StoredNotification] {
        guard case .ended(let record, let outcome, _, _, _) = row,
            outcome == .failed || outcome == .lost,
            let job = state.job(record.attempt.task.job), let notify = job.spec.notify
        else { return [] }
        var found: [StoredNotification] = []
        if notify.on.contains(.firstFailure) {
            found += notifications(job, "first_failure", .running, round: job.run)
        }
        let failed = job.counts.failed + job.counts.lost
        if let limit = notify.failures, failed > limit.tolerated(of: job.taskCount) {
            found += notifications(job, "failures", .running, round: job.run)
        }
        return found
    }

    /// One for each way, and each once.
    private func notifications(
        _ job: JobRecord, _ event: String, _ state: JobState, round: Int64
    ) -> [StoredNotification] {
        guard let notify = job.spec.notify else { return [] }
        let channels = [
            ("run", notify.run), ("webhook", notify.webhook), ("mail", notify.mail),
        ].filter { $0.1 != nil }.map(\.0)
        return channels.compactMap { channel in
            let key = StoredNotification.Key(
                job: job.id, event: event, round: round, channel: channel)
            guard told.insert(key).inserted else { return nil }
            return StoredNotification(key, state: state.rawValue, due: now)
        }
    }

    /// Whom earlier servers told; returns what they did not come to.
    func restoreTold(from store: StateStore) async throws(ErrorReport) -> [StoredNotification] {
        let known = try await read { () throws(StoreError) in try store.notifications() }
        told = Set(known.map(\.key))
        // The clock may have been set back since.
        let latest = Timestamp(milliseconds: now.milliseconds + Self.longestPatience)
        return known.compactMap { notification in
            guard let due = notification.due else { return nil }
            var notification = notification
            notification.due = min(due, latest)
            return notification
        }
    }

    /// Nobody waits for it.
    func deliver(_ notification: StoredNotification) {
        guard let due = notification.due else { return }
        let pause = max(0, due.milliseconds - now.milliseconds)
        pace.start { [weak self, pace] in
            // Cut short it is tried earlier.
            if pause > 0 { try? await pace.sleep(pause) }
            await self?.tell(notification)
        }
    }

    private func tell(_ notification: StoredNotification) async {
        guard store != nil, !isEnding, let job = state.job(notification.key.job),
            let notify = job.spec.notify, let summary = try? summary(job.id)
        else { return }
        let message = NotificationMessage(
            notification, notify, summary,
            folder: directories.jobDirectory(job.id.rawValue) + "/notify")
        var problem: String?
        do {
            problem = try await pace.value { [seams] in seams.notify(message) }
        } catch { problem = "\(error)" }
        // Killed or ended meanwhile: the next server tells, perhaps once more.
        guard store != nil else { return }
        conclude(notification, problem)
    }

    private func conclude(_ notification: StoredNotification, _ problem: String?) {
        var notification = notification
        notification.tries += 1
        notification.due = nil
        if let problem {
            let name = "\(notification.key.channel) of job \(notification.key.job)"
            note("the notification by \(name) failed: \(problem)")
            if notification.tries < Self.notifyTries {
                let wait = notifyPatience << (2 * Int64(notification.tries - 1))
                notification.due = Timestamp(
                    milliseconds: now.milliseconds + min(wait, Self.longestPatience))
            }
        }
        write([.notified(notification)])
        deliver(notification)
    }
}
