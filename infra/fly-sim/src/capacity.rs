use serde_json::{Value, json};

/// Why there is no room, in Fly's words. The same want is told in many ways, by different parts of the platform.
///
/// Sources: the error tests of fly-go (<https://github.com/superfly/fly-go>) and what operators of large fleets met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capacity {
    /// No host of the region fits: 422, `insufficient_capacity`.
    NoCandidate,
    /// Likewise, from another part of the platform: 503, `insufficient_capacity`. Fly's own client sends such a call three times more.
    Unavailable,
    /// The region has none left: 409.
    NoCapacity,
    /// The chosen host lacks memory: 409.
    Memory,
    /// The chosen host lacks CPUs: 409.
    Cpus,
    /// The host on which the machine is lacks memory: 409.
    HostMemory,
    /// The host on which the machine is lacks CPUs: 409.
    HostCpus,
    /// The host lacks addresses: 409.
    Ips,
    /// The host lacks something that it names: 409.
    Resources,
    /// The host takes no deploys for the moment: 409.
    HostClosed,
    /// The host of the volume does not fit a machine: 412, `volume_placement_capacity`.
    VolumeHost,
}

impl Capacity {
    /// Every way, in the order of the declaration.
    pub const ALL: [Self; 11] = [
        Self::NoCandidate,
        Self::Unavailable,
        Self::NoCapacity,
        Self::Memory,
        Self::Cpus,
        Self::HostMemory,
        Self::HostCpus,
        Self::Ips,
        Self::Resources,
        Self::HostClosed,
        Self::VolumeHost,
    ];

    /// The status and the body of the refusal. `volume` is named by the one that is about a volume.
    pub(crate) fn refusal(self, volume: Option<&str>) -> (u16, Value) {
        let reserve = "aborted: could not reserve resource for machine:";
        let text = match self {
            Self::NoCandidate | Self::Unavailable => {
                let status = if self == Self::NoCandidate { 422 } else { 503 };
                return (status, json!({ "error": "could not find a candidate host", "status": "insufficient_capacity" }));
            }
            Self::VolumeHost => {
                let text = format!(
                    "insufficient resources to create new machine with existing volume id '{}'",
                    volume.unwrap_or("vol_00000000000000000000")
                );
                return (412, json!({ "error": text, "status": "volume_placement_capacity" }));
            }
            Self::NoCapacity => "aborted: no capacity".to_owned(),
            Self::Memory => format!("{reserve} insufficient memory available to fulfill request"),
            Self::Cpus => format!("{reserve} insufficient CPUs available to fulfill request"),
            Self::HostMemory => format!("{reserve} insufficient memory available to fulfill request on the current host"),
            Self::HostCpus => format!("{reserve} insufficient CPUs available to fulfill request on the current host"),
            Self::Ips => "aborted: insufficient IPs available to fulfill request".to_owned(),
            Self::Resources => "aborted: insufficient resources available to fulfill request: no host has enough disk".to_owned(),
            Self::HostClosed => "deploys to this host are temporarily disabled".to_owned(),
        };
        (409, json!({ "error": text }))
    }
}
