import ArgumentParser
import LinuxSystem
import Registry
import TerminalUI

struct Logout: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget the credentials for a registry.")

    @Argument(help: "The registry, as it was logged in to.") var registry: String?
    @Flag(help: "Forget those for all registries.") var all = false
    @Flag(help: "Print as JSON.") var json = false

    func validate() throws {
        guard all == (registry == nil) else {
            throw ValidationError("name a registry, or give --all")
        }
    }

    func run() throws {
        let login = RegistryLogin(settings: RegistrySettings(environment: ProcessEnvironment.all()))
        let gone: [String]
        if let registry {
            try login.logout(registry)
            gone = [registry]
        } else {
            gone = try login.logoutAll()
        }
        if json {
            return JSONOutput.write(
                LoginDocument(registries: gone, user: nil, place: nil, isLoggedIn: false))
        }
        for registry in gone { Terminal.write("logged out of \(registry)\n") }
    }
}
