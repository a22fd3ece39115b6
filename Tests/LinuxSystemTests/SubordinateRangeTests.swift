import Glibc
import Testing

@testable import LinuxSystem

@Suite struct SubordinateRangeTests {
    @Test(
        "the first line that grants something counts",
        arguments: [
            ("dev:100000:65536\n", 100_000, 65536), ("1000:7:8", 7, 8),
            ("other:1:2\ndev:3:4\ndev:5:6\n", 3, 4), ("dev:0:0\ndev:9:1\n", 9, 1),
            ("dev:4294967294:1\n", 4_294_967_294, 1), ("dev:0:4294967295\n", 0, UInt32.max),
            (
                "# dev:1:1\n\n:::\ndev:+1:2\ndev:-1:2\ndev:1:2:3\ndev:1\ndev::5\ndev: 1:2\ndev:8:9",
                8, 9
            ),
        ] as [(String, UInt32, UInt32)])
    func grants(text: String, first: UInt32, count: UInt32) {
        let range = SubordinateRange.first(in: text, for: "dev", 1000)
        #expect(range?.first == first)
        #expect(range?.count == count)
    }

    @Test(
        "what grants nothing",
        arguments: [
            "", "\n\n", "other:1:2", "dev:1:4294967295", "dev:4294967295:1", "dev:99999999999:1",
            "dev:1:0", ":1:2", "deva:1:2", "10001:1:2",
        ])
    func nothing(text: String) {
        #expect(SubordinateRange.first(in: text, for: "dev", 1000) == nil)
        #expect(SubordinateRange.first(in: text, for: nil, 1000) == nil)
    }

    @Test("ids of the ranges are others inside, and back; beyond them there are none")
    func ids() throws {
        let range = try #require(SubordinateRange(first: 100_000, count: 10))
        let ids = SubordinateIDs(users: range, groups: range)
        let own = (geteuid(), getegid())
        for (inside, outside) in [
            ((0, 0), own), ((1, 10), (100_000, 100_009)), ((0, 1), (own.0, 100_000)),
        ] as [((UInt32, UInt32), (UInt32, UInt32))] {
            #expect(try #require(ids.outside(uid: inside.0, gid: inside.1)) == outside)
            #expect(ids.inside(uid: outside.0, gid: outside.1) == inside)
        }
        #expect(ids.outside(uid: 11, gid: 0) == nil && ids.outside(uid: 0, gid: 11) == nil)
        #expect(ids.inside(uid: 99_999, gid: 100_010) == (0, 0))
        #expect(SubordinateRange(first: 7, count: 0) == nil)
        #expect(SubordinateRange(first: .max, count: 1) == nil)
    }
}
