//! A client for HTTP/1.1 on loopback: one connection, kept, one request at a time.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The largest answer that is read; what is larger is an error rather than memory without end.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// A connection to one address, opened when it is needed.
pub(crate) struct Client {
    address: SocketAddr,
    timeout: Duration,
    socket: Option<BufReader<TcpStream>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body, or an error that quotes it when the status is not one of success.
    pub(crate) fn success(self) -> Result<Vec<u8>> {
        if !(200..300).contains(&self.status) {
            let said = String::from_utf8_lossy(&self.body[..self.body.len().min(600)]).into_owned();
            bail!("answered {}: {}", self.status, said.trim());
        }
        Ok(self.body)
    }
}

impl Client {
    /// Each read and write ends after `timeout` at the latest.
    pub(crate) fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self { address, timeout, socket: None }
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], &[])
    }

    pub(crate) fn post(&mut self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer> {
        self.send("POST", path, &[("content-type", content_type)], body)
    }

    /// Sends a request and reads the answer. A kept connection that turns out to be closed is opened anew, once.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let kept = self.socket.is_some();
        match self.attempt(method, path, headers, body) {
            Err(_) if kept => {
                self.socket = None;
                self.attempt(method, path, headers, body)
            }
            result => result,
        }
        .inspect_err(|_| self.socket = None)
        .with_context(|| format!("{method} http://{}{path}", self.address))
    }

    fn attempt(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        if self.socket.is_none() {
            let socket = TcpStream::connect_timeout(&self.address, self.timeout)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(self.timeout))?;
            socket.set_write_timeout(Some(self.timeout))?;
            self.socket = Some(BufReader::with_capacity(64 * 1024, socket));
        }
        let socket = self.socket.as_mut().context("no connection")?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if method != "GET" {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        socket.get_mut().write_all(&message)?;
        let (answer, keep) = read_answer(socket)?;
        if !keep {
            self.socket = None;
        }
        Ok(answer)
    }
}

/// How the end of a body is told.
enum Length {
    Known(u64),
    Chunked,
    UntilClosed,
}

fn read_answer(socket: &mut impl BufRead) -> Result<(Answer, bool)> {
    let status_line = line(socket)?;
    let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status: u16 = status.with_context(|| format!("{status_line:?} is not a status line"))?;
    let mut length = Length::UntilClosed;
    let mut keep = status_line.starts_with("HTTP/1.1");
    loop {
        let field = line(socket)?;
        let Some((name, value)) = field.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Length::Known(value.parse().context("content-length")?),
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => length = Length::Chunked,
            "connection" => keep = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    if status == 204 || status == 304 {
        length = Length::Known(0);
    }
    let mut body = Vec::new();
    match length {
        Length::Known(bytes) => read_exactly(socket, bytes, &mut body)?,
        Length::Chunked => loop {
            let size = line(socket)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).with_context(|| format!("chunk size {size:?}"))?;
            read_exactly(socket, size, &mut body)?;
            // The line end after a chunk; after the last one also what trailers there are.
            while !line(socket)?.is_empty() {}
            if size == 0 {
                break;
            }
        },
        Length::UntilClosed => {
            keep = false;
            socket.take(ANSWER_BYTES_MAX).read_to_end(&mut body)?;
        }
    }
    Ok((Answer { status, body }, keep))
}

fn read_exactly(socket: &mut impl BufRead, bytes: u64, body: &mut Vec<u8>) -> Result<()> {
    if body.len() as u64 + bytes > ANSWER_BYTES_MAX {
        bail!("the answer is larger than {ANSWER_BYTES_MAX} bytes");
    }
    let read = socket.take(bytes).read_to_end(body)?;
    if (read as u64) < bytes {
        bail!("the connection was closed {} bytes before the answer's end", bytes - read as u64);
    }
    Ok(())
}

fn line(socket: &mut impl BufRead) -> Result<String> {
    let mut line = Vec::new();
    socket.take(64 * 1024).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        bail!("the connection was closed within the answer's head");
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Escapes what may not stand in a query's value.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte as char),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wire: &str, status: u16, body: &str, kept: bool) {
        let (answer, keep) = read_answer(&mut wire.as_bytes()).unwrap();
        assert_eq!(
            (answer.status, String::from_utf8(answer.body).unwrap().as_str(), keep),
            (status, body, kept)
        );
    }

    #[test]
    fn reads_bodies_of_every_length() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", true);
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            200,
            "abc",
            true,
        );
        check("HTTP/1.0 500 No\r\n\r\nrest", 500, "rest", false);
        check("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", 204, "", false);
        assert!(read_answer(&mut "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".as_bytes()).is_err());
    }

    #[test]
    fn escapes_queries() {
        assert_eq!(escape("a{b=\"c\"}"), "a%7Bb%3D%22c%22%7D");
    }
}
