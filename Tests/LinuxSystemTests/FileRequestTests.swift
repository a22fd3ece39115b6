import Glibc
import LinuxSystem
import Testing

@Suite("Requests for files of others")
struct FileRequestTests {
    private var request: FileRequest {
        var request = FileRequest(.own, [Array("name".utf8)])
        (request.uid, request.gid, request.mode) = (999, 8, 0o4755)
        request.modified = (7, 5)
        request.attributes = [(Array("security.capability".utf8), [0, 1, 255])]
        return request
    }

    @Test("what is asked arrives, with and without what may be missing")
    func roundTrip() throws {
        let read = try #require(FileRequest(bytes: request.bytes[...]))
        #expect(read.call == .own && read.names == [Array("name".utf8)])
        #expect(read.uid == 999 && read.gid == 8 && read.mode == 0o4755)
        #expect(try #require(read.modified) == (7, 5))
        #expect(read.attributes.map(\.value) == [[0, 1, 255]])
        var plain = FileRequest(.rename, [[97], []])
        plain.flags = O_DIRECTORY
        let other = try #require(FileRequest(bytes: plain.bytes[...]))
        #expect(other.call == .rename && other.names == [[97], []] && other.flags == O_DIRECTORY)
        #expect(other.mode == nil && other.modified == nil && other.attributes.isEmpty)
    }

    @Test("what was cut off is no request")
    func malformed() {
        let bytes = request.bytes
        for count in 0..<bytes.count {
            let cut = FileRequest(bytes: bytes[..<count])
            // Where a whole part ends, another pair may be missing, but never half of one.
            #expect(cut == nil || cut?.attributes.isEmpty == true, "\(count)")
        }
        #expect(FileRequest(bytes: [99] + bytes.dropFirst()) == nil)
    }

    @Test("an answer arrives")
    func reply() throws {
        var reply = FileReply()
        (reply.errno, reply.isAttributeRefused, reply.value) = (EPERM, true, [1, 2])
        let read = try #require(FileReply(bytes: reply.bytes[...]))
        #expect(read.errno == EPERM && read.isAttributeRefused && !read.isOwnerRefused)
        #expect(read.value == [1, 2])
        #expect(FileReply(bytes: reply.bytes[..<9]) == nil)
    }
}
