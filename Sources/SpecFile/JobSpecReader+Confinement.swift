internal import JobModel
internal import LinuxSystem
internal import OCIRuntimeSpec

extension JobSpecReader {
    /// From `seccomp` and `privileged`.
    func confinement(_ seccomp: SpecNode?, _ privileged: SpecNode?) -> Confinement {
        let chosen = seccomp.flatMap(self.seccomp)
        guard let privileged, read.bool(privileged, "privileged") == true else {
            return chosen ?? .standard
        }
        if let seccomp, let chosen, chosen != .unfiltered {
            read.fail(
                seccomp, "a privileged task may make every system call",
                hint: "leave out either seccomp or privileged")
        }
        return .privileged
    }

    /// Nil where something is wrong with it, which is told.
    private func seccomp(_ node: SpecNode) -> Confinement? {
        guard let text = read.string(node, "seccomp") else { return nil }
        if text == "unconfined" { return .unfiltered }
        // What a flag puts in the place of a file's choice.
        if text == "default" { return .standard }
        let path = path(text, node.place)
        do throws(SystemError) {
            return profile(try Files.read(path, limit: SeccompDocument.largest), path, node)
        } catch {
            read.fail(
                node, "\(error)",
                hint: "unconfined, default, or the path of a profile in Docker's JSON format")
            return nil
        }
    }

    private func profile(_ bytes: [UInt8], _ path: String, _ node: SpecNode) -> Confinement? {
        do {
            _ = try SeccompProfile(json: bytes, name: path)
            return .profile(
                SeccompDocument(path: path, json: String(decoding: bytes, as: UTF8.self)))
        } catch {
            read.fail(node, "\(error)")
            return nil
        }
    }
}
