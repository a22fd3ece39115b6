import ArgumentParser
import Glibc
import LinuxSystem
import Registry
import TerminalUI

struct Login: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Log in to a registry.",
        discussion: """
            The credentials are tried, and kept where podman keeps them ($REGISTRY_AUTH_FILE, or containers/auth.json in
            $XDG_RUNTIME_DIR), or by the credential helper that the registry has.
            """)

    @Argument(help: "The registry's host, such as ghcr.io; HOST/NAMESPACE for a part of it.")
    var registry: String
    @Option(name: [.customShort("u"), .customLong("username")], help: "The user's name.")
    var user: String?
    @Flag(help: "Read the password from standard input.") var passwordStdin = false
    @Flag(help: "Allow plain HTTP and unverified TLS.") var insecure = false
    @Flag(help: "Print as JSON.") var json = false

    func run() throws {
        let settings = RegistrySettings(environment: ProcessEnvironment.all())
        try RegistryLogin.check(registry)
        let user = try user ?? ask()
        guard passwordStdin || Terminal.isInputTerminal else {
            throw Failure(
                .usage, "there is no terminal to ask for the password on",
                hint: "give it through --password-stdin")
        }
        let password = try passwordStdin ? read() : SecretPrompt.ask("Password: ")
        guard let password else { throw ExitCode(.interrupted) }
        guard !password.isEmpty else { throw Failure(.usage, "the password is empty") }
        let outcome = try RegistryLogin(settings: settings, insecure: insecure).login(
            registry, user: user, password: password)
        if !outcome.isVerified {
            Terminal.writeError(
                "martlet: \(outcome.registry) asks nobody who he is: the password was not tried\n")
        }
        if json {
            return JSONOutput.write(
                LoginDocument(
                    registries: [outcome.registry], user: user, place: "\(outcome.place)",
                    isLoggedIn: true))
        }
        Terminal.write("logged in to \(outcome.registry) as \(user), kept in \(outcome.place)\n")
    }

    private func ask() throws -> String {
        guard Terminal.isInputTerminal, !passwordStdin else {
            throw Failure(.usage, "whose password is it?", hint: "give -u USER")
        }
        Terminal.writeError("User: ")
        return readLine() ?? ""
    }

    /// A line feed at its end is none of the password's.
    private func read() throws -> String {
        var bytes = try Files.read(0, "standard input", limit: 64 << 10)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
