//! Which requests' spans are kept.

/// Chooses a stated share of requests, evenly: of any `n` in a row it chooses the share of `n`, give or take one. A
/// random choice would be off by more than half a percent for minutes where few requests come in.
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    share_ppm: u32,
    owed: u32,
}

const WHOLE_PPM: u32 = 1_000_000;

impl Sampler {
    /// For a share in millionths; above a million is all. `seed` sets how soon the first is chosen, so that several
    /// workers do not choose in step.
    pub fn new(share_ppm: u32, seed: u64) -> Self {
        Self { share_ppm: share_ppm.min(WHOLE_PPM), owed: (seed % u64::from(WHOLE_PPM)) as u32 }
    }

    /// Whether the next request is chosen.
    #[inline]
    pub fn choose(&mut self) -> bool {
        self.owed += self.share_ppm;
        let chosen = self.owed >= WHOLE_PPM;
        if chosen {
            self.owed -= WHOLE_PPM;
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_run_of_requests_has_the_share(ppm in 0u32..=1_000_000, seed: u64, skip in 0usize..5000, run in 1usize..5000) {
            let mut sampler = Sampler::new(ppm, seed);
            (0..skip).for_each(|_| { sampler.choose(); });
            let chosen = (0..run).filter(|_| sampler.choose()).count();
            let expected = run as f64 * f64::from(ppm) / 1e6;
            prop_assert!((chosen as f64 - expected).abs() <= 1.0, "{chosen} of {run}, not {expected}");
        }
    }
}
