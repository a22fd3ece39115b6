internal import Foundation
public import JobModel
internal import JobServer

/// What can be found wrong with a spec before a job exists, instead of in task 7,000. On the machine of whoever submits.
public enum Preflight {
    public static func check(_ spec: JobSpec) throws(ErrorReport) {
        let files = FileManager.default
        // A reference was checked where it stands in the spec.
        if spec.image.hasPrefix("/"), !files.fileExists(atPath: spec.image) {
            throw wrong("the image \(spec.image) does not exist")
        }
        for mount in spec.mounts
        where mount.kind == .bind && !files.fileExists(atPath: mount.source) {
            throw wrong(
                "the mount \(mount.source):\(mount.destination) has no source: \(mount.source) does not exist"
            )
        }
        try checkNotification(spec)
        for (name, source) in spec.secrets {
            if case .file(let path) = source, !files.isReadableFile(atPath: path) {
                throw wrong("the secret \(name) cannot be read from \(path)")
            }
        }
    }

    /// What a notification is sent with.
    private static func checkNotification(_ spec: JobSpec) throws(ErrorReport) {
        if spec.notify?.webhook != nil, NotificationTools.curl == nil {
            throw wrong("notify.webhook is sent by curl, which is not on the PATH")
        }
        if spec.notify?.mail != nil, NotificationTools.sendmail == nil {
            throw wrong(
                "notify.mail is sent by sendmail, and there is none: install an MTA such as msmtp-mta"
            )
        }
    }

    private static func wrong(_ text: String) -> ErrorReport {
        ErrorReport(error: text, isUsage: true)
    }
}
