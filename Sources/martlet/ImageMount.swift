internal import ArgumentParser
internal import Glibc
internal import ImageStore
internal import LinuxSystem

struct ImageMount: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Show an image's files, read-only.",
        discussion: """
            root:        martlet image mount IMAGE DIRECTORY, until martlet image unmount DIRECTORY
            anybody:     martlet image mount IMAGE -- ls -l usr/bin

            The second form runs a command in a mount namespace of its own, with the image's root as its working directory and in \
            MARTLET_IMAGE_ROOT; only it and what it starts sees the mount. Without a command it is a shell. A user who is not \
            root is root in a user namespace there: mounting for everybody is root's alone.
            """)

    @Argument(help: "The image, as image ls shows it.", completion: Completions.images) var image:
        String
    @Argument(help: "Where to mount it; must exist.") var directory: String?
    @Argument(parsing: .postTerminator, help: "What to run.") var command: [String] = []
    @Flag(help: "Print JSON, where it is mounted for everybody.") var json = false

    func run() throws {
        let store = ImageDoor.store()
        if let directory, command.isEmpty {
            guard geteuid() == 0 else {
                throw Failure(
                    .usage, "only root may mount for everybody",
                    hint: "martlet image mount \(image) -- COMMAND shows the image to one command")
            }
            let mounted = try ImageDoor.run { () throws(ImageError) in
                try store.mount(image, on: directory)
            }
            if json {
                return try ImageJSON.print(
                    MountDocument(image: mounted.reference, directory: directory, isMounted: true))
            }
            return print("\(mounted.reference)  \(directory)")
        }
        try enter(store)
    }

    /// Becomes the command.
    private func enter(_ store: ImageStore) throws {
        let place = try directory ?? Self.emptyDirectory()
        let root = try ImageDoor.run { () throws(ImageError) in
            _ = try store.enter(image, on: place)
            return place
        }
        guard chdir(root) == 0, setenv("MARTLET_IMAGE_ROOT", root, 1) == 0 else {
            throw Failure(.infrastructure, "\(SystemError.last("chdir", root))")
        }
        let words = command.isEmpty ? [ProcessEnvironment.all()["SHELL"] ?? "/bin/sh"] : command
        signal(SIGPIPE, SIG_DFL)
        let argv = words.map { strdup($0) } + [nil]
        execvp(words[0], argv)
        let error = SystemError.last("exec", words[0])
        // As shells have it: 127 where there is none, 126 where it cannot be run.
        ImageDoor.print(error: "martlet: \(error)")
        Glibc.exit(error.errno == ENOENT ? 127 : 126)
    }

    /// Below this user's run directory, the same each time: every command's mount is its own.
    private static func emptyDirectory() throws -> String {
        let path = Directories.current().run + "/image"
        try Files.makePrivateDirectory(Directories.current().run)
        try Files.makePrivateDirectory(path)
        return path
    }
}

struct ImageUnmount: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount", abstract: "End what image mount began.", aliases: ["umount"])

    @Argument(help: "The directory.") var directory: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        try ImageDoor.run { () throws(ImageError) in try ImageDoor.store().unmount(directory) }
        guard json else { return }
        try ImageJSON.print(MountDocument(image: nil, directory: directory, isMounted: false))
    }
}
