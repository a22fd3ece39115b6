internal import JobModel
internal import NodeLink
internal import Scheduling

/// What this server remembers of its line to a node.
struct NodeConnection: Sendable {
    let name: String
    /// Nil for this machine's own agent, which shares the head's files and images.
    let spec: NodeSpec?
    let line: NodeLine
    /// Brings what its tasks leave; nil for this machine.
    let files: NodeFiles?
    /// Whether it has the head's job directories under the same name; nil while nobody knows.
    var sharesJobs: Bool?
    /// Of the line and of the state: what was decided for an older one is not sent.
    var lineNumber = 0
    var stateNumber = 0
    /// Jobs that were told on this connection.
    var announced: Set<JobID> = []
    /// `AgentHello.skills` of this connection.
    var skills: Set<String> = []
    /// What was meant for it of jobs that cannot start there yet: their root filesystem is not known, or not on the node.
    var waiting: [JobID: [Dispatch]] = [:]
    /// Attempts that its hello named: it has these, whatever of their job is still to be told.
    var named: Set<AttemptID> = []
    /// Later attempts that have what former ones kept, and those to which it is being brought.
    var restored: Set<AttemptID> = []
    var restoring: [AttemptID: Dispatch] = [:]
    /// Of jobs whose tasks were sent to another machine: what has to be there first.
    var supplies: [JobID: Supply] = [:]
    /// What it said of itself in its last hello, and by how many milliseconds its clock was ahead of ours.
    var facts: (facts: NodeFacts?, clockOffset: Int64?)?
    /// Why it is not connected; nil while it is, and before the first try has ended.
    var problem: String?

    func send(_ message: ToAgent) { line.send(message, lineNumber) }

    /// In messages that are not too long.
    func send<Element>(_ elements: [Element], _ message: ([Element]) -> ToAgent) {
        for message in Self.messages(elements, message) { send(message) }
    }

    /// What is in no hurry: it goes with what is sent next, or with `line.sendQueued`.
    func queue<Element>(_ elements: [Element], _ message: ([Element]) -> ToAgent) {
        for message in Self.messages(elements, message) { line.queue(message, lineNumber) }
    }

    private static func messages<Element>(
        _ elements: [Element], _ message: ([Element]) -> ToAgent
    ) -> [ToAgent] {
        stride(from: 0, to: elements.count, by: Frame.batch).map { start in
            message(Array(elements[start..<min(start + Frame.batch, elements.count)]))
        }
    }
}

/// How far another machine is with what a job needs there.
enum Supply: Sendable {
    /// Being brought; how far it is, for people.
    case underway(String)
    case ready(NodeSupplies)
    /// Tried again later; why.
    case failed(String)
}

/// What a job's tasks find on another machine.
struct NodeSupplies: Sendable {
    var root: RootFilesystem
    /// What lies there in place of the head's directories and files: by the spec's own source.
    var mounts: [String: Mount] = [:]

    struct Mount: Sendable {
        let path: String
        /// The very same that the head has.
        let isShared: Bool
    }
    /// Values; nil where the node reads them itself.
    var secrets: [String: String]?
}
