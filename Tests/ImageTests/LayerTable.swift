/// Each rule of image-spec's layer.md, of the archives that builders write, and each attack on them, with the tests that hold it.
/// `cases` of JudgeTests are unpacked by umoci and podman, too, and must come out the same but for `differences`.
enum LayerTable {
    static let rows: [(rule: String, tests: [String])] = text.split(separator: "\n").map { line in
        let columns = line.split(separator: "|")
        return (
            columns[0].trimmed,
            (columns.count > 1 ? columns[1] : "").split(separator: " ").map(String.init)
        )
    }

    private static let text = """
        RULES
        a directory over a directory takes its attributes and merges         | DifferentialTests.twoLayers JudgeTests.layerCase
        any other pair: the last one stands                                   | DifferentialTests.twoLayers JudgeTests.layerCase LayerRuleTests.lowerLinkTwice
        .wh.X hides X of lower layers alone, in any order, of any type        | DifferentialTests.twoLayers JudgeTests.layerCase
        .wh. of nothing, of . and of .. are refused                           | AttackTests.refusal
        .wh..wh..opq hides lower siblings alone, in any order                 | DifferentialTests.twoLayers JudgeTests.layerCase
        .wh..wh.* are AUFS's leftovers; hard links may mean those in plnk     | JudgeTests.layerCase
        an entry below a name of a whiteout is refused                        | AttackTests.refusal
        a whiteout is a device 0:0, an opaque directory has an attribute      | UserFormTests.userForm UserFormTests.mounted
        no whiteout in an opaque directory, or below another whiteout         | JudgeTests.layerCase
        no whiteout where it hides nothing                                    | LowerLinkTests.whiteout LayerRuleTests.whiteoutsAreBound
        a whiteout and an entry below it: an opaque directory                 | JudgeTests.layerCase LayerRuleTests.severedDirectory
        whiteouts below what the layer replaced mean nothing                  | LayerRuleTests.blockedWhiteouts
        attributes are trusted.overlay for root, user.overlay for users       | UserFormTests.userForm UserFormTests.mounted
        trusted.*, user.overlay.*, labels of an image are never applied       | AttackTests.forgedAttributes
        implied parents: 0755, or as the lower layer has them                 | DifferentialTests.fourLayers JudgeTests.layerCase LayerRuleTests.umaskIsNothing
        implied parents of hard links and symbolic links, too                 | JudgeTests.layerCase
        an implied parent that is a link below is written through             | LowerLinkTests.whiteout LowerLinkTests.opaque JudgeTests.layerCase
        an explicit directory takes the place of a link below                 | JudgeTests.layerCase
        hard links: names from the root, parents resolved within it           | JudgeTests.layerCase
        a hard link to a symbolic link is to the link itself                  | JudgeTests.layerCase
        a hard link to a lower file gets a copy that both names share         | LayerRuleTests.lowerLinks DifferentialTests.fourLayers LowerLinkTests.sparse
        a hard link before its target is refused                              | AttackTests.refusal
        attributes of a hard link's entry are its target's                    | LayerRuleTests.hardLinkAttributes JudgeTests.layerCase
        owner, then attributes, then mode, then time                          | JudgeTests.layerCase
        directories' times after everything, the deepest first                | JudgeTests.layerCase LayerRuleTests.settledDirectories
        times from 1970 to 2^62, with nanoseconds                             | JudgeTests.layerCase TarReaderTests.numbers TarReaderTests.times
        the umask is nothing                                                  | LayerRuleTests.umaskIsNothing
        file capabilities, with their zero bytes, after the owner             | JudgeTests.layerCase
        capabilities that cannot be set are left out and said                 | UserFormTests.ordinaryUser
        owners are numbers, whatever uname says                               | JudgeTests.layerCase
        without root: everything the user's, and the owner recorded           | UserFormTests.owners UserFormTests.ordinaryUser
        with subordinate ids: theirs on the disk, the others' recorded        | OwnerTests.seenAsTheirs OwnerTests.givenBack OwnerTests.damage OwnerTests.killed
        layers of one grant are never taken for those of another              | OwnerTests.notGranted OwnerTests.rootOfANamespace
        devices: their numbers checked; without root left out and said        | JudgeTests.layerCase AttackTests.refusal UserFormTests.ordinaryUser
        pipes are made; sockets cannot be in an archive                       | JudgeTests.layerCase
        sparse files, holes as holes, the map bounded                         | TarReaderTests.sparse LayerRuleTests.oldSparse AttackTests.refusal
        the root's own entry gives mode and owner, and is a directory         | LayerRuleTests.rootEntry AttackTests.refusal
        names are bytes                                                       | JudgeTests.layerCase TarReaderTests.names
        set-user-ID, set-group-ID and sticky stay                             | JudgeTests.layerCase TarReaderTests.numbers
        a name twice: the last one counts                                     | JudgeTests.layerCase LayerRuleTests.lowerLinkTwice
        a layer that depends on those below is bound to them                  | LayerRuleTests.whiteoutsAreBound
        FORMATS
        v7, ustar with prefix, GNU L and K, star, PAX                         | TarReaderTests.names JudgeTests.layerCase
        base-256 numbers, also negative ones                                  | TarReaderTests.numbers AttackTests.refusal JudgeTests.layerCase
        GNU sparse: old with extensions, 0.0, 0.1, 1.0                        | TarReaderTests.sparse LayerRuleTests.oldSparse
        GNU D is a directory, V a label, M and others are refused             | TarReaderTests.dumps AttackTests.refusal
        PAX path, linkpath, size, uid, gid, mtime, xattr                      | TarReaderTests.names JudgeTests.layerCase
        LIBARCHIVE.xattr, in base 64                                          | TarReaderTests.libarchiveAttributes
        PAX size decides what is read and what is skipped                     | TarReaderTests.paxSize
        malformed records are refused                                         | TarReaderTests.malformedPax TarReaderTests.times
        global records stand until another, an empty value takes one away     | TarReaderTests.numbers JudgeTests.layerCase
        two zero blocks end it; one alone is refused                          | JudgeTests.layerCase TarReaderTests.damaged LayerRuleTests.empty
        what follows the end is hashed                                        | JudgeTests.layerCase DecompressionTests.behindTheEnd
        checksums signed or unsigned                                          | JudgeTests.layerCase TarReaderTests.damaged
        a name that ends in / is a directory; type 7 is a file                | JudgeTests.layerCase
        no end, a cut, a damaged header                                       | TarReaderTests.damaged LayerRuleTests.empty
        gzip of any number of members, with padding; zstd of any of frames    | DecompressionTests.gzip DecompressionTests.header DecompressionTests.zstd
        ATTACKS
        ../x, a/../../x, /x, //x                                              | AttackTests.refusal AttackTests.containment
        a link and a write through it: relative, absolute, chained            | AttackTests.containment LowerLinkTests.escape
        absolute links within the image work                                  | JudgeTests.layerCase
        hard links out of the layer, through links, to links                  | AttackTests.refusal AttackTests.containment
        the root replaced                                                     | AttackTests.refusal
        whiteouts that lead out                                               | AttackTests.refusal AttackTests.containment
        chmod, chown and utimes through a link                                | AttackTests.containment
        devices and set-user-ID                                               | AttackTests.refusal AttackTests.forgedWhiteout UserFormTests.userForm
        sizes that disagree                                                   | TarReaderTests.paxSize
        huge headers, names, attributes                                       | AttackTests.refusal
        sparse maps without end, out of order, of 8 EiB                       | AttackTests.refusal
        bombs: bytes, entries, windows, layers compressed twice               | DecompressionTests.bomb DecompressionTests.window LayerRuleTests.entries AttackTests.refusal
        the same layer twice, many layers, empty ones                         | LayerRuleTests.empty DocumentTests.refused
        names with newlines, colons, commas and backslashes                   | JudgeTests.layerCase
        trees too deep for descriptors or paths                               | LayerRuleTests.deepTree AttackTests.refusal
        directories replaced without end                                      | LayerRuleTests.replacedAgain
        an owner that chown(2) takes for none                                 | AttackTests.refusal
        """

