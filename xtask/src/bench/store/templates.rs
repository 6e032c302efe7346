//! Volume made of TrainTicket's lines: the same texts with fresh ids, times and values.
//!
//! Each line is cut once into what stays and what changes. A pass over all lines is a cycle; within one, equal ids and
//! values of the originals become equal new ones, so that a trace still has its lines. The `n`-th line depends on `n` only.

use super::random::mix;
use super::train_ticket::LogLine;

/// Lines in the order of their times, cut up.
pub(super) struct Templates {
    lines: Vec<Template>,
    /// When the first line is said to be written, and how far apart lines are.
    begin_ns: u64,
    step_ns: u64,
}

struct Template {
    original: LogLine,
    pieces: Vec<Piece>,
}

/// What changes, and where.
struct Piece {
    from: u32,
    to: u32,
    what: Changing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changing {
    /// Hexadecimal digits, with dashes among them that stay.
    Hex,
    /// Decimal digits.
    Digits,
    /// `16:42:22.382`, in the shop's time zone.
    Clock,
    /// `2023-01-29T08:42:22.383150913Z`
    Stamp,
}

/// The shop's clocks are eight hours ahead.
const ZONE_S: u64 = 8 * 3600;

impl Templates {
    /// Lines are said to be written from `begin_ns` on, `step_ns` apart.
    pub(super) fn new(lines: Vec<LogLine>, begin_ns: u64, step_ns: u64) -> Self {
        let cut = |original: LogLine| Template { pieces: pieces(original.line.as_bytes()), original };
        Self { lines: lines.into_iter().map(cut).collect(), begin_ns, step_ns }
    }

    /// Lines of a cycle.
    pub(super) fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    /// The line that the `n`-th is made of.
    pub(super) fn original(&self, n: u64) -> &LogLine {
        &self.lines[(n % self.len()) as usize].original
    }

    pub(super) fn time_ns(&self, n: u64) -> u64 {
        self.begin_ns + n * self.step_ns
    }

    /// The id of the trace that the `n`-th line belongs to.
    pub(super) fn trace_id(&self, n: u64) -> String {
        let original = self.original(n);
        let mut id = String::new();
        write_hex(&mut id, original.trace_id.as_bytes(), n / self.len());
        id
    }

    /// How many of the first `count` lines hold the id of the `n`-th line's trace.
    pub(super) fn lines_of_trace(&self, n: u64, count: u64) -> u64 {
        let id = &self.original(n).trace_id;
        let cycle = n / self.len() * self.len();
        let holds = |line: &Template| line.original.line.contains(id.as_str());
        self.lines.iter().zip(cycle..count).filter(|(line, _)| holds(line)).count() as u64
    }

    /// Writes the `n`-th line to the end of `out`.
    pub(super) fn write(&self, n: u64, out: &mut String) {
        let template = &self.lines[(n % self.len()) as usize];
        let (line, cycle) = (template.original.line.as_str(), n / self.len());
        let mut at = 0;
        for piece in &template.pieces {
            let (from, to) = (piece.from as usize, piece.to as usize);
            out.push_str(&line[at..from]);
            let old = &line.as_bytes()[from..to];
            match piece.what {
                Changing::Hex => write_hex(out, old, cycle),
                Changing::Digits => write_digits(out, old, cycle),
                Changing::Clock => write_clock(out, self.time_ns(n)),
                Changing::Stamp => write_stamp(out, self.time_ns(n)),
            }
            at = to;
        }
        out.push_str(&line[at..]);
    }
}

/// What of a line changes.
fn pieces(line: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let word = line[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"-:.".contains(byte))
            .count();
        if word == 0 {
            at += 1;
            continue;
        }
        for (from, to, what) in changing(&line[at..at + word]) {
            pieces.push(Piece { from: (at + from) as u32, to: (at + to) as u32, what });
        }
        at += word;
    }
    pieces
}

/// What of a word changes: all of it, or each of its longer numbers.
fn changing(word: &[u8]) -> Vec<(usize, usize, Changing)> {
    let shape = |text: &str| {
        word.len() >= text.len()
            && text
                .bytes()
                .zip(word)
                .all(|(shape, byte)| if shape == b'0' { byte.is_ascii_digit() } else { shape == *byte })
    };
    if shape("0000-00-00T00:00:00.") && word.ends_with(b"Z") {
        return vec![(0, word.len(), Changing::Stamp)];
    }
    if shape("00:00:00.000") && word.len() == 12 {
        return vec![(0, 12, Changing::Clock)];
    }
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    let digits = word.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    if digits >= 16 && word.iter().all(hex) {
        return vec![(0, word.len(), Changing::Hex)];
    }
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < word.len() {
        let run = word[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Shorter ones are mostly statuses, seats and dates, which do not grow in number.
        if (5..=12).contains(&run) {
            numbers.push((at, at + run, Changing::Digits));
        }
        at += run.max(1);
    }
    numbers
}

fn seed(old: &[u8], cycle: u64) -> u64 {
    let hash = old.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash ^ mix(cycle))
}

