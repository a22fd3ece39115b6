import Foundation

/// Each rule of pushing (distribution-spec "Push", and what registries make of it), with the tests that hold it.
enum PushTable {
    static let rows: [(rule: String, tests: [String])] = text.split(separator: "\n").map { line in
        let columns = line.split(separator: "|")
        return (
            columns[0].trimmingCharacters(in: .whitespaces),
            (columns.count > 1 ? columns[1] : "").split(separator: " ").map(String.init)
        )
    }

    private static let text = """
        HEAD before anything: what is there is not sent                  | PushTests.present ImagePushTests.order
        mount=digest and from=repository, of the same registry           | PushTests.mounted ImagePushTests.lends LivePushTests.mounts
        202 to a mount: the upload that it opened is used                | PushTests.mountOpensUpload LivePushTests.mounts
        a refused mount: the blob is sent                                | PushTests.refusedMount
        a mount's token is good for both repositories                    | PushTests.mountToken
        the upload's Location absolute, by path or relative              | PushTests.locations
        the Location is never rebuilt, only added to                     | PushTests.locations
        a Location on another host gets no credentials                   | PushTests.otherHost
        307 and 308 take the body along, to another host no credentials  | PushTests.redirected
        one PUT with Content-Length                                      | PushTests.monolithic PushTests.emptyBlob
        a small blob in the POST; 202 means that a PUT is wanted         | PushTests.smallBlobs
        chunks of OCI-Chunk-Min-Length or more, where it is asked for    | PushTests.chunks
        Content-Range without a unit, in order, one after the other      | PushTests.chunks
        each chunk to the Location of the answer before                  | PushTests.chunks
        413 to all at once: chunks, smaller ones after each refusal      | PushTests.tooLarge PushTests.noChunk
        416: the registry is asked for the offset, and believed          | PushTests.outOfPlace PushTests.contradiction
        after a cut: the registry is asked, and what it has is not sent  | PushTests.cut
        an upload that it has forgotten is begun anew, HEAD first        | PushTests.forgotten PushTests.ranOut PushTests.lostAnswer
        what stands still is broken off; an answer may take its time     | PushTests.standsStill PushTests.slowAnswer
        a wrong digest is an error at once                               | PushTests.wrongDigest
        configuration and layers, then the manifest, then the index      | ImagePushTests.order ImagePushTests.index
        Content-Type of a manifest is its media type                     | ImagePushTests.order ImagePushTests.index
        nothing is named where a part is missing                         | ImagePushTests.failure
        base layers byte for byte as they came                           | ImagePushTests.order LivePushTests.mounts LivePushTests.others
        foreign layers are never sent                                    | ImagePushTests.foreign
        all platforms of a whole index, else the one that is here        | ImagePushTests.index ImagePushTests.partialIndex
        layers are gzip, as every engine reads it                        | LiveRegistryTests.importAndPush ArchiveTests.skopeoReads
        """
}
