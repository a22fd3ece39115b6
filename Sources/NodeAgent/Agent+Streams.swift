internal import LinuxSystem
internal import NodeLink

/// What the head opens streams for.
extension Agent {
    func openStream(_ number: UInt16, _ request: StreamRequest, _ session: HeadSession) {
        switch request {
        case .read(let read): readFiles(number, read, session)
        case .follow(let follow): followFile(number, follow, session)
        case .look(let look):
            do throws(SystemError) {
                let program = try Daemon.sibling("martlet-agent")
                session.open(number, try LookStream(look, program: program, loop))
            } catch { session.refuse(number, "\(error)") }
        case .restore(let restore): restoreCheckpoint(number, restore, session)
        case .layers: openIntake(number, session)
        case .tree: openTreeIntake(number, session)
        case .unknown:
            session.refuse(number, "this agent is of an older version, and has no such thing")
        }
    }
}
