/// A sweep parameter's value at one point: a JSON scalar.
public enum ParameterValue: Hashable, Sendable, Codable, CustomStringConvertible {
    case int(Int64)
    /// Never whole where an `int` can hold it: JSON, in which values travel, knows no difference. Made by `number`.
    case double(Double)
    case bool(Bool)
    case string(String)

    /// A number in the one form that it has: 1.0 and 1e5 are the integers 1 and 100000.
    public static func number(_ value: Double) -> ParameterValue {
        Int64(exactly: value).map(ParameterValue.int) ?? .double(value)
    }

    /// As it is put in place of `{name}` and in `MARTLET_PARAM_NAME`: shortest text that reads back as the same value.
    public var description: String {
        switch self {
        case .int(let value): String(value)
        case .double(let value): value.description
        case .bool(let value): value ? "true" : "false"
        case .string(let value): value
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // The type is not known beforehand: each failure means "the next".
        if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .int(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else {
            self = .string(try container.decode(String.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .int(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        }
    }
}

/// One point of a sweep: its parameters in the order in which the spec names them.
public struct Point: Hashable, Sendable, Codable {
    public struct Parameter: Hashable, Sendable, Codable {
        public let name: String
        public let value: ParameterValue
        public init(name: String, value: ParameterValue) {
            self.name = name
            self.value = value
        }
    }
    public var parameters: [Parameter]
    public init(_ parameters: [Parameter] = []) { self.parameters = parameters }

    public subscript(name: String) -> ParameterValue? {
        parameters.first { $0.name == name }?.value
    }
}
