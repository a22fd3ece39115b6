/// One line on standard error, which is a daemon's log: unbuffered, so that a crash loses none.
public func note(_ text: String) {
    // Where standard error is gone nobody reads.
    try? Files.writeAll(2, (text + "\n").utf8, "stderr")
}
