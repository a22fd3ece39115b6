internal import Glibc
internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Threads

/// How this node gets on with registries.
package struct WebSettings: Sendable {
    /// Path of curl(1); nil where there is none.
    package var curl: String?
    /// Seconds in which a connection must be made.
    package var connectTime = 10
    /// Seconds with less than 1 KiB/s after which a transfer is given up, as the head's are.
    package var stallTime = 30
    package init(curl: String? = ProgramPath.find("curl")) { self.curl = curl }

    func report(_ failure: String? = nil) -> WebReport {
        WebReport(hasCurl: curl != nil, failure: failure)
    }
}

/// Why a blob, or the rest of it, did not come from a registry.
struct WebFailure: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// Gets a blob from a registry by the node's own curl(1), whose configuration stands on its stdin: neither a URL, which may be
/// signed, nor a token is seen in any list of processes. Proxies and authorities are those of the node's environment, and nobody's
/// ~/.curlrc counts. It ends with what it can write to, and so with this process, at the next byte that comes or the end of its patience.
///
/// Redirects are followed by hand. curl 7.58 to 7.82 sends the header on to other ports of the host (CVE-2022-27776), earlier ones to
/// other hosts (CVE-2018-1000007); here it goes to the place alone that it was given for.
final class WebCall {
    private let arrival: ChunkArrival
    private let settings: WebSettings
    /// Bytes that have come and are not in the file.
    private var part: [UInt8] = []
    /// Bytes of the answer that are here already: it began anew.
    private var repeated: Int64 = 0

    /// Bytes that go into the file, and can be read, together.
    private static let partSize = 1 << 20
    private static let redirectLimit = 10

    private init(_ arrival: ChunkArrival, _ settings: WebSettings) {
        self.arrival = arrival
        self.settings = settings
    }

    /// Returns once all of it is here, or nobody wants it any more. Where none of the places gives it the first one's reason is thrown.
    static func fetch(_ arrival: ChunkArrival, from places: [WebPlace], _ settings: WebSettings)
        throws(WebFailure)
    {
        let start = arrival.received
        var failures: [String] = []
        for place in places where arrival.isWanted {
            do throws(WebFailure) {
                return try WebCall(arrival, settings).run(place)
            } catch {
                failures.append(error.reason)
                // Its token may have run out meanwhile: the head gives another.
                if arrival.received > start { break }
            }
        }
        if arrival.isWanted { throw WebFailure(failures.joined(separator: "; ")) }
    }

    private func run(_ place: WebPlace) throws(WebFailure) {
        let home = WebAddress(place.url)
        var address = home
        for _ in 0...Self.redirectLimit {
            guard let current = address, current.isSecure || place.isInsecure else {
                throw WebFailure("it leads to plain HTTP, or to what is no URL")
            }
            let isHome = current.origin == home?.origin
            guard
                let location = try get(
                    current, isHome ? place.authorization : nil, place.isInsecure)
            else { return }
            address = WebAddress(location, relativeTo: current)
        }
        throw WebFailure("more than \(Self.redirectLimit) redirects")
    }

    /// Takes what comes of the answer; returns where it redirects to.
    private func get(_ address: WebAddress, _ authorization: String?, _ isInsecure: Bool)
        throws(WebFailure) -> String?
    {
        let command: AttachedCommand
        do throws(SystemError) {
            guard let curl = settings.curl else {
                throw SystemError("start", "curl", errno: ENOENT)
            }
            command = try AttachedCommand([curl, "--disable", "--config", "-"])
            try Files.writeAll(
                command.stdio.raw, configuration(address, authorization, isInsecure).utf8, "curl")
        } catch { throw WebFailure("\(error)") }
        shutdown(command.stdio.raw, Int32(SHUT_WR))
        var head: [UInt8]? = []
        while let bytes = try read(command) {
            guard var start = head else {
                try take(bytes[...])
                continue
            }
            start += bytes
            while let end = WebAnswer.end(of: start) {
                let answer = WebAnswer(start[..<end])
                start.removeFirst(end)
                // RFC 9110 §15.2: another answer follows.
                if let answer, (100..<200).contains(answer.status) { continue }
                if let location = try judge(answer) { return location }
                head = nil
                break
            }
            if head == nil { try take(start[...]) } else { head = start }
            guard head.map({ $0.count <= 1 << 18 }) ?? true else {
                throw WebFailure("its answer begins with too much")
            }
        }
        guard arrival.isWanted else { return nil }
        try flush()
        guard arrival.isWanted else { return nil }
        throw WebFailure(words(of: command))
    }

