//! Finds every damage of a segment.

use std::sync::Arc;

use weir_signal::ReadError;

use super::reader::{Segment, SegmentReader};
use super::samples::Samples;
use crate::read::Watch;

/// Reads all of a segment and gives every damage found, each with its file, its place and what it is. Empty for a sound
/// one. Damages of one page are named once.
pub fn verify(segment: &Arc<Segment>) -> Vec<ReadError> {
    // What is in the files counts, not what was in them when somebody read it.
    let segment = &Arc::new(segment.uncached());
    let mut damages = Vec::new();
    segment.labels.verify(&mut damages);
    if let Err(error) = segment.exemplars(None, i64::MIN, i64::MAX, &mut Noting(&mut damages)) {
        damages.push(error);
    }
    let mut note = |error: ReadError| {
        if !damages.contains(&error) {
            damages.push(error);
        }
    };
    if let Err(error) = segment.spans() {
        note(error);
    }
    if let Err(error) = segment.metadata() {
        note(error);
    }
    let mut reader = SegmentReader::new(Arc::clone(segment));
    for entry in &segment.times {
        if let Err(error) = reader.times(entry.first) {
            note(error);
        }
    }
    let mut count = 0;
    let mut samples = Samples::default();
    for (index, entry) in segment.pages.iter().enumerate() {
        let page = match reader.open_page(index) {
            Ok((page, _)) => page,
            Err(error) => {
                note(error);
                continue;
            }
        };
        for row in 0..page.rows().len() {
            samples.clear();
            let times = match reader.times(page.rows()[row].times) {
                Ok(times) => times,
                Err(error) => {
                    note(error);
                    continue;
                }
            };
            match reader.row(&page, row, &times, &mut samples) {
                Ok(()) => count += samples.len() as u64,
                Err(damage) => {
                    note(segment.data.damaged(entry.place, damage));
                    break;
                }
            }
        }
    }
    if damages.is_empty() && count != segment.summary.samples {
        damages.push(ReadError::Damaged {
            file: segment.index.file().name().to_owned(),
            offset: 0,
            what: format!("it says {} samples where there are {count}", segment.summary.samples),
        });
    }
    damages
}

/// Notes every damage and goes on.
struct Noting<'a>(&'a mut Vec<ReadError>);

impl Watch for Noting<'_> {
    fn charge(&mut self, _: u64, _: u64) -> Result<(), ReadError> {
        Ok(())
    }

    fn leave_out(&mut self, error: ReadError) -> Result<(), ReadError> {
        self.0.push(error);
        Ok(())
    }
}
