use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fly_sim::Fault;
use serde_json::json;

/// Long enough to be taken for a time-out, shorter than the two seconds for which nobody looks after an ambiguous answer.
const LATE: Duration = Duration::from_millis(1500);

/// Longer than the client waits for a call that needs no host, and over before those two seconds are.
const SLOW: Duration = Duration::from_millis(9500);

/// How far a read lags behind.
const BEHIND: Duration = Duration::from_secs(5);

/// What can befall one call to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mishap {
    /// The worker ends before the provider hears of the call.
    CrashBefore,
    /// The call has its effect, and the worker ends before it is answered.
    CrashAfter,
    /// The call has its effect, and the connection breaks.
    LostAnswer,
    /// 408, and the effect comes later.
    LateEffect,
    /// The effect comes after most calls' time-out.
    Slow,
    /// 408 without an effect.
    TimedOut,
    /// 500 without an effect.
    Broken,
    /// A page of the proxy in front of the provider.
    Page,
    /// 429.
    Limited,
    /// A read that does not see what is new.
    Behind,
    /// The machine is moved to another host, with a copy of its volume in the place of the one on record.
    Moved,
    /// Somebody asks to cancel what is under way.
    Cancel,
}

impl Mishap {
    pub(super) const ALL: [Self; 12] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::LostAnswer,
        Self::LateEffect,
        Self::Slow,
        Self::TimedOut,
        Self::Broken,
        Self::Page,
        Self::Limited,
        Self::Behind,
        Self::Moved,
        Self::Cancel,
    ];

    /// What the simulator is told to do; nothing where it answers as ever.
    pub(super) fn fault(self) -> Option<Fault> {
        match self {
            Self::CrashBefore | Self::CrashAfter | Self::Moved | Self::Cancel => None,
            Self::LostAnswer => Some(Fault::AnswerLost),
            Self::LateEffect => Some(Fault::LateEffect(LATE)),
            Self::Slow => Some(Fault::Slow(SLOW)),
            Self::TimedOut => Some(Fault::timeout()),
            Self::Broken => Some(Fault::status(500, "internal")),
            Self::Page => {
                let page = json!("<html><body><h1>502 Bad Gateway</h1></body></html>");
                Some(Fault::Answer { status: 502, body: page, retry_after_seconds: None })
            }
            Self::Limited => Some(Fault::too_many_requests(Some(1))),
            Self::Behind => Some(Fault::Lag(BEHIND)),
        }
    }
}

/// What befalls which calls, counted from nought. Written as `3:CrashAfter 17:Cancel`.
#[derive(Debug, Clone, Default)]
pub(super) struct Mishaps(pub(super) Vec<(usize, Mishap)>);

impl Mishaps {
    pub(super) fn at(&self, call: usize) -> Option<Mishap> {
        self.0.iter().find(|(at, _)| *at == call).map(|(_, mishap)| *mishap)
    }
}

impl fmt::Display for Mishaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(|(call, mishap)| format!("{call}:{mishap:?}")).collect();
        f.write_str(&all.join(" "))
    }
}

impl FromStr for Mishaps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| {
            let (call, name) = part.split_once(':')?;
            let mishap = Mishap::ALL.into_iter().find(|mishap| format!("{mishap:?}") == name)?;
            Some((call.parse().ok()?, mishap))
        };
        text.split_whitespace().map(one).collect::<Option<_>>().map(Self).ok_or_else(|| format!("`{text}` names no mishaps"))
    }
}
