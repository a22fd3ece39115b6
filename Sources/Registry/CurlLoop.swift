internal import CCurl
internal import Threads

/// The one thread that drives libcurl's multi handle for the whole process, and so shares its connections.
final class CurlLoop: @unchecked Sendable {
    // @unchecked: `multi` is used by its own thread, but for curl_multi_wakeup, which libcurl allows from any; `active` by
    // its own thread alone.
    static let shared = CurlLoop()

    private enum Command: Sendable {
        case start(Transfer)
        case cancel(Transfer)
    }
    private let multi: UnsafeMutableRawPointer?
    private let commands = Monitor<[Command]>([])
    private let isStarted = Monitor(false)
    private var active: [ObjectIdentifier: (transfer: Transfer, easy: UnsafeMutableRawPointer)] =
        [:]

    private init() {
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        multi = curl_multi_init()
        guard let multi else { return }
        mcurl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
    }

    /// Whether the thread runs, started where it does not yet: a moment without threads to be had is no end.
    private func isRunning() -> Bool {
        isStarted.withLock { isStarted in
            if !isStarted { isStarted = (try? WorkerThread("curl") { self.run() }) != nil }
            return isStarted
        }
    }

    /// Runs the transfer to its end. Blocks. `isCancelled` is asked ten times a second.
    func perform(_ transfer: Transfer, isCancelled: () -> Bool) -> TransferResult {
        guard let multi, isRunning() else {
            return TransferResult(
                code: CURLE_FAILED_INIT, response: HTTPResponse(), message: "", exceededLimit: false
            )
        }
        post(.start(transfer), multi)
        var isTold = false
        while true {
            if let result = transfer.result.wait(seconds: 0.1, { $0 }) { return result }
            if !isTold, isCancelled() {
                isTold = true
                post(.cancel(transfer), multi)
            }
        }
    }

    private func post(_ command: Command, _ multi: UnsafeMutableRawPointer) {
        commands.withLock { $0.append(command) }
        curl_multi_wakeup(multi)
    }

    private func run() {
        guard let multi else { return }
        while true {
            let todo = commands.quietly { commands in
                defer { commands = [] }
                return commands
            }
            for command in todo {
                switch command {
                case .start(let transfer): start(transfer, multi)
                case .cancel(let transfer): end(transfer, CURLE_ABORTED_BY_CALLBACK, multi)
                }
            }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            finishDone(multi)
            curl_multi_poll(multi, nil, 0, 1000, nil)
        }
    }

    private func start(_ transfer: Transfer, _ multi: UnsafeMutableRawPointer) {
        guard let easy = transfer.makeHandle() else { return transfer.finish(CURLE_OUT_OF_MEMORY) }
        active[ObjectIdentifier(transfer)] = (transfer, easy)
        if curl_multi_add_handle(multi, easy) != CURLM_OK {
            end(transfer, CURLE_FAILED_INIT, multi)
        }
    }

    private func end(_ transfer: Transfer, _ code: CURLcode, _ multi: UnsafeMutableRawPointer) {
        guard let (transfer, easy) = active.removeValue(forKey: ObjectIdentifier(transfer)) else {
            return
        }
        curl_multi_remove_handle(multi, easy)
        curl_easy_cleanup(easy)
        transfer.finish(code)
    }

    private func finishDone(_ multi: UnsafeMutableRawPointer) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            var easy: UnsafeMutableRawPointer?
            var code = CURLE_OK
            guard mcurl_done(message, &easy, &code), let easy else { continue }
            var context: UnsafeMutableRawPointer?
            mcurl_get_pointer(easy, CURLINFO_PRIVATE, &context)
            guard let context else { continue }
            end(Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue(), code, multi)
        }
    }
}
