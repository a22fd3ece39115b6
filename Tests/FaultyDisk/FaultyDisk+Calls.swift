import Foundation
import GRDBSQLite
import Synchronization

extension FaultyDisk {
    // Extended codes are macros that Swift does not see.
    static let writeError = SQLITE_IOERR | 3 << 8
    static let syncError = SQLITE_IOERR | 4 << 8
    static let truncateError = SQLITE_IOERR | 6 << 8
    static let deleteError = SQLITE_IOERR | 10 << 8
    static let sharedMemoryFull = SQLITE_IOERR | 19 << 8
    static let sharedMemoryError = SQLITE_IOERR | 21 << 8

    /// Counts a call, and says how it fails where it is to.
    func comes(_ call: Call) -> Fault? { state.withLock { $0.comes() } }

    func opened(_ path: String, isNew: Bool) {
        guard !path.hasSuffix("-shm") else { return }
        state.withLock { state in
            guard state.files[path] == nil || isNew else { return }
            var file = KeptFile()
            if !isNew, let bytes = FileManager.default.contents(atPath: path) {
                (file.durable, file.isNamed) = (bytes, true)
            }
            state.files[path] = file
        }
    }

    func deleted(_ path: String) { state.withLock { state in state.files[path] = nil } }

    func write(to path: String, _ count: Int, at offset: Int, _ write: (Int) -> CInt) -> CInt {
        state.withLock { state in
            let fault = state.comes()
            let length = fault == nil ? count : fault == .short ? count / 2 : 0
            if length > 0 {
                let code = write(length)
                state.files[path]?.wrote(offset..<offset + length)
                guard code == SQLITE_OK else { return code }
            }
            return fault == nil ? SQLITE_OK : fault == .full ? SQLITE_FULL : Self.writeError
        }
    }

    func synchronise(_ path: String) -> CInt {
        state.withLock { state in
            let fault = state.comes()
            guard var file = state.files[path] else { return SQLITE_OK }
            let dirty = file.dirty.sorted()
            switch fault {
            case nil:
                file.synchronise(dirty, from: Self.cache(path))
            case .short:
                file.synchronise(Array(dirty.prefix(dirty.count / 2)), from: Self.cache(path))
            case .lost: file.dirty = []
            case .full, .error: break
            }
            state.files[path] = file
            return fault == nil ? SQLITE_OK : Self.syncError
        }
    }

    private static func cache(_ path: String) -> Data {
        // A file that was taken away from under its user has nothing to keep.
        FileManager.default.contents(atPath: path) ?? Data()
    }
}

extension FaultyDisk.State {
    fileprivate mutating func comes() -> FaultyDisk.Fault? {
        calls += 1
        guard let plan, plan.isLasting ? calls >= plan.first : calls == plan.first else {
            return nil
        }
        hits += 1
        return plan.fault
    }
}
