use std::fmt;

use crate::error::Remote;

/// What a refusal of Fly.io means. The server did not act.
///
/// 409 and 412 carry capacity, preconditions, leases and names alike, so that the status alone says little: the body's `status` field is
/// looked at first and the text's phrase second. What nobody has seen yet stays [`Refusal::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No host of the region has room: try the next region.
    RegionFull,
    /// The host that the machine or its volume is bound to has no room or takes no deploys: it must go elsewhere.
    HostFull,
    /// The volume's host has no room for a machine: fork or restore the volume with a `compute` hint.
    VolumePlacement,
    /// The app's name belongs to somebody, perhaps to us.
    NameTaken,
    /// A live machine of the app has this name.
    MachineNameTaken {
        /// Its identifier, if the text names it.
        machine: Option<String>,
    },
    /// The machine is on its way from one state to another: look again.
    NotSettled,
    /// The machine is destroyed and will not come back.
    Destroyed,
    /// The machine runs and would have to be stopped or forced.
    StillRunning,
    /// The volume is mounted in another machine, or in one whose destruction is not finished.
    VolumeClaimed,
    /// The volume cannot be deleted yet: a machine is bound to it.
    VolumeBound {
        /// The machine, if the text names it.
        machine: Option<String>,
    },
    /// Somebody holds the machine's lease.
    LeaseHeld,
    /// Somebody else changed the machine at the same time: read it again.
    ConcurrentUpdate,
    /// A snapshot of the volume is already on its way.
    SnapshotScheduled,
    /// The name breaks Fly.io's rules.
    BadName,
    /// It does not exist, or no longer.
    NotFound,
    /// The token may not do this, or the app belongs to another organisation.
    Forbidden,
    /// The token is not valid.
    Unauthorised,
    /// The request is not acceptable and will not become so.
    Invalid,
    /// A refusal that is in no row of the table.
    Unknown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RegionFull => "the region is full",
            Self::HostFull => "the host is full",
            Self::VolumePlacement => "the volume's host is full",
            Self::NameTaken => "the app's name is taken",
            Self::MachineNameTaken { .. } => "the machine's name is taken",
            Self::NotSettled => "the machine is not settled",
            Self::Destroyed => "the machine is destroyed",
            Self::StillRunning => "the machine still runs",
            Self::VolumeClaimed => "the volume is claimed",
            Self::VolumeBound { .. } => "the volume is bound to a machine",
            Self::LeaseHeld => "the lease is held by another",
            Self::ConcurrentUpdate => "there was a concurrent update",
            Self::SnapshotScheduled => "a snapshot is already scheduled",
            Self::BadName => "the name breaks the rules",
            Self::NotFound => "it does not exist",
            Self::Forbidden => "it is forbidden",
            Self::Unauthorised => "the token is not valid",
            Self::Invalid => "the request is not acceptable",
            Self::Unknown => "for an unknown reason",
        })
    }
}

/// One way to recognise a refusal. Whatever is given must fit; a row without a phrase fits every text.
struct Row {
    status: &'static [u16],
    code: Option<&'static str>,
    /// Lower case.
    phrase: Option<&'static str>,
    means: fn(&str) -> Refusal,
}

const fn phrase(status: &'static [u16], phrase: &'static str, means: fn(&str) -> Refusal) -> Row {
    Row { status, code: None, phrase: Some(phrase), means }
}

const fn code(code: &'static str, means: fn(&str) -> Refusal) -> Row {
    Row { status: &[], code: Some(code), phrase: None, means }
}

const fn status(status: &'static [u16], means: fn(&str) -> Refusal) -> Row {
    Row { status, code: None, phrase: None, means }
}