    /// In the order of curl(1): `--config` has them without dashes, and quoted as C has it.
    private func configuration(
        _ address: WebAddress, _ authorization: String?, _ isInsecure: Bool
    ) -> String {
        func quoted(_ text: String) -> String {
            let plain = text.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }
            return "\""
                + plain.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
        }
        var lines = [
            "url = \(quoted(address.text))", "globoff", "silent", "show-error", "include",
            "suppress-connect-headers", "proto = \(quoted(isInsecure ? "=http,https" : "=https"))",
            "connect-timeout = \(settings.connectTime)", "speed-limit = 1024",
            "speed-time = \(settings.stallTime)", "user-agent = \"martlet\"",
        ]
        if isInsecure { lines.append("insecure") }
        if arrival.received > 0 { lines.append("range = \"\(arrival.received)-\"") }
        if let authorization {
            lines.append("header = \(quoted("Authorization: " + authorization))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The next bytes; nil at their end, or where nobody wants them.
    private func read(_ command: AttachedCommand) throws(WebFailure) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while arrival.isWanted {
            var poller = pollfd(fd: command.stdio.raw, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 200) > 0 else { continue }
            let count = Glibc.read(command.stdio.raw, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw WebFailure(SystemError.text(errno)) }
            return count == 0 ? nil : Array(buffer[..<count])
        }
        return nil
    }

    /// Whether the answer is the blob's bytes from where they are lacked; else where it redirects to.
    private func judge(_ answer: WebAnswer?) throws(WebFailure) -> String? {
        guard let answer else { throw WebFailure("its answer is no HTTP") }
        if [301, 302, 303, 307, 308].contains(answer.status), let location = answer["location"] {
            return location
        }
        let (here, size) = (arrival.received, arrival.blob.size)
        switch answer.status {
        case 206:
            guard let range = answer["content-range"], range.hasPrefix("bytes \(here)-"),
                range.hasSuffix("/\(size)") || range.hasSuffix("/*")
            else { throw WebFailure("it answered another range than the one asked for") }
        case 200:
            // Ranges are not spoken there, or none was asked.
            repeated = here
            let length = answer["content-length"].flatMap { Int64($0) }
            // What something on the way has compressed once more does not say how long it is.
            guard length == size || (length == nil && answer["content-encoding"] == nil) else {
                throw WebFailure("it has another blob than one of \(size) bytes")
            }
        default: throw WebFailure("it answered with status \(answer.status)")
        }
        return nil
    }

    private func take(_ bytes: ArraySlice<UInt8>) throws(WebFailure) {
        let dropped = min(repeated, Int64(bytes.count))
        repeated -= dropped
        let lacked = arrival.blob.size - arrival.received - Int64(part.count)
        part += bytes.dropFirst(Int(dropped)).prefix(Int(lacked))
        let isWhole = arrival.received + Int64(part.count) == arrival.blob.size
        if part.count >= Self.partSize || isWhole { try flush() }
    }

    private func flush() throws(WebFailure) {
        guard !part.isEmpty else { return }
        let answer = part.withUnsafeBytes {
            arrival.take($0, at: arrival.received, sum: nil, from: WebPlace.source)
        }
        part = []
        if answer != .taken, arrival.isWanted { throw WebFailure("it came out of turn") }
    }

    /// curl's own, after its end.
    private func words(of command: AttachedCommand) -> String {
        let status = command.awaitEnd()
        var buffer = [UInt8](repeating: 0, count: 512)
        // Nothing there is nothing said.
        let count = (try? UnixSocket.receive(command.errors.raw, into: &buffer))?.count ?? 0
        let said =
            String(decoding: buffer[..<max(0, count)], as: UTF8.self)
            .split(separator: "\n").first.map(String.init) ?? ""
        return said.isEmpty ? "curl ended with \(status) before the blob did" : said
    }
}
