internal import Layers
internal import OCISpec

extension ImageStore {
    /// Writes an image's root filesystem as one archive: what its layers show together, with hard links, file capabilities, the
    /// users' own attributes, and owners as the image has them. The image must be here. Blocks.
    public func export(
        _ reference: String, to place: ArchivePlace, options: PullOptions = PullOptions()
    ) throws(ImageError) {
        let use = try StoreUse(paths, form)
        defer { use.close() }
        var options = options
        options.policy = .never
        let image = try ensure(reference, options: options)
        let output = try ArchiveOutput(place)
        try output.write { () throws(ImageError) in
            try writing(image.reference) { () throws(LayerError) in
                let tar = TarWriter(descriptor: output.descriptor)
                let records = form == .user ? try records(image, use) : []
                let export = RootExport(
                    tar, records, form: form, isCancelled: options.isCancelled)
                try MergedWalk(layers: image.layers, form: form).run {
                    node throws(LayerError) in try export.add(node)
                }
                try tar.finish()
            }
        }
    }

    /// What each layer's files alone do not say where they are all the user's: read off the blobs. Of a layer whose blob is not
    /// here nothing is known.
    private func records(_ image: StoredImage, _ use: StoreUse) throws(LayerError)
        -> [LayerRecord]
    {
        guard let record = references.get(image.reference), let known = known(record),
            let paths = unpacked(known)
        else { return [] }
        var records: [LayerRecord] = []
        for path in image.layers {
            guard let index = paths.lastIndex(of: path) else { return [] }
            let layer = known.manifest.layers[index]
            let blob = blobs.open(layer.digest, size: layer.size)
            records.append(
                try LayerRecord(blob, layer.size, expansion, keepingIn: use.temporary("kept")))
        }
        return records
    }
}
