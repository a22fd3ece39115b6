import ImageStore
import JobModel
import NodeLink
import OCISpec
import Testing

@testable import ImageIntake
@testable import JobServer
@testable import Layers

@Suite("Words about images that nodes pull")
struct PullWordsTests {
    @Test("what an earlier node says of a blob reads as before, and it is not sent to registries")
    func olderNode() throws {
        let digest = digestOf(Array("a".utf8))
        let body = Array(
            "{\"wants\":{\"_0\":{\"digest\":\"\(digest)\",\"offset\":7},\"without\":[\"b\"]}}".utf8)
        var reader = DeliveryReader()
        reader.append([UInt8(body.count), 0, 0, 0, 0, 0, 0, 0] + body)
        let message = try reader.next(FromIntake.self)?.message
        guard case .wants(let place, let without, let web)? = message else {
            Issue.record("it reads as something else")
            return
        }
        #expect(place.offset == 7 && without == ["b"] && web == nil)
        let site = try PulledSite()
        let origin = try #require(site.site.store.origin(of: site.image, sharesLoopback: true))
        let offer = WebOffer(origin, to: "old", DeliveryNotes { _ in })
        #expect(offer.places(of: digest, [], nil) == [])
        #expect(site.registry.requests.isEmpty)
    }

    @Test(
        "an address is the same origin as another only where both are written alike",
        arguments: [
            ("https://a.example/v2/", "https://a.example"),
            ("https://a.example:5000/x?y", "https://a.example:5000"),
            ("http://[::1]:80/", "http://[::1]:80"), ("https://a.example@b.example/", nil),
            ("https://a.example\\@b.example/", nil), ("https://a.example?/", nil),
            ("https://a.example#/", nil), ("https://a.example", nil), ("https:///x", nil),
            ("file:///etc/passwd", nil), ("ftp://a.example/", nil),
        ])
    func origins(text: String, origin: String?) throws {
        #expect(WebAddress(text)?.origin == origin)
        let base = try #require(WebAddress("https://r.example/v2/x"))
        #expect(WebAddress("/y", relativeTo: base)?.text == "https://r.example/y")
        #expect(WebAddress("//s.example/y", relativeTo: base)?.text == "https://s.example/y")
        #expect(WebAddress("y", relativeTo: base) == nil)
    }
}
