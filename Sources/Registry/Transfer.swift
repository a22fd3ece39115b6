internal import CCurl
internal import Glibc
internal import Threads

/// One HTTP request, as it goes to one URL: no redirects, no authentication of its own.
struct HTTPRequest: Sendable {
    enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// `length` bytes of an open file from `offset` on. `sent` is told on the curl thread how many have gone out.
        case file(
            descriptor: Int32, offset: Int64, length: Int64, sent: @Sendable (Int64) -> Void)
    }
    var method: String
    var url: String
    var headers: [(name: String, value: String)] = []
    var body: Body = .none
    var trust = Trust()
    /// Whether a compression of the transfer's own (`Content-Encoding`) is undone.
    var decodes = false
    /// Greatest number of bytes kept of an answer that no sink takes.
    var bodyLimit = 1 << 20
}

struct HTTPResponse: Sendable {
    var status = 0
    /// Names in lower case, in the order of arrival.
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    func all(_ name: String) -> [String] { headers.filter { $0.name == name }.map(\.value) }
    var isSuccess: Bool { (200..<300).contains(status) }
}

/// Takes the body of a successful answer as it comes, on the curl thread; false ends the transfer.
typealias BodySink = @Sendable (HTTPResponse, UnsafeRawBufferPointer) -> Bool

/// How a transfer ended.
struct TransferResult: Sendable {
    var code: CURLcode
    var response: HTTPResponse
    /// libcurl's own words, empty where there are none.
    var message: String
    var exceededLimit: Bool
}

/// A request on its way.
final class Transfer: @unchecked Sendable {
    // @unchecked: the variables are the curl thread's alone from `CurlLoop.start` until `result` is set, and nobody's after.
    let request: HTTPRequest
    let sink: BodySink?
    let settings: RegistrySettings
    let result = Monitor<TransferResult?>(nil)
    var response = HTTPResponse()
    var exceededLimit = false
    var sent: Int64 = 0
    var headerList: UnsafeMutablePointer<curl_slist>?
    let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(_ request: HTTPRequest, settings: RegistrySettings, sink: BodySink?) {
        self.request = request
        self.settings = settings
        self.sink = sink
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    func finish(_ code: CURLcode) {
        let outcome = TransferResult(
            code: code, response: response, message: String(cString: errorText),
            exceededLimit: exceededLimit)
        result.withLock { $0 = outcome }
    }

    /// Takes one header line; a new status line (after 100 Continue) begins again.
    func take(header line: UnsafeRawBufferPointer) {
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            response = HTTPResponse()
            response.status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            return
        }
        guard let colon = text.firstIndex(of: ":"), response.headers.count < 200 else { return }
        let value = text[text.index(after: colon)...].drop(while: \.isWhitespace)
        let trimmed = value.reversed().drop(while: \.isWhitespace).reversed()
        response.headers.append((text[..<colon].lowercased(), String(trimmed)))
    }

    /// Takes a piece of the body; false ends the transfer.
    func take(body bytes: UnsafeRawBufferPointer) -> Bool {
        if let sink, response.isSuccess { return sink(response, bytes) }
        guard response.body.count + bytes.count <= request.bodyLimit else {
            exceededLimit = true
            // Of an error's text the beginning is enough.
            return !response.isSuccess
        }
        response.body.append(contentsOf: bytes)
        return true
    }

    /// Fills what libcurl wants to send next; the number of bytes, or CURL_READFUNC_ABORT.
    func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch request.body {
        case .none: return 0
        case .bytes(let bytes):
            let count = min(buffer.count, bytes.count - Int(sent))
            bytes.withUnsafeBytes { source in
                buffer.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[Int(sent)..<Int(sent) + count]))
            }
            sent += Int64(count)
            return count
        case .file(let descriptor, let offset, let length, let tell):
            let wanted = min(buffer.count, Int(length - sent))
            let count = pread(descriptor, buffer.baseAddress, wanted, off_t(offset + sent))
            guard count >= 0, count > 0 || wanted == 0 else { return Int(CURL_READFUNC_ABORT) }
            sent += Int64(count)
            tell(sent)
            return count
        }
    }
}
