internal import Layers
internal import OCISpec

/// Where `image copy` takes an image from, or puts it, as it is typed; the words are those of skopeo.
enum ImagePlace: Sendable, Hashable {
    case registry(ImageReference)
    /// `oci:PATH[:TAG]`
    case layout(path: String, tag: String?)
    /// `oci-archive:PATH[:NAME]`
    case ociArchive(path: String, name: String?)
    /// `docker-archive:PATH[:NAME]`
    case dockerArchive(path: String, name: ImageReference?)

    init(_ text: String) throws(ImageError) {
        let scheme = text.prefix { $0 != ":" }
        let rest = text.dropFirst(scheme.count + 1)
        let path = String(rest.prefix { $0 != ":" })
        let label = rest.count > path.count ? String(rest.dropFirst(path.count + 1)) : nil
        switch scheme {
        case "docker" where rest.hasPrefix("//"):
            self = .registry(try ImageStore.parse(String(rest.dropFirst(2))))
        case "oci", "oci-archive", "docker-archive":
            guard !path.isEmpty, label != "" else {
                throw ImageError(
                    .malformed, "copy", text, "write \(scheme):PATH, or \(scheme):PATH:NAME")
            }
            switch scheme {
            case "oci": self = .layout(path: path, tag: label)
            case "oci-archive": self = .ociArchive(path: path, name: label)
            default:
                self = .dockerArchive(
                    path: path,
                    name: try label.map { text throws(ImageError) in try ImageStore.parse(text) })
            }
        default: self = .registry(try ImageStore.parse(text))
        }
    }
}
