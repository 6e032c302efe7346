//! Where secrets are found.

use weir_model::{SecretRef, TlsVersion};

use crate::form::Form;
use crate::forms::{Case, Choice, FILE, TOKEN, Union};
use crate::out::Out;
use crate::reader::Reader;
use crate::schema::Shape;
use crate::tree::Node;

fn file<'n>(node: &'n Node<'n>, r: &mut Reader<'n>) -> Option<SecretRef> {
    FILE.read(node, r).map(SecretRef::File)
}

/// A secret: a file (also as a bare text) or an environment variable.
pub(crate) const SECRET: Union<SecretRef> = Union {
    words: &[],
    bare: Some((file, |shapes| FILE.shape(shapes))),
    cases: &[
        Case { key: "file", read: file, shape: |shapes| FILE.shape(shapes) },
        Case {
            key: "env",
            read: |node, r| TOKEN.read(node, r).map(|name| SecretRef::Env(name.to_string())),
            shape: |_| Shape::new(serde_json::json!({ "type": "string" }), "name of a variable"),
        },
    ],
    write: |secret| match secret {
        SecretRef::File(path) => FILE.write(path),
        SecretRef::Env(name) => Out::one("env", Out::text(name)),
    },
};

/// The oldest TLS version accepted.
pub(crate) const TLS_VERSION: Choice<TlsVersion> =
    Choice(&[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)]);
