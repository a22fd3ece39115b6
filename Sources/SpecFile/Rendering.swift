public import JobModel

/// Points and commands as `--points csv` and `--dry-run` print them.
public enum Rendering {
    /// The header line and one line a point, RFC 4180 with bare newlines; handed on piece by piece, since there may be millions.
    public static func csv(_ expansion: SweepExpansion, _ write: (String) -> Void) {
        write(expansion.names.map(field).joined(separator: ",") + "\n")
        for index in 0..<expansion.count {
            let point = expansion.point(at: index)
            write(
                expansion.names.map { field(point[$0]?.description ?? "") }.joined(separator: ",")
                    + "\n")
        }
    }

    /// Quoted where it has to be.
    public static func field(_ text: String) -> String {
        guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
        return "\""
            + text.split(separator: "\"", omittingEmptySubsequences: false).joined(
                separator: "\"\"") + "\""
    }

    /// One line a task: the command as one would type it into a shell.
    public static func commands(
        _ spec: JobSpec, _ expansion: SweepExpansion, _ write: (String) -> Void
    ) {
        for index in 0..<expansion.count {
            let placeholders = Placeholders(
                point: expansion.point(at: index), task: TaskID(job: JobID(0), index: index))
            let words = ((spec.entrypoint ?? []) + spec.command).map(placeholders.expand)
            let line =
                spec.script.map { placeholders.expandScript($0) }
                ?? words.map(shellQuoted).joined(separator: " ")
            write(line + "\n")
        }
    }

    /// sh(1): plain words stay, all else goes between single quotes.
    public static func shellQuoted(_ word: String) -> String {
        let plain =
            !word.isEmpty
            && word.allSatisfy {
                $0.isASCII && ($0.isLetter || $0.isNumber || "_-./=:,@%+".contains($0))
            }
        if plain { return word }
        return "'"
            + word.split(separator: "'", omittingEmptySubsequences: false).joined(
                separator: "'\\''") + "'"
    }

    /// Milliseconds of a duration as specs write it; nil where it is none.
    public static func duration(_ text: String) -> Int64? { ScalarText.duration(text) }
}
