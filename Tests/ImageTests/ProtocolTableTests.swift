import Testing

/// The table of the protocol's rules stays whole.
@Suite struct ProtocolTableTests {
    @Test("every rule stands once, and its test exists")
    func tests() throws {
        let tests = try TestTable.tests()
        #expect(!tests.contains("ProtocolTableTests.noSuchTest"))
        let rows = ProtocolTable.rows.rows
        #expect(rows.count > 90 && Set(rows.map(\.rule)).count == rows.count)
        for (rule, test) in rows { #expect(tests.contains(test), "\(rule): \(test) is gone") }
    }

    @Test("every section has its rules")
    func sections() {
        let rules = ProtocolTable.rows.rows.map(\.rule)
        let sections = ["2.1", "2.3", "2.4", "2.5", "2.6"] + (1...9).map { "2.2.\($0)" }
        for section in sections {
            #expect(rules.contains { $0.hasPrefix(section + " ") }, "\(section) has no rule")
        }
    }
}
