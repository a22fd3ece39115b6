/// Why tasks wait, and why one runs where it runs: `martlet explain --json`. Times are RFC 3339.
public struct ExplanationReport: Sendable, Codable {
    /// Somebody who has what is missing.
    public struct Holder: Sendable, Hashable, Codable {
        public var job: JobID
        public var name: String
        /// `12 CPUs`, `2 GPUs`.
        public var amount: String
        /// When the first of its tasks there is expected to end.
        @OrNull public var expected: String?
        public init(job: JobID, name: String, amount: String, expected: String?) {
            self.job = job
            self.name = name
            self.amount = amount
            self.expected = expected
        }
    }

    /// What keeps a task from a node.
    public struct Obstacle: Sendable, Hashable, Codable {
        /// `cpus`, `memory`, `gpus`, `ports`, `label`, `work`, `node`; `reservation` where the room is kept for others.
        public var resource: String
        public var text: String
        public var isForGood: Bool
        public var holders: [Holder]
        public init(resource: String, text: String, isForGood: Bool, holders: [Holder]) {
            self.resource = resource
            self.text = text
            self.isForGood = isForGood
            self.holders = holders
        }
    }

    public struct Node: Sendable, Hashable, Codable {
        public var name: String
        public var obstacles: [Obstacle]
        public init(name: String, obstacles: [Obstacle]) {
            self.name = name
            self.obstacles = obstacles
        }
    }

    public struct Wait: Sendable, Hashable, Codable {
        public var tasks: Int
        public var needs: String
        public var priority: Int
        /// Of the cluster, held now and of late: the smaller is served first.
        public var share: Double
        /// Jobs that are served before it.
        public var behind: [JobID]
        /// When room is expected, and where; nil where nobody knows how long tasks run.
        @OrNull public var expected: String?
        @OrNull public var expectedNode: String?
        /// The room is kept for it.
        public var isReserved: Bool
        /// The nearest to having room first, and not more than a few.
        public var nodes: [Node]
        public var moreNodes: Int
        public init(tasks: Int, needs: String, priority: Int, share: Double) {
            self.tasks = tasks
            self.needs = needs
            self.priority = priority
            self.share = share
            behind = []
            isReserved = false
            nodes = []
            moreNodes = 0
        }
    }

    /// One line of a score beside the next best place's.
    public struct ScoreLine: Sendable, Hashable, Codable {
        public var name: String
        public var mine: String
        @OrNull public var other: String?
        /// It is the first that differs.
        public var decides: Bool
        public init(name: String, mine: String, other: String?, decides: Bool) {
            self.name = name
            self.mine = mine
            self.other = other
            self.decides = decides
        }
    }

    public struct Place: Sendable, Codable {
        public var index: Int
        public var node: String
        /// Of a task on several nodes all of them, by rank; the rest is of `node` alone.
        @OrNull public var nodes: [String]?
        public var cpus: [Int]
        public var numaNodes: [Int]
        public var gpus: [String]
        @OrNull public var expectedEnd: String?
        public var score: [ScoreLine]
        /// The node with the next best place, nil where no other has room.
        @OrNull public var nextBest: String?
        /// A node that would be better now than the task's own, since others have ended.
        @OrNull public var betterNow: String?
        public init(index: Int, _ placement: Placement, expectedEnd: String?) {
            self.index = index
            node = placement.node
            cpus = placement.cpus
            numaNodes = placement.numaNodes
            gpus = placement.gpus
            self.expectedEnd = expectedEnd
            score = []
        }
    }

    /// A node of which nothing is heard while tasks of the job are there.
    public struct SilentNode: Sendable, Hashable, Codable {
        public var name: String
        /// Of the job, or 1 where one is asked about; and those of them that are tried again once they are taken for lost.
        public var tasks: Int
        public var triedAgain: Int
        public var silentSince: String
        /// When they are taken for lost unless it is heard of before; nil where that is never.
        @OrNull public var givenUp: String?
        public init(
            name: String, tasks: Int, triedAgain: Int, silentSince: String, givenUp: String?
        ) {
            self.name = name
            self.tasks = tasks
            self.triedAgain = triedAgain
            self.silentSince = silentSince
            self.givenUp = givenUp
        }
    }

    public var schema = JobModel.schemaVersion
    public var job: JobID
    public var name: String
    public var state: JobState
    /// Nil where the whole job was asked about.
    @OrNull public var index: Int?
    @OrNull public var taskState: TaskState?
    /// In a sentence, where there is something to say.
    @OrNull public var reason: String?
    /// Nil where nothing of it waits for room.
    @OrNull public var wait: Wait?
    /// Where the task runs; of a job its first one that does.
    @OrNull public var place: Place?
    /// Nil where none of those that it runs on is.
    @OrNull public var silentNodes: [SilentNode]?
    public init(job: JobID, name: String, state: JobState) {
        self.job = job
        self.name = name
        self.state = state
    }
}