/// Read from the top; the first row that fits decides. The first two are exceptions to "the `status` field first": both fields are coarser
/// than the phrase there, and the reaction differs (adopt a machine instead of an app; leave a host instead of a region).
const TABLE: &[Row] = &[
    phrase(&[409, 422], "unique machine name violation", |text| Refusal::MachineNameTaken { machine: after(text, "machine id ") }),
    phrase(&[409, 412, 422, 503], "could not reserve resource for machine", |_| Refusal::HostFull),
    code("insufficient_capacity", |_| Refusal::RegionFull),
    code("volume_placement_capacity", |_| Refusal::VolumePlacement),
    code("name_taken", |_| Refusal::NameTaken),
    phrase(&[409, 422, 503], "could not find a candidate host", |_| Refusal::RegionFull),
    phrase(&[409, 422, 503], "no capacity", |_| Refusal::RegionFull),
    phrase(&[409, 422, 503], "insufficient ips available", |_| Refusal::HostFull),
    phrase(&[409, 422, 503], "insufficient resources available to fulfill request", |_| Refusal::HostFull),
    phrase(&[400, 403, 409, 412, 422, 503], "deploys to this host are temporarily disabled", |_| Refusal::HostFull),
    phrase(&[409, 412], "insufficient resources to create new machine with existing volume", |_| Refusal::VolumePlacement),
    phrase(&[409, 412], "from current state: 'destroyed'", |_| Refusal::Destroyed),
    phrase(&[409, 412], "machine from current state", |_| Refusal::NotSettled),
    phrase(&[409, 412], "machine getting replaced", |_| Refusal::NotSettled),
    phrase(&[409, 412], "machine still active", |_| Refusal::NotSettled),
    phrase(&[400, 409, 412], "currently replaced", |_| Refusal::NotSettled),
    phrase(&[409, 412], "unable to destroy machine, not currently stopped", |_| Refusal::StillRunning),
    phrase(&[409, 412], "volume already claimed by machine", |_| Refusal::VolumeClaimed),
    phrase(&[409, 412], "volume is currently bound to machine", |text| Refusal::VolumeBound { machine: after(text, "bound to machine: ") }),
    phrase(&[409, 412], "snapshot is already scheduled", |_| Refusal::SnapshotScheduled),
    phrase(&[409, 412], "concurrent update", |_| Refusal::ConcurrentUpdate),
    phrase(&[409], "lease currently held by", |_| Refusal::LeaseHeld),
    phrase(&[409, 422], "name has already been taken", |_| Refusal::NameTaken),
    phrase(&[409, 422], "uniqueness constraint violated", |_| Refusal::NameTaken),
    phrase(&[400, 422], "name under 63 chars", |_| Refusal::BadName),
    phrase(&[400], "could not find app", |_| Refusal::NotFound),
    status(&[401], |_| Refusal::Unauthorised),
    status(&[403], |_| Refusal::Forbidden),
    status(&[404, 410], |_| Refusal::NotFound),
    status(&[400, 405, 413, 415, 422], |_| Refusal::Invalid),
];

impl Refusal {
    /// Reads a refusal off an answer; none if the answer is no refusal (408, 429 and the 5xx without a known reason).
    pub(crate) fn of(remote: &Remote) -> Option<Self> {
        let answered = remote.status.as_u16();
        let text = remote.text.to_lowercase();
        match row(remote) {
            Some(row) => Some((TABLE[row].means)(&text)),
            None if remote.status.is_client_error() && !matches!(answered, 408 | 429) => Some(Self::Unknown),
            None => None,
        }
    }

    /// Whether the machine or volume would fit somewhere else.
    #[must_use]
    pub fn is_want_of_capacity(&self) -> bool {
        matches!(self, Self::RegionFull | Self::HostFull | Self::VolumePlacement)
    }
}

/// The place in the table of the row that fits first.
fn row(remote: &Remote) -> Option<usize> {
    let (status, text) = (remote.status.as_u16(), remote.text.to_lowercase());
    TABLE.iter().position(|row| {
        (row.status.is_empty() || row.status.contains(&status))
            && row.code.is_none_or(|code| remote.code.as_deref() == Some(code))
            && row.phrase.is_none_or(|phrase| text.contains(phrase))
    })
}