    /// What another makes otherwise of a case, and why ours stands.
    struct Difference: Sendable {
        let layers: String
        let judge: Judge
        /// The names that differ; `everything` where it cannot make use of the image.
        let paths: Set<String>
        let why: String

        init(_ layers: String, _ judge: Judge, _ paths: Set<String>, _ why: String) {
            (self.layers, self.judge, self.paths, self.why) = (layers, judge, paths, why)
        }
    }
    static let everything: Set = ["*"]

    /// umoci 0.4.7 unpacks layers over each other, podman 4.3.1 each alone and below an overlay, as we do.
    static let differences: [Difference] = [
        Difference(
            "whiteouts in any order", .podman, everything,
            "it makes the whiteout where the entry is already, and fails: layer.md has any order"),
        Difference(
            "an entry below a whiteout that hides its directory", .podman, everything,
            "it takes the whiteout for the directory; umoci does as we do"),
        Difference(
            "whiteouts below whiteouts and marks", .podman, everything,
            "it leaves whiteouts in opaque directories, which are listed and cannot be opened"),
        Difference(
            "leftovers of AUFS", .umoci, plnk,
            "it knows no directory of AUFS; layer.md reserves the names"),
        Difference(
            "leftovers of AUFS", .podman, plnk,
            "its overlay keeps the directory; Docker keeps the files and drops it, as we do"),
        Difference(
            "implied parents", .podman, ["a", "a/b", "tmp"],
            "it gives them 0755 and hides what the lower layer says: a /tmp that nobody may use"),
        Difference(
            "parents that are links below", .podman,
            ["lib", "lib64", "lib/y", "lib64/z", "usr/lib/y", "usr/lib/z"],
            "it hides the links by directories; umoci and Docker write through them, as we do"),
        Difference(
            "hard links to lower layers", .podman, everything,
            "it cannot link across layers; umoci can"),
        Difference(
            "times of directories", .podman, everything,
            "the same: one of the links is to a lower layer"),
        Difference(
            "a hard link that says otherwise", .umoci, ["file", "link"],
            "it passes over what a hard link's entry says; Docker and podman do not"),
        Difference(
            "a contiguous file", .umoci, everything, "it refuses type 7, which POSIX has as a file"),
        Difference("a contiguous file", .podman, everything, "the same"),
        Difference(
            "times before 1970", .umoci, ["negative"],
            "it sets them; Docker and podman make them 0, as we do"),
        Difference(
            "global headers", .umoci, everything, "it takes the header for an entry and refuses it"),
        Difference(
            "global headers", .podman, everything,
            "it refuses two global headers of one name; POSIX has as many as one likes"),
        Difference(
            "the same name twice", .podman, everything,
            "it refuses them, as layer.md lets it; umoci and Docker have the last one stand"),
    ]
    private static let plnk: Set = [".wh..wh.plnk", ".wh..wh.plnk/12.34", "a", "b"]
}

extension Substring {
    fileprivate var trimmed: String {
        String(self).split(separator: " ").joined(separator: " ")
    }
}
