/// A line of a runtime's log in JSON, with the members that runc writes and its callers read.
public struct LogLine: Sendable, Hashable {
    /// `error`, `warning`, `debug`.
    public var level: String
    public var message: String
    /// RFC 3339.
    public var time: String

    public init(level: String, message: String, time: String) {
        self.level = level
        self.message = message
        self.time = time
    }

    /// Without the line's end.
    public func json() -> [UInt8] {
        var object = JSONObject()
        object.set("level", level)
        object.set("msg", message)
        object.set("time", time)
        return JSONValue.object(object).text(indented: false)
    }
}
