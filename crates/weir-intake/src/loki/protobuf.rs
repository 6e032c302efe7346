//! `logproto.PushRequest`.

use weir_signal::{LabelsBuilder, LogSink, Refusal};

use super::{Intake, Outcome, nanos, selector};
use crate::Limits;
use crate::wire::{Field, Reader, WireError};

const LABELS: u32 = 1;
const ENTRIES: u32 = 2;

pub(super) fn read<S: LogSink + ?Sized>(
    payload: &[u8],
    mut intake: Intake<'_, S>,
) -> Result<Outcome, Refusal> {
    let mut request = Reader::new(payload);
    while let Some(field) = request.next()? {
        if field.number == 1 {
            stream(field.message()?, &mut intake)?;
        }
    }
    Ok(intake.outcome)
}

fn stream<S: LogSink + ?Sized>(message: Reader<'_>, intake: &mut Intake<'_, S>) -> Result<(), Refusal> {
    // Labels may follow the lines that they are for.
    let mut labels = &b""[..];
    let mut ahead = message;
    while let Some(field) = ahead.next()? {
        if field.number == LABELS {
            labels = field.bytes()?;
        }
    }
    let read = selector::read(&String::from_utf8_lossy(labels), intake.limits, intake.builder);
    intake.begin(read.err())?;
    let mut fields = message;
    while let Some(field) = fields.next()? {
        if field.number == ENTRIES {
            let (time_ns, line) = entry(field, intake.limits, intake.builder)?;
            // Programs write what they like; what is not UTF-8 of it is shown as such.
            intake.line(time_ns, &String::from_utf8_lossy(line))?;
        }
    }
    Ok(())
}

/// The time and the line of an entry; its metadata into the builder, of which one pair more than allowed shows that there
/// were too many.
fn entry<'a>(
    field: Field<'a>,
    limits: &Limits,
    builder: &mut LabelsBuilder,
) -> Result<(Option<i64>, &'a [u8]), WireError> {
    let mut message = field.message()?;
    builder.clear();
    let mut count = 0;
    let (mut time_ns, mut line) = (Some(0), &b""[..]);
    while let Some(field) = message.next()? {
        match field.number {
            1 => time_ns = timestamp(field)?,
            2 => line = field.bytes()?,
            3 => {
                let mut pair = field.message()?;
                let (mut name, mut value) = (&b""[..], &b""[..]);
                while let Some(field) = pair.next()? {
                    match field.number {
                        1 => name = field.bytes()?,
                        2 => value = field.bytes()?,
                        _ => {}
                    }
                }
                count += 1;
                if count <= limits.labels + 1 {
                    builder.push(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
                }
            }
            _ => {}
        }
    }
    Ok((time_ns, line))
}

/// `google.protobuf.Timestamp`.
fn timestamp(field: Field<'_>) -> Result<Option<i64>, WireError> {
    let mut message = field.message()?;
    let (mut seconds, mut rest) = (0, 0);
    while let Some(field) = message.next()? {
        match field.number {
            1 => seconds = field.int()?,
            2 => rest = field.int()?,
            _ => {}
        }
    }
    Ok(nanos(seconds, rest))
}
