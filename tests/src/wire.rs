//! A small, strict reader of HTTP/1.1 messages (RFC 9112). It takes what the RFC calls well-formed and nothing else.

use std::io::{ErrorKind, Read};

/// A request or an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: String,
    /// Field lines, names as they came.
    pub fields: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// Field lines of the trailer section.
    pub trailers: Vec<(String, String)>,
    /// The head's bytes, its empty line included.
    pub raw: Vec<u8>,
    /// Heads of the interim answers (1xx) that came before this answer.
    pub interim: Vec<Message>,
    /// Whether the body's end was the connection's.
    pub until_close: bool,
}

/// Why no message was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer closed the connection between messages.
    Closed,
    /// The peer closed or reset the connection within a message.
    Truncated,
    /// The peer reset the connection between messages.
    Reset,
    /// Nothing came in time.
    Timeout,
    /// These bytes are no message.
    Malformed(String),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(usize),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Message {
    /// The value of a field that stands at most once. Panics where it is repeated.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} is repeated: {all:?}");
        all.first().copied()
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The status of an answer, 0 for a request.
    pub fn status(&self) -> u16 {
        let code = self.start.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1));
        code.and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn framing(&self) -> Result<Option<Framing>, Fault> {
        let malformed = |what: String| Err(Fault::Malformed(what));
        let (lengths, codings) = (self.all("content-length"), self.all("transfer-encoding"));
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Ok(None),
            ([], ["chunked"]) => Ok(Some(Framing::Chunked)),
            ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
                match length.parse() {
                    Ok(length) => Ok(Some(Framing::Length(length))),
                    Err(_) => malformed(format!("content-length: {length}")),
                }
            }
            _ => malformed(format!("content-length {lengths:?} with transfer-encoding {codings:?}")),
        }
    }

    /// How the body of this request ends.
    pub fn request_framing(&self) -> Result<Framing, Fault> {
        Ok(self.framing()?.unwrap_or(Framing::None))
    }

    /// How the body of this answer to a request of `method` ends.
    pub fn response_framing(&self, method: &str) -> Result<Framing, Fault> {
        let framing = self.framing()?;
        match self.status() {
            100..=199 | 204 if framing.is_some() => {
                Err(Fault::Malformed(format!("{} with {framing:?}", self.start)))
            }
            100..=199 | 204 | 304 => Ok(Framing::None),
            _ if method == "HEAD" => Ok(Framing::None),
            _ => Ok(framing.unwrap_or(Framing::UntilClose)),
        }
    }
}

/// Reads messages from a connection, one after the other.
#[derive(Debug)]
pub struct Reader<S> {
    /// Where the bytes come from.
    pub stream: S,
    buf: Vec<u8>,
    /// All bytes that came, as far as they are kept.
    pub seen: Vec<u8>,
}

/// Kept of all that came on a connection.
const SEEN_MAX: usize = 256 * 1024;

impl<S: Read> Reader<S> {
    /// A reader at the beginning of a connection.
    pub fn new(stream: S) -> Self {
        Self { stream, buf: Vec::new(), seen: Vec::new() }
    }

    /// Bytes that came and were not asked for yet.
    pub fn pending(&self) -> &[u8] {
        &self.buf
    }

    fn fill(&mut self) -> Result<(), Fault> {
        let mut piece = vec![0; 64 * 1024];
        loop {
            return match self.stream.read(&mut piece) {
                Ok(0) => Err(Fault::Closed),
                Ok(count) => {
                    self.buf.extend_from_slice(&piece[..count]);
                    let room = SEEN_MAX.saturating_sub(self.seen.len());
                    self.seen.extend_from_slice(&piece[..count.min(room)]);
                    Ok(())
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    Err(Fault::Timeout)
                }
                Err(_) => Err(Fault::Reset),
            };
        }
    }

    /// Bytes that come within a message: an end here is a truncation.
    fn more(&mut self) -> Result<(), Fault> {
        self.fill().map_err(|fault| match fault {
            Fault::Closed | Fault::Reset => Fault::Truncated,
            other => other,
        })
    }

    /// Reads to the end of the connection. A reset counts as an end.
    pub fn rest(&mut self) -> Vec<u8> {
        while let Ok(()) = self.fill() {}
        std::mem::take(&mut self.buf)
    }

    /// Waits for the next byte without taking it.
    pub fn wait(&mut self) -> Result<(), Fault> {
        if self.buf.is_empty() { self.fill() } else { Ok(()) }
    }

    /// Takes exactly so many bytes.
    pub fn take(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        while self.buf.len() < count {
            self.more()?;
        }
        Ok(self.buf.drain(..count).collect())
    }

