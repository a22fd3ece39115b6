/// Each verb of the command line and each option with the test that shows what comes of it. `-` stands for the verb itself.
enum OptionTable {
    static let rows: [(verb: String, option: String, test: String)] = text.split(
        separator: "\n"
    ).flatMap { line in
        let columns = line.split(separator: " ").map(String.init)
        return columns[1].split(separator: ",").map { (columns[0], String($0), columns[2]) }
    }

    private static let text = """
        global   --root                             GlobalOptionTests.containersAreKeptBelowTheRoot
        global   --log,--log-format,--log-level     GlobalOptionTests.errorsGoToTheLogInItsFormat
        global   --debug                            GlobalOptionTests.leniencyIsLoggedToWhoeverDebugs
        global   --cgroup-manager                   GlobalOptionTests.theManagerMakesCgroupsOrNone
        global   --systemd-cgroup                   GlobalOptionTests.systemdThatIsNotThereIsTold
        global   --version,-v,--help,-h             GlobalOptionTests.itTellsItsVersionAndItsUsage
        global   --criu,--rootless                  GlobalOptionTests.whatCallersOfRuncGiveIsTaken
        create   -                                  LifecycleTests.aContainerIsCreatedStartedKilledAndDeleted
        create   --bundle,-b                        RunOptionTests.theBundleIsWhereItIsSaidOrHere
        create   --config,-f                        RunOptionTests.aDocumentOfAnotherNameIsTaken
        create   --pid-file                         RunOptionTests.thePidIsWrittenToAFile
        create   --console-socket                   TerminalFieldTests.theProgramHasATerminalOfItsSize
        create   --preserve-fds                     RunOptionTests.descriptorsArePreservedByTheirNumber
        create   --no-pivot                         RunOptionTests.theRootCanBeMovedWherePivotingCannotBe
        create   --no-new-keyring                   RunOptionTests.theCallersKeyringIsKeptWhereThatIsAsked
        create   --no-subreaper                     RunOptionTests.noSubreaperIsTaken
        start    -                                  LifecycleTests.aContainerIsCreatedStartedKilledAndDeleted
        state    -                                  LifecycleTests.aContainerIsCreatedStartedKilledAndDeleted
        kill     -                                  LifecycleTests.aSignalIsNamedOrNumbered
        kill     --all,-a                           LifecycleTests.allOfItIsKilled
        delete   -                                  LifecycleTests.aContainerIsCreatedStartedKilledAndDeleted
        delete   --force,-f                         LifecycleTests.whatRunsIsDeletedByForce
        run      -                                  LifecycleTests.runEndsAsItsProgramDid
        run      --bundle,-b                        RunOptionTests.theBundleIsWhereItIsSaidOrHere
        run      --config,-f                        RunOptionTests.aDocumentOfAnotherNameIsTaken
        run      --pid-file                         RunOptionTests.thePidIsWrittenToAFile
        run      --console-socket                   TerminalFieldTests.theProgramHasATerminalOfItsSize
        run      --preserve-fds                     RunOptionTests.descriptorsArePreservedByTheirNumber
        run      --no-pivot                         RunOptionTests.theRootCanBeMovedWherePivotingCannotBe
        run      --no-new-keyring                   RunOptionTests.theCallersKeyringIsKeptWhereThatIsAsked
        run      --no-subreaper                     RunOptionTests.noSubreaperIsTaken
        run      --detach,-d                        RunOptionTests.runDoesNotWaitWhereItIsDetached
        run      --keep                             RunOptionTests.whatHasRunIsKeptWhereThatIsAsked
        exec     -                                  ExecOptionTests.aProcessIsInTheContainerAndEndsForItself
        exec     --tty,-t,--console-socket          ExecOptionTests.itHasATerminalWhereThatIsAsked
        exec     --detach,-d,--pid-file             ExecOptionTests.itIsNotWaitedForWhereItIsDetached
        exec     --process,-p                       ExecOptionTests.aDocumentSaysAllOfIt
        exec     --user,-u,--additional-gids,-g     ExecOptionTests.itsUserIsAsAsked
        exec     --cwd,--env,-e                     ExecOptionTests.itsDirectoryAndEnvironmentAreAsAsked
        exec     --cap,-c                           ExecOptionTests.itHasMoreCapabilitiesWhereTheyAreGiven
        exec     --no-new-privs                     ExecOptionTests.itGainsNoPrivilegesWhereThatIsAsked
        exec     --preserve-fds                     ExecOptionTests.descriptorsArePreservedByTheirNumber
        exec     --ignore-paused                    ExecOptionTests.whatIsPausedIsNotJoinedUnlessThatIsAsked
        exec     --apparmor,--process-label         ExecOptionTests.aLabelThatTheMachineLacksIsRefused
        ps       -                                  TellingVerbTests.itsProcessesAreTold
        ps       --format,-f                        TellingVerbTests.itsProcessesAreTold
        list     -                                  TellingVerbTests.containersAreListed
        list     --format,-f,--quiet,-q             TellingVerbTests.containersAreListed
        pause    -                                  TellingVerbTests.aContainerIsPausedAndResumed
        resume   -                                  TellingVerbTests.aContainerIsPausedAndResumed
        update   -                                  UpdateOptionTests.aFlagChangesItsLimit
        update   --resources,-r                     UpdateOptionTests.aDocumentSaysSeveralAndFlagsGoOverIt
        update   --memory,--memory-reservation      UpdateOptionTests.aFlagChangesItsLimit
        update   --memory-swap,--pids-limit         UpdateOptionTests.aFlagChangesItsLimit
        update   --cpu-period,--cpu-quota           UpdateOptionTests.aFlagChangesItsLimit
        update   --cpu-burst,--cpu-idle             UpdateOptionTests.aFlagChangesItsLimit
        update   --cpu-share,--cpu-shares           UpdateOptionTests.aFlagChangesItsLimit
        update   --cpu-rt-period,--cpu-rt-runtime   UpdateOptionTests.aFlagChangesItsLimit
        update   --cpuset-cpus,--cpuset-mems        UpdateOptionTests.aFlagChangesItsLimit
        update   --blkio-weight                     UpdateOptionTests.aWeightOfDiskAccessIsChangedOrNamed
        update   --l3-cache-schema,--mem-bw-schema  UpdateOptionTests.whatCannotBeIsNamed
        events   -                                  TellingVerbTests.whatItUsesIsToldOnceOrAgainAndAgain
        events   --stats,--interval                 TellingVerbTests.whatItUsesIsToldOnceOrAgainAndAgain
        spec     -                                  TellingVerbTests.aDocumentToBeginWithIsWrittenAndRuns
        spec     --bundle,-b,--rootless             TellingVerbTests.aDocumentToBeginWithIsWrittenAndRuns
        features -                                  TellingVerbTests.itTellsWhatItCanDo
        """
}
