import Testing

/// The table of pushing stays whole: no row without a test, and no test that is not there.
@Suite("The table of pushing")
struct PushTableTests {
    @Test("every rule names tests that exist")
    func tests() throws {
        let known = try TestTable.tests()
        #expect(!known.contains("PushTableTests.noSuchTest"))
        #expect(PushTable.rows.count > 20)
        for row in PushTable.rows {
            #expect(!row.tests.isEmpty, "\(row.rule) has no test")
            for test in row.tests { #expect(known.contains(test), "\(row.rule): \(test) is gone") }
        }
    }
}
