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
            try pace.block { [self, seams, pace] in
                let result: Result<StoredImage, ImageError>
                do throws(ImageError) {
                    result = .success(
                        try seams.fetchImage(reference) { progress in
                            pace.start { await self.progressed(reference, progress) }
                        })
                } catch { result = .failure(error) }
                pace.start { await self.fetched(reference, result) }
            }
        } catch {
            failed(fetching.removeValue(forKey: reference) ?? [], error)
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

    private func failed(_ ids: [JobID], _ error: any Error) {
        for id in ids { inbox.post(.event(.imageFailed(id, reason: "\(error)", .waiting))) }
    }

    /// Has the image stay where it is for as long as these jobs need it, on a thread of its own: a removal may have to be waited
    /// for. Where one came first, the image is fetched again.
    private func hold(_ image: StoredImage, for ids: [JobID]) {
        do {
            try pace.block { [self, seams, pace] in
                for id in ids {
                    do throws(ImageError) {
                        guard try seams.holdImage(image, id) else {
                            pace.start { await self.fetchImage(of: id) }
                            continue
                        }
                        pace.start { await self.ready([id], .success(image)) }
                    } catch {
                        pace.start { await self.ready([id], .failure(error)) }
                    }
                }
            }
        } catch { failed(ids, error) }
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
        // Of what has no digest the store has nothing.
        if case .success(let image) = result, image.digest != nil { return hold(image, for: ids) }
        ready(ids, result)
    }

    private func ready(_ ids: [JobID], _ result: Result<StoredImage, ImageError>) {
        var events: [ServerEvent] = []
        for id in ids {
            switch result {
            case .success(let image):
                // It may have been cancelled meanwhile.
                guard state.job(id)?.isFinal == false else {
                    seams.releaseImage(id)
                    continue
                }
                roots[id] = .layers(image.layers, image.process)
                images[id] = image
                events.append(.imageReady(id, digest: image.digest))
            case .failure(let error):
                note("the image of job \(id) failed: \(error)")
                events.append(.imageFailed(id, reason: "\(error)", ImageFailure(error)))
            }
        }
        apply(events)
        for id in ids { runWaiting(id) }
    }
}

extension ImageFailure {
    init(_ error: ImageError) {
        switch error.kind {
        case .malformed, .notFound, .denied, .corrupt, .hostile, .unsupported, .cancelled:
            self = .permanent
        case .unreachable, .registry, .system: self = .passing
        case .rateLimited, .diskFull, .inUse: self = .waiting
        }
    }
}
