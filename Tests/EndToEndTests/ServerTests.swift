import Foundation
import Testing

@Suite("Server", .enabled(if: Machine.hasExecutables, "run `make build` first"))
struct ServerTests {
    @Test("a stop is answered every time, and whoever comes meanwhile or after finds a server")
    func stops() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let martlet = Sandbox.binaries + "/martlet"
        for round in 0..<8 {
            let listed = try sandbox.martlet("ls")
            #expect(listed.status == 0, "round \(round): \(listed.errors)")
            // Both at once: the stop may meet the server before or after the other command does.
            let both = try sandbox.run([
                "sh", "-c", "\(martlet) server stop --quiet & \(martlet) ls; wait $!",
            ])
            #expect(both.status == 0, "round \(round): \(both.errors)")
            #expect(both.output.contains("no jobs yet"), "round \(round): \(both.errors)")
        }
    }

    @Test("what the server finds wrong with a request is a usage error")
    func usage() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let spec = try sandbox.write(
            "after.yaml", "image: host\ncommand: [\"true\"]\nafter: {ok: nobody}\n")
        let unknown = try sandbox.martlet("submit", spec)
        #expect(unknown.status == 2 && unknown.errors.contains("nobody"), "\(unknown.errors)")
        let many = try sandbox.martlet(
            "submit", "--image", "host", "--sweep", "i=1..1000000", "--sweep", "j=1..1000000", "--",
            "true")
        #expect(many.status == 2 && many.errors.contains("at most 100000000"), "\(many.errors)")
    }
}
