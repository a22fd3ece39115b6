internal import Glibc
internal import LinuxSystem

/// What a child says of its setup on its status socket. Descriptors belong to whoever reads.
enum ChildNews {
    case upper(Int32)
    case terminal(Int32)
    case network(Int32)
    case failure(step: String, subject: String, errno: Int32)
    /// It has run exec, or has ended: nothing more comes.
    case end

    /// All that waits. Never blocks.
    static func read(_ status: Int32) -> [ChildNews] {
        var news: [ChildNews] = []
        var buffer = [UInt8](repeating: 0, count: ContainerChild.longestMessage)
        while true {
            var poller = pollfd(fd: status, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 0) > 0 else { return news }
            do throws(SystemError) {
                guard let (count, descriptors) = try UnixSocket.receive(status, into: &buffer),
                    count > 0
                else { return news + [.end] }
                switch (buffer[0], descriptors.first) {
                case (ContainerChild.Told.upper, let upper?): news.append(.upper(upper))
                case (ContainerChild.Told.terminal, let near?): news.append(.terminal(near))
                case (ContainerChild.Told.network, let network?): news.append(.network(network))
                case (ContainerChild.Told.failure, _):
                    let (step, subject, errno) = ContainerChild.decode(buffer[1..<count])
                    news.append(.failure(step: step, subject: subject, errno: errno))
                default: break
                }
            } catch {
                let failure = ChildNews.failure(
                    step: error.step, subject: "what the child said", errno: error.errno)
                return news + [failure, .end]
            }
        }
    }
}
