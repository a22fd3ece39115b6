import Foundation
import Testing

/// An account to which /etc/subuid and /etc/subgid grant ids, with a group of its own number.
struct SubordinateUser: Sendable {
    let name: String
    let uid: Int
    let first: Int
    let count: Int

    /// One that this process can become.
    static let any: SubordinateUser? = {
        let capabilityTools = ["setcap", "getcap"].map { "/usr/sbin/" + $0 }
        guard Machine.isRoot, Machine.has("newuidmap", "newgidmap", "setpriv"),
            capabilityTools.allSatisfy(FileManager.default.isExecutableFile)
        else { return nil }
        func fields(_ line: Substring) -> [Substring] {
            line.split(separator: ":", omittingEmptySubsequences: false)
        }
        let lines = Machine.text("/etc/subuid").split(separator: "\n")
        let groups = Machine.text("/etc/subgid")
        for account in Machine.text("/etc/passwd").split(separator: "\n").map(fields) {
            guard account.count > 3, account[2] == account[3], let uid = Int(account[2]), uid > 0,
                let line = lines.first(where: { $0.hasPrefix(account[0] + ":") }),
                groups.contains(line), let first = Int(fields(line)[1]),
                let count = Int(fields(line)[2]), count >= 1000
            else { continue }
            return SubordinateUser(
                name: String(account[0]), uid: uid, first: first, count: count)
        }
        return nil
    }()
}

/// An image with files of several users in a registry, and one of these users' store.
private final class OwnedImage {
    /// Root's, for the registry and what is in it.
    let maker: Sandbox
    let registry: LoggedRegistry
    let user: SubordinateUser
    let sandbox: Sandbox
    var data: String { sandbox.folder + "/home/data" }
    /// As root and as uid 999.
    var names: (root: String, other: String) {
        (registry.host + "/team/owned:root", registry.host + "/team/owned:other")
    }

    init(files: Int = 20) throws {
        user = try #require(SubordinateUser.any)
        maker = try Sandbox()
        registry = try LoggedRegistry(maker)
        sandbox = try Sandbox(uid: user.uid)
        _ = try maker.busyboxRoot()
        try maker.shell(
            """
            set -e
            mv busybox one; cd one
            mkdir -p var/mail data/deep many locked
            echo letter > var/mail/box; echo inside > data/inside; echo far > data/deep/file
            echo gone > data/deep/gone; cp bin/busybox bin/suid; cp bin/busybox bin/sgid
            cp bin/busybox bin/capped; echo beyond > beyond; echo none > locked/shadow
            ln -s inside data/link; mkfifo data/pipe; ln var/mail/box var/mail/second
            for i in $(seq \(files)); do echo "file $i" > many/$i; done
            chown -h 999:999 data data/inside data/deep data/deep/* data/link data/pipe bin/suid many/*
            chown 8:8 var/mail/box; chown 0:8 bin/sgid; chown \(user.count + 1):0 beyond
            chmod 0600 var/mail/box data/inside data/deep/*; chmod 0700 data data/deep
            chmod 4755 bin/suid; chmod 2755 bin/sgid; chmod 0 locked/shadow locked
            /usr/sbin/setcap cap_net_raw+ep bin/capped
            cd ..
            mkdir -p two/data/deep; cp -a one/data/inside two/data/; ln two/data/inside two/data/third
            cp -a one/bin two/; ln two/bin/capped two/bin/linked
            touch two/data/deep/.wh.gone
            tar -C one --numeric-owner --xattrs --xattrs-include='*' --sort=name -cf one.tar .
            tar -C two --numeric-owner --sort=name -cf two.tar \
                data/inside data/third bin/capped bin/linked data/deep/.wh.gone
            tar --delete -f two.tar data/inside bin/capped
            umoci init --layout layout; umoci new --image layout:root
            for layer in one two; do umoci raw add-layer --image layout:root $layer.tar; done
            umoci config --image layout:root --tag other --config.user 999
            for tag in root other; do
                skopeo copy -q --dest-tls-verify=false oci:layout:$tag docker://\(registry.host)/team/owned:$tag
            done
            """)
    }

