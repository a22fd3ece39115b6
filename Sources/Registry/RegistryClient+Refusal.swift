internal import CCurl
internal import FoundationEssentials

extension RegistryClient {
    /// What a status that is no success means, in words that say what to do.
    static func refusal(
        _ response: HTTPResponse, _ call: RepositoryRequest, url: URLParts, isKnown: Bool
    ) -> RegistryError {
        let told = ErrorBody.read(response.body)
        let repository = "\(call.domain)/\(call.repository)"
        func error(_ kind: RegistryError.Kind, _ reason: String, _ hint: String? = nil)
            -> RegistryError
        {
            RegistryError(
                kind, call.method, url.shown, reason + (told.map { " (\($0))" } ?? ""), hint: hint,
                retryAfter: retryAfter(response))
        }
        switch response.status {
        case 401:
            return isKnown
                ? error(
                    .unauthorized, "access to \(repository) was refused",
                    "the name may be misspelt, or these credentials may not \(call.access == .push ? "write" : "read") it"
                )
                : error(
                    .unauthorized,
                    "\(repository) does not exist, or may not be read without logging in",
                    "check the spelling, or: martlet login \(call.domain)")
        case 403:
            return error(
                .forbidden, "access to \(repository) is forbidden",
                isKnown
                    ? "these credentials are good, but not for this: ask its owner"
                    : "ask its owner, or: martlet login \(call.domain)")
        case 404:
            return error(
                .notFound, "there is no such thing in \(repository)", "check the name and the tag")
        case 429: return rateLimit(response, call.method, url, "the registry's", told)
        case 300..<400: return error(.malformed, "it redirects nowhere (status \(response.status))")
        default:
            return error(
                .status(response.status), "the registry answered with status \(response.status)")
        }
    }

    /// 429: whose limit it is, what is left of it, and when it may be tried again.
    static func rateLimit(
        _ response: HTTPResponse, _ step: String, _ url: URLParts, _ whose: String,
        _ told: String? = nil
    ) -> RegistryError {
        let limit = RateLimit(response)
        let seconds = retryAfter(response) ?? limit?.wait
        let left = limit.map { ": \($0)" } ?? ""
        let wait = seconds.map { "try again in \(RateLimit.span($0))" } ?? "try again later"
        return RegistryError(
            .rateLimited(retryAfter: seconds), step, url.shown,
            "\(whose) rate limit is reached\(left)" + (told.map { " (\($0))" } ?? ""),
            hint: "\(wait), or log in for a higher limit", retryAfter: seconds)
    }

    /// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3).
    static func retryAfter(_ response: HTTPResponse) -> Int? {
        guard let text = response.header("retry-after") else { return nil }
        if let seconds = Int(text) { return max(0, seconds) }
        let date = curl_getdate(text, nil)
        let now = Int(Date().timeIntervalSince1970)
        return date < 0 ? nil : max(0, date - now)
    }
}

/// distribution-spec, "Error Codes".
private struct ErrorBody: Decodable {
    struct Entry: Decodable {
        var code: String?
        var message: String?
    }
    var errors: [Entry]?
    var details: String?

    /// The registry's own words, on one line and not too many of them; nil for an HTML page of some proxy.
    static func read(_ bytes: [UInt8]) -> String? {
        // Anything may stand there.
        guard let body = try? JSONDecoder().decode(ErrorBody.self, from: Data(bytes)) else {
            return nil
        }
        let words = body.errors?.compactMap { entry in
            [entry.code, entry.message].compactMap { $0 }.joined(separator: ": ")
        }
        let text = (words.map { $0.joined(separator: "; ") } ?? body.details ?? "").prefix(300)
        let printable = text.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }
        return printable.isEmpty ? nil : String(String.UnicodeScalarView(printable))
    }
}
