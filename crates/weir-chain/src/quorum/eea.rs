//! Private transactions in the form of the Enterprise Ethereum Alliance, as Besu took them: a legacy transaction with fields
//! that say who may see it.
//!
//! Signing is the caller's: [`Eea::signing_hash`] is what is signed, [`Eea::assemble`] puts the signature in.

use crate::evm::TransactionError;
use crate::evm::keccak;
use crate::evm::rlp::{Item, Reader, RlpError, write_bytes, write_list, write_number, write_uint};
use crate::evm::transaction::recover;

/// Recipients of one transaction at most.
const RECIPIENTS_MAX: usize = 10_000;

/// Who may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The holders of these keys (`privateFor`).
    Recipients(Vec<Vec<u8>>),
    /// The members of a group (`privacyGroupId`).
    Group(Vec<u8>),
}

/// A private transaction before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eea {
    /// Its number among the sender's transactions in the group.
    pub nonce: u64,
    /// The price of gas, big end first.
    pub gas_price: [u8; 32],
    /// Gas at most.
    pub gas: u64,
    /// To whom it goes; `None` creates a contract.
    pub to: Option<[u8; 20]>,
    /// What it carries; Besu takes only 0.
    pub value: [u8; 32],
    /// What is sent.
    pub data: Vec<u8>,
    /// The chain; `None` signs for any.
    pub chain_id: Option<u64>,
    /// The sender's key at its manager: 32 bytes, not their Base64.
    pub private_from: Vec<u8>,
    /// Who may see it.
    pub audience: Audience,
    /// `restricted`, or `unrestricted`, which Besu refuses.
    pub restriction: String,
}

/// A signature by a key of secp256k1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whether the point's y is odd.
    pub odd: bool,
    /// Its first number.
    pub r: [u8; 32],
    /// Its second number.
    pub s: [u8; 32],
}

impl Eea {
    /// What is signed, in RLP.
    pub fn unsigned(&self) -> Vec<u8> {
        self.written(|items| {
            if let Some(chain_id) = self.chain_id {
                write_uint(chain_id, items);
                items.extend_from_slice(&[0x80, 0x80]);
            }
        })
    }

    /// The hash that is signed.
    pub fn signing_hash(&self) -> [u8; 32] {
        keccak(&self.unsigned())
    }

    /// The signed transaction, for `eea_sendRawTransaction`.
    pub fn assemble(&self, signature: &Signature) -> Vec<u8> {
        let odd = u64::from(signature.odd);
        let v =
            self.chain_id.map_or(27 + odd, |chain_id| chain_id.saturating_mul(2).saturating_add(35 + odd));
        self.written(|items| {
            write_uint(v, items);
            write_number(&signature.r, items);
            write_number(&signature.s, items);
        })
    }

    fn written(&self, between: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut items = Vec::new();
        write_uint(self.nonce, &mut items);
        write_number(&self.gas_price, &mut items);
        write_uint(self.gas, &mut items);
        write_bytes(self.to.as_ref().map_or(&[], |to| &to[..]), &mut items);
        write_number(&self.value, &mut items);
        write_bytes(&self.data, &mut items);
        between(&mut items);
        write_bytes(&self.private_from, &mut items);
        match &self.audience {
            Audience::Recipients(keys) => {
                let mut list = Vec::new();
                keys.iter().for_each(|key| write_bytes(key, &mut list));
                write_list(&list, &mut items);
            }
            Audience::Group(id) => write_bytes(id, &mut items),
        }
        write_bytes(self.restriction.as_bytes(), &mut items);
        let mut out = Vec::new();
        write_list(&items, &mut out);
        out
    }

