internal import Glibc
internal import LinuxSystem

extension TreeStore {
    /// Seconds for which what came of a tree that never became whole is kept.
    private static let patience: Int64 = 7 * 86_400

    /// Removes trees that no job holds, the longest unwanted first, until the others have at most `budget` bytes; without one, until
    /// they have at most a tenth of the disk. What cannot be removed now can be after the next tree.
    func prune(budget: Int64?) {
        sweep()
        guard let budget = budget ?? ownBudget() else { return }
        // A file that several trees have is there once.
        var (seen, sizes, total) = (Set<TreeDonors.FileKey>(), [ChunkSum: Int64](), Int64(0))
        let trees = trees()
        // The oldest last: a file is counted for the tree that keeps it longest.
        for (digest, _) in trees {
            guard let manifest = manifest(in: tree(digest), digest) else {
                sizes[digest] = 0
                continue
            }
            var own: Int64 = 0
            for entry in manifest.entries {
                guard case .file(let pieces) = entry.kind else { continue }
                let chunks = manifest.chunks[pieces]
                guard seen.insert(TreeDonors.key(entry, chunks)).inserted else { continue }
                own += chunks.reduce(0) { $0 + Int64($1.length) }
            }
            sizes[digest] = own
            total += own
        }
        for (digest, _) in trees.reversed() where total > budget {
            let isRemoved = try? locked { () throws(SystemError) in
                // Somebody may have come to want it just now.
                guard !held().contains(digest.hex) else { return false }
                return hide(digest.hex)
            }
            if isRemoved == true { total -= sizes[digest] ?? 0 }
        }
        removeHidden()
    }

    private func ownBudget() -> Int64? {
        var disk = statvfs()
        guard statvfs(directory, &disk) == 0, disk.f_blocks > 0 else { return nil }
        return Int64(disk.f_blocks) * Int64(disk.f_frsize) / 10
    }

    /// What nobody will finish, and what a killed process had begun to remove.
    private func sweep() {
        let now = Clock.now() / 1000
        let names = (try? Files.names(in: directory)) ?? []
        for name in names {
            if let digest = ChunkSum(hex: name), !isWhole(digest) {
                _ = try? making(digest) { () throws(TreeError) in
                    if !isWhole(digest) { _ = hide(name) }
                }
            }
        }
        for name in names where name.hasSuffix(Self.partly) {
            var status = stat()
            guard let digest = ChunkSum(hex: String(name.dropLast(Self.partly.count))),
                stat(directory + "/" + name, &status) == 0,
                now - Int64(status.st_mtim.tv_sec) > Self.patience
            else { continue }
            _ = try? making(digest) { () throws(TreeError) in hide(name) }
        }
        removeHidden()
    }
}
