import Foundation
import ImageStore
import JobModel
import LinuxSystem
import NodeLink
import OCISpec
import StateStore

@testable import JobServer

/// What the server has in the place of the world.
extension WholeWorld {
    func seams(_ life: Int) -> ServerSeams {
        var seams = ServerSeams(
            pace: thread.pace(life: life),
            openNode: { spec, _, deliver in self.open(spec?.name, life, deliver) },
            fetchImage: { reference, _ throws(ImageError) in
                guard self.passes(.fetch, of: life) else {
                    throw ImageError(.cancelled, "pull", reference, "killed")
                }
                if self.strikes(30) {
                    throw ImageError(.unreachable, "pull", reference, "no answer")
                }
                return StoredImage(
                    reference: reference, digest: "sha256:" + String(repeating: "0", count: 64),
                    layers: ["/layer"], process: ImageProcess())
            })
        seams.bringFiles = { _, _, _ in nil }
        seams.supply = { _, _ throws(SupplyError) in
            guard self.passes(.supply, of: life) else { throw SupplyError(.passing, "killed") }
            if self.strikes(20) { throw SupplyError(.passing, "no room") }
            return NodeSupplies(root: .host)
        }
        seams.holdImage = { _, _ in
            _ = self.passes(.holdImage, of: life)
            return true
        }
        seams.openSampler = { _, log, tell in self.openSampler(life, log, tell) }
        seams.note = { self.note($0) }
        seams.notify = { self.notify($0, life) }
        seams.saving = {
            guard self.passes(.save, of: life) else { return nil }
            self.thread.beginSave()
            return { completion in
                self.thread.endSave {
                    _ = self.passes(.saved, of: life)
                    completion()
                }
            }
        }
        seams.writesFolder = { self.passes(.folder, of: life) }
        return seams
    }

    private func open(
        _ name: String?, _ life: Int, _ deliver: @escaping @Sendable (NodeLine.Event) -> Void
    ) -> NodeLine {
        let node = nodes.first { $0.name == name ?? "local" }
        node?.open(deliver)
        return NodeLine(
            send: { message, connection in
                guard self.passes(.send, of: life), let node, node.isConnected,
                    connection == node.connection
                else { return }
                self.note("to \(node.name): \(Self.words(message))")
                if case .run(let tasks) = message { self.checkOnDisk(tasks) }
                node.receive(message, self.now)
            }, close: { if life == self.life { node?.loseHead() } })
    }

    /// Of templates the job alone.
    private static func words(_ message: ToAgent) -> String {
        switch message {
        case .job(let template): "job \(template.job)"
        case .run(let tasks): "run \(tasks.map(\.attempt))"
        default: "\(message)"
        }
    }

    private func openSampler(
        _ life: Int, _ log: String, _ tell: @escaping @Sendable (SamplerLine.Event) -> Void
    ) -> SamplerLine {
        let folder = (log as NSString).deletingLastPathComponent
        if life == self.life, !isOver, !Files.exists(folder) {
            violate("a sampler has no directory \(folder)")
        }
        _ = passes(.openSampler, of: life)
        let sampler = WholeSampler()
        samplers.append(sampler)
        return SamplerLine { bytes in
            guard self.passes(.tellSampler, of: life), let answer = sampler.hear(bytes) else {
                return
            }
            // A dead one is not asked again.
            let isDead = self.strikes(10)
            Task(executorPreference: self.thread) { tell(isDead ? .ended(1) : .line(answer)) }
        }
    }

    private func notify(_ message: NotificationMessage, _ life: Int) -> String? {
        guard passes(.notify, of: life) else { return "killed" }
        if strikes(25) { return "nobody is there" }
        let key = message.notification.key
        told[Told(job: key.job, event: key.event), default: 0] += 1
        note("somebody is told \(key.event) of job \(key.job)")
        _ = passes(.notified, of: life)
        return nil
    }
}