    /// Reads a signed one.
    pub fn read(bytes: &[u8]) -> Result<(Self, Signature), TransactionError> {
        let mut list = Reader::only_list(bytes)?;
        let nonce = list.uint()?;
        let gas_price = list.word()?;
        let gas = list.uint()?;
        let to = list.address()?;
        let value = list.word()?;
        let data = list.bytes()?.to_vec();
        let (chain_id, odd) = match list.uint()? {
            v @ (27 | 28) => (None, v == 28),
            v @ 35.. => (Some((v - 35) / 2), (v - 35) % 2 == 1),
            _ => return Err(TransactionError::Recovery),
        };
        let signature = Signature { odd, r: list.word()?, s: list.word()? };
        let private_from = list.bytes()?.to_vec();
        let audience = match list.item()? {
            Item::Bytes(id) => Audience::Group(id.to_vec()),
            Item::List(mut keys) => {
                let mut recipients = Vec::new();
                while !keys.is_empty() {
                    if recipients.len() == RECIPIENTS_MAX {
                        return Err(RlpError::WrongSize.into());
                    }
                    recipients.push(keys.bytes()?.to_vec());
                }
                Audience::Recipients(recipients)
            }
        };
        let restriction = std::str::from_utf8(list.bytes()?).map_err(|_| RlpError::WrongKind)?.to_owned();
        list.end()?;
        let eea =
            Self { nonce, gas_price, gas, to, value, data, chain_id, private_from, audience, restriction };
        Ok((eea, signature))
    }

    /// The account that signed it.
    pub fn sender(&self, signature: &Signature) -> Result<[u8; 20], TransactionError> {
        recover(&self.signing_hash(), signature.odd, signature.r, signature.s)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evm::hex;

    fn audiences() -> impl Strategy<Value = Audience> {
        let key = proptest::collection::vec(any::<u8>(), 32);
        prop_oneof![
            proptest::collection::vec(key.clone(), 0..4).prop_map(Audience::Recipients),
            key.prop_map(Audience::Group),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_signed_is_read_back(
            (nonce, gas, gas_price, value) in any::<(u64, u64, [u8; 32], [u8; 32])>(),
            to in any::<Option<[u8; 20]>>(),
            data in proptest::collection::vec(any::<u8>(), 0..200),
            chain_id in prop_oneof![Just(None), (1..1_u64 << 40).prop_map(Some)],
            audience in audiences(),
        ) {
            let eea = Eea {
                nonce, gas_price, gas, to, value, data, chain_id, audience,
                private_from: vec![3; 32], restriction: "restricted".into(),
            };
            let key = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
            let (signed, id) = key.sign_prehash_recoverable(&eea.signing_hash());
            let (r, s) = signed.split_bytes();
            let signature = Signature { odd: id.is_y_odd(), r: r.into(), s: s.into() };
            let bytes = eea.assemble(&signature);
            let (read, found) = Eea::read(&bytes).unwrap();
            prop_assert_eq!((&read, found), (&eea, signature));
            prop_assert_eq!(read.sender(&found).unwrap(), crate::evm::transaction::address_of(key.verifying_key()));
            prop_assert!(Eea::read(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Eea::read(&bytes);
        }
    }

    #[test]
    fn the_fields_stand_where_besu_has_them() {
        let eea = Eea {
            nonce: 1,
            gas_price: [0; 32],
            gas: 2,
            to: None,
            value: [0; 32],
            data: vec![0xaa],
            chain_id: Some(4),
            private_from: vec![0xf0; 2],
            audience: Audience::Recipients(vec![vec![0xf1; 2]]),
            restriction: "restricted".into(),
        };
        let restricted = "8a72657374726963746564";
        assert_eq!(
            hex::write_bytes(&eea.unsigned()),
            format!("0xdc018002808081aa04808082f0f0c382f1f1{restricted}")
        );
        let signature = Signature {
            odd: true,
            r: [0; 32],
            s: {
                let mut s = [0; 32];
                s[31] = 5;
                s
            },
        };
        // v = 2 · 4 + 36.
        assert_eq!(
            hex::write_bytes(&eea.assemble(&signature)),
            format!("0xdc018002808081aa2c800582f0f0c382f1f1{restricted}")
        );
    }
}
