/// What the head opens a stream for. Bytes go either way, by request; the agent's end of it ends the stream.
///
/// A request of a later version reads as `unknown`, and the agent refuses that stream alone.
public enum StreamRequest: Sendable {
    case unknown
}

extension StreamRequest: Codable {
    private enum Key: CodingKey {
        case unknown
    }

    public init(from decoder: any Decoder) throws {
        _ = try decoder.container(keyedBy: Key.self)
        self = .unknown
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        switch self {
        case .unknown: try container.encode(true, forKey: .unknown)
        }
    }
}
