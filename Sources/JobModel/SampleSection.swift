/// Points drawn from distributions. The same seed gives the same points for ever: point i is computed from seed and i alone,
/// by SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014) as a hash of counters.
public struct SampleSection: Sendable, Equatable, Codable {
    public enum Method: String, Sendable, Codable, CaseIterable {
        case random
        /// Latin hypercube: one point in each of `count` slices of every dimension.
        case lhs
        /// Low-discrepancy sequence, shifted by the seed.
        case sobol
        /// Points come one by one from `sampler`.
        case external
    }

    public enum Distribution: Sendable, Equatable, Codable {
        case uniform(Double, Double)
        case loguniform(Double, Double)
        /// Whole numbers, both ends included.
        case int(Int64, Int64)
        /// Mean and standard deviation.
        case normal(Double, Double)
        /// Weights of the values' length, or empty for equal ones.
        case choice([ParameterValue], weights: [Double])
    }

    public struct Dimension: Sendable, Equatable, Codable {
        public var name: String
        public var distribution: Distribution
        public init(name: String, distribution: Distribution) {
            self.name = name
            self.distribution = distribution
        }
    }

    public var method: Method
    public var count: Int
    public var seed: UInt64
    public var space: [Dimension]
    /// Of method `external`, and of no other.
    public var sampler: ExternalSampler?

    public init(method: Method, count: Int, seed: UInt64, space: [Dimension]) {
        self.method = method
        self.count = count
        self.seed = seed
        self.space = space
    }

    /// The value of dimension `d` at point `i`.
    func value(_ d: Int, at i: Int) -> ParameterValue {
        space[d].distribution.value(at: position(d, at: i))
    }

    /// In [0, 1).
    func position(_ d: Int, at i: Int) -> Double {
        switch method {
        // An external one's points are given.
        case .random, .external: return SplitMix.unit(hash(UInt64(d), UInt64(i)))
        case .lhs:
            let slice = permuted(UInt64(i), of: UInt64(count), key: hash(UInt64(d), .max))
            return (Double(slice) + SplitMix.unit(hash(UInt64(d), UInt64(i)))) / Double(count)
        case .sobol:
            let shift = UInt32(truncatingIfNeeded: hash(UInt64(d), .max))
            return Double(Sobol.coordinate(d, at: UInt32(truncatingIfNeeded: i)) ^ shift)
                / 4_294_967_296
        }
    }

    private func hash(_ a: UInt64, _ b: UInt64) -> UInt64 {
        SplitMix.mix(SplitMix.mix(SplitMix.mix(seed) &+ a) &+ b)
    }

    /// Place of `i` in a permutation of 0 ..< n: a Feistel network over the next power of four, walked until it lands
    /// inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Needs no table.
    private func permuted(_ i: UInt64, of n: UInt64, key: UInt64) -> UInt64 {
        guard n > 1 else { return 0 }
        let width = UInt64(64 - (n - 1).leadingZeroBitCount + 1) / 2
        let mask: UInt64 = 1 << width - 1
        var x = i
        repeat {
            var (left, right) = (x >> width, x & mask)
            for round in 0..<4 as Range<UInt64> {
                (left, right) = (right, left ^ (SplitMix.mix(key &+ round << 40 &+ right) & mask))
            }
            x = left << width | right
        } while x >= n
        return x
    }
}

extension SampleSection.Distribution {
    /// Widest `int`: a double counts exactly no further.
    public static let widestInt: Int64 = 1 << 53

    func value(at u: Double) -> ParameterValue {
        switch self {
        case .uniform(let low, let high):
            return Self.readable(low + (high - low) * u, in: low...high)
        case .loguniform(let low, let high):
            let (a, b) = (RealMath.logarithm(low), RealMath.logarithm(high))
            return Self.readable(RealMath.exponential(a + (b - a) * u), in: low...high)
        case .int(let low, let high):
            return .int(min(high, low + Int64(Double(high - low + 1) * u)))
        case .normal(let mean, let deviation):
            let inside = min(max(u, 1e-12), 1 - 1e-12)
            let value = mean + deviation * RealMath.normalQuantile(inside)
            return .number(value.rounded(toDigits: Self.digits(abs(mean) / deviation)))
        case .choice(let values, let weights):
            guard !weights.isEmpty else {
                return values[min(values.count - 1, Int(Double(values.count) * u))]
            }
            var left = u * weights.reduce(0, +)
            for (value, weight) in Swift.zip(values, weights) {
                left -= weight
                if left < 0 { return value }
            }
            return values[values.count - 1]
        }
    }

