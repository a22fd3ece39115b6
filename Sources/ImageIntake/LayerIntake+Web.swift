internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Threads

extension LayerIntake {
    /// Has the blob come from registries. Where it ends early the head is asked for the rest: it knows a new token, or sends the rest
    /// itself. No more of these run at once than layers are brought at once.
    func fetch(_ digest: Digest, from places: [WebPlace]) {
        guard let arrival = supply[digest] else { return }
        let start = arrival.received
        @Sendable func askAgain(_ reason: String) {
            guard arrival.isWanted else { return }
            let isOnItsWay = arrival.received > start
            wire.send(
                .wants(
                    BlobPlace(digest, at: arrival.received),
                    without: isOnItsWay ? [] : [WebPlace.source],
                    web: web.report(isOnItsWay ? nil : reason)))
        }
        do throws(SystemError) {
            _ = try WorkerThread("web") { [web] in
                do throws(WebFailure) {
                    try WebCall.fetch(arrival, from: places, web)
                } catch { askAgain(error.reason) }
            }
        } catch { askAgain("\(error)") }
    }
}
