internal import ArgumentParser
internal import ImageStore

/// What `pull` and `import` leave running behind them.
struct ImageFlush: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flush", abstract: "Write new layers to the disk.", shouldDisplay: false)

    func run() { ImageDoor.store().flush() }
}
