//! Header edits: remove, then set, then add.

use weir_head::Fields;
use weir_model::HeaderEdits;

pub(super) fn edit(fields: &mut Fields, edits: &HeaderEdits) {
    for name in &edits.remove {
        fields.remove(name);
    }
    for edit in &edits.set {
        fields.set(&edit.name, edit.value.as_bytes());
    }
    for edit in &edits.add {
        fields.append(&edit.name, edit.value.as_bytes());
    }
}

/// The same for an answer that is only lines so far: there is nothing in it to remove.
pub(super) fn write(edits: &HeaderEdits, out: &mut Vec<u8>) {
    for edit in edits.set.iter().chain(&edits.add) {
        out.extend_from_slice(edit.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(edit.value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
