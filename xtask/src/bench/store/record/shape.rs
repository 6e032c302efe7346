//! How a load varies over time.

use super::super::random::mix;

/// A rate that follows a slow wave, changes its phase every few minutes, and at times bursts. It depends on the time and
/// the seed only, so that two loads of one kind differ and each can be told again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Operations per second in an average phase.
    pub(super) base: f64,
    /// Length of the wave, in seconds.
    pub(super) wave_s: f64,
    pub(super) seed: u64,
}

/// What the rate is multiplied with in a phase; one of them is nearly still.
const PHASES: [f64; 6] = [0.02, 0.3, 0.7, 1.0, 1.0, 1.8];
const PHASE_S: f64 = 210.0;
const BURST_S: f64 = 15.0;

impl Shape {
    /// Operations per second, `at_s` seconds after the begin.
    pub(super) fn rate(&self, at_s: f64) -> f64 {
        let draw = |slot: f64, salt: u64| mix(self.seed ^ mix(salt ^ slot as u64));
        let phase = PHASES[(draw((at_s / PHASE_S).floor(), 1) % PHASES.len() as u64) as usize];
        let burst = if draw((at_s / BURST_S).floor(), 2).is_multiple_of(25) { 4.0 } else { 1.0 };
        let wave = 1.0 + 0.5 * (std::f64::consts::TAU * at_s / self.wave_s).sin();
        (self.base * phase * burst * wave).max(0.01)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varies_and_stays_near_its_base() {
        let shape = Shape { base: 100.0, wave_s: 1800.0, seed: 7 };
        let rates: Vec<_> = (0..7200).map(|s| shape.rate(f64::from(s))).collect();
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        assert!((40.0..160.0).contains(&mean), "{mean}");
        let (least, most) =
            rates.iter().fold((f64::MAX, 0f64), |(least, most), rate| (least.min(*rate), most.max(*rate)));
        assert!(least < 10.0 && most > 200.0, "{least} {most}");
    }
}