    /// Reads a line and takes its CRLF off. Every other control character but a tab is an error.
    fn line(&mut self) -> Result<String, Fault> {
        let end = loop {
            if let Some(at) = self.buf.iter().position(|&b| b == b'\n') {
                break at;
            }
            self.more()?;
        };
        let bytes: Vec<u8> = self.buf.drain(..=end).collect();
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let Some(line) = bytes.strip_suffix(b"\r\n") else {
            return Err(Fault::Malformed(format!("a line without CR: {shown:?}")));
        };
        if line.iter().any(|&b| (b < 0x20 && b != b'\t') || b == 0x7f) {
            return Err(Fault::Malformed(format!("a control character: {shown:?}")));
        }
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn fields(&mut self, raw: &mut Vec<u8>) -> Result<Vec<(String, String)>, Fault> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            raw.extend_from_slice(line.as_bytes());
            raw.extend_from_slice(b"\r\n");
            if line.is_empty() {
                return Ok(fields);
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(Fault::Malformed(format!("a field without a colon: {line:?}")));
            };
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(token) {
                return Err(Fault::Malformed(format!("a field name: {line:?}")));
            }
            fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    /// Reads a head. [`Fault::Closed`] and [`Fault::Reset`] only before its first byte.
    pub fn head(&mut self) -> Result<Message, Fault> {
        self.wait()?;
        let start = self.line()?;
        let mut message = Message { raw: format!("{start}\r\n").into_bytes(), start, ..Message::default() };
        let words: Vec<&str> = message.start.splitn(3, ' ').collect();
        let well_formed = match words.as_slice() {
            [version, status, ..] if version.starts_with("HTTP/1.") => {
                status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())
            }
            [method, target, version] => {
                !method.is_empty()
                    && method.bytes().all(|b| b.is_ascii_graphic())
                    && !target.is_empty()
                    && target.bytes().all(|b| b.is_ascii_graphic())
                    && matches!(*version, "HTTP/1.1" | "HTTP/1.0")
            }
            _ => false,
        };
        if !well_formed {
            return Err(Fault::Malformed(format!("a first line: {:?}", message.start)));
        }
        message.fields = self.fields(&mut message.raw)?;
        Ok(message)
    }

    /// Reads a body into its message.
    pub fn body(&mut self, framing: Framing, message: &mut Message) -> Result<(), Fault> {
        match framing {
            Framing::None => {}
            Framing::Length(length) => message.body = self.take(length)?,
            Framing::UntilClose => {
                message.until_close = true;
                loop {
                    match self.fill() {
                        Ok(()) => {}
                        Err(Fault::Closed) => break,
                        Err(Fault::Reset) => return Err(Fault::Truncated),
                        Err(fault) => return Err(fault),
                    }
                }
                message.body = std::mem::take(&mut self.buf);
            }
            Framing::Chunked => loop {
                let line = self.line()?;
                let size = match usize::from_str_radix(&line, 16) {
                    Ok(size) if line.bytes().all(|b| b.is_ascii_hexdigit()) => size,
                    _ => return Err(Fault::Malformed(format!("a chunk's size: {line:?}"))),
                };
                if size == 0 {
                    message.trailers = self.fields(&mut Vec::new())?;
                    break;
                }
                message.body.extend(self.take(size)?);
                if self.take(2)? != b"\r\n" {
                    return Err(Fault::Malformed("a chunk without CRLF".into()));
                }
            },
        }
        Ok(())
    }

    /// Reads a request with its body.
    pub fn request(&mut self) -> Result<Message, Fault> {
        let mut message = self.head()?;
        if message.status() != 0 {
            return Err(Fault::Malformed(format!(
                "an answer where a request should be: {:?}",
                message.start
            )));
        }
        let framing = message.request_framing()?;
        self.body(framing, &mut message)?;
        Ok(message)
    }

    /// Reads the final answer to a request of `method`, with its body; interim answers are kept beside it.
    pub fn response(&mut self, method: &str) -> Result<Message, Fault> {
        let mut interim = Vec::new();
        loop {
            let mut message = self.head()?;
            if message.status() == 0 {
                return Err(Fault::Malformed(format!("no status line: {:?}", message.start)));
            }
            let framing = message.response_framing(method)?;
            if (100..200).contains(&message.status()) && message.status() != 101 {
                interim.push(message);
                continue;
            }
            self.body(framing, &mut message)?;
            message.interim = interim;
            return Ok(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_well_formed_and_nothing_else() {
        #[track_caller]
        fn check(bytes: &str, expect: Result<&str, fn(&Fault) -> bool>) {
            match (Reader::new(bytes.as_bytes()).response("GET"), expect) {
                (Ok(message), Ok(body)) => assert_eq!(message.text(), body),
                (Err(fault), Err(expected)) => assert!(expected(&fault), "{fault:?}"),
                (got, _) => panic!("{bytes:?}: {got:?}"),
            }
        }
        let malformed: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Malformed(_));
        let truncated: fn(&Fault) -> bool = |fault| *fault == Fault::Truncated;
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Ok("ok"));
        check(
            "HTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Ok("ok"),
        );
        check("HTTP/1.1 200 OK\r\n\r\nto the end", Ok("to the end"));
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", Err(truncated));
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", Err(truncated));
        check("HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\nok", Err(malformed));
        check("HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok", Err(malformed));
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n", Err(malformed));
        check("HTTP/1.1 204 OK\r\ncontent-length: 2\r\n\r\nok", Err(malformed));
    }
}
