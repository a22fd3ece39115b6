/// Jobs that share a limit on how many of their tasks run at once: licences, a database, a friend's patience.
public struct JobGroup: Sendable, Hashable, Codable {
    public var name: String
    /// Of jobs that say different numbers, the smallest holds while they go on together.
    public var parallel: Int
    public init(name: String, parallel: Int) {
        self.name = name
        self.parallel = parallel
    }
}
