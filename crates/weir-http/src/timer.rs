//! One lazily re-armed timer per connection.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use tokio::time::{Sleep, sleep_until};
use weir_model::Mono;

use crate::clock::{instant_of, mono_now};

/// A deadline that moves often and passes seldom.
///
/// Moving it later costs nothing: the runtime's timer stays where it was, and when it fires early it is armed again.
/// Only an earlier deadline touches the runtime. It must be polled by one task only.
#[derive(Debug)]
pub struct Timer {
    deadline: Mono,
    armed: Mono,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Default for Timer {
    fn default() -> Self {
        Self { deadline: Mono::NEVER, armed: Mono::NEVER, sleep: None }
    }
}

impl Timer {
    /// Sets the deadline; [`Mono::NEVER`] for none.
    #[inline]
    pub fn set(&mut self, deadline: Mono) {
        self.deadline = deadline;
    }

    /// Whether the deadline has passed; if not, the task is woken when it does.
    #[inline]
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> bool {
        if self.deadline >= self.armed
            && let Some(sleep) = &self.sleep
            && !sleep.is_elapsed()
        {
            return false;
        }
        self.rearm(cx)
    }

    #[cold]
    fn rearm(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if self.deadline == Mono::NEVER && self.armed == Mono::NEVER {
                return false;
            }
            if self.deadline <= mono_now() {
                return true;
            }
            let at = instant_of(self.deadline);
            self.armed = self.deadline;
            let sleep = match &mut self.sleep {
                Some(sleep) => {
                    sleep.as_mut().reset(at);
                    sleep
                }
                none => none.insert(Box::pin(sleep_until(at))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
    }
}
