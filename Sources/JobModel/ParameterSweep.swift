/// A rule for points: the product of its sections `grid × zip × sample × from`, then `exclude`, `where` and `include`.
public struct ParameterSweep: Sendable, Equatable, Codable {
    public init() {}
}
