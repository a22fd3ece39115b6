internal import CCurl
internal import Glibc
internal import LinuxSystem

extension Transfer {
    /// An easy handle set up for this request; nil where libcurl has no memory. The transfer must outlive it.
    func makeHandle() -> UnsafeMutableRawPointer? {
        guard let easy = curl_easy_init() else { return nil }
        let context = Unmanaged.passUnretained(self).toOpaque()
        mcurl_set_text(easy, CURLOPT_URL, request.url)
        mcurl_set_pointer(easy, CURLOPT_PRIVATE, context)
        mcurl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
        mcurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        mcurl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        // Redirects are followed by hand, so that no credentials go along.
        mcurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        mcurl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        mcurl_set_long(easy, CURLOPT_BUFFERSIZE, 512 << 10)
        mcurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        mcurl_set_long(easy, CURLOPT_CONNECTTIMEOUT, settings.connectTimeout)
        switch request.body {
        // Who sends a file sees whether it goes out, and knows that the answer may take its time.
        case .file: break
        case .none, .bytes:
            mcurl_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, 1024)
            mcurl_set_long(easy, CURLOPT_LOW_SPEED_TIME, settings.stallTimeout)
        }
        setFunctions(easy, context)
        setTrust(easy)
        setProxy(easy)
        setMethod(easy)
        // All that this libcurl can decode.
        if request.decodes { mcurl_set_text(easy, CURLOPT_ACCEPT_ENCODING, "") }
        for header in request.headers {
            headerList = curl_slist_append(headerList, "\(header.name): \(header.value)")
        }
        // An upload of some MiB would else wait a second for "100 Continue" of servers that never send it.
        headerList = curl_slist_append(headerList, "Expect:")
        mcurl_set_pointer(easy, CURLOPT_HTTPHEADER, headerList)
        return easy
    }

    private func setFunctions(_ easy: UnsafeMutableRawPointer, _ context: UnsafeMutableRawPointer) {
        mcurl_set_function(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let transfer = Transfer.from(context) else { return 0 }
            let buffer = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return transfer.take(body: buffer) ? buffer.count : 0
        }
        mcurl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        mcurl_set_function(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Transfer.from(context)?.take(
                header: UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        mcurl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        mcurl_set_function(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
            let buffer = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
            return Transfer.from(context)?.fill(buffer) ?? Int(CURL_READFUNC_ABORT)
        }
        mcurl_set_pointer(easy, CURLOPT_READDATA, context)
    }

    private func setMethod(_ easy: UnsafeMutableRawPointer) {
        switch (request.method, request.body) {
        case ("HEAD", _): mcurl_set_long(easy, CURLOPT_NOBODY, 1)
        case ("GET", .none): mcurl_set_long(easy, CURLOPT_HTTPGET, 1)
        case (_, .none):
            mcurl_set_long(easy, CURLOPT_POST, 1)
            mcurl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, 0)
            mcurl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method)
        case (_, .bytes(let bytes)): setUpload(easy, Int64(bytes.count))
        case (_, .file(_, _, let length, _)): setUpload(easy, length)
        }
    }

    private func setUpload(_ easy: UnsafeMutableRawPointer, _ length: Int64) {
        mcurl_set_long(easy, CURLOPT_UPLOAD, 1)
        mcurl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method)
        mcurl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(length))
        mcurl_set_long(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10)
    }

    private func setTrust(_ easy: UnsafeMutableRawPointer) {
        mcurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, request.trust.isInsecure ? 0 : 1)
        mcurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, request.trust.isInsecure ? 0 : 2)
        let bundle = settings.environment["SSL_CERT_FILE"].flatMap { $0.isEmpty ? nil : $0 }
        if let own = request.trust.certificates?.authorities, !own.isEmpty {
            setAuthorities(easy, own, beside: bundle)
        } else if let bundle {
            mcurl_set_text(easy, CURLOPT_CAINFO, bundle)
        }
        if let client = request.trust.certificates?.client {
            mcurl_set_text(easy, CURLOPT_SSLCERT, client.certificate)
            mcurl_set_text(easy, CURLOPT_SSLKEY, client.key)
        }
    }

    /// These authorities take the place of libcurl's bundle; the machine's, by their hashes in a directory, count on.
    private func setAuthorities(
        _ easy: UnsafeMutableRawPointer, _ own: [UInt8], beside bundle: String?
    ) {
        // What cannot be read is trusted by nobody.
        let more = bundle.flatMap { try? Files.read($0, limit: 16 << 20) } ?? []
        (own + more).withUnsafeBytes { bytes in
            var blob = curl_blob(
                data: UnsafeMutableRawPointer(mutating: bytes.baseAddress), len: bytes.count,
                flags: UInt32(CURL_BLOB_COPY))
            mcurl_set_pointer(easy, CURLOPT_CAINFO_BLOB, &blob)
        }
    }

    /// libcurl reads the proxies' variables itself, but does not spare the machine's own addresses.
    private func setProxy(_ easy: UnsafeMutableRawPointer) {
        let environment = settings.environment
        let spared = environment["no_proxy"] ?? environment["NO_PROXY"] ?? ""
        let local = "localhost,127.0.0.0/8,::1"
        mcurl_set_text(easy, CURLOPT_NOPROXY, spared.isEmpty ? local : spared + "," + local)
    }

    fileprivate static func from(_ context: UnsafeMutableRawPointer?) -> Transfer? {
        context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }
}