    func close() {
        sandbox.close()
        maker.close()
    }

    /// A `martlet` command on a machine where files of /etc are others, as its parameters say.
    func martlet(_ arguments: String..., hiding files: [String]) throws -> Outcome {
        let mounts = files.map { "mount --bind /dev/null \($0) && " }.joined()
        let become = "setpriv --reuid \(user.uid) --regid \(user.uid) --clear-groups"
        let command = "\(mounts)exec env MARTLET_HOME=\(sandbox.folder)/home \(become) \"$@\""
        return try maker.run(
            ["unshare", "-m", "/bin/sh", "-c", command, "sh", sandbox.folder + "/bin/martlet"]
                + arguments)
    }

    /// What a job of the image says.
    func output(_ image: String, _ line: String) throws -> String {
        let run = try sandbox.martlet("run", "--image", image, "--", "/bin/sh", "-c", line)
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        return try sandbox.martlet("logs", "last").output
    }

    /// Whose each of these is, with its mode, from the root of the image.
    static let owners = """
        8 8 600 var/mail/box
        8 8 600 var/mail/second
        999 999 700 data
        999 999 600 data/inside
        999 999 600 data/third
        999 999 700 data/deep
        999 999 600 data/deep/file
        999 999 777 data/link
        999 999 644 data/pipe
        999 999 4755 bin/suid
        0 8 2755 bin/sgid
        0 0 755 bin/linked
        0 0 644 beyond
        0 0 0 locked
        0 0 0 locked/shadow
        999 999 644 many/7

        """
    static let listing =
        "cd \"${MARTLET_IMAGE_ROOT:-/}\"; stat -c '%u %g %a %n' "
        + owners.split(separator: "\n").map { String($0.split(separator: " ")[3]) }
        .joined(separator: " ")

    /// Directories of unpacked layers, with their owners outside.
    func layers() throws -> [String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: data)
        return names.filter { $0.contains("layers") }.sorted()
    }

    /// Names that a removal should not have left.
    func leftovers() throws -> [String] {
        try (layers() + ["staging", "blobs/sha256", "partials"]).flatMap { folder in
            try FileManager.default.contentsOfDirectory(atPath: data + "/" + folder).map {
                folder + "/" + $0
            }
        }
    }
}

@Suite(
    "Owners in an ordinary user's store",
    .enabled(
        if: PulledImage.isPossible && SubordinateUser.any != nil,
        "needs what pulls need, root, setcap, and a user with subordinate ids"))
