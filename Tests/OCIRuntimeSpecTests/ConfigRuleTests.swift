import OCIRuntimeSpec
import Testing

/// config.md, a row a rule.
@Suite struct ConfigRuleTests {
    @Test("the document as a whole", arguments: ConfigRuleTests.wholeRules) func whole(
        bad: BadDocument
    ) {
        bad.expectRefusal()
    }
    @Test("mounts and hooks", arguments: ConfigRuleTests.mountsAndHooksRules) func mountsAndHooks(
        bad: BadDocument
    ) {
        bad.expectRefusal()
    }
    @Test("the process", arguments: ConfigRuleTests.processRules) func process(bad: BadDocument) {
        bad.expectRefusal()
    }
    @Test("scheduling", arguments: ConfigRuleTests.schedulingRules) func scheduling(
        bad: BadDocument
    ) {
        bad.expectRefusal()
    }

    static let wholeRules: [BadDocument] = [
        BadDocument("[]", "", "must be an object, not a list"),
        BadDocument("{}", "ociVersion", "missing"),
        BadDocument(#"{"ociVersion":null}"#, "ociVersion", "missing"),
        BadDocument(#"{"ociVersion":1}"#, "ociVersion", "must be a string, not a number"),
        BadDocument(#"{"ociVersion":""}"#, "ociVersion", #""" is no version such as 1.2.0"#),
        BadDocument(#"{"ociVersion":"1.0"}"#, "ociVersion", "1.0 is no version such as 1.2.0"),
        BadDocument(#"{"ociVersion":"1.0.x"}"#, "ociVersion", "1.0.x is no version such as 1.2.0"),
        BadDocument(
            #"{"ociVersion":"1.02.0"}"#, "ociVersion", "1.02.0 is no version such as 1.2.0"),
        BadDocument(
            #"{"ociVersion":"1.0.0-"}"#, "ociVersion", "1.0.0- is no version such as 1.2.0"),
        BadDocument(#"{"ociVersion":"0.7.0"}"#, "ociVersion", "0.7.0 is not a version 1"),
        BadDocument(#"{"ociVersion":"2.0.0"}"#, "ociVersion", "2.0.0 is not a version 1"),
        BadDocument(#"{"ociVersion":"1.0.0"}"#, "root", "missing"),
        BadDocument(#"{"ociVersion":"1.0.0","root":{}}"#, "root.path", "missing"),
        BadDocument(#"{"ociVersion":"1.0.0","root":{"path":""}}"#, "root.path", "is empty"),
        BadDocument(
            #"{"ociVersion":"1.0.0","root":{"path":"r\u0000x"}}"#, "root.path",
            "a NUL in the string"),
        BadDocument(
            #"{"ociVersion":"1.0.0","root":{"path":"r","readonly":1}}"#, "root.readonly",
            "must be true or false, not a number"),
        .top(#""hostname":7"#, "hostname", "must be a string, not a number"),
        .top(
            #""hostname":"\#(String(repeating: "h", count: 65))""#, "hostname",
            "longer than 64 bytes"),
        .top(
            #""domainname":"\#(String(repeating: "h", count: 65))""#, "domainname",
            "longer than 64 bytes"),
        .top(#""annotations":["a"]"#, "annotations", "must be an object, not a list"),
        .top(#""annotations":{"":"a"}"#, "annotations", "an empty name"),
        .top(#""annotations":{"a.b/c":1}"#, "annotations[a.b/c]", "must be a string, not a number"),
        .top(#""annotations":{"a\u0000":"b"}"#, "annotations[a?]", "a NUL in the name"),
        .top(#""linux":[]"#, "linux", "must be an object, not a list"),
        .top(#""process":"sh""#, "process", "must be an object, not a string"),
    ]

    static let mountsAndHooksRules: [BadDocument] = [
        .top(#""mounts":{}"#, "mounts", "must be a list, not an object"),
        .top(#""mounts":[{}]"#, "mounts[0].destination", "missing"),
        .top(#""mounts":[{"destination":""}]"#, "mounts[0].destination", "is empty"),
        .top(
            #""mounts":[{"destination":"/a"},{"destination":"/b","type":1}]"#, "mounts[1].type",
            "must be a string, not a number"),
        .top(
            #""mounts":[{"destination":"/a","source":false}]"#, "mounts[0].source",
            "must be a string, not true or false"),
        .top(
            #""mounts":[{"destination":"/a","options":["ro",1]}]"#, "mounts[0].options[1]",
            "must be a string, not a number"),
        .top(
            #""mounts":[{"destination":"/a","uidMappings":[{"containerID":0,"hostID":0,"size":1}]}]"#,
            "mounts[0]", "one of uidMappings and gidMappings is given without the other"),
        .top(#""hooks":{"prestart":{}}"#, "hooks.prestart", "must be a list, not an object"),
        .top(#""hooks":{"prestart":[{}]}"#, "hooks.prestart[0].path", "missing"),
        .top(
            #""hooks":{"createRuntime":[{"path":"x"}]}"#, "hooks.createRuntime[0].path",
            "x is no absolute path"),
        .top(
            #""hooks":{"createContainer":[{"path":"/x","timeout":0}]}"#,
            "hooks.createContainer[0].timeout", "0 is not within 1...9223372036854775807"),
        .top(
            #""hooks":{"startContainer":[{"path":"/x","env":["A"]}]}"#,
            "hooks.startContainer[0].env[0]", "A has no ="),
        .top(
            #""hooks":{"poststart":[{"path":"/x","args":[null]}]}"#,
            "hooks.poststart[0].args[0]", "must be a string, not null"),
        .top(
            #""hooks":{"poststop":[{"path":""}]}"#, "hooks.poststop[0].path", "is empty"),
    ]

    static let processRules: [BadDocument] = [
        .top(#""process":{"args":["a"]}"#, "process.cwd", "missing"),
        .top(#""process":{"cwd":"","args":["a"]}"#, "process.cwd", "is empty"),
        .top(#""process":{"cwd":"a","args":["a"]}"#, "process.cwd", "a is no absolute path"),
        .top(#""process":{"cwd":"/"}"#, "process.args", "nothing to run"),
        .top(#""process":{"cwd":"/","args":[]}"#, "process.args", "nothing to run"),
        .process(#""terminal":"yes""#, "terminal", "must be true or false, not a string"),
        .process(
            #""terminal":true,"consoleSize":{"height":24}"#, "consoleSize.width", "missing"),
        .process(
            #""terminal":true,"consoleSize":{"height":70000,"width":80}"#, "consoleSize.height",
            "70000 is not within 0...65535"),
        .process(#""env":["A=1","B"]"#, "env[1]", "B has no ="),
        .process(#""env":["=1"]"#, "env[0]", "=1 has no name before the ="),
        .process(#""env":["A=\u0000"]"#, "env[0]", "a NUL in the string"),
        .process(#""user":{"gid":0}"#, "user.uid", "missing"),
        .process(#""user":{"uid":0}"#, "user.gid", "missing"),
        .process(
            #""user":{"uid":4294967295,"gid":0}"#, "user.uid",
            "4294967295 is not within 0...4294967294"),
        .process(
            #""user":{"uid":0,"gid":-1}"#, "user.gid", "-1 is not within 0...4294967294"),
        .process(#""user":{"uid":0.5,"gid":0}"#, "user.uid", "0.5 is no whole number"),
        .process(#""user":{"uid":1e3,"gid":0}"#, "user.uid", "1e3 is no whole number"),
        .process(
            #""user":{"uid":0,"gid":0,"umask":512}"#, "user.umask", "512 is not within 0...511"),
        .process(
            #""user":{"uid":0,"gid":0,"additionalGids":[1,"2"]}"#, "user.additionalGids[1]",
            "must be a number, not a string"),
        .process(
            #""capabilities":{"bounding":["CAP_KILL","CAP_FLY"]}"#, "capabilities.bounding[1]",
            "CAP_FLY is no capability"),
        .process(
            #""capabilities":{"ambient":["cap_kill"]}"#, "capabilities.ambient[0]",
            "cap_kill is no capability"),
        .process(
            #""capabilities":["CAP_KILL"]"#, "capabilities", "must be an object, not a list"),
        .process(#""oomScoreAdj":1001"#, "oomScoreAdj", "1001 is not within -1000...1000"),
        .process(#""noNewPrivileges":0"#, "noNewPrivileges", "must be true or false, not a number"),
        .process(#""apparmorProfile":[]"#, "apparmorProfile", "must be a string, not a list"),
        .process(#""selinuxLabel":{}"#, "selinuxLabel", "must be a string, not an object"),
        .process(#""rlimits":[{"soft":1,"hard":1}]"#, "rlimits[0].type", "missing"),
        .process(
            #""rlimits":[{"type":"RLIMIT_FOO","soft":1,"hard":1}]"#, "rlimits[0].type",
            "RLIMIT_FOO is no resource limit"),
        .process(#""rlimits":[{"type":"RLIMIT_CPU","hard":1}]"#, "rlimits[0].soft", "missing"),
        .process(#""rlimits":[{"type":"RLIMIT_CPU","soft":1}]"#, "rlimits[0].hard", "missing"),
        .process(
            #""rlimits":[{"type":"RLIMIT_CPU","soft":2,"hard":1}]"#, "rlimits[0]",
            "soft is above hard"),
        .process(
            #""rlimits":[{"type":"RLIMIT_CPU","soft":2,"hard":18446744073709551616}]"#,
            "rlimits[0].hard",
            "18446744073709551616 is not within 0...18446744073709551615"),
        .process(
            #""rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":1},{"type":"RLIMIT_CPU","soft":1,"hard":1}]"#,
            "rlimits[1].type", "RLIMIT_CPU is given twice"),
    ]

    static let schedulingRules: [BadDocument] = [
        .process(#""scheduler":{}"#, "scheduler.policy", "missing"),
        .process(
            #""scheduler":{"policy":"SCHED_FAST"}"#, "scheduler.policy",
            "SCHED_FAST is no scheduling policy"),
        .process(
            #""scheduler":{"policy":"SCHED_OTHER","nice":20}"#, "scheduler.nice",
            "20 is not within -20...19"),
        .process(
            #""scheduler":{"policy":"SCHED_FIFO","priority":100}"#, "scheduler.priority",
            "100 is not within 0...99"),
        .process(
            #""scheduler":{"policy":"SCHED_RR"}"#, "scheduler.priority",
            "SCHED_RR needs a priority of 1...99"),
        .process(
            #""scheduler":{"policy":"SCHED_BATCH","priority":1}"#, "scheduler.priority",
            "SCHED_BATCH has no priority"),
        .process(
            #""scheduler":{"policy":"SCHED_OTHER","flags":["SCHED_FLAG_X"]}"#,
            "scheduler.flags[0]", "SCHED_FLAG_X is no scheduling flag"),
        .process(
            #""scheduler":{"policy":"SCHED_DEADLINE","runtime":2,"deadline":1}"#, "scheduler",
            "SCHED_DEADLINE needs 0 < runtime <= deadline <= period"),
        .process(
            #""scheduler":{"policy":"SCHED_IDLE","runtime":2}"#, "scheduler",
            "runtime, deadline and period are for SCHED_DEADLINE"),
        .process(#""ioPriority":{"priority":1}"#, "ioPriority.class", "missing"),
        .process(
            #""ioPriority":{"class":"IOPRIO_CLASS_NONE"}"#, "ioPriority.class",
            "IOPRIO_CLASS_NONE is no class of I/O priority"),
        .process(
            #""ioPriority":{"class":"IOPRIO_CLASS_BE","priority":8}"#, "ioPriority.priority",
            "8 is not within 0...7"),
        .process(
            #""execCPUAffinity":{"initial":"a"}"#, "execCPUAffinity.initial",
            "a is no list such as 0-3,8"),
    ]
}
