public import JobModel

/// The best task so far on one line: `best val_loss 0.231 · task 17 · lr=0.003`.
public enum BestText {
    public static func text(_ best: BestReport, titled: Bool = true) -> String {
        let point = best.params.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(
            separator: " ")
        return (titled ? "best " : "") + "\(best.metric) \(Words.number(best.value))"
            + " · task \(best.task)" + (point.isEmpty ? "" : " · " + point)
            + (best.isRunning ? " · still running" : "")
    }
}
