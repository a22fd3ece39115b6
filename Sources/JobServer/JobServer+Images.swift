internal import ImageStore
internal import JobModel
internal import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Scheduling

extension JobServer {
    /// Brings a job's image in on a thread of its own; jobs that want the same one wait for the same fetch.
    func fetchImage(of id: JobID) {
        guard let job = state.job(id) else { return }
        let reference = Self.pinned(job.spec.image, job.digest)
        fetching[reference, default: []].append(id)
        guard fetching[reference]?.count == 1 else { return }
        do {
            try BackgroundThread.run { [self, seams] in
                let result: Result<StoredImage, ImageError>
                do throws(ImageError) {
                    result = .success(
                        try seams.fetchImage(reference) { progress in
                            Task { await self.progressed(reference, progress) }
                        })
                } catch { result = .failure(error) }
                Task { await self.fetched(reference, result) }
            }
        } catch {
            let failed = fetching.removeValue(forKey: reference) ?? []
            for id in failed {
                inbox.post(.event(.imageFailed(id, reason: "\(error)", .waiting)))
            }
        }
    }

    private func progressed(_ reference: String, _ progress: PullProgress) {
        // Told late, it is over.
        guard let ids = fetching[reference], progress.phase != .done else { return }
        pulls[reference] = progress
        for id in ids { publish(id) }
    }

    /// How far the fetch of a job's image is, in a sentence; nil while there is none.
    func pullText(of job: JobRecord) -> String? {
        let reference = Self.pinned(job.spec.image, job.digest)
        guard fetching[reference]?.contains(job.id) == true else { return nil }
        return pulls[reference]?.description
    }

    /// What was resolved once stays: later attempts run what the first ones ran.
    private static func pinned(_ reference: String, _ digest: String?) -> String {
        // A digest of another kind cannot be asked for by name, and a path has none.
        guard let digest = digest.flatMap({ Digest($0) }),
            let parsed = try? ImageReference(reference)
        else { return reference }
        return parsed.pinned(to: digest).description
    }

    private func fetched(_ reference: String, _ result: Result<StoredImage, ImageError>) {
        let ids = fetching.removeValue(forKey: reference) ?? []
        pulls.removeValue(forKey: reference)
        var events: [ServerEvent] = []
        for id in ids {
            switch result {
            case .success(let image):
                roots[id] = .layers(image.layers, image.process)
                events.append(.imageReady(id, digest: image.digest))
            case .failure(let error):
                note("the image of job \(id) failed: \(error)")
                events.append(.imageFailed(id, reason: "\(error)", ImageFailure(error)))
            }
        }
        apply(events)
        for id in ids { runRootless(id) }
    }
}

extension ImageFailure {
    init(_ error: ImageError) {
        switch error.kind {
        case .malformed, .notFound, .denied, .corrupt, .hostile, .unsupported, .cancelled:
            self = .permanent
        case .unreachable, .registry, .system: self = .passing
        case .rateLimited, .diskFull: self = .waiting
        }
    }
}
