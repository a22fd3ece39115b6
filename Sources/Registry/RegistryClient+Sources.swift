internal import OCISpec
internal import Threads

extension RegistryClient {
    /// Reads from the first of an image's places that has it: its mirrors in their order, then its registry
    /// (containers-registries.conf(5)). Each is asked with its own credentials, or none.
    func read<R>(
        _ reference: ImageReference, _ body: (RepositorySource) throws(RegistryError) -> R
    ) throws(RegistryError) -> R {
        var sources = try configuration.get().sources(of: reference)
        var registry = sources.removeLast()
        registry.isInsecure = registry.isInsecure || insecure
        var failures: [String] = []
        for mirror in sources where !failedMirrors.quietly({ $0.contains(mirror) }) {
            do throws(RegistryError) {
                return try body(mirror)
            } catch {
                // It is ourselves who cannot go on.
                if error.isOurs { throw error }
                failures.append("\(mirror.reference.domain): \(error.reason)")
                failedMirrors.quietly { _ = $0.insert(mirror) }
            }
        }
        do throws(RegistryError) {
            return try body(registry)
        } catch {
            guard !failures.isEmpty, !error.isOurs else { throw error }
            throw error.adding("its mirrors failed, too (\(failures.joined(separator: "; ")))")
        }
    }

    /// A request to the very place that a reference names, with what the configuration allows there.
    func permitted(_ call: RepositoryRequest) throws(RegistryError) -> RepositoryRequest {
        guard call.isInsecure == nil else { return call }
        var call = call
        // A name that came from a reference is one.
        let reference = try? ImageReference("\(call.domain)/\(call.repository)")
        if let reference {
            call.isInsecure = try configuration.get().isInsecure(reference) || insecure
        }
        return call
    }
}
