internal import Foundation
internal import Hummingbird
internal import JobModel
public import JobServer
internal import Logging
internal import NIOCore
internal import ServiceLifecycle

/// The HTTP side of one `JobServer`.
public struct APIServer: Sendable {
    private let jobs: JobServer
    private let socketPath: String
    private let stop: AsyncStream<Bool>.Continuation
    private let stops: AsyncStream<Bool>

    /// - Parameter socketPath: in a directory of mode 0700; a socket left there by a dead server is replaced.
    public init(jobs: JobServer, socketPath: String) {
        self.jobs = jobs
        self.socketPath = socketPath
        (stops, stop) = AsyncStream.makeStream()
    }

    /// Serves until a client asks for the end, and returns whether the nodes' tasks are to end, too.
    public func run(onListening: @escaping @Sendable () async -> Void) async throws -> Bool {
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: ErrorReports())
        addRoutes(router)
        var logger = Logger(label: "http")
        logger.logLevel = .error
        let application = Application(
            router: router,
            server: .http1(configuration: .init(additionalChannelHandlers: [PeerCheck()])),
            configuration: .init(
                address: .unixDomainSocket(path: socketPath), serverName: "martlet"),
            onServerRunning: { _ in await onListening() }, logger: logger)
        var configuration = ServiceGroupConfiguration(services: [application], logger: logger)
        configuration.maximumGracefulShutdownDuration = Self.patience
        let services = ServiceGroup(configuration: configuration)
        async let stopNodes = stop(services)
        try await services.run()
        stop.finish()
        return await stopNodes
    }

    /// How long the end waits for requests under way.
    private static let patience: Duration = .seconds(5)

    /// Once a client has asked for it, lets every request be answered, that one too, and takes no further one.
    private func stop(_ services: ServiceGroup) async -> Bool {
        guard let stopNodes = await stops.first(where: { _ in true }) else { return false }
        await jobs.endWaiting()
        await services.triggerGracefulShutdown()
        return stopNodes
    }

    private func addRoutes(_ router: Router<BasicRequestContext>) {
        let jobs = jobs
        let v1 = router.group(RouterPath(ServerAPI.prefix))
        v1.get("status") { _, _ in try JSONReply(await jobs.status()) }
        v1.get("jobs") { _, _ in try JSONReply(await jobs.jobs()) }
        v1.post("jobs") { request, _ in
            try JSONReply(try await jobs.submit(try await Self.body(request)))
        }
        v1.post("specs") { request, _ in
            let body: SpecRequest = try await Self.body(request)
            return try JSONReply(try await jobs.submit(try body.submission()))
        }
        v1.get("jobs/:id") { _, context in
            try JSONReply(try await jobs.summary(try Self.job(context)))
        }
        v1.get("jobs/:id/results") { request, context in
            let (id, query) = (try Self.job(context), request.uri.queryParameters)
            let limit = query.get("limit", as: Int.self) ?? JobServer.largestPage
            if query.get("best", as: Bool.self) == true {
                return try JSONReply(try await jobs.bestResults(id, limit: limit))
            }
            return try JSONReply(
                try await jobs.results(
                    id, from: query.get("from", as: Int.self) ?? 0, limit: limit))
        }
        v1.get("jobs/:id/changes") { request, context in
            let query = request.uri.queryParameters
            return try JSONReply(
                try await jobs.waitForChange(
                    try Self.job(context), after: query.get("after", as: Int64.self) ?? 0,
                    milliseconds: min(30_000, query.get("wait", as: Int64.self) ?? 0)))
        }
        v1.post("ends") { request, _ in
            let body: EndsRequest = try await Self.body(request)
            return try JSONReply(
                try await jobs.waitForEnds(
                    body.jobs, count: body.count ?? body.jobs.count,
                    milliseconds: min(30_000, body.wait ?? 0)))
        }
        v1.get("report") { request, _ in
            let hours = request.uri.queryParameters.get("milliseconds", as: Int64.self)
            return try JSONReply(try await jobs.night(max(1, hours ?? 43_200_000)))
        }
        v1.get("events") { request, _ in
            try await EventExchange(jobs, request).response()
        }
        v1.get("jobs/:id/explanation") { request, context in
            try JSONReply(
                try await jobs.explain(
                    try Self.job(context),
                    index: request.uri.queryParameters.get("task", as: Int.self)))
        }
        v1.post("report") { request, _ in
            let body: ReportRequest = try await Self.body(request)
            if body.follow == true { try await jobs.follow(body.selection) }
            return try JSONReply(
                try await jobs.report(
                    body.selection, states: body.states, from: body.from ?? 0,
                    limit: body.limit ?? JobServer.largestPage))
        }
        v1.post("cancel") { request, _ in
            let body: SelectionRequest = try await Self.body(request)
            return try JSONReply(SelectionReply(counts: try await jobs.cancel(body.selections)))
        }
        v1.post("retry") { request, _ in
            let body: SelectionRequest = try await Self.body(request)
            let selections = try await jobs.narrow(
                body.selections, condition: body.condition, timedOut: body.timedOut ?? false)
            let counts =
                if let states = body.states {
                    try await jobs.retry(selections, states: states)
                } else {
                    try await jobs.retry(selections)
                }
            return try JSONReply(SelectionReply(counts: counts))
        }
        Self.addSteering(v1, jobs)
        v1.get("nodes") { _, _ in try JSONReply(await jobs.nodeStatus()) }
        v1.post("nodes") { request, _ in
            let body: NodesRequest = try await Self.body(request)
            try await jobs.addNodes(body.nodes)
            return try JSONReply(await jobs.nodeStatus())
        }
        v1.post("nodes/:name") { request, context in
            let raw = try context.parameters.require("name")
            let name = raw.removingPercentEncoding ?? raw
            let body: NodeRequest = try await Self.body(request)
            switch body.change {
            case .drain:
                try await jobs.drainNode(
                    name, reason: body.reason ?? "", requeue: body.force ?? false)
            case .undrain: try await jobs.undrainNode(name)
            case .remove: try await jobs.removeNode(name, force: body.force ?? false)
            }
            return try JSONReply(await jobs.nodeStatus())
        }
        v1.post("sessions") { request, _ in
            let body: SessionRequest = try await Self.body(request)
            return try JSONReply(SessionReply(session: try await jobs.openSession(body)))
        }
        v1.post("sessions/:id") { request, context in
            try await SessionExchange(jobs, try context.parameters.require("id", as: Int64.self))
                .response(to: request)
        }
        v1.post("shutdown") { [stop] request, _ in
            let body: ShutdownRequest = try await Self.body(request)
            // Tasks that are ended and could not be noted as queued again would be lost.
            if body.stopNodes { try await jobs.settle() }
            stop.yield(body.stopNodes)
            return try JSONReply(body)
        }
    }

    static func job(_ context: BasicRequestContext) throws -> JobID {
        JobID(try context.parameters.require("id", as: Int64.self))
    }

    /// A spec with its rows may be large; beyond this it is no spec.
    private static let largestBody = 256 << 20

    static func body<T: Decodable>(_ request: Request) async throws -> T {
        let buffer = try await request.body.collect(upTo: largestBody)
        do {
            return try JSONDecoder().decode(T.self, from: Data(buffer.readableBytesView))
        } catch {
            throw ErrorReport(
                error: "the request does not read: \(error)",
                hint: "client and server are of different versions; try `martlet server stop`")
        }
    }
}
