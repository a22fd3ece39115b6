import Foundation
import LinuxSystem

/// nginx that speaks TLS in front of a registry, with a certificate that vouches for itself; ended with the object.
final class SecureFront {
    static let isPossible = ["/usr/sbin/nginx", "/usr/bin/openssl"].allSatisfy(Files.exists)

    /// `127.0.0.1:port`.
    let host: String
    /// Path of the certificate, and of its key.
    let certificate: String
    let key: String
    private let process = Process()

    init(_ folder: String, of registry: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        (certificate, key) = (folder + "/crt", folder + "/key")
        host = "127.0.0.1:\(try Self.freePort())"
        try Self.run([
            "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=r", "-addext",
            "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ])
        let config = """
            daemon off; master_process off; pid \(folder)/pid; error_log stderr error;
            events {}
            http {
                access_log off; client_body_temp_path \(folder)/body;
                proxy_temp_path \(folder)/proxy; fastcgi_temp_path \(folder)/fastcgi;
                uwsgi_temp_path \(folder)/uwsgi; scgi_temp_path \(folder)/scgi;
                server {
                    listen \(host) ssl; ssl_certificate \(certificate); ssl_certificate_key \(key);
                    location / { proxy_pass http://\(registry); proxy_set_header Host $http_host; }
                }
            }
            """
        try config.write(toFile: folder + "/conf", atomically: true, encoding: .utf8)
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/nginx")
        process.arguments = ["-p", folder, "-c", folder + "/conf"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        // It does not tell when it listens: asked until it answers.
        while process.isRunning {
            if (try? Self.run(["/usr/bin/curl", "-sk", "-o", "/dev/null", "https://\(host)/"]))
                != nil
            {
                return
            }
            usleep(10_000)
        }
        throw CocoaError(.executableLoad)
    }

    deinit {
        // The thread that started it may have blocked other signals.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    private static func run(_ command: [String]) throws {
        let ended = try ProgramOutput.run(command[0], Array(command.dropFirst()))
        guard ended.status == 0 else { throw CocoaError(.executableLoad) }
    }

    /// Free until somebody takes it: it is taken a moment later.
    private static func freePort() throws -> UInt16 {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else { throw SystemError.last("bind", "a free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}
