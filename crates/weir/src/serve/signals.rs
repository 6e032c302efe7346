//! Signals: HUP reads again, TERM and INT stop.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Read everything again.
    Reload,
    /// Stop. The signal's name and number.
    Stop(&'static str, i32),
}

/// The signals that are listened to. From here on none of them ends the process by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    /// Has to be called within a runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT", SignalKind::interrupt().as_raw_value()),
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    /// The next signal that says to stop; its name and number.
    pub(crate) async fn stop(&mut self) -> (&'static str, i32) {
        loop {
            if let Signal::Stop(name, number) = self.next().await {
                return (name, number);
            }
        }
    }
}
