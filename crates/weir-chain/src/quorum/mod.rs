//! Ethereum's JSON-RPC with private transactions: GoQuorum's through a transaction manager, and those of the Enterprise
//! Ethereum Alliance as Besu had them. Both have ended upstream; what runs on goes on.

mod compare;
mod eea;
mod manager;
mod node;

pub use compare::{PrivateComparison, PrivateQuestion, compare_private};
pub use eea::{Audience, Eea, Signature};
pub use manager::Manager;
pub use node::{PrivacyGroup, QuorumNode};
