import ImageStore
import LinuxSystem
import Testing

@testable import JobServer

@Suite("The server's doors")
struct SeamsTests {
    @Test(
        "images are fetched with what the environment says: credentials, proxies, the home directory"
    )
    func environment() throws {
        let home = try #require(ProcessEnvironment.all()["HOME"])
        let directories = Directories(
            state: "/nowhere", data: "/nowhere", run: "/nowhere", config: "/nowhere")
        #expect(
            try ServerSeams.local(directories) { _ in }.fetchImage("~/") { _ in }.layers == [
                home + "/"
            ])
    }
}
