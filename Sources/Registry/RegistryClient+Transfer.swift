internal import CCurl
internal import LinuxSystem
internal import Threads

extension RegistryClient {
    static let userAgent = "martlet/0.1"
    /// Seconds between tries, at most.
    static let longestDelay = 60.0

    /// Whoever named the URL (a person, a redirect, a challenge, an upload's location): plain HTTP goes to this machine alone,
    /// or where it was asked for.
    private func checkIsAllowed(_ request: HTTPRequest) throws(RegistryError) {
        guard let url = URLParts(request.url) else {
            throw RegistryError(.malformed, request.method, "the registry", "it names no URL")
        }
        guard url.scheme == "https" || request.trust.isInsecure || Self.isLoopback(url) else {
            throw RegistryError(
                .plainHTTP, request.method, url.shown,
                "plain HTTP, which anybody on the way can read",
                hint:
                    "use --insecure, or insecure = true in registries.conf, if you trust the network"
            )
        }
    }

    /// One request to one URL. Throws where no whole answer came; any status is an answer.
    func transfer(
        _ request: HTTPRequest, isAbandoned: @Sendable () -> Bool = { false }, sink: BodySink?
    ) throws(RegistryError) -> HTTPResponse {
        try checkIsAllowed(request)
        var request = request
        request.headers.append(("User-Agent", Self.userAgent))
        let transfer = Transfer(request, settings: settings, sink: sink)
        let result = CurlLoop.shared.perform(
            transfer, isCancelled: { isCancelled() || isAbandoned() })
        let shown = URLParts(request.url)?.shown ?? request.url
        if result.exceededLimit, result.response.isSuccess {
            throw RegistryError(
                .malformed, request.method, shown,
                "the answer is larger than \(request.bodyLimit) bytes")
        }
        guard result.code == CURLE_OK else { throw Self.failure(result, request.method, shown) }
        return result.response
    }

    static func failure(_ result: TransferResult, _ method: String, _ shown: String)
        -> RegistryError
    {
        let words =
            result.message.isEmpty
            ? String(cString: curl_easy_strerror(result.code)) : result.message
        func error(_ kind: RegistryError.Kind, _ hint: String? = nil) -> RegistryError {
            RegistryError(kind, method, shown, words, hint: hint)
        }
        switch result.code {
        case CURLE_COULDNT_RESOLVE_HOST:
            return error(.unreachable, "check the spelling of the registry's name, and the network")
        case CURLE_COULDNT_RESOLVE_PROXY: return error(.unreachable, "check the proxy variables")
        case CURLE_COULDNT_CONNECT:
            return error(.unreachable, "is a registry running there, and is the port right?")
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE:
            return error(
                .tls,
                "put its authority's certificate into ~/.config/containers/certs.d/HOST:PORT/ca.crt, or use --insecure"
            )
        case CURLE_SSL_CERTPROBLEM:
            return error(.tls, "look at the *.cert and *.key of the registry in certs.d")
        case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_USE_SSL_FAILED:
            return error(
                .tls,
                "where it speaks plain HTTP on this port, use --insecure if you trust the network")
        case CURLE_ABORTED_BY_CALLBACK:
            return RegistryError(.cancelled, method, shown, "cancelled")
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_WEIRD_SERVER_REPLY:
            return error(.malformed)
        default: return error(.interrupted)
        }
    }

    /// Runs `body` until it succeeds, fails for good, or has failed often enough. It counts from anew whenever `progressed`
    /// says that something was achieved since it was last asked, and after an error that `outlasts` says others got on despite.
    func retrying<R>(
        progressed: () -> Bool = { false }, outlasts: (RegistryError) -> Bool = { _ in false },
        isAbandoned: () -> Bool = { false },
        _ body: () throws(RegistryError) -> R
    ) throws(RegistryError) -> R {
        var failures = 0
        while true {
            do throws(RegistryError) {
                return try body()
            } catch {
                failures = progressed() || outlasts(error) ? 1 : failures + 1
                guard error.isTransient, failures < settings.attempts else { throw error }
                try pause(after: failures, error, isAbandoned)
            }
        }
    }

    /// Seconds to wait at most after so many failures.
    static func longestDelay(after failures: Int, first: Double) -> Double {
        min(first * Double(1 << min(failures - 1, 10)), longestDelay)
    }

    /// Full jitter: many who failed at once do not come back at once.
    static func delay(after failures: Int, first: Double) -> Double {
        Double.random(in: 0...longestDelay(after: failures, first: first))
    }

    /// Waits as long as the registry asked for, or exponentially with full jitter; ends early when cancelled.
    private func pause(
        after failures: Int, _ error: RegistryError, _ isAbandoned: () -> Bool
    ) throws(RegistryError) {
        var seconds = Self.delay(after: failures, first: settings.firstDelay)
        if let told = error.retryAfter {
            // Told to wait for hours, a person is better told.
            guard Double(told) <= Self.longestDelay else { throw error }
            seconds += Double(told)
        }
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        let never = Monitor(())
        while clock.now < end {
            if isCancelled() || isAbandoned() {
                throw RegistryError(.cancelled, error.step, error.subject, "cancelled")
            }
            let left = (end - clock.now) / .seconds(1)
            _ = never.wait(seconds: min(left, 0.1)) { _ in nil as Bool? }
        }
    }
}
