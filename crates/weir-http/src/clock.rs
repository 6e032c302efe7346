//! The clocks of the shells: cores are told the time that is read here.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use weir_model::{Mono, Wall};

static EPOCH: OnceLock<Instant> = OnceLock::new();

fn epoch() -> Instant {
    // An hour back, so that a moment before the first reading can be expressed.
    *EPOCH.get_or_init(|| Instant::now().checked_sub(Duration::from_hours(1)).unwrap_or_else(Instant::now))
}

/// The monotonic clock.
#[inline]
pub fn mono_now() -> Mono {
    Mono(epoch().elapsed().as_nanos() as u64)
}

/// The wall clock.
#[inline]
pub fn wall_now() -> Wall {
    Wall(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64))
}

/// A moment as the runtime's timers know it. [`Mono::NEVER`] becomes a moment a year ahead.
pub(crate) fn instant_of(moment: Mono) -> tokio::time::Instant {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let since = Duration::from_nanos(moment.0).min(epoch().elapsed() + YEAR);
    (epoch() + since).into()
}
