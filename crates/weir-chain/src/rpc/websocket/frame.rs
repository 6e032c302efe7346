//! Frames (RFC 6455, section 5): a server's are read, a client's are written. Pure.

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// More of the message before.
    Continuation,
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// The server goes.
    Close,
    /// To be answered with the same payload.
    Ping,
    /// The answer to that.
    Pong,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn read(code: u8) -> Option<Self> {
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong]
            .into_iter()
            .find(|kind| kind.code() == code)
    }

    /// Whether it may stand between the frames of a message.
    pub fn is_control(self) -> bool {
        self.code() >= 8
    }
}

/// A frame of a server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// Whether the message ends with it.
    pub last: bool,
    /// What it carries.
    pub payload: &'a [u8],
    /// Bytes that it takes, with its head.
    pub length: usize,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Bits are set that only extensions give a meaning.
    #[error("a frame uses an extension that was not agreed")]
    Extension,
    /// There is no such kind.
    #[error("a frame is of no known kind")]
    Kind,
    /// Servers do not mask.
    #[error("a server's frame is masked")]
    Masked,
    /// A control frame is longer than 125 bytes or in parts.
    #[error("a control frame is too long, or in parts")]
    Control,
    /// It is longer than was allowed.
    #[error("a frame is too long")]
    TooLong,
}

/// Reads the frame that `bytes` begin with; `None` where more of them are needed.
///
/// # Errors
/// As soon as its head shows that it is none, or carries more than `most` bytes.
pub fn decode(bytes: &[u8], most: usize) -> Result<Option<Frame<'_>>, FrameError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(FrameError::Extension);
    }
    let kind = Kind::read(first & 0xf).ok_or(FrameError::Kind)?;
    if second & 0x80 != 0 {
        return Err(FrameError::Masked);
    }
    let last = first & 0x80 != 0;
    if kind.is_control() && (second & 0x7f > 125 || !last) {
        return Err(FrameError::Control);
    }
    let (length, head) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if length > most as u64 {
        return Err(FrameError::TooLong);
    }
    let length = head + length as usize;
    Ok(bytes.get(head..length).map(|payload| Frame { kind, last, payload, length }))
}

/// Writes a whole message as one frame, masked with `mask`.
pub fn encode(kind: Kind, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(0x80 | kind.code());
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        medium @ 126..=0xffff => {
            out.push(0x80 | 0x7E);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 0x7F);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_of_servers() {
        type Read<'a> = Result<Option<(Kind, bool, &'a [u8])>, FrameError>;
        #[track_caller]
        fn check(bytes: &[u8], expect: Read<'_>) {
            let read = decode(bytes, 300).map(|f| f.map(|f| (f.kind, f.last, f.payload)));
            assert_eq!(read, expect, "{bytes:x?}");
        }
        check(b"", Ok(None));
        check(&[0x81], Ok(None));
        check(&[0x81, 2, b'a'], Ok(None));
        check(&[0x81, 2, b'a', b'b', b'c'], Ok(Some((Kind::Text, true, b"ab"))));
        check(&[0x01, 0], Ok(Some((Kind::Text, false, b""))));
        check(&[0x80, 126, 0, 1, b'a'], Ok(Some((Kind::Continuation, true, b"a"))));
        check(&[0x88, 0], Ok(Some((Kind::Close, true, b""))));
        check(&[0x81, 126, 1], Ok(None));
        check(&[0x81, 126, 1, 45], Err(FrameError::TooLong));
        check(&[0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255], Err(FrameError::TooLong));
        check(&[0xc1, 0], Err(FrameError::Extension));
        check(&[0x83, 0], Err(FrameError::Kind));
        check(&[0x81, 0x80, 0, 0, 0, 0], Err(FrameError::Masked));
        check(&[0x89, 126, 0, 126], Err(FrameError::Control));
        check(&[0x09, 0], Err(FrameError::Control));
    }

    #[test]
    fn frames_of_clients() {
        let mut out = Vec::new();
        encode(Kind::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut out);
        // The example of section 5.7.
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(payload in prop::collection::vec(any::<u8>(), 0..70_000), cut in any::<prop::sample::Index>()) {
            let mut out = Vec::new();
            encode(Kind::Binary, &payload, [0; 4], &mut out);
            // As a server would write it.
            let head = out.len() - payload.len() - 4;
            out[1] &= 0x7f;
            out.drain(head..head + 4);
            let frame = decode(&out, 1 << 20).unwrap().unwrap();
            prop_assert_eq!((frame.payload, frame.length), (&*payload, out.len()));
            prop_assert_eq!(decode(&out[..cut.index(out.len())], 1 << 20), Ok(None));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
            let _ = decode(&bytes, 16);
        }
    }
}
