/// One entry of an archive, with everything that its extended headers said. Names are bytes.
package struct TarEntry {
    package enum Kind: Equatable {
        case file
        case directory
        case symbolicLink
        case hardLink
        case fifo
        case characterDevice
        case blockDevice
    }
    package var kind: Kind
    package var path: [UInt8]
    /// Target of a link.
    package var link: [UInt8] = []
    /// Permission bits, with set-user-ID, set-group-ID and sticky.
    package var mode: UInt32
    package var uid: UInt32
    package var gid: UInt32
    /// Bytes of content that follow in the archive.
    package var size: Int64 = 0
    /// Seconds and nanoseconds since 1970, never before.
    package var modified: (seconds: Int64, nanoseconds: Int64) = (0, 0)
    package var device: (major: UInt32, minor: UInt32) = (0, 0)
    package var attributes: [(name: [UInt8], value: [UInt8])] = []
    /// Where the content of a sparse file goes; nil for a plain one.
    package var sparse: SparseMap?

    package init(
        kind: Kind, path: [UInt8], mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0
    ) {
        self.kind = kind
        self.path = path
        self.mode = mode
        self.uid = uid
        self.gid = gid
    }
}

/// Regions of a sparse file that hold data, in order, and its whole length.
package struct SparseMap {
    var regions: [(offset: Int64, length: Int64)]
    var length: Int64

    /// Most regions taken (CVE-2025-58183: a map may claim billions).
    static let regionLimit = 65_536

    /// Whether the regions are in order, within the file, and together as long as the content.
    func isSound(content: Int64) -> Bool {
        guard regions.count <= Self.regionLimit, length >= 0 else { return false }
        var end: Int64 = 0
        var total: Int64 = 0
        for region in regions {
            let (next, overflow) = region.offset.addingReportingOverflow(region.length)
            guard region.offset >= end, region.length >= 0, !overflow, next <= length else {
                return false
            }
            end = next
            total += region.length
        }
        return total == content
    }
}
