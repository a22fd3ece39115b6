import LinuxSystem
import Testing

@Suite struct DirectoriesTests {
    @Test func oneVariableMovesAllOfThem() {
        let directories = Directories(environment: ["MARTLET_HOME": "/x", "HOME": "/h"], uid: 7)
        #expect(directories.state == "/x/state")
        #expect(directories.data == "/x/data")
        #expect(directories.run == "/x/run")
        #expect(directories.config == "/x/config")
    }

    @Test func theBaseDirectorySpecificationHolds() {
        let set = Directories(
            environment: ["HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"], uid: 7)
        #expect(set.state == "/s/martlet")
        #expect(set.data == "/h/.local/share/martlet")
        #expect(set.run == "/r/martlet")
        let plain = Directories(environment: ["HOME": "/h", "XDG_STATE_HOME": "relative"], uid: 7)
        #expect(plain.state == "/h/.local/state/martlet")
        #expect(plain.run == "/tmp/martlet-7")
        #expect(plain.config == "/h/.config/martlet")
    }
}
