internal import Glibc
internal import JobModel
internal import LinuxSystem

extension AgentLink.Outbox {
    /// Nothing is dropped unseen: a list that is too long goes in parts, a task that no message bears is refused, and where
    /// anything else cannot be said the connection ends, so that the next hello settles what is known.
    mutating func queue(_ message: ToAgent) {
        do {
            pending += try writer.message(message)
        } catch {
            if let (first, second) = message.halves {
                queue(first)
                queue(second)
                return
            }
            switch message {
            case .run(let tasks): refused += tasks.map { Self.refusal($0, error) }
            // Its tasks say so: the agent refuses those of a job that it was not told of.
            case .job(let template): note("job \(template.job) cannot be sent: \(error)")
            default: failure = LinkError("a message cannot be sent: \(error)")
            }
        }
    }

    private static func refusal(_ task: RunTask, _ error: any Error) -> ExitRecord {
        ExitRecord(
            attempt: task.attempt,
            status: .startFailure(
                step: "send", subject: "the task to its node (\(error))", errno: EMSGSIZE),
            ended: Timestamp(milliseconds: Clock.now()))
    }
}

extension ToAgent {
    /// The same in two messages; nil where it is no list, or one of a single element.
    fileprivate var halves: (ToAgent, ToAgent)? {
        switch self {
        case .run(let tasks): Self.halves(tasks) { .run($0) }
        case .cancel(let attempts): Self.halves(attempts) { .cancel($0) }
        case .recall(let attempts): Self.halves(attempts) { .recall($0) }
        case .pause(let attempts): Self.halves(attempts) { .pause($0) }
        case .resume(let attempts): Self.halves(attempts) { .resume($0) }
        case .acknowledge(let attempts): Self.halves(attempts) { .acknowledge($0) }
        case .hello, .job, .forget, .jobs, .open, .session, .stream, .shutdown: nil
        }
    }

    private static func halves<Element>(_ list: [Element], _ message: ([Element]) -> ToAgent)
        -> (ToAgent, ToAgent)?
    {
        guard list.count > 1 else { return nil }
        return (
            message(Array(list.prefix(list.count / 2))),
            message(Array(list.dropFirst(list.count / 2)))
        )
    }
}
