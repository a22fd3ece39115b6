internal import Glibc
internal import LinuxSystem
internal import TOMLKit

extension RegistriesConfiguration {
    /// Reads the files that podman reads: `$CONTAINERS_REGISTRIES_CONF`, or else the user's file, or else the machine's; then the
    /// drop-in files of the machine and of the user, of which a later one replaces entries of the same prefix.
    init(environment: [String: String], system: String) throws(RegistryError) {
        for path in try Self.files(environment, system) {
            for entry in try Self.read(path) {
                entries.removeAll { $0.prefix == entry.prefix }
                entries.append(entry)
            }
        }
    }

    static func files(_ environment: [String: String], _ system: String) throws(RegistryError)
        -> [String]
    {
        let machine = system + "/containers/registries.conf"
        let user = environment["HOME"].map { $0 + "/.config/containers/registries.conf" }
        let dropIns = [machine, user].compactMap { $0.map { $0 + ".d" } }.flatMap { directory in
            // There may be no such directory.
            let names = (try? Files.names(in: directory)) ?? []
            return names.filter { $0.hasSuffix(".conf") }.sorted().map { directory + "/" + $0 }
        }
        if let explicit = environment["CONTAINERS_REGISTRIES_CONF"], !explicit.isEmpty {
            return [explicit] + dropIns
        }
        return [user, machine].compactMap(\.self).filter(Files.exists).prefix(1) + dropIns
    }

    static func read(_ path: String) throws(RegistryError) -> [Entry] {
        let text: String
        do throws(SystemError) {
            text = try Files.text(path, limit: 4 << 20)
        } catch {
            throw RegistryError(.local(error.errno), "read", path, SystemError.text(error.errno))
        }
        return try parse(text, path)
    }

    /// Throws with the file and the line that is wrong.
    static func parse(_ text: String, _ path: String) throws(RegistryError) -> [Entry] {
        let file = ConfigurationText(text: text, path: path)
        let document: RegistriesDocument
        do {
            document = try TOMLDecoder().decode(RegistriesDocument.self, from: text)
        } catch let error as TOMLParseError {
            throw file.error(at: error.source.begin.line, error.description)
        } catch let error as DecodingError {
            throw file.error(error)
        } catch {
            throw file.error(at: nil, "\(error)")
        }
        var entries: [Entry] = []
        for (index, table) in (document.registry ?? []).enumerated() {
            do throws(ConfigurationMistake) {
                entries.append(try table.entry(path))
            } catch {
                throw file.error(at: file.line(ofRegistry: index), error.reason)
            }
        }
        return entries + document.listed(path)
    }
}

/// What an entry says that none may say.
struct ConfigurationMistake: Error {
    let reason: String
}

/// A file's text, to say where in it something is wrong.
private struct ConfigurationText {
    let text: String
    let path: String

    func error(at line: Int?, _ reason: String) -> RegistryError {
        RegistryError(.local(EINVAL), "read", path + (line.map { ":\($0)" } ?? ""), reason)
    }

    func error(_ error: DecodingError) -> RegistryError {
        let context: DecodingError.Context? =
            switch error {
            case .typeMismatch(_, let context), .valueNotFound(_, let context),
                .keyNotFound(_, let context), .dataCorrupted(let context):
                context
            @unknown default: nil
            }
        let path = context?.codingPath ?? []
        let index = path.first?.stringValue == "registry" ? path.dropFirst().first?.intValue : nil
        let field = path.last { $0.intValue == nil }?.stringValue ?? "it"
        return self.error(
            at: index.flatMap(line(ofRegistry:)) ?? line(of: field),
            "\(field) has a value of another kind")
    }

    /// The line of the `index`th `[[registry]]`, from 1.
    func line(ofRegistry index: Int) -> Int? {
        let lines = numbered.filter { $0.text.filter { $0 != " " }.hasPrefix("[[registry]]") }
        return lines.indices.contains(index) ? lines[index].number : nil
    }

    private func line(of field: String) -> Int? {
        numbered.first { $0.text.firstRange(of: field) != nil }?.number
    }

    private var numbered: [(number: Int, text: Substring)] {
        text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map {
            ($0.offset + 1, $0.element)
        }
    }
}
