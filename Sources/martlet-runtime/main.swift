import Glibc

// One runtime, two doors: `serve` is the long-lived launcher of Martlet's tasks, everything else the OCI command line.
let words = Array(CommandLine.arguments.dropFirst())
exit(words.first == "serve" ? Serve.run(Array(words.dropFirst())) : CommandLineDoor.run(words))
