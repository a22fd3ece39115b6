extension BlockIOSpec {
    init(_ field: Field) throws(SpecError) {
        weight = try field.optional("weight")?.integer()
        leafWeight = try field.optional("leafWeight")?.integer()
        weightDevices = try field.list("weightDevice") { (item) throws(SpecError) in
            try Device(weighted: item)
        }
        readBps = try field.list("throttleReadBpsDevice", Device.init(throttled:))
        writeBps = try field.list("throttleWriteBpsDevice", Device.init(throttled:))
        readIOPS = try field.list("throttleReadIOPSDevice", Device.init(throttled:))
        writeIOPS = try field.list("throttleWriteIOPSDevice", Device.init(throttled:))
    }
}

extension BlockIOSpec.Device {
    private init(_ field: Field, value: UInt64) throws(SpecError) {
        self.init(
            major: try field.required("major").integer(DeviceSpec.majors),
            minor: try field.required("minor").integer(DeviceSpec.minors), value: value)
    }

    init(throttled field: Field) throws(SpecError) {
        try self.init(field, value: field.required("rate").integer())
    }

    /// A value of 0 where leafWeight alone is given.
    init(weighted field: Field) throws(SpecError) {
        let weight: UInt16? = try field.optional("weight")?.integer()
        try self.init(field, value: UInt64(weight ?? 0))
        leafWeight = try field.optional("leafWeight")?.integer()
        guard weight != nil || leafWeight != nil else {
            throw field.problem("neither weight nor leafWeight is given")
        }
    }
}
