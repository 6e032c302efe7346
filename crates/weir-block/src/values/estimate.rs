//! How many bytes numbers will need, without writing them.

/// Numbers by the count of their bits: what an entropy coder makes of them is close to the entropy of those counts and the
/// bits below the first.
pub(super) struct Estimate {
    classes: [u32; 65],
    count: u32,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { classes: [0; 65], count: 0 }
    }
}

impl Estimate {
    #[inline]
    pub(super) fn add(&mut self, number: i64) {
        let size = crate::varint::zigzag(number);
        self.classes[(64 - size.leading_zeros()) as usize] += 1;
        self.count += 1;
    }

    pub(super) fn bytes(&self) -> f64 {
        let count = f64::from(self.count);
        let mut bits = 0.0;
        for (width, &of_width) in self.classes.iter().enumerate().filter(|&(_, &of_width)| of_width > 0) {
            let of_width = f64::from(of_width);
            bits += of_width * (width.saturating_sub(1) as f64 + (count / of_width).log2());
            // Each class has to be described.
            bits += 8.0;
        }
        bits / 8.0
    }
}

/// The greatest number that both are a multiple of.
pub(super) fn gcd(mut a: u64, mut b: u64) -> u64 {
    if a == 1 {
        return 1;
    }
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
