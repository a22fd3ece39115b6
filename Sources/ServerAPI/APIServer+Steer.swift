internal import Hummingbird
internal import JobModel
internal import JobServer

/// What its user changes of a job while it goes on, and what it is by now.
extension APIServer {
    static func addSteering(
        _ v1: RouterGroup<BasicRequestContext>, _ jobs: JobServer
    ) {
        v1.get("jobs/:id/spec") { _, context in
            try JSONReply(try await jobs.spec(try Self.job(context)))
        }
        v1.post("settings") { request, _ in
            let body: SettingsRequest = try await Self.body(request)
            return try JSONReply(try await jobs.set(body.jobs, body.settings))
        }
        v1.post("resume") { request, _ in
            try JSONReply(try await jobs.resume(try await Self.body(request)))
        }
        v1.post("steer") { request, _ in
            let body: SteeringRequest = try await Self.body(request)
            return try JSONReply(try await jobs.steer(body.jobs, body.steering))
        }
    }
}
