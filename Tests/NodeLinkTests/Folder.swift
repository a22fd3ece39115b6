import Foundation
import LinuxSystem

/// A directory that goes with its owner.
final class Folder {
    let path: String
    init() throws {
        var template = Array((NSTemporaryDirectory() + "/link-XXXXXX").utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError.last("mkdtemp") }
        path = String(cString: made)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}