fn write_hex(out: &mut String, old: &[u8], cycle: u64) {
    let mut state = seed(old, cycle);
    let mut left = 0;
    for byte in old {
        if *byte == b'-' {
            out.push('-');
            continue;
        }
        if left == 0 {
            state = mix(state);
            left = 16;
        }
        left -= 1;
        out.push(char::from(b"0123456789abcdef"[(state >> (4 * left) & 15) as usize]));
    }
}

fn write_digits(out: &mut String, old: &[u8], cycle: u64) {
    let mut state = seed(old, cycle);
    for (index, _) in old.iter().enumerate() {
        // No zero in front, which would not be a number of that length.
        let digit = if index == 0 { 1 + state % 9 } else { state % 10 };
        state /= 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

fn two(out: &mut String, number: u64) {
    out.push(char::from(b'0' + (number / 10 % 10) as u8));
    out.push(char::from(b'0' + (number % 10) as u8));
}

fn write_time(out: &mut String, second_of_day: u64) {
    two(out, second_of_day / 3600);
    out.push(':');
    two(out, second_of_day / 60 % 60);
    out.push(':');
    two(out, second_of_day % 60);
    out.push('.');
}

fn write_clock(out: &mut String, time_ns: u64) {
    write_time(out, (time_ns / 1_000_000_000 + ZONE_S) % 86_400);
    let milliseconds = time_ns / 1_000_000 % 1000;
    out.push(char::from(b'0' + (milliseconds / 100) as u8));
    two(out, milliseconds);
}

fn write_stamp(out: &mut String, time_ns: u64) {
    let seconds = time_ns / 1_000_000_000;
    let (year, month, day) = date(seconds / 86_400);
    two(out, year / 100);
    two(out, year);
    out.push('-');
    two(out, month);
    out.push('-');
    two(out, day);
    out.push('T');
    write_time(out, seconds % 86_400);
    let mut scale = 100_000_000;
    while scale > 0 {
        out.push(char::from(b'0' + (time_ns / scale % 10) as u8));
        scale /= 10;
    }
    out.push('Z');
}

/// Year, month and day of so many days after the first of 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from the first of March of the year 0, so that a leap day is a year's last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(line: &str, n: u64) -> String {
        let original = LogLine {
            time_ns: 0,
            node: String::new(),
            pod: String::new(),
            container: String::new(),
            trace_id: "ffc8ca7e4c8f06c75142c880d5595d96".into(),
            span_id: String::new(),
            line: line.into(),
        };
        let templates = Templates::new(vec![original], 1_709_210_096_123_456_789, 1_000_000_000);
        let mut out = String::new();
        templates.write(n, &mut out);
        assert_eq!(templates.trace_id(n).len(), 32);
        out
    }

    #[test]
    fn what_does_not_change_stays() {
        let line = "INFO t.s.TravelServiceImpl#532 [status=1, 2013-05-04, G1237]";
        assert_eq!(made(line, 3), line);
    }

    #[test]
    fn times_move_on() {
        assert_eq!(
            made("16:42:22.382 at 2023-01-29T08:42:22.383150913Z", 0),
            "20:34:56.123 at 2024-02-29T12:34:56.123456789Z"
        );
        assert_eq!(made("16:42:22.382", 2), "20:34:58.123");
    }

    #[test]
    fn ids_and_values_are_new_in_each_cycle_and_equal_within_one() {
        let line = "ffc8ca7e4c8f06c75142c880d5595d96 f3d4d4ef-693b-4456-8eed-59c0d717dd08 1073741823 ffc8ca7e4c8f06c75142c880d5595d96";
        let (first, second) = (made(line, 0), made(line, 1));
        assert_ne!(first, second);
        let words: Vec<_> = first.split(' ').collect();
        assert_eq!(words[0], words[3]);
        assert_ne!(words[0], &line[..32]);
        let shape = |text: &str| text.split('-').map(str::len).collect::<Vec<_>>();
        assert_eq!(shape(words[1]), [8, 4, 4, 4, 12]);
        assert_eq!(words[2].len(), 10);
        assert!(first.contains(&made("ffc8ca7e4c8f06c75142c880d5595d96", 0)));
    }
}
