internal import Layers
internal import OCISpec

/// One name that differs.
public struct ImageChange: Sendable, Hashable, Codable {
    /// `A`dded, `C`hanged or `D`eleted, as docker diff has it.
    public var kind: String
    /// From `/`. Bytes that are no printable ASCII are escaped as `\xNN`.
    public var path: String
}

/// What one layer of an image changed.
public struct LayerChanges: Sendable, Hashable, Codable {
    /// Its diff id.
    public var layer: String
    public var changes: [ImageChange]
}

extension ImageStore {
    /// What each layer of an image changed on those below it, the lowest first. Blocks.
    public func diff(_ reference: String) throws(ImageError) -> [LayerChanges] {
        let image = try find(reference, to: "compare").image
        let tree = MergedTree()
        var result: [LayerChanges] = []
        for index in image.diffIDs.indices {
            var changes: [ImageChange] = []
            try apply(image, index, to: tree) { changes.append(ImageChange($0, $1)) }
            result.append(
                LayerChanges(layer: image.diffIDs[index].description, changes: changes))
        }
        return result
    }

    /// What is otherwise in the second image: names, content, modes, owners; times alone make no difference. Blocks.
    public func diff(_ first: String, _ second: String) throws(ImageError) -> [ImageChange] {
        let trees = (MergedTree(), MergedTree())
        for (reference, tree) in [(first, trees.0), (second, trees.1)] {
            let image = try find(reference, to: "compare").image
            for index in image.diffIDs.indices { try apply(image, index, to: tree) { _, _ in } }
        }
        var changes: [ImageChange] = []
        trees.0.compare(with: trees.1) { changes.append(ImageChange($0, $1)) }
        return changes
    }

    private func apply(
        _ image: ResolvedImage, _ index: Int, to tree: MergedTree, _ report: MergedTree.Report
    ) throws(ImageError) {
        guard let layer = layers.find(image.diffIDs, index) else {
            throw ImageError(
                .notFound, "compare", image.name, "its layer \(index + 1) is not unpacked",
                hint: "martlet image pull \(image.name)")
        }
        do throws(LayerError) {
            try tree.apply(layer: layer, form: form, report: report)
        } catch {
            throw error.imageError(layer: "layer \(index + 1) of \(image.name)")
        }
    }
}

extension ImageChange {
    fileprivate init(_ change: MergedTree.Change, _ path: [UInt8]) {
        self.init(kind: change.rawValue, path: "/" + LayerError.printable(path))
    }
}
