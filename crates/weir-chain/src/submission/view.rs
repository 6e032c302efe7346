//! What a submission sees of the nodes, and whom it picks.

use weir_model::fixed_hash;

use crate::words::Height;

/// The nodes, as far as a submission cares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// In the order of the configuration.
    pub(crate) nodes: &'a [NodeView],
    /// The newest height of the chain.
    pub(crate) head: Option<Height>,
}

/// A node, as far as a submission cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeView {
    /// Whether it is healthy.
    pub(crate) usable: bool,
}

/// A usable node that is not to be avoided; the same for the same `salt` while the usable ones stay the same (rendezvous hashing). `None` before
/// the chain's height is known.
pub(crate) fn choose(view: &View<'_>, avoid: &[usize], salt: u64) -> Option<usize> {
    view.head?;
    let usable = view.nodes.iter().enumerate().filter(|(at, node)| node.usable && !avoid.contains(at));
    usable.map(|(at, _)| at).max_by_key(|at| fixed_hash(&(salt, *at as u64)))
}
