//! Jaeger's compact Thrift over UDP: what agents and old clients send. Nothing is acknowledged, and whoever can reach the
//! port is the default tenant.

use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use weir_model::Permission;
use weir_signal::Tenant;

use super::spans::{Form, decode};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::tally::{Became, Why};

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_535;

/// Takes datagrams until it is told to stop.
pub(crate) async fn door(engine: Arc<Engine>, socket: UdpSocket, mut stop: watch::Receiver<bool>) {
    let caller = Caller { tenant: Tenant::default(), may: Permission::Write };
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        let received = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((length, peer)) => {
                // Its ticket is let go of: nobody waits for an answer.
                let became = match decode(&engine, &caller, Form::JaegerCompact, &buffer[..length]) {
                    Ok(taken) if taken.whole => Became::Taken,
                    Ok(_) => Became::Partly,
                    Err(refusal) => {
                        tracing::debug!(%peer, %refusal, "a datagram of Jaeger's was not taken");
                        Became::Refused(Why::Reason(refusal.reason))
                    }
                };
                engine.tally().note(Form::JaegerCompact.protocol(), became);
            }
            Err(error) => tracing::debug!(%error, "a datagram could not be received"),
        }
    }
}
