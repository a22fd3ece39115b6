public import JobModel

/// What the head opens a stream for. Bytes go either way, by request; the agent's end of it ends the stream.
///
/// A request of a later version reads as `unknown`, and the agent refuses that stream alone.
public enum StreamRequest: Sendable {
    /// Files of an attempt, or pieces of them.
    case read(FileRead)
    /// One of them, as it grows.
    case follow(FileFollow)
    /// Whether the node has a file of the head's under the same name. Carries nothing: it ends well where that is so.
    case look(SharedLook)
    /// The head sends what a former attempt left as its checkpoint, and the agent has it in place when it ends the stream well.
    case restore(CheckpointRestore)
    /// One image, taken in by a process of its own: `ToIntake` there, `FromIntake` back.
    case layers
    /// One directory of the head's, taken in by a process of its own: `ToTreeIntake` there, `FromTreeIntake` back.
    case tree
    case unknown
}

/// Asks for what an attempt left on a node that keeps its files to itself. The bytes of all parts come one after the other, as many of
/// each as were asked for; where fewer can be had, the stream ends there and says why.
public struct FileRead: Sendable, Codable {
    public struct Part: Sendable, Hashable, Codable {
        /// Below the attempt's directory; not over links.
        public var path: String
        public var offset: Int64
        public var length: Int64
        public init(_ path: String, offset: Int64 = 0, length: Int64) {
            self.path = path
            self.offset = offset
            self.length = length
        }
    }
    /// `JobTemplate.directory` as the agent was told it: a relative one.
    public var directory: String
    public var attempt: AttemptID
    public var parts: [Part]
    public init(_ attempt: AttemptID, in directory: String, _ parts: [Part]) {
        self.directory = directory
        self.attempt = attempt
        self.parts = parts
    }
}

/// Asks for what an attempt writes, from an offset on, while it runs.
public struct FileFollow: Sendable, Codable {
    /// As in `FileRead`.
    public var directory: String
    public var attempt: AttemptID
    public var path: String
    public var offset: Int64
    public init(_ attempt: AttemptID, in directory: String, _ path: String, offset: Int64) {
        self.directory = directory
        self.attempt = attempt
        self.path = path
        self.offset = offset
    }
}

public struct SharedLook: Sendable, Codable {
    public var path: String
    /// What the file says.
    public var token: String
    public init(path: String, token: String) {
        self.path = path
        self.token = token
    }
}

/// Brings a task's checkpoint to the node of its next attempt. The bytes of all files follow, one after the other, in the order of the
/// list.
public struct CheckpointRestore: Sendable, Codable {
    /// As in `FileRead`.
    public var directory: String
    /// The one that is to start.
    public var attempt: AttemptID
    /// Directories before what is in them; links last. All begin with `checkpoint/`.
    public var list: [LeftFile]
    public init(_ attempt: AttemptID, in directory: String, _ list: [LeftFile]) {
        self.directory = directory
        self.attempt = attempt
        self.list = list
    }
}

extension StreamRequest: Codable {
    private enum Key: CodingKey {
        case read, follow, look, restore, layers, tree, unknown
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        if let read = try container.decodeIfPresent(FileRead.self, forKey: .read) {
            self = .read(read)
        } else if let follow = try container.decodeIfPresent(FileFollow.self, forKey: .follow) {
            self = .follow(follow)
        } else if let look = try container.decodeIfPresent(SharedLook.self, forKey: .look) {
            self = .look(look)
        } else if let restore = try container.decodeIfPresent(
            CheckpointRestore.self, forKey: .restore)
        {
            self = .restore(restore)
        } else if container.contains(.layers) {
            self = .layers
        } else if container.contains(.tree) {
            self = .tree
        } else {
            self = .unknown
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .read(let read): try container.encode(read, forKey: .read)
        case .follow(let follow): try container.encode(follow, forKey: .follow)
        case .look(let look): try container.encode(look, forKey: .look)
        case .restore(let restore): try container.encode(restore, forKey: .restore)
        case .layers: try container.encode(true, forKey: .layers)
        case .tree: try container.encode(true, forKey: .tree)
        case .unknown: try container.encode(true, forKey: .unknown)
        }
    }
}
