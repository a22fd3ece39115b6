import Foundation
import Registry

/// nginx that speaks TLS in front of a registry, with certificates of an authority made for it; ended with the object.
final class SecureFront {
    /// `127.0.0.1:port`.
    let host: String
    /// Where `ca.crt`, `client.cert` and `client.key` are.
    let directory: String
    private let process = Process()

    /// `address` is what the certificate vouches for.
    init(
        _ scratch: Scratch, of registry: String, address: String = "127.0.0.1",
        wantsClient: Bool = false
    ) throws {
        let probe = try FakeRegistry { _, _ in FakeRegistry.Answer() }
        host = probe.host
        probe.close()
        directory = scratch.path + "/front-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        try makeCertificates(address)
        let client =
            wantsClient ? "ssl_client_certificate \(directory)/ca.crt; ssl_verify_client on;" : ""
        let config = """
            daemon off; master_process off; pid \(directory)/pid; error_log stderr error;
            events {}
            http {
                access_log off; client_max_body_size 0; client_body_temp_path \(directory)/body;
                proxy_temp_path \(directory)/proxy; fastcgi_temp_path \(directory)/fastcgi;
                uwsgi_temp_path \(directory)/uwsgi; scgi_temp_path \(directory)/scgi;
                server {
                    listen \(host) ssl; \(client)
                    ssl_certificate \(directory)/server.crt; ssl_certificate_key \(directory)/server.key;
                    location / { proxy_pass http://\(registry); proxy_set_header Host $http_host; }
                }
            }
            """
        try config.write(toFile: directory + "/conf", atomically: true, encoding: .utf8)
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/nginx")
        process.arguments = ["-p", directory, "-c", directory + "/conf"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        try waitUntilUp()
    }

    deinit {
        // The thread that started it may have blocked others, and one process alone does not unblock them.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    private func makeCertificates(_ address: String) throws {
        let make = [
            "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        ]
        func path(_ name: String) -> String { directory + "/" + name }
        try Tools.run(
            make + [
                "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", path("ca.key"), "-out",
                path("ca.crt"),
            ])
        try "subjectAltName=IP:\(address)".write(
            toFile: path("names"), atomically: true, encoding: .utf8)
        for (name, certificate) in [("server", "server.crt"), ("client", "client.cert")] {
            try Tools.run(
                make + [
                    "-subj", "/CN=\(name)", "-keyout", path(name + ".key"), "-out", path("csr"),
                ])
            try Tools.run(
                "openssl", "x509", "-req", "-days", "2", "-in", path("csr"), "-CA", path("ca.crt"),
                "-CAkey", path("ca.key"), "-CAcreateserial", "-extfile", path("names"), "-out",
                path(certificate))
        }
    }

    /// It does not tell when it listens: a plain request is answered with 400 then.
    private func waitUntilUp() throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            if (try? Tools.run("curl", "-s", "-o", "/dev/null", "http://\(host)/")) != nil {
                return
            }
            usleep(20_000)
        }
        throw Tools.ToolFailure(command: ["nginx"], output: "it does not answer")
    }

    /// Copies files of its directory to another, as certs.d is laid out.
    func install(_ names: [String], below parent: String) throws {
        let target = "\(parent)/certs.d/\(host)"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        for name in names {
            try FileManager.default.copyItem(
                atPath: directory + "/" + name, toPath: target + "/" + name)
        }
    }
}
