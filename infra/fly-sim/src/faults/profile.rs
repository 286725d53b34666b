use std::ops::RangeInclusive;

/// What can happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adversity {
    /// 429 with `Retry-After`.
    Limited,
    /// 429 without it.
    LimitedInSilence,
    /// 408; nothing was done.
    TimedOut,
    /// 5xx in one of its forms; nothing was done.
    Broken,
    /// Done, and the connection ends without an answer.
    AnswerLost,
    /// 408, and done later all the same.
    LateEffect,
    /// Done and answered, later.
    Slow,
    /// The host or the region has no room.
    NoRoom,
    /// A read that does not see what is newer than some time.
    Stale,
    /// A page of an organisation's list that is shorter than asked for.
    ShortPage,
}

/// How bad an environment is. Chances are in ten thousand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    /// Chance of each adversity, for every call to which it can happen.
    pub(super) calls: &'static [(Adversity, u32)],
    /// How long a slow call takes, in milliseconds.
    pub(super) slow_ms: RangeInclusive<u64>,
    /// How far reads lag behind, in milliseconds. A list always does, other reads by [`Adversity::Stale`].
    pub(super) lag_ms: RangeInclusive<u64>,
    /// Chance that a region is full, for each slot.
    pub(super) region_full: u32,
    /// Chance that a host is full, for each slot.
    pub(super) host_full: u32,
    /// Chance that a host does not answer, for each slot.
    pub(super) host_unreachable: u32,
    /// Chance that nobody knows whether a host answers, for each slot.
    pub(super) host_unknown: u32,
    /// Chance that a boot ends with a crash of the main process.
    pub(super) crash: u32,
    /// When it crashes, in seconds after the boot.
    pub(super) crash_after_s: RangeInclusive<u64>,
    /// Whether whole regions go out.
    pub(super) outages: Option<Outages>,
}

/// Regions that go out one after another. In seconds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outages {
    /// From the beginning of one period to the next.
    pub(super) every_s: u64,
    /// When in its period an outage begins.
    pub(super) begins_s: RangeInclusive<u64>,
    /// How long it lasts.
    pub(super) lasts_s: RangeInclusive<u64>,
}

pub(super) const PROFILES: [&Profile; 3] = [&CALM, &BAD_DAY, &REGIONAL_OUTAGE];

/// An ordinary day: what a client meets every day without an incident being declared.
const CALM: Profile = Profile {
    name: "calm",
    calls: &[(Adversity::Limited, 20), (Adversity::Broken, 5), (Adversity::Slow, 50), (Adversity::ShortPage, 500)],
    slow_ms: 200..=2_000,
    lag_ms: 0..=1_000,
    region_full: 50,
    host_full: 0,
    host_unreachable: 0,
    host_unknown: 0,
    crash: 0,
    crash_after_s: 1..=1,
    outages: None,
};

/// Everything at once, as on the worst days.
const BAD_DAY: Profile = Profile {
    name: "bad-day",
    calls: &[
        (Adversity::Limited, 300),
        (Adversity::LimitedInSilence, 200),
        (Adversity::TimedOut, 200),
        (Adversity::Broken, 200),
        (Adversity::AnswerLost, 150),
        (Adversity::LateEffect, 150),
        (Adversity::Slow, 400),
        (Adversity::NoRoom, 100),
        (Adversity::Stale, 50),
        (Adversity::ShortPage, 3_000),
    ],
    slow_ms: 1_000..=15_000,
    lag_ms: 0..=5_000,
    region_full: 600,
    host_full: 300,
    host_unreachable: 100,
    host_unknown: 100,
    crash: 1_000,
    crash_after_s: 5..=3_600,
    outages: None,
};

/// An ordinary day on which one region after another is lost for a while.
const REGIONAL_OUTAGE: Profile = Profile {
    name: "regional-outage",
    calls: &[(Adversity::Limited, 50), (Adversity::Broken, 50), (Adversity::Slow, 100), (Adversity::ShortPage, 500)],
    outages: Some(Outages { every_s: 3_600, begins_s: 60..=300, lasts_s: 300..=1_200 }),
    ..CALM
};