/// The identifier that follows a phrase: letters and digits, lower case.
fn after(text: &str, phrase: &str) -> Option<String> {
    let (_, rest) = text.split_once(phrase)?;
    let id: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::StatusCode;

    use super::*;

    /// One line per row of the table, in its order, and variants of it: what Fly.io was seen to answer, and what it means.
    fn seen() -> Vec<(u16, &'static str, &'static str, Refusal)> {
        vec![
            (
                409,
                "",
                "already_exists: unique machine name violation, machine ID 148e21f71d9e89 already exists with name \"gateway-1\"",
                taken(Some("148e21f71d9e89")),
            ),
            (409, "name_taken", "unique machine name violation", taken(None)),
            (
                409,
                "",
                "aborted: could not reserve resource for machine: insufficient memory available to fulfill request",
                Refusal::HostFull,
            ),
            (
                409,
                "insufficient_capacity",
                "aborted: could not reserve resource for machine: insufficient CPUs available to fulfill request on the current host",
                Refusal::HostFull,
            ),
            (422, "insufficient_capacity", "could not find a candidate host", Refusal::RegionFull),
            (503, "insufficient_capacity", "could not find a candidate host", Refusal::RegionFull),
            (422, "insufficient_capacity", "a sentence that is new", Refusal::RegionFull),
            (
                412,
                "volume_placement_capacity",
                "insufficient resources to create new machine with existing volume id 'vol_1'",
                Refusal::VolumePlacement,
            ),
            (422, "name_taken", "Validation failed: Name has already been taken", Refusal::NameTaken),
            (422, "", "could not find a candidate host", Refusal::RegionFull),
            (409, "", "aborted: no capacity", Refusal::RegionFull),
            (409, "", "aborted: insufficient IPs available to fulfill request", Refusal::HostFull),
            (409, "", "aborted: insufficient resources available to fulfill request: could not reserve", Refusal::HostFull),
            (403, "", "deploys to this host are temporarily disabled", Refusal::HostFull),
            (412, "", "insufficient resources to create new machine with existing volume id 'vol_1'", Refusal::VolumePlacement),
            (412, "", "failed_precondition: unable to start machine from current state: 'destroyed'", Refusal::Destroyed),
            (412, "", "failed_precondition: unable to start machine from current state: 'created'", Refusal::NotSettled),
            (412, "", "failed_precondition: unable to start machine from current state: 'replacing'", Refusal::NotSettled),
            (412, "", "failed_precondition: unable to stop machine from current state: 'starting'", Refusal::NotSettled),
            (412, "", "failed_precondition: machine getting replaced, refusing to start", Refusal::NotSettled),
            (412, "", "failed_precondition: machine still active, refusing to start", Refusal::NotSettled),
            (400, "", "machine is currently replaced", Refusal::NotSettled),
            (
                412,
                "",
                "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created",
                Refusal::StillRunning,
            ),
            (412, "", "failed_precondition: volume already claimed by machine", Refusal::VolumeClaimed),
            (412, "", "failed_precondition: volume is currently bound to machine: 148e21f71d9e89", bound(Some("148e21f71d9e89"))),
            (412, "", "failed_precondition: volume is currently bound to machine", bound(None)),
            (412, "", "failed_precondition: snapshot is already scheduled at 2026-11-23T10:00:00Z", Refusal::SnapshotScheduled),
            (409, "", "aborted: machine update failed due to concurrent update", Refusal::ConcurrentUpdate),
            (409, "", "machine ID 148e21f71d9e89 lease currently held by a@b.c, expires at 2026-11-23T10:00:00Z", Refusal::LeaseHeld),
            (422, "", "Validation failed: Name has already been taken", Refusal::NameTaken),
            (422, "", "uniqueness constraint violated", Refusal::NameTaken),
            (422, "", "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes", Refusal::BadName),
            (400, "", "could not find app \"rp-1\"", Refusal::NotFound),
            (401, "", "Authenticate: token validation error", Refusal::Unauthorised),
            (403, "", "Forbidden", Refusal::Forbidden),
            (404, "", "404 page not found", Refusal::NotFound),
            (400, "", "invalid_argument: timeout: value must be inside range [1s, 1m0s]", Refusal::Invalid),
            (400, "", "invalid config.guest.memory_mb, minimum required 2048 MiB", Refusal::Invalid),
            (409, "unknown", "a sentence that is new", Refusal::Unknown),
            (412, "", "", Refusal::Unknown),
            (418, "", "teapot", Refusal::Unknown),
        ]
    }

    fn taken(machine: Option<&str>) -> Refusal {
        Refusal::MachineNameTaken { machine: machine.map(str::to_owned) }
    }

    fn bound(machine: Option<&str>) -> Refusal {
        Refusal::VolumeBound { machine: machine.map(str::to_owned) }
    }

    fn remote(status: u16, code: &str, text: &str) -> Remote {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Remote { status: StatusCode::from_u16(status).unwrap(), code, text: text.to_owned(), request_id: None }
    }

    #[test]
    fn every_seen_answer_means_what_it_was_found_to_mean() {
        for (status, code, text, means) in seen() {
            assert_eq!(Refusal::of(&remote(status, code, text)), Some(means), "{status} {code} `{text}`");
        }
    }

    #[test]
    fn every_row_of_the_table_decides_something() {
        let deciding: BTreeSet<_> = seen().iter().filter_map(|(status, code, text, _)| row(&remote(*status, code, text))).collect();
        let idle: Vec<_> = (0..TABLE.len()).filter(|row| !deciding.contains(row)).map(|row| TABLE[row].phrase).collect();
        assert!(idle.is_empty(), "no answer reaches the rows {idle:?}");
    }

    #[test]
    fn an_answer_that_leaves_the_effect_open_is_no_refusal() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(Refusal::of(&remote(status, "", "deadline_exceeded: no host answered")), None, "{status}");
        }
    }
}
