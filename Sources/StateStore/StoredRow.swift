internal import GRDB
internal import JobModel

/// A row whose values are what its columns may hold, or else the database is damaged: nothing that stands in a file may end
/// the process, or make a number that no version wrote.
struct StoredRow {
    private let row: Row
    init(_ row: Row) { self.row = row }

    subscript<Value: DatabaseValueConvertible & StatementColumnConvertible>(
        _ column: String
    ) -> Value {
        get throws { try row.decode(Value.self, forColumn: column) }
    }

    /// Milliseconds of the years that people live in, so that sums and differences of them are numbers, too.
    func time(_ column: String) throws -> Timestamp? {
        guard let milliseconds = try number(column) else { return nil }
        return Timestamp(milliseconds: try Self.bounded(milliseconds, column))
    }

    /// A count or an index.
    func count(_ column: String) throws -> Int {
        let number = try number(column)
        guard let number, (0...Int64(Int32.max)).contains(number) else {
            throw StoreError(
                .corrupt, "read", column, "it is \(number.map(String.init) ?? "nothing")")
        }
        return Int(number)
    }

    /// A size or a time, far from where sums end.
    func amount(_ column: String) throws -> Int64? {
        try number(column).map { try Self.bounded($0, column) }
    }

    /// SQLite would make one of a text as well.
    private func number(_ column: String) throws -> Int64? {
        let value = try row.decode(DatabaseValue.self, forColumn: column)
        if value.isNull { return nil }
        guard case .int64(let number) = value.storage else {
            throw StoreError(.corrupt, "read", column, "it is no number")
        }
        return number
    }

    private static func bounded(_ number: Int64, _ column: String) throws(StoreError) -> Int64 {
        guard (0...(1 << 60)).contains(number) else {
            throw StoreError(.corrupt, "read", column, "it is \(number)")
        }
        return number
    }
}
