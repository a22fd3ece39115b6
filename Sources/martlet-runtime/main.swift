import Glibc

// One runtime, three doors: `serve` is the long-lived launcher of Martlet's tasks, `files` does for the image store what takes
// subordinate ids, everything else is the OCI command line.
let words = Array(CommandLine.arguments.dropFirst())
switch words.first {
case "serve": exit(Serve.run(Array(words.dropFirst())))
case "files": exit(FileCalls.run(Array(words.dropFirst())))
default: exit(CommandLineDoor.run(words))
}
