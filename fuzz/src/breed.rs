//! New inputs from old ones.

/// Changes inputs in the ways that parsers stumble over. The same seed breeds the same inputs.
pub(crate) struct Breeder {
    state: u64,
    words: &'static [&'static str],
    bytes_max: usize,
}

/// Bytes that mean something to one parser or another.
const ODD: &[u8] = b"\0\t\n\r !\"#%&'*+,-./0:;<=>?@[\\]{|}~\x7f\x80\xc3\xff";

impl Breeder {
    pub(crate) fn new(seed: u64, words: &'static [&'static str], bytes_max: usize) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, words, bytes_max }
    }

    fn draw(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % below.max(1)
    }

    /// A changed copy of one of the pool, no longer than the bound.
    pub(crate) fn breed(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let parent = self.draw(pool.len());
        let mut input = pool.get(parent).cloned().unwrap_or_default();
        for _ in 0..=self.draw(4) {
            self.change(&mut input, pool);
        }
        input.truncate(self.bytes_max);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.draw(input.len() + 1);
        let end = (at + 1 + self.draw(16)).min(input.len());
        match self.draw(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.draw(8);
                }
            }
            1 => {
                let odd = ODD[self.draw(ODD.len())];
                input.insert(at, odd);
            }
            2 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = ODD[self.draw(ODD.len())];
                }
            }
            3 if at < end => drop(input.drain(at..end)),
            4 if at < end => {
                let copy = input[at..end].to_vec();
                let to = self.draw(input.len() + 1);
                input.splice(to..to, copy);
            }
            5 if !self.words.is_empty() => {
                let word = self.words[self.draw(self.words.len())];
                input.splice(at..at, word.bytes());
            }
            6 if !self.words.is_empty() && at < end => {
                let word = self.words[self.draw(self.words.len())];
                input.splice(at..end, word.bytes());
            }
            7 => {
                let other = self.draw(pool.len());
                if let Some(other) = pool.get(other) {
                    let from = self.draw(other.len() + 1);
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
            }
            // Many of the same: lengths, depths and counts past their limits.
            _ if at < end => {
                let copy = input[at..end].repeat(1 << self.draw(7));
                input.splice(at..at, copy);
            }
            _ => input.push(b'0'),
        }
    }
}

/// A number that stands for some bytes.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_inputs_within_their_bound() {
        let pool = vec![b"GET / HTTP/1.1\r\n".repeat(8), Vec::new()];
        let run = || {
            let mut breeder = Breeder::new(7, &["chunked"], 256);
            (0..2000).map(|_| breeder.breed(&pool)).collect::<Vec<_>>()
        };
        let inputs = run();
        assert_eq!(inputs, run());
        assert!(inputs.iter().all(|input| input.len() <= 256));
    }
}
