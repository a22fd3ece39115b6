public import JobModel

/// What is to be different of jobs.
public struct SettingsRequest: Sendable, Codable {
    public var jobs: [JobID]
    public var settings: [JobSetting]
    public init(_ jobs: [JobID], _ settings: [JobSetting]) {
        self.jobs = jobs
        self.settings = settings
    }
}

public struct SteeringRequest: Sendable, Codable {
    public var jobs: [JobID]
    public var steering: JobSteering
    public init(_ jobs: [JobID], _ steering: JobSteering) {
        self.jobs = jobs
        self.steering = steering
    }
}

extension APIClient {
    /// The jobs as they are then.
    public func set(_ request: SettingsRequest) throws -> [JobSummary] {
        try ask("/settings", request)
    }
    public func resume(_ request: ResumeRequest) throws -> ResumeReply {
        try post("/resume", request)
    }
    public func steer(_ request: SteeringRequest) throws -> [JobSummary] {
        try ask("/steer", request)
    }
}
