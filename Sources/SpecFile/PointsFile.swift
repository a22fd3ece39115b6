internal import Foundation
internal import JobModel
internal import LinuxSystem

/// Rows of points from a file: CSV with a header (RFC 4180), or JSON lines of objects.
enum PointsFile {
    static func read(_ path: String) throws(SweepError) -> ParameterSweep.Table {
        let text: String
        do throws(SystemError) {
            text = try Files.text(path, limit: 1 << 30).withoutByteOrderMark
        } catch {
            throw SweepError("\(error)")
        }
        let table = try path.hasSuffix(".csv") ? csv(text, path) : lines(text, path)
        guard !table.rows.isEmpty else { throw SweepError("\(path) has no rows") }
        return table
    }

    private static func csv(_ text: String, _ path: String) throws(SweepError)
        -> ParameterSweep.Table
    {
        var records = CSVText.records(text)
        guard let header = records.first, !header.isEmpty else {
            throw SweepError("\(path) has no header line")
        }
        records.removeFirst()
        let names = header.map { $0.text.trimmed }
        var rows: [[ParameterValue]] = []
        for (number, record) in records.enumerated() {
            guard record.count == names.count else {
                throw SweepError(
                    "\(path):\(number + 2): \(record.count) fields, where the header has \(names.count)"
                )
            }
            rows.append(
                record.map {
                    ScalarText.value($0.quoted ? $0.text : $0.text.trimmed, quoted: $0.quoted)
                })
        }
        return ParameterSweep.Table(names: names, rows: rows)
    }

    private static func lines(_ text: String, _ path: String) throws(SweepError)
        -> ParameterSweep.Table
    {
        var names: [String] = []
        var rows: [[ParameterValue]] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        {
            if line.allSatisfy(\.isWhitespace) { continue }
            guard
                let object = try? JSONDecoder().decode(
                    [String: ParameterValue].self, from: Data(line.utf8))
            else {
                throw SweepError(
                    "\(path):\(number + 1): not a JSON object of numbers, texts and booleans")
            }
            if rows.isEmpty { names = object.keys.sorted() }
            guard object.count == names.count, object.keys.allSatisfy(names.contains) else {
                throw SweepError(
                    "\(path):\(number + 1): the keys differ from the first line's \(names.joined(separator: ", "))"
                )
            }
            rows.append(names.compactMap { object[$0] })
        }
        return ParameterSweep.Table(names: names, rows: rows)
    }
}

/// RFC 4180.
enum CSVText {
    struct Field {
        var text = ""
        var quoted = false
    }

    static func records(_ text: String) -> [[Field]] {
        var records: [[Field]] = []
        var record: [Field] = [Field()]
        var inQuotes = false
        var afterQuote = false
        func endRecord() {
            if record.count > 1 || !record[0].text.isEmpty || record[0].quoted {
                records.append(record)
            }
            record = [Field()]
        }
        for character in text {
            if inQuotes {
                if character == "\"" {
                    inQuotes = false
                    afterQuote = true
                } else {
                    record[record.count - 1].text.append(character)
                }
                continue
            }
            switch character {
            case "\"":
                // A doubled quote inside quotes is one quote.
                if afterQuote { record[record.count - 1].text.append("\"") }
                record[record.count - 1].quoted = true
                inQuotes = true
            case ",": record.append(Field())
            case "\n", "\r\n", "\r": endRecord()
            default: record[record.count - 1].text.append(character)
            }
            afterQuote = false
        }
        endRecord()
        return records
    }
}
