import OCIRuntimeSpec
import Testing

@Suite struct DocumentTests {
    @Test func `an empty document has no defaults`() {
        #expect(RuntimeSpec().process == nil)
    }
}
