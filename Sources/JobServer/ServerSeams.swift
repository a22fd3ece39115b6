internal import Glibc
internal import ImageStore
internal import JobModel
internal import Layers
internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Registry

/// The doors to the world that tests put something else behind: every effect that leaves the server goes through one of them.
struct ServerSeams: Sendable {
    /// Who opens a line: the database that a server has, and which opening of it this is.
    struct Head: Sendable {
        var identity: String
        var epoch: Int64
    }

    /// Time and threads.
    var pace = ServerPace()
    /// Opens a line to a node's agent, nil being this machine's; what comes is delivered in order, on a thread of the line's
    /// own.
    var openNode:
        @Sendable (
            NodeSpec?, _ head: Head, _ deliver: @escaping @Sendable (NodeLine.Event) -> Void
        ) throws -> NodeLine
    /// Brings what the tasks of another machine leave; nil where that machine writes it here itself.
    var bringFiles:
        @Sendable (
            _ place: @escaping @Sendable (AttemptID) -> String,
            _ deliver: @escaping @Sendable ([ExitRecord]) -> Void,
            _ held: @escaping @Sendable (String?) -> Void
        ) throws(SystemError) -> NodeFiles? = { place, deliver, held throws(SystemError) in
            try NodeFiles(place: place, deliver: deliver, held: held)
        }
    /// Brings what a job needs to another machine. Blocks, and tells how far it is.
    var supply:
        @Sendable (SupplyDelivery, _ tell: @escaping @Sendable (SupplyNews) -> Void)
            throws(SupplyError) -> NodeSupplies = { _, _ throws(SupplyError) in
                throw SupplyError(.unfit, "there is nothing to bring")
            }
    /// Brings an image in. Blocks, and tells how far it is.
    var fetchImage:
        @Sendable (String, _ progress: @escaping @Sendable (PullProgress) -> Void)
            throws(ImageError) -> StoredImage
    /// Keeps an image where it is for a job; false where something of it has gone meanwhile. Blocks.
    var holdImage: @Sendable (StoredImage, JobID) throws(ImageError) -> Bool = { _, _ in true }
    /// Starts a sampler, and tells what it says on a thread of its own.
    var openSampler:
        @Sendable (
            ExternalSampler, _ log: String, _ tell: @escaping @Sendable (SamplerLine.Event) -> Void
        ) throws -> SamplerLine = { sampler, log, tell in
            let process = try SamplerProcess(sampler, log: log, tell: tell)
            return SamplerLine { process.send($0) }
        }
    /// Tells somebody of a job: what failed, in a sentence, or nil. Blocks.
    var notify: @Sendable (NotificationMessage) -> String? = { $0.send() }
    /// Gets the lines of the server's log; nil for where all logs go.
    var note: (@Sendable (String) -> Void)?
    /// Asked before each write to the database, whose completion is then passed through what it returns; nil once nothing is to be
    /// written any more.
    var saving:
        @Sendable () -> (@Sendable (_ completion: @escaping @Sendable () -> Void) -> Void)? = {
            { $0() }
        }
    /// Asked before each change of the jobs' directories; false once nothing is to be changed any more.
    var writesFolder: @Sendable () -> Bool = { true }
    /// Nothing of the job will be brought anywhere any more.
    var forgetMounts: @Sendable (JobID) -> Void = { _ in }
    var releaseImage: @Sendable (JobID) -> Void = { _ in }
    /// Releases the images of all other jobs.
    var holdNoImagesBut: @Sendable (Set<JobID>) -> Void = { _ in }

    /// `warn` gets what registries want people to know.
    static func local(_ directories: Directories, warn: @escaping @Sendable (String) -> Void)
        -> ServerSeams
    {
        // Credentials, proxies and certificates are those of whoever started the server.
        let read: Result<StoreSettings, ImageError>
        do throws(ImageError) {
            read = .success(try StoreSettings(environment: ProcessEnvironment.all()))
        } catch { read = .failure(error) }
        // What is wrong with them is said of every image that is asked for.
        var settings = (try? read.get()) ?? StoreSettings()
        settings.registry.warn = warn
        let images = ImageStore(dataDirectory: directories.data, settings: settings)
        let user: @Sendable (JobID) -> ImageUser = {
            .job($0.rawValue, stateDirectory: directories.state)
        }
        let programs: Result<AgentPrograms, SystemError>
        do throws(SystemError) { programs = .success(try AgentPrograms(directories)) } catch {
            programs = .failure(error)
        }
        let delivery = ImageDelivery(store: images, note: warn)
        let budgetText = ProcessEnvironment.all()["MARTLET_MOUNT_BUDGET"]
        let mountBudget = budgetText.flatMap(ByteSize.init)
        if let budgetText, mountBudget == nil {
            warn("MARTLET_MOUNT_BUDGET: '\(budgetText)' is no size such as 50GiB; none holds")
        }
        let mounts = MountDelivery(directories, budget: mountBudget?.bytes, warn: warn)
        let budget = ConnectionBudget()
        return ServerSeams(
            openNode: { spec, head, deliver in
                var hello = HeadHello.ofThisProcess(head: head.identity, epoch: head.epoch)
                guard let spec else {
                    return try NodeLine(
                        agentAt: directories.agentSocket, log: directories.run + "/agent.log",
                        hello: hello, deliver: deliver)
                }
                hello.lease = spec.leaseTime ?? 0
                if spec.takesOver == true { hello.takesOver = true }
                return try NodeLine(
                    OpenSSH(spec, programs: try programs.get(), budget: budget), hello: hello,
                    deliver: deliver)
            },
            supply: { supply, tell throws(SupplyError) in
                try supply.bring(delivery, mounts, tell)
            },
            fetchImage: { reference, progress throws(ImageError) in
                _ = try read.get()
                return try images.ensurePinned(reference, progress: progress)
            },
            holdImage: { image, id throws(ImageError) in
                try images.hold(image, for: user(id))
            },
            forgetMounts: { mounts.forget($0) },
            releaseImage: { images.release(user($0)) },
            holdNoImagesBut: { jobs in
                images.releaseJobs(of: directories.state, but: Set(jobs.map(\.rawValue)))
            })
    }
}
