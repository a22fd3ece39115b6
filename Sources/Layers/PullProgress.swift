/// How far a pull is; told at most about ten times a second, on the pull's own threads.
public struct PullProgress: Sendable, Hashable, CustomStringConvertible {
    public enum Phase: String, Sendable, Encodable { case resolving, pulling, done }
    public var phase: Phase
    public var reference: String
    /// The lowest first, those that were here already included; empty while the image is resolved.
    public var layers: [LayerProgress]
    /// What of the layers this user could not have, for people; told once, with `done`.
    public var notes: [String]
    public init(
        phase: Phase, reference: String, layers: [LayerProgress] = [], notes: [String] = []
    ) {
        self.phase = phase
        self.reference = reference
        self.layers = layers
        self.notes = notes
    }

    /// `pulling python:3.12: 1 of 2 layers, 1.5 MB of 3.0 MB`.
    public var description: String {
        switch phase {
        case .resolving: "asking for \(reference)"
        case .done: "\(reference) is here"
        case .pulling:
            "pulling \(reference): \(layersDone) of \(layers.count) layers, "
                + "\(DecimalSize.text(bytesDone)) of \(DecimalSize.text(bytesTotal))"
        }
    }

    public var layersDone: Int { layers.count { $0.phase == .done } }
    /// Compressed bytes fetched and to fetch in all.
    public var bytesDone: Int64 { layers.reduce(0) { $0 + $1.bytesDone } }
    public var bytesTotal: Int64 { layers.reduce(0) { $0 + $1.bytesTotal } }
}

/// How far one layer is.
public struct LayerProgress: Sendable, Hashable, Encodable {
    public enum Phase: String, Sendable, Encodable {
        case waiting
        /// Fetched and unpacked in one pass.
        case pulling
        /// From a blob that is here.
        case unpacking
        case done
    }
    /// Of the blob.
    public var digest: String
    public var phase: Phase
    /// Compressed bytes.
    public var bytesDone: Int64
    public var bytesTotal: Int64
    public init(digest: String, phase: Phase, bytesDone: Int64 = 0, bytesTotal: Int64) {
        self.digest = digest
        self.phase = phase
        self.bytesDone = bytesDone
        self.bytesTotal = bytesTotal
    }
}

/// Sizes for people.
public enum DecimalSize {
    /// `1.5 GB`, in powers of ten as registries count.
    public static func text(_ bytes: Int64) -> String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        return unit == 0 || value >= 100
            ? "\(Int(value.rounded())) \(units[unit])"
            : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
