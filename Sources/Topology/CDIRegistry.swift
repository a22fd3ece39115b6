public import LinuxSystem
public import OCIRuntimeSpec

/// The devices that the machine's vendors describe (Container Device Interface, 1.1): all files of its directories.
public struct CDIRegistry: Sendable, Hashable {
    /// The later one counts more: what is made anew with each boot before what was installed.
    public static let directories = ["/etc/cdi", "/var/run/cdi"]

    /// A file, and what is wrong with it: its devices are not to be had, or not that one of them.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        public let file: String
        /// `/etc/cdi/a.yaml: devices[0].name: …`.
        public let description: String
    }

    /// A device with the file that describes it.
    private struct Entry: Hashable {
        let device: CDIDevice
        let file: String
        let priority: Int
    }

    public private(set) var problems: [Problem] = []
    private var specs: [String: CDISpec] = [:]
    private var entries: [String: Entry] = [:]
    /// Described twice with the same right.
    private var conflicts: Set<String> = []

    /// One without devices.
    public init() {}

    /// Reads what lies below `root`. What cannot be read is one of the problems, and does not keep the rest from being had.
    public static func read(root: String = "/", directories: [String] = directories)
        throws(SystemError) -> CDIRegistry
    {
        let system = try SystemRoot(root)
        var registry = CDIRegistry()
        for (priority, directory) in directories.enumerated() {
            do throws(SystemError) {
                for name in try system.entries(of: directory).sorted()
                where name.hasSuffix(".json") || name.hasSuffix(".yaml") {
                    registry.add(directory + "/" + name, priority, from: system)
                }
            } catch {
                guard error.isMissing else {
                    registry.report(directory, error.description)
                    continue
                }
            }
        }
        for name in registry.conflicts { registry.entries[name] = nil }
        return registry
    }

    /// `vendor/class=name`, sorted.
    public var names: [String] { entries.keys.sorted() }

    /// By its qualified name, `nvidia.com/gpu=0`.
    public func device(named name: String) throws(CDIError) -> CDIDevice {
        try entry(name).device
    }

    /// What a container with these devices is given: each device's own, and once for each file what it has for all of its devices.
    public func edits(for names: [String]) throws(CDIError) -> ContainerEdits {
        var edits = ContainerEdits()
        var files: Set<String> = []
        for name in names {
            let entry = try entry(name)
            if files.insert(entry.file).inserted, let spec = specs[entry.file] {
                edits.append(spec.edits)
            }
            edits.append(entry.device.edits)
        }
        return edits
    }

    private func entry(_ name: String) throws(CDIError) -> Entry {
        guard let entry = entries[name] else {
            throw CDIError(
                device: name, isConflict: conflicts.contains(name), problems: problems)
        }
        return entry
    }

    private mutating func add(_ file: String, _ priority: Int, from system: borrowing SystemRoot) {
        let spec: CDISpec
        do {
            spec = try CDISpec(text: try system.bytes(file), name: file)
        } catch {
            return report(file, "\(error)")
        }
        specs[file] = spec
        for device in spec.devices {
            let name = "\(spec.kind)=\(device.name)"
            if let other = entries[name], other.priority == priority {
                conflicts.insert(name)
                for (one, another) in [(file, other.file), (other.file, file)] {
                    report(one, "\(one): \(name) stands in \(another), too")
                }
            } else {
                conflicts.remove(name)
                entries[name] = Entry(device: device, file: file, priority: priority)
            }
        }
    }

    private mutating func report(_ file: String, _ text: String) {
        problems.append(Problem(file: file, description: text))
    }
}

/// A device that is not to be had.
public struct CDIError: Error, Sendable, Hashable, CustomStringConvertible {
    public let device: String
    /// Described by two files with the same right.
    public let isConflict: Bool
    /// Of the files, any of which may have been to name it.
    public let problems: [CDIRegistry.Problem]

    public var description: String {
        let what =
            isConflict
            ? "\(device) is described by two files of one directory"
            : "no file of \(CDIRegistry.directories.joined(separator: " or ")) describes \(device)"
        return ([what] + problems.map(\.description)).joined(separator: "\n    ")
    }
}

extension SystemError {
    /// ENOENT or ENOTDIR, errno(3).
    var isMissing: Bool { errno == 2 || errno == 20 }
}
