import Testing

/// The table of layers stays whole: no row without a test, and no test that is not there.
@Suite("The table of layers")
struct LayerTableTests {
    @Test("every rule names tests that exist")
    func tests() throws {
        let known = try TestTable.tests()
        #expect(!known.contains("LayerTableTests.noSuchTest"))
        let rules = LayerTable.rows.filter { $0.rule != $0.rule.uppercased() }
        #expect(rules.count > 60)
        for row in rules {
            #expect(!row.tests.isEmpty, "\(row.rule) has no test")
            for test in row.tests { #expect(known.contains(test), "\(row.rule): \(test) is gone") }
        }
    }
}