    private static func readable(_ value: Double, in range: ClosedRange<Double>) -> ParameterValue {
        let (low, high) = (range.lowerBound, range.upperBound)
        let rounded = value.rounded(toDigits: digits(max(abs(low), abs(high)) / (high - low)))
        return .number(min(max(rounded, low), high))
    }

    /// Six significant digits, a value that one can read, type again and compare; more where numbers of this size over their
    /// spread would not differ in six.
    private static func digits(_ sizeOverSpread: Double) -> Int {
        guard sizeOverSpread > 10 else { return 6 }
        return 6 + Int(min(11, RealMath.decimalLogarithm(sizeOverSpread)))
    }
}

/// Sobol's sequence by direction numbers of S. Joe and F. Y. Kuo (new-joe-kuo-6, 2008), in Gray-code order.
enum Sobol {
    /// Degree of the primitive polynomial, its coefficients, and the first direction numbers; from the second dimension on.
    private static let parameters: [(degree: Int, polynomial: UInt32, first: [UInt32])] = [
        (1, 0, [1]), (2, 1, [1, 3]), (3, 1, [1, 3, 1]), (3, 2, [1, 1, 1]), (4, 1, [1, 1, 3, 3]),
        (4, 4, [1, 3, 5, 13]),
        (5, 2, [1, 1, 5, 5, 17]), (5, 4, [1, 1, 5, 5, 5]), (5, 7, [1, 1, 7, 11, 19]),
        (5, 11, [1, 1, 5, 1, 1]),
        (5, 13, [1, 1, 1, 3, 11]), (5, 14, [1, 3, 5, 5, 31]), (6, 1, [1, 3, 3, 9, 7, 49]),
        (6, 13, [1, 1, 1, 15, 21, 21]),
        (6, 16, [1, 3, 1, 13, 27, 49]), (6, 19, [1, 1, 1, 15, 7, 5]),
        (6, 22, [1, 3, 1, 15, 13, 25]),
        (6, 25, [1, 1, 5, 5, 19, 61]), (7, 1, [1, 3, 7, 11, 23, 15, 103]),
        (7, 4, [1, 3, 7, 13, 13, 15, 69]),
    ]

    /// Most dimensions that a sample may have.
    static let dimensions = parameters.count + 1

    /// For each dimension 32 direction numbers, scaled to 32 bits.
    private static let directions: [[UInt32]] =
        [(0..<32).map { 1 << (31 - $0) }]
        + parameters.map { parameter in
            var m = parameter.first
            for k in parameter.degree..<32 {
                var next =
                    m[k - parameter.degree] ^ m[k - parameter.degree] << UInt32(parameter.degree)
                for j in 1..<max(parameter.degree, 1)
                where parameter.polynomial >> UInt32(parameter.degree - 1 - j) & 1 == 1 {
                    next ^= m[k - j] << UInt32(j)
                }
                m.append(next)
            }
            return m.enumerated().map { $1 << UInt32(31 - $0) }
        }

    static func coordinate(_ dimension: Int, at index: UInt32) -> UInt32 {
        let gray = index ^ index >> 1
        return (0..<32).reduce(0) {
            gray >> UInt32($1) & 1 == 1 ? $0 ^ directions[dimension][$1] : $0
        }
    }
}

extension SampleSection {
    /// Most dimensions that `sobol` has direction numbers for.
    public static let largestSobolSpace = Sobol.dimensions
}

extension JobSpec {
    /// Its points come one by one from a program, while it runs.
    public var isSampled: Bool { sweep.sample?.sampler != nil }
}
