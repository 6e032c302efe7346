//! Bodies of requests in a file, made once and sent to every contestant: all get the same bytes, and making them costs no
//! round.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::http::Client;

/// What a body is, which its sender tells the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Remote write 1.0: protobuf, snappy in one block.
    RemoteWrite,
    /// Loki's push: the same encodings.
    LokiPush,
    /// OTLP over HTTP, protobuf, as it is.
    Otlp,
}

impl Protocol {
    fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::RemoteWrite => &[
                ("content-type", "application/x-protobuf"),
                ("content-encoding", "snappy"),
                ("x-prometheus-remote-write-version", "0.1.0"),
            ],
            // Loki's clients send no content-encoding, since snappy is part of the type.
            Self::LokiPush | Self::Otlp => &[("content-type", "application/x-protobuf")],
        }
    }

    /// Encodes a message as the protocol's clients do.
    pub(crate) fn encode(self, message: &[u8], compressor: &mut snap::raw::Encoder) -> Result<Vec<u8>> {
        match self {
            Self::RemoteWrite | Self::LokiPush => Ok(compressor.compress_vec(message)?),
            Self::Otlp => Ok(message.to_vec()),
        }
    }
}

/// Writes bodies, each after its length.
pub(crate) struct BodyWriter {
    out: BufWriter<File>,
    file: PathBuf,
    protocol: Protocol,
    compressor: snap::raw::Encoder,
}

impl BodyWriter {
    pub(crate) fn create(file: &Path, protocol: Protocol) -> Result<Self> {
        let out = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
        let out = BufWriter::with_capacity(1 << 20, out);
        Ok(Self { out, file: file.to_owned(), protocol, compressor: snap::raw::Encoder::new() })
    }

    pub(crate) fn add(&mut self, message: &[u8]) -> Result<()> {
        let body = self.protocol.encode(message, &mut self.compressor)?;
        self.out.write_all(&(body.len() as u32).to_le_bytes())?;
        Ok(self.out.write_all(&body)?)
    }

    pub(crate) fn finish(mut self) -> Result<Bodies> {
        self.out.flush()?;
        Ok(Bodies { file: self.file, protocol: self.protocol })
    }
}

/// Bodies that were written.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    file: PathBuf,
    protocol: Protocol,
}

impl Bodies {
    /// Sends all, in order, over one connection.
    pub(crate) fn send(&self, client: &mut Client, path: &str) -> Result<()> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.file)?);
        let mut body = Vec::new();
        loop {
            let mut length = [0; 4];
            match file.read_exact(&mut length) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            body.resize(u32::from_le_bytes(length) as usize, 0);
            file.read_exact(&mut body)?;
            send(client, path, self.protocol, &body)?;
        }
    }
}

/// Sends one body. Where the server asks to wait it is sent again, at most a hundred times.
pub(crate) fn send(client: &mut Client, path: &str, protocol: Protocol, body: &[u8]) -> Result<()> {
    for _ in 0..100 {
        let answer = client.send("POST", path, protocol.headers(), body)?;
        if !matches!(answer.status, 429 | 503) {
            answer.success().with_context(|| format!("POST {path}"))?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("POST {path} was put off a hundred times")
}
