import Foundation
import GRDBSQLite
import Synchronization

/// The calls of SQLite's files, each of them handed on to the file system below after a look at what is to fail.
enum FaultyCalls {
    /// A file as SQLite has it in its own memory; the one below begins behind it.
    struct OpenFile {
        var base: sqlite3_file
        /// Retained until it is closed.
        var place: Unmanaged<OpenPlace>?
    }

    final class OpenPlace: Sendable {
        let disk: FaultyDisk
        let path: String
        init(_ disk: FaultyDisk, _ path: String) {
            self.disk = disk
            self.path = path
        }
    }

    private static let disks = Mutex<[String: WeakDisk]>([:])
    private struct WeakDisk: Sendable { weak var disk: FaultyDisk? }

    static func serve(_ disk: FaultyDisk) {
        _ = registered
        disks.withLock { $0[disk.folder] = WeakDisk(disk: disk) }
    }

    static func forget(_ folder: String) { disks.withLock { _ = $0.removeValue(forKey: folder) } }

    private static func disk(of path: String) -> FaultyDisk? {
        disks.withLock { $0[(path as NSString).deletingLastPathComponent]?.disk }
    }

    static let belowOffset = 64

    // Written once, before SQLite knows of them, and only read from then on.
    private nonisolated(unsafe) static let below = sqlite3_vfs_find(nil)!
    private nonisolated(unsafe) static let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(
        capacity: 1)
    private nonisolated(unsafe) static let methods =
        UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)

    private static let registered: Bool = {
        precondition(MemoryLayout<OpenFile>.size <= belowOffset)
        methods.initialize(to: FileMethods.table)
        var table = below.pointee
        table.zName = UnsafePointer(strdup("faulty"))
        table.szOsFile += CInt(belowOffset)
        table.pNext = nil
        table.xOpen = { _, name, file, flags, outFlags in
            FaultyCalls.open(name, file!, flags, outFlags)
        }
        table.xDelete = { _, name, syncDirectory in
            FaultyCalls.delete(name!, syncDirectory)
        }
        vfs.initialize(to: table)
        return sqlite3_vfs_register(vfs, 1) == SQLITE_OK
    }()

    static func below(_ file: UnsafeMutablePointer<sqlite3_file>)
        -> UnsafeMutablePointer<sqlite3_file>
    {
        (UnsafeMutableRawPointer(file) + belowOffset).assumingMemoryBound(to: sqlite3_file.self)
    }

    static func place(_ file: UnsafeMutablePointer<sqlite3_file>) -> OpenPlace {
        UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self).pointee.place!
            .takeUnretainedValue()
    }

    private static func open(
        _ name: UnsafePointer<CChar>?, _ file: UnsafeMutablePointer<sqlite3_file>,
        _ flags: CInt, _ outFlags: UnsafeMutablePointer<CInt>?
    ) -> CInt {
        file.pointee.pMethods = nil
        let path = name.map { String(cString: $0) } ?? ""
        guard let disk = disk(of: path) else {
            return below.pointee.xOpen(below, name, file, flags, outFlags)
        }
        let isNew = !FileManager.default.fileExists(atPath: path)
        if isNew, flags & SQLITE_OPEN_CREATE != 0, disk.comes(.open) != nil {
            return SQLITE_CANTOPEN
        }
        let code = below.pointee.xOpen(below, name, Self.below(file), flags, outFlags)
        guard code == SQLITE_OK else { return code }
        disk.opened(path, isNew: isNew)
        UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self).pointee.place =
            .passRetained(OpenPlace(disk, path))
        file.pointee.pMethods = UnsafePointer(methods)
        return SQLITE_OK
    }

    private static func delete(_ name: UnsafePointer<CChar>, _ syncDirectory: CInt) -> CInt {
        let path = String(cString: name)
        guard let disk = disk(of: path) else {
            return below.pointee.xDelete(below, name, syncDirectory)
        }
        guard disk.comes(.delete) == nil else { return FaultyDisk.deleteError }
        let code = below.pointee.xDelete(below, name, 0)
        if code == SQLITE_OK { disk.deleted(path) }
        return code
    }
}

/// Reads, sizes and locks never fail here: a server that cannot read what it has read before is another matter.
enum FileMethods {
    static var table: sqlite3_io_methods {
        var table = sqlite3_io_methods()
        table.iVersion = 2
        table.xClose = { file in
            let below = FaultyCalls.below(file!)
            let code = below.pointee.pMethods.pointee.xClose(below)
            let open = UnsafeMutableRawPointer(file!).assumingMemoryBound(
                to: FaultyCalls.OpenFile.self)
            open.pointee.place?.release()
            open.pointee.place = nil
            return code
        }
        table.xRead = { file, buffer, count, offset in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xRead(below, buffer, count, offset)
        }
        table.xWrite = { file, buffer, count, offset in
            let (below, place) = (FaultyCalls.below(file!), FaultyCalls.place(file!))
            return place.disk.write(to: place.path, Int(count), at: Int(offset)) { count in
                below.pointee.pMethods.pointee.xWrite(below, buffer, CInt(count), offset)
            }
        }
        table.xTruncate = { file, size in
            let (below, place) = (FaultyCalls.below(file!), FaultyCalls.place(file!))
            guard place.disk.comes(.truncate) == nil else { return FaultyDisk.truncateError }
            return below.pointee.pMethods.pointee.xTruncate(below, size)
        }
        table.xSync = { file, _ in
            let place = FaultyCalls.place(file!)
            return place.disk.synchronise(place.path)
        }
        table.xFileSize = { file, size in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xFileSize(below, size)
        }
        table.xLock = { file, level in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xLock(below, level)
        }
        table.xUnlock = { file, level in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xUnlock(below, level)
        }
        table.xCheckReservedLock = { file, result in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xCheckReservedLock(below, result)
        }
        table.xFileControl = { file, operation, argument in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xFileControl(below, operation, argument)
        }
        table.xSectorSize = { file in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xSectorSize(below)
        }
        table.xDeviceCharacteristics = { file in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xDeviceCharacteristics(below)
        }
        table.xShmMap = { file, page, size, extend, address in
            let (below, place) = (FaultyCalls.below(file!), FaultyCalls.place(file!))
            // Only what makes it longer needs room.
            if extend != 0, let fault = place.disk.comes(.sharedMemory) {
                address?.pointee = nil
                return fault == .full
                    ? FaultyDisk.sharedMemoryFull : FaultyDisk.sharedMemoryError
            }
            return below.pointee.pMethods.pointee.xShmMap(below, page, size, extend, address)
        }
        table.xShmLock = { file, offset, count, flags in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xShmLock(below, offset, count, flags)
        }
        table.xShmBarrier = { file in
            let below = FaultyCalls.below(file!)
            below.pointee.pMethods.pointee.xShmBarrier(below)
        }
        table.xShmUnmap = { file, isDelete in
            let below = FaultyCalls.below(file!)
            return below.pointee.pMethods.pointee.xShmUnmap(below, isDelete)
        }
        return table
    }
}
