import JobModel

extension ServerState {
    /// How many more tasks of each group may run: what its jobs say at least, less what they have.
    func groupRoom() -> [String: Int] {
        var room: [String: (limit: Int, used: Int)] = [:]
        for id in timely {
            guard let place = jobs.index(forKey: id), let group = jobs.values[place].spec.group
            else { continue }
            let known = room[group.name] ?? (group.parallel, 0)
            room[group.name] = (
                min(known.limit, group.parallel), known.used + jobs.values[place].placesInUse
            )
        }
        return room.mapValues { max(0, $0.limit - $0.used) }
    }

    // MARK: Jobs that begin at a time

    /// By the clock of `now`, whatever the wall clock is.
    var nextStart: Timestamp? {
        timely.compactMap { id in
            jobs.index(forKey: id).flatMap { jobs.values[$0].waitsUntil }
        }.min().map { Timestamp(milliseconds: $0.milliseconds - wallAhead) }
    }

    mutating func beginDue(_ now: Timestamp) {
        let wall = Timestamp(milliseconds: now.milliseconds + wallAhead)
        for id in timely {
            guard let place = jobs.index(forKey: id), let due = jobs.values[place].waitsUntil,
                due <= wall
            else { continue }
            jobs.values[place].waitsUntil = nil
            needsPlan = true
            outbox.changed.insert(id)
        }
    }
}
