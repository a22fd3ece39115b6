internal import Glibc
internal import NIOCore

/// Closes connections of other users. The socket's directory lets nobody else in; this holds where that was loosened.
final class PeerCheck: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = NIOAny

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        guard let socket = channel as? any SocketOptionProvider else {
            return channel.close(promise: nil)
        }
        // ucred, unix(7): pid, uid, gid, four bytes each.
        let credentials: EventLoopFuture<(Int32, UInt32, UInt32)> = socket.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        credentials.whenComplete { result in
            switch result {
            case .success(let (_, uid, _)) where uid == geteuid() || uid == 0: break
            default: channel.close(promise: nil)
            }
        }
        context.fireChannelActive()
    }
}
