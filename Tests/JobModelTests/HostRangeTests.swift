import JobModel
import Testing

struct HostRangeTests {
    @Test(arguments: [
        ("gpu01", ["gpu01"]), ("gpu[08-10]", ["gpu08", "gpu09", "gpu10"]),
        ("a[1-3,7]", ["a1", "a2", "a3", "a7"]),
        ("a[1-2]b[3,04].x", ["a1b3.x", "a1b04.x", "a2b3.x", "a2b04.x"]),
        ("a, b[1-2] ,c", ["a", "b1", "b2", "c"]), ("n[9-11]", ["n9", "n10", "n11"]),
        ("anna@h[1-2]:2222", ["anna@h1:2222", "anna@h2:2222"]),
    ])
    func rangesAreExpandedInTheOrderWritten(text: String, names: [String]) throws {
        #expect(try HostRange.expand(text) == names)
    }

    @Test(arguments: [
        ("", 1), ("a,", 3), ("a,,b", 3), ("a[1-", 5), ("a[1", 2), ("a[]", 3), ("a[3-1]", 3),
        ("a]", 2),
        ("a[x]", 3), ("a b", 2), ("a[1-2;3]", 6), ("a[1-9999999999]", 5),
        ("a[0-99]b[0-99]c[0-9]", 1),
        ("x,a[0-99999]", 5),
    ])
    func whatIsNoRangeIsToldByItsColumn(text: String, column: Int) {
        #expect { try HostRange.expand(text) } throws: { error in
            (error as? HostRange.Failure)?.column == column
        }
    }

    @Test func asManyAsMayBe() throws {
        #expect(try HostRange.expand("n[0-99][0-99]").count == HostRange.most)
        #expect(throws: HostRange.Failure.self) { try HostRange.expand("n[0-99][0-99],n") }
    }

    @Test func aNodeIsTypedAsSSHWouldHaveIt() throws {
        let nodes = try NodeSpec.all(typed: "anna@big[1-2]:2222,gpu")
        #expect(nodes.map(\.name) == ["anna@big1", "anna@big2", "gpu"])
        #expect(nodes.map(\.destination) == ["anna@big1", "anna@big2", "gpu"])
        #expect(nodes.map(\.port) == [2222, 2222, nil])
        for text in ["a:0", "a:65536", "a:x", ":22", "::1"] {
            #expect(throws: HostRange.Failure.self) { try NodeSpec.all(typed: text) }
        }
    }
}
