internal import ArgumentParser
internal import Glibc
internal import ImageStore
internal import LinuxSystem
internal import OCISpec
internal import Registry

/// `martlet image`: what the store has, and the ways in and out of it.
struct ImageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Pull, push, copy, look into, keep, save, load and remove images.",
        subcommands: [
            ImagePull.self, ImagePush.self, ImageCopy.self, ImageList.self, ImageInspect.self,
            ImageHistory.self, ImageDiff.self, ImageTag.self, ImageUntag.self, ImageRemove.self,
            ImagePrune.self, ImageVerify.self, ImageMount.self, ImageUnmount.self,
            ImageSave.self, ImageLoad.self, ImageImport.self, ImageExport.self, ImageFlush.self,
        ])
}

/// What several image verbs share.
enum ImageDoor {
    /// This user's store, with credentials, proxies and settings of this process's environment. Ends the process where these
    /// are wrong.
    static func store() -> ImageStore {
        let environment = ProcessEnvironment.all()
        var settings: StoreSettings
        do throws(ImageError) {
            settings = try StoreSettings(environment: environment)
        } catch {
            print(error: "martlet: \(error)")
            Glibc.exit(Status.usage.rawValue)
        }
        settings.registry.warn = { print(error: "martlet: \($0)") }
        settings.flushes = false
        return ImageStore(dataDirectory: Directories.current().data, settings: settings)
    }

    /// Runs a verb; an error is printed with its hint, and ends the process with 2 where what was typed is wrong, else 3.
    static func run<R>(_ body: () throws(ImageError) -> R) throws -> R {
        do throws(ImageError) {
            return try body()
        } catch {
            print(error: "martlet: \(error)")
            throw ExitCode(error.isUsage ? 2 : 3)
        }
    }

    /// Has new layers written to the disk by a process of its own, so that nobody waits for the disk; until it is done they are
    /// unpacked again after a reboot.
    static func flushLater() {
        // Without it they are unpacked again.
        guard let program = try? Daemon.sibling("martlet") else { return }
        _ = try? Daemon.start([program, "image", "flush"], log: "/dev/null")
    }

    static func print(error text: String) {
        var bytes = Array(text.utf8)
        bytes.append(10)
        // Nobody is left to tell where standard error is closed.
        try? Files.writeAll(2, bytes, "standard error")
    }

    /// A file to write to, or standard output where none is named: a terminal takes no archive.
    static func output(_ path: String?) throws -> ArchivePlace {
        if let path, path != "-" { return .file(path) }
        guard isatty(1) == 0 else {
            throw ValidationError(
                "an archive is nothing for a terminal; name a file: --output FILE")
        }
        return .descriptor(1)
    }

    static func platform(_ text: String?) throws -> Platform {
        guard let text else { return .current }
        guard let platform = Platform(text) else {
            throw ValidationError("\"\(text)\" is no platform; write linux/amd64 or linux/arm64")
        }
        return platform
    }

    /// What a removal freed, in one line.
    static func freed(_ summary: RemovalSummary, _ verb: String) -> String {
        "\(layers(summary.layers)) and \(summary.blobs) blobs \(verb), \(size(summary.bytes))"
    }

    /// Says why a removal dropped nothing, where it is not known what is needed.
    static func warn(of damaged: [String]) {
        guard !damaged.isEmpty else { return }
        print(
            error:
                "martlet: everything else is kept, because it is not known what is needed by \(damaged.joined(separator: ", ")): pull or remove it"
        )
    }

    static func layers(_ count: Int) -> String { count == 1 ? "1 layer" : "\(count) layers" }

    static func size(_ bytes: Int64) -> String { DecimalSize.text(bytes) }
}
