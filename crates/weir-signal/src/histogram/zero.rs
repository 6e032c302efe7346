//! The bucket around zero, and how two of different width are brought together.

use std::cmp::Ordering;

use super::Histogram;
use super::bounds::upper_bound;
use super::sum::{Lost, kahan_add};

impl Histogram {
    /// What a bucket around zero of at least `threshold` would hold, and how far it would reach: where the threshold lies
    /// within a bucket that holds something, to the end of that bucket.
    pub(super) fn zero_count_within(&self, threshold: f64, lost: Option<&Lost>) -> (f64, f64, f64) {
        let mut threshold = threshold;
        loop {
            let (mut count, mut carry) = (self.zero_count, lost.map_or(0.0, |lost| lost.zero_count));
            let mut reach = threshold;
            let sides = [
                (&self.positive, lost.map(|lost| &lost.positive)),
                (&self.negative, lost.map(|lost| &lost.negative)),
            ];
            for (buckets, lost) in sides {
                for (position, (index, held)) in buckets.indexed().enumerate() {
                    if upper_bound(index.saturating_sub(1), self.schema) >= reach {
                        break;
                    }
                    kahan_add(held, &mut count, &mut carry);
                    if let Some(&lost) = lost.and_then(|lost| lost.get(position)) {
                        kahan_add(lost, &mut count, &mut carry);
                    }
                    let end = upper_bound(index, self.schema);
                    if end > reach {
                        if held != 0.0 {
                            reach = end;
                        }
                        break;
                    }
                }
            }
            if reach <= threshold {
                return (count, carry, threshold);
            }
            // One side reached further than was asked for: the other has to follow.
            threshold = reach;
        }
    }

    /// Brings the bucket around zero to a width that `other` can have too, and returns what the other's would hold.
    pub(super) fn reconcile_zero_bucket(&mut self, mut lost: Option<&mut Lost>, other: &Self) -> f64 {
        let (mut count, mut threshold) = (other.zero_count, other.zero_threshold);
        loop {
            if self.zero_threshold > threshold {
                let (found, carry, reach) = other.zero_count_within(self.zero_threshold, None);
                (count, threshold) = (found + carry, reach);
            }
            if threshold > self.zero_threshold {
                let (found, carry, reach) = self.zero_count_within(threshold, lost.as_deref());
                (self.zero_count, self.zero_threshold) = (found, reach);
                let outside = |index: i32| upper_bound(index.saturating_sub(1), self.schema) >= reach;
                let (positive, negative) = match lost.as_deref_mut() {
                    Some(lost) => {
                        lost.zero_count = carry;
                        (Some(&mut lost.positive), Some(&mut lost.negative))
                    }
                    None => (None, None),
                };
                self.positive.retain(positive, |index, _, _| outside(index));
                self.negative.retain(negative, |index, _, _| outside(index));
            }
            // Equal, or one of them is no number.
            if self.zero_threshold.partial_cmp(&threshold) != Some(Ordering::Greater) {
                return count;
            }
        }
    }
}
