public import FoundationEssentials

// A session: somebody sits at a process on a node, through the server. Its bytes are not kept anywhere: where any link on the way
// breaks, the session ends, and so does what it had going.

/// Characters of a terminal's window.
public struct WindowSize: Sendable, Hashable, Codable {
    public var rows: UInt16
    public var columns: UInt16
    public init(rows: UInt16, columns: UInt16) {
        self.rows = rows
        self.columns = columns
    }
}

/// How a task is tied to whoever started it: `martlet run -i -t`.
public struct Interaction: Sendable, Hashable, Codable {
    /// Somebody types, or pipes; else there is nothing to read.
    public var stdin: Bool
    /// The task sits at a terminal of this size; nil means three pipes.
    public var terminal: WindowSize?
    public init(stdin: Bool, terminal: WindowSize?) {
        self.stdin = stdin
        self.terminal = terminal
    }
}

/// A command to run beside a task, in its container.
public struct SessionCommand: Sendable, Hashable, Codable {
    public var arguments: [String]
    /// `NAME=value`, laid over the task's own.
    public var environment: [String]
    /// Nil: the task's.
    public var directory: String?
    /// As the spec's `user`; nil: the task's.
    public var user: String?
    public init(
        arguments: [String], environment: [String] = [], directory: String? = nil,
        user: String? = nil
    ) {
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.user = user
    }
}

public struct SessionRequest: Sendable, Hashable {
    public enum Target: Sendable, Hashable {
        /// The task itself, whose spec says how one sits at it.
        case task
        case command(SessionCommand)
        /// One connection to a TCP port of the task's, as its own network has it: input goes there, and what comes back is output.
        case port(UInt16)
    }
    public var task: TaskID
    public var target: Target
    public var interaction: Interaction
    public init(task: TaskID, _ target: Target, _ interaction: Interaction) {
        self.task = task
        self.target = target
        self.interaction = interaction
    }
}

extension SessionRequest: Codable {
    private enum Key: CodingKey { case task, command, port, interaction }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        task = try container.decode(TaskID.self, forKey: .task)
        interaction = try container.decode(Interaction.self, forKey: .interaction)
        if let port = try container.decodeIfPresent(UInt16.self, forKey: .port) {
            target = .port(port)
        } else if let command = try container.decodeIfPresent(
            SessionCommand.self, forKey: .command)
        {
            target = .command(command)
        } else {
            target = .task
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(task, forKey: .task)
        try container.encode(interaction, forKey: .interaction)
        switch target {
        case .task: break
        case .command(let command): try container.encode(command, forKey: .command)
        case .port(let port):
            try container.encode(port, forKey: .port)
            // An older agent, which knows nothing of ports, refuses a command without words.
            try container.encode(SessionCommand(arguments: []), forKey: .command)
        }
    }
}

/// From whoever sits there.
public enum SessionInput: Sendable, Hashable, Codable {
    /// No more than was granted.
    case bytes(Data)
    /// Of the input.
    case end
    case resize(WindowSize)
    /// So many bytes of output have been taken, and as many more may come.
    case grant(Int)
    case hangUp
}

/// From the process.
public enum SessionOutput: Sendable, Hashable, Codable {
    public enum Stream: String, Sendable, Codable { case stdout, stderr }
    /// It runs; before this nothing else comes but `ended`.
    case opened
    case bytes(Stream, Data)
    /// So many bytes of input have been taken, and as many more may come.
    case grant(Int)
    /// Last. Nothing that it wrote is missing.
    case ended(ExitStatus)
}

/// Bytes of a session that may be under way in each direction, unread: what a reader that stops costs everybody in between.
public enum SessionWindow {
    public static let size = 256 << 10
    /// In one message, so that no session keeps others waiting for long.
    public static let chunk = 32 << 10
}
