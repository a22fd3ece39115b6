import Foundation
import Synchronization

/// A disk that fails when it is told to: SQLite's own file system, in which one call after the other can go wrong.
///
/// Owns what is known of each file under one folder: what its cache holds (that is the real file) and what would be left of it
/// after a power cut (what was synchronised). Start here, then `FaultyCalls.swift`, where SQLite comes in.
/// Files elsewhere are SQLite's business as ever. Nothing is truly synchronised: what is kept of a file says what would be.
public final class FaultyDisk: Sendable {
    /// How a call fails; each kind of call has its own word for it.
    public enum Fault: Sendable, Hashable, CaseIterable {
        /// No room, for pages of the shared memory neither.
        case full
        /// Nothing is done.
        case error
        /// Half of it is done.
        case short
        /// As on Linux: what could not be written back counts as clean afterwards, and the next sync succeeds without it.
        case lost
    }

    public enum Call: Sendable, Hashable {
        case open, write, sync, truncate, delete, sharedMemory
    }

    struct Plan {
        var fault: Fault
        var first: Int
        var isLasting: Bool
    }

    struct State {
        var plan: Plan?
        var calls = 0
        var hits = 0
        var files: [String: KeptFile] = [:]
    }

    public let folder: String
    let state = Mutex(State())

    /// In force for databases that are opened from now on.
    public init(folder: String) {
        // As SQLite names it.
        self.folder = "/" + folder.split(separator: "/").joined(separator: "/")
        FaultyCalls.serve(self)
    }

    deinit { FaultyCalls.forget(folder) }

    /// Calls that could have failed since the last plan was made.
    public var calls: Int { state.withLock { $0.calls } }
    /// Those that did.
    public var hits: Int { state.withLock { $0.hits } }

    /// The call of that number, from 1 on, fails; with `isLasting` all later ones do until `release()`.
    public func fail(_ fault: Fault, at call: Int, isLasting: Bool) {
        state.withLock { state in
            state.plan = Plan(fault: fault, first: call, isLasting: isLasting)
            (state.calls, state.hits) = (0, 0)
        }
    }

    public func release() { state.withLock { $0.plan = nil } }

    /// What the next server finds.
    public enum End: Sendable, Hashable {
        /// After a kill: all that was written.
        case killed
        /// After a power cut: what was synchronised and, with a seed, pages of the rest as chance has it.
        case powerCut(seed: UInt64?)
    }

    /// Writes what is left of the files into another folder.
    public func leave(_ end: End, in other: String) throws {
        try FileManager.default.createDirectory(
            atPath: other, withIntermediateDirectories: true)
        var chance = Chance(end)
        try state.withLock { state in
            for (path, file) in state.files.sorted(by: { $0.key < $1.key }) {
                guard let bytes = file.left(end, at: path, &chance) else { continue }
                let name = (path as NSString).lastPathComponent
                try bytes.write(to: URL(fileURLWithPath: other + "/" + name))
            }
        }
    }
}

/// SplitMix64.
struct Chance: RandomNumberGenerator {
    private var state: UInt64

    init(_ end: FaultyDisk.End) {
        state = 1
        if case .powerCut(let seed?) = end { state = seed }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// What of a file would outlast a power cut, and which pages of the cache would not.
struct KeptFile {
    static let page = 4096
    var durable = Data()
    /// False until it was first synchronised: its name is not on disk either.
    var isNamed = false
    var dirty: Set<Int> = []

    mutating func wrote(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        for page in range.lowerBound / Self.page...(range.upperBound - 1) / Self.page {
            dirty.insert(page)
        }
    }

    /// Takes pages over from the cache: all that are dirty, or those given.
    mutating func synchronise(_ pages: [Int], from cache: Data) {
        isNamed = true
        durable = Self.resized(durable, cache.count)
        for page in pages { Self.copy(page, from: cache, to: &durable) }
        dirty.subtract(pages)
    }

    func left(_ end: FaultyDisk.End, at path: String, _ chance: inout Chance) -> Data? {
        let cache = FileManager.default.contents(atPath: path)
        switch end {
        case .killed: return cache
        case .powerCut(nil): return isNamed ? durable : nil
        case .powerCut:
            guard let cache, isNamed || Bool.random(using: &chance) else {
                return isNamed ? durable : nil
            }
            var left = durable
            if Bool.random(using: &chance) { left = Self.resized(left, cache.count) }
            for page in dirty.sorted() where Bool.random(using: &chance) {
                Self.copy(page, from: cache, to: &left)
            }
            return left
        }
    }

    private static func resized(_ data: Data, _ count: Int) -> Data {
        data.count > count
            ? Data(data.prefix(count)) : data + Data(count: count - data.count)
    }

    /// As far as the target goes.
    private static func copy(_ page: Int, from cache: Data, to target: inout Data) {
        let (start, end) = (
            page * Self.page, min((page + 1) * Self.page, cache.count, target.count)
        )
        if start < end { target.replaceSubrange(start..<end, with: cache[start..<end]) }
    }
}