struct OwnerTests {
    @Test("files of several users are theirs in a container, whoever looks")
    func seenAsTheirs() throws {
        let image = try OwnedImage()
        defer { image.close() }
        let (root, other) = image.names
        let pulled = try image.sandbox.martlet("image", "pull", root)
        #expect(pulled.status == 0, "\(pulled.errors)")
        let said = "1 files belong to ids beyond the subordinate ones"
        #expect((pulled.output + pulled.errors).components(separatedBy: said).count == 2)
        #expect(try image.output(root, OwnedImage.listing) == OwnedImage.owners)
        #expect(
            try image.output(
                other, "id -u; cat /data/inside; echo new > /data/new; ls /data/deep; cat /data/new"
            )
                == "999\ninside\nfile\nnew\n")
        let refused = try image.output(other, "cat /var/mail/box 2>&1 || echo refused")
        #expect(refused.hasSuffix("refused\n"))
        // On the disk they are ids of the range.
        let store = try #require(try image.layers().first)
        #expect(
            store == "user-layers-\(image.user.first)-\(image.user.count)-"
                + "\(image.user.first)-\(image.user.count)")
        let mounted = try image.sandbox.martlet(
            "image", "mount", root, "--", "/bin/sh", "-c",
            OwnedImage.listing + "; /usr/sbin/getcap bin/capped bin/linked bin/suid")
        #expect(mounted.status == 0, "\(mounted.errors)")
        #expect(
            mounted.output == OwnedImage.owners
                + "bin/capped cap_net_raw=ep\nbin/linked cap_net_raw=ep\n")
    }

    @Test("what is pushed, saved and exported has its owners again")
    func givenBack() throws {
        let image = try OwnedImage()
        defer { image.close() }
        let (root, sandbox) = (image.names.root, image.sandbox)
        #expect(try sandbox.martlet("image", "pull", root).status == 0)
        let copy = image.registry.host + "/team/copy:1"
        #expect(try sandbox.martlet("image", "push", root, copy).status == 0)
        let inspect = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}"]
        let digests = try [root, copy].map {
            try image.maker.run(inspect + ["docker://" + $0]).output
        }
        #expect(digests[0] == digests[1] && digests[0].hasPrefix("sha256:"), "\(digests)")
        let exported = try sandbox.martlet("image", "export", root, "-o", "root.tar")
        #expect(exported.status == 0, "\(exported.errors)")
        try image.maker.shell(
            """
            mkdir root && tar -C root --xattrs --xattrs-include='*' --numeric-owner -xpf \(sandbox.folder)/root.tar
            """)
        let listed = try image.maker.run(
            ["sh", "-c", OwnedImage.listing + "; cat locked/shadow data/third"],
            environment: ["MARTLET_IMAGE_ROOT": "root"])
        let whole = OwnedImage.owners.replacingOccurrences(
            of: "0 0 644 beyond", with: "\(image.user.count + 1) 0 644 beyond")
        #expect(listed.output == whole + "none\ninside\n", "\(listed.errors)")
        let capable = try image.maker.run(["/usr/sbin/getcap", "root/bin/capped"])
        #expect(capable.output == "root/bin/capped cap_net_raw=ep\n")
        let diff = try sandbox.martlet("image", "diff", root)
        #expect(diff.status == 0 && diff.output.contains("/data/deep/gone"), "\(diff.errors)")
    }

    @Test("damage in a stranger's file is found, healed, and nothing stays behind in the end")
    func damage() throws {
        let image = try OwnedImage()
        defer { image.close() }
        let (root, sandbox) = (image.names.root, image.sandbox)
        #expect(try sandbox.martlet("image", "pull", root).status == 0)
        let clean = try sandbox.martlet("image", "verify")
        #expect(clean.status == 0 && clean.output.contains("2 layers"), "\(clean.errors)")
        let victims = try image.maker.run(
            ["find", image.data, "-path", "*data/deep/file"]).output.split(separator: "\n")
        try image.maker.shell("echo other > '\(try #require(victims.first))'")
        let found = try sandbox.martlet("image", "verify")
        #expect(found.status == 1 && (found.output + found.errors).contains("data/deep/file"))
        let healed = try sandbox.martlet("image", "pull", root)
        #expect(healed.status == 0, "\(healed.errors)")
        #expect(try sandbox.martlet("image", "verify").status == 0)
        #expect(try image.output(root, "cat /data/deep/file") == "far\n")
        let removed = try sandbox.martlet("image", "rm", root)
        #expect(removed.status == 0, "\(removed.errors)")
        #expect(try image.leftovers() == [])
    }

    @Test("a pull that is killed at any moment leaves what the next one clears away")
    func killed() throws {
        let image = try OwnedImage(files: 1000)
        defer { image.close() }
        let (root, sandbox) = (image.names.root, image.sandbox)
        let clock = Date()
        #expect(try sandbox.martlet("image", "pull", root).status == 0)
        let whole = Date().timeIntervalSince(clock)
        var interrupted = 0
        for round in 1...(Machine.isLong ? 50 : 5) {
            #expect(try sandbox.martlet("image", "prune", "--all").status == 0)
            let seconds = Double.random(in: 0.05...max(0.1, whole))
            let killed = try sandbox.run([
                "timeout", "-s", "KILL", "\(seconds)", sandbox.folder + "/bin/martlet", "image",
                "pull", root,
            ])
            if killed.status != 0 { interrupted += 1 }
            let pulled = try sandbox.martlet("image", "pull", root)
            #expect(pulled.status == 0, "round \(round): \(pulled.errors)")
            let verified = try sandbox.martlet("image", "verify")
            #expect(verified.status == 0, "round \(round): \(verified.errors)")
            #expect(try image.leftovers().filter { $0.hasPrefix("staging") } == [])
        }
        #expect(interrupted > 0)
        #expect(try sandbox.martlet("image", "rm", root).status == 0)
        #expect(try image.leftovers() == [])
    }

    @Test(
        "without a grant, or without what maps it, all is the user's, in layers of its own",
        arguments: ["/etc/subuid", "/usr/bin/newuidmap"])
    func notGranted(missing: String) throws {
        let image = try OwnedImage()
        defer { image.close() }
        let root = image.names.root
        #expect(try image.sandbox.martlet("image", "pull", root).status == 0)
        let pulled = try image.martlet("image", "pull", root, hiding: [missing])
        #expect(pulled.status == 0, "\(pulled.errors)")
        #expect(try image.layers().count == 2)
        let listed = try image.martlet(
            "image", "mount", root, "--", "stat", "-c", "%u %a", "data/inside", "var/mail/box",
            hiding: [missing])
        #expect(listed.output == "0 600\n0 600\n", "\(listed.errors)")
        #expect(try image.martlet("image", "verify", hiding: [missing]).status == 0)
        #expect(try image.sandbox.martlet("image", "verify").status == 0)
        // Whoever can remove both does.
        #expect(try image.sandbox.martlet("image", "rm", root).status == 0)
        #expect(try image.leftovers() == [])
    }

    @Test("who may not remove a stranger's layers leaves them to whom may")
    func otherMachine() throws {
        let image = try OwnedImage()
        defer { image.close() }
        let root = image.names.root
        #expect(try image.sandbox.martlet("image", "pull", root).status == 0)
        let removed = try image.martlet("image", "rm", root, hiding: ["/etc/subuid"])
        #expect(removed.status == 0, "\(removed.errors)")
        #expect(try image.sandbox.martlet("image", "prune").status == 0)
        #expect(try image.leftovers() == [])
    }

    @Test(
        "where the file system refuses them, owners are recorded, and that is said once",
        .enabled(if: Machine.has("strace"), "needs strace"))
    func refused() throws {
        let image = try OwnedImage(files: 3)
        defer { image.close() }
        let root = image.names.root
        // Root's strace, so that newuidmap keeps its powers.
        let pulled = try image.maker.run([
            "strace", "--follow-forks", "--quiet=all", "--output=/dev/null",
            "--trace=fchown,fchownat", "--inject=fchown,fchownat:error=EPERM",
            "--user=" + image.user.name, "env", "MARTLET_HOME=\(image.sandbox.folder)/home",
            image.sandbox.folder + "/bin/martlet", "image", "pull", root,
        ])
        #expect(pulled.status == 0, "\(pulled.errors)")
        let said = (pulled.output + pulled.errors).components(
            separatedBy: "files belong to others, and the file system refuses that")
        #expect(said.count == 2, "\(pulled.errors)")
        #expect(try image.sandbox.martlet("image", "verify").status == 0)
        let mounted = try image.sandbox.martlet(
            "image", "mount", root, "--", "stat", "-c", "%u %a", "data/inside", "bin/suid")
        #expect(mounted.output == "0 600\n0 4755\n", "\(mounted.errors)")
        // What is recorded comes out again.
        #expect(try image.sandbox.martlet("image", "export", root, "-o", "root.tar").status == 0)
        let listed = try image.maker.run([
            "tar", "--numeric-owner", "-tvf", image.sandbox.folder + "/root.tar",
            "data/inside",
        ])
        #expect(listed.output.contains("999/999"), "\(listed.output)\(listed.errors)")
    }

    @Test("root of a user namespace has an ordinary user's layers")
    func rootOfANamespace() throws {
        let image = try OwnedImage()
        defer { image.close() }
        let root = image.names.root
        let martlet = image.sandbox.folder + "/bin/martlet"
        let inside = try image.sandbox.run(["unshare", "-Ur", martlet, "image", "pull", root])
        #expect(inside.status == 0, "\(inside.errors)")
        #expect(try image.layers() == ["user-layers"])
        let run = try image.sandbox.run([
            "unshare", "-Ur", martlet, "run", "--image", root, "--", "id", "-u",
        ])
        #expect(run.status == 0, "\(run.output)\(run.errors)")
    }
}
