internal import NodeLink

/// What the head opens streams for.
extension Agent {
    func openStream(_ number: UInt16, _ request: StreamRequest, _ session: HeadSession) {
        switch request {
        case .read(let read): readFiles(number, read, session)
        case .follow(let follow): followFile(number, follow, session)
        case .unknown:
            session.refuse(number, "this agent is of an older version, and has no such thing")
        }
    }
}
