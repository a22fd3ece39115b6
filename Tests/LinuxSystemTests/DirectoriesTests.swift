import Foundation
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

    @Test func aRelativeHomeIsTakenFromHereAndTidied() {
        let here = FileManager.default.currentDirectoryPath
        let directories = Directories(environment: ["MARTLET_HOME": "./h/../home/"], uid: 7)
        #expect(directories.state == here + "/home/state")
        #expect(Directories(environment: ["MARTLET_HOME": "/x//y/."], uid: 7).run == "/x/y/run")
    }

    @Test func aSocketPathThatTheKernelRefusesIsToldBeforehand() throws {
        let long = "/" + String(repeating: "x", count: 100)
        let error = #expect(throws: SystemError.self) {
            try Directories(state: "/s", data: "/d", run: long, config: "/c").checkSocketPaths()
        }
        #expect(error?.errno == ENAMETOOLONG)
        try Directories(environment: ["MARTLET_HOME": "/x"], uid: 7).checkSocketPaths()
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
