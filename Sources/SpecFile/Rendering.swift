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

    /// One line a task: the command as one would type it into a shell. Of points that are not known before there is one command for
    /// all, with its placeholders, and a comment that says where they come from.
    public static func commands(
        _ spec: JobSpec, _ expansion: SweepExpansion, _ write: (String) -> Void
    ) {
        if let sample = spec.sweep.sample, let sampler = sample.sampler {
            write("# \(origin(of: sample, sampler, spec))\n")
            let words = (spec.entrypoint ?? []) + spec.command
            write((spec.script ?? words.map(shellQuoted).joined(separator: " ")) + "\n")
            return
        }
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

    /// `at most 100 points, 4 open at a time, one after the other from: python3 -m martlet_optuna`.
    public static func origin(
        of sample: SampleSection, _ sampler: ExternalSampler, _ spec: JobSpec
    ) -> String {
        let most = sampler.parallel ?? spec.limits.parallel ?? ExternalSampler.usualParallel
        let count = sample.count == 1 ? "1 point" : "\(sample.count) points"
        return
            "at most \(count), \(min(most, sample.count)) open at a time, one after the other from: "
            + sampler.command.map(shellQuoted).joined(separator: " ")
            + " (in \(sampler.directory))"
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
