//! Signed transactions, read in place: who signed them, their number, and by what the chain finds them.
//!
//! Their forms: legacy ones without and with the chain's number (EIP-155), and those of EIP-2718 with access lists (EIP-2930),
//! fees by base and tip (EIP-1559), blobs (EIP-4844, as in a block or with the blobs beside it as in EIP-7594 and before), and
//! delegations (EIP-7702). Of a type that is not known here only the hash is known.

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

use super::keccak::{keccak, keccak_of};
use super::rlp::{Item, Reader, RlpError, write_list, write_uint};

/// The form of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it was in the beginning; with the chain's number since EIP-155.
    Legacy,
    /// Legacy and marked as private by its `v` of 37 or 38, as GoQuorum has it. EIP-155 gives the same numbers to chain 1:
    /// only the caller can tell.
    PrivateMarked,
    /// EIP-2930, type 1.
    AccessList,
    /// EIP-1559, type 2.
    DynamicFee,
    /// EIP-4844, type 3.
    Blobs,
    /// EIP-7702, type 4.
    Delegations,
}

/// What stands in a signed transaction, as far as it matters to whoever passes it on.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Its form.
    pub form: Form,
    /// By what the chain finds it.
    pub hash: [u8; 32],
    /// The chain that it is for; `None` where it does not say.
    pub chain_id: Option<u64>,
    /// Its number among its sender's transactions.
    pub nonce: u64,
    /// To whom it goes; `None` creates a contract.
    pub to: Option<[u8; 20]>,
    /// What is sent there.
    pub data: &'a [u8],
    /// The fields before the signature, as they were written.
    fields: &'a [u8],
    signature: Parts,
}

#[derive(Clone, Copy, Debug)]
struct Parts {
    odd: bool,
    r: [u8; 32],
    s: [u8; 32],
}

/// A transaction, as far as its type is known.
#[derive(Clone, Copy, Debug)]
pub enum Transaction<'a> {
    /// Of a known form.
    Known(Signed<'a>),
    /// Of another type of EIP-2718.
    Other {
        /// By what the chain finds it.
        hash: [u8; 32],
    },
}

/// Why bytes are no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// They are empty.
    #[error("they are empty")]
    Empty,
    /// They are no RLP, or other fields than the form has.
    #[error("they are no transaction in RLP: {0}")]
    Rlp(#[from] RlpError),
    /// The number that completes the signature is none.
    #[error("the `v` of the signature is neither 27, 28 nor 35 or more; `yParity` is 0 or 1")]
    Recovery,
    /// It is not signed.
    #[error("it is not signed")]
    Unsigned,
    /// No key made this signature.
    #[error("no key made its signature")]
    Signature,
}

impl<'a> Transaction<'a> {
    /// Reads one that fills `bytes`.
    pub fn read(bytes: &'a [u8]) -> Result<Self, TransactionError> {
        let (&first, payload) = bytes.split_first().ok_or(TransactionError::Empty)?;
        let form = match first {
            0xc0.. => return legacy(bytes).map(Self::Known),
            1 => Form::AccessList,
            2 => Form::DynamicFee,
            3 => Form::Blobs,
            4 => Form::Delegations,
            0..0x80 => return Ok(Self::Other { hash: keccak(bytes) }),
            0x80..0xc0 => return Err(RlpError::WrongKind.into()),
        };
        typed(form, first, payload).map(Self::Known)
    }

    /// By what the chain finds it.
    pub fn hash(&self) -> [u8; 32] {
        match self {
            Self::Known(signed) => signed.hash,
            Self::Other { hash } => *hash,
        }
    }

    /// Its fields, where its type is known.
    pub fn known(&self) -> Option<&Signed<'a>> {
        match self {
            Self::Known(signed) => Some(signed),
            Self::Other { .. } => None,
        }
    }
}

fn legacy(bytes: &[u8]) -> Result<Signed<'_>, TransactionError> {
    let mut list = Reader::only_list(bytes)?;
    let all = list.rest();
    let nonce = list.uint()?;
    list.word()?;
    list.uint()?;
    let to = list.address()?;
    list.word()?;
    let data = list.bytes()?;
    let fields = &all[..all.len() - list.rest().len()];
    let v = list.uint()?;
    let (r, s) = (list.word()?, list.word()?);
    list.end()?;
    if r == [0; 32] && s == [0; 32] {
        return Err(TransactionError::Unsigned);
    }
    let (odd, chain_id) = match v {
        27 | 28 => (v == 28, None),
        35.. => ((v - 35) % 2 == 1, Some((v - 35) / 2)),
        _ => return Err(TransactionError::Recovery),
    };
    let signature = Parts { odd, r, s };
    Ok(Signed { form: Form::Legacy, hash: keccak(bytes), chain_id, nonce, to, data, fields, signature })
}

fn typed(form: Form, kind: u8, payload: &[u8]) -> Result<Signed<'_>, TransactionError> {
    let mut list = Reader::only_list(payload)?;
    let mut body = payload;
    if form == Form::Blobs {
        let whole = list;
        // With the blobs beside it, the transaction of the block is the first item.
        if let Item::List(inner) = list.item()? {
            let taken = whole.rest().len() - list.rest().len();
            body = &whole.rest()[..taken];
            list = inner;
        } else {
            list = whole;
        }
    }
    let all = list.rest();
    let chain_id = list.uint()?;
    let nonce = list.uint()?;
    // A price, or a tip and a fee.
    list.word()?;
    if form != Form::AccessList {
        list.word()?;
    }
    list.uint()?;
    let to = list.address()?;
    if to.is_none() && matches!(form, Form::Blobs | Form::Delegations) {
        return Err(RlpError::WrongSize.into());
    }
    list.word()?;
    let data = list.bytes()?;
    list.list()?;
    match form {
        Form::Blobs => {
            list.word()?;
            list.list()?;
        }
        Form::Delegations => {
            list.list()?;
        }
        _ => {}
    }
    let fields = &all[..all.len() - list.rest().len()];
    let odd = match list.uint()? {
        0 => false,
        1 => true,
        _ => return Err(TransactionError::Recovery),
    };
    let signature = Parts { odd, r: list.word()?, s: list.word()? };
    list.end()?;
    let hash = keccak_of(&[&[kind], body]);
    Ok(Signed { form, hash, chain_id: Some(chain_id), nonce, to, data, fields, signature })
}

impl Signed<'_> {
    /// What was signed.
    pub fn signing_hash(&self) -> [u8; 32] {
        let kind: &[u8] = match self.form {
            Form::Legacy | Form::PrivateMarked => &[],
            Form::AccessList => &[1],
            Form::DynamicFee => &[2],
            Form::Blobs => &[3],
            Form::Delegations => &[4],
        };
        let mut tail = Vec::new();
        if self.form == Form::Legacy
            && let Some(chain_id) = self.chain_id
        {
            write_uint(chain_id, &mut tail);
            tail.extend_from_slice(&[0x80, 0x80]);
        }
        keccak_list(kind, &[self.fields, &tail])
    }

    /// The account that signed it. Takes the time of one recovery of a key (some 0.1 ms).
    pub fn sender(&self) -> Result<[u8; 20], TransactionError> {
        recover(&self.signing_hash(), self.signature.odd, self.signature.r, self.signature.s)
    }

    /// The same bytes, understood as marked private where they can be.
    pub fn as_private(mut self) -> Self {
        if self.form == Form::Legacy && self.chain_id == Some(1) {
            self.form = Form::PrivateMarked;
            self.chain_id = None;
        }
        self
    }
}

/// The hash of `kind` and a list of what is already written.
pub(crate) fn keccak_list(kind: &[u8], items: &[&[u8]]) -> [u8; 32] {
    let mut list = Vec::new();
    write_list(&items.concat(), &mut list);
    keccak_of(&[kind, &list])
}

/// The account whose key made a signature of `hash`.
pub(crate) fn recover(
    hash: &[u8; 32],
    odd: bool,
    r: [u8; 32],
    s: [u8; 32],
) -> Result<[u8; 20], TransactionError> {
    let bad = |_| TransactionError::Signature;
    let signature = Signature::from_scalars(r, s).map_err(bad)?;
    let key =
        VerifyingKey::recover_from_prehash(hash, &signature, RecoveryId::new(odd, false)).map_err(bad)?;
    Ok(address_of(&key))
}

/// The account of a key.
pub(crate) fn address_of(key: &VerifyingKey) -> [u8; 20] {
    let point = key.to_sec1_point(false);
    let hash = keccak(&point.as_bytes()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rlp::{write_bytes, write_number};
    use super::*;
    use crate::evm::hex;

    fn of(digits: &str) -> Vec<u8> {
        hex::read_bytes(&format!("0x{digits}")).unwrap()
    }

    /// The example of EIP-155, signed by the key of 46s for chain 1.
    const EIP155: &str = "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";

    #[test]
    fn the_example_of_eip_155() {
        let bytes = of(EIP155);
        let Ok(Transaction::Known(tx)) = Transaction::read(&bytes) else { panic!("it is one") };
        assert_eq!((tx.form, tx.chain_id, tx.nonce, tx.to), (Form::Legacy, Some(1), 9, Some([0x35; 20])));
        assert_eq!(
            tx.signing_hash().to_vec(),
            of("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53")
        );
        assert_eq!(tx.sender().unwrap().to_vec(), of("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"));
        // Understood as private it was signed without the chain: another sender.
        let private = tx.as_private();
        assert_eq!((private.form, private.chain_id), (Form::PrivateMarked, None));
        assert_ne!(private.sender().ok(), tx.sender().ok());
    }

    fn key(seed: u8) -> k256::ecdsa::SigningKey {
        k256::ecdsa::SigningKey::from_slice(&[seed.max(1); 32]).unwrap()
    }

    /// Fields up to the signature, of any form.
    fn fields(form: Form, chain_id: u64, nonce: u64, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if form != Form::Legacy {
            write_uint(chain_id, &mut out);
        }
        write_uint(nonce, &mut out);
        write_uint(7, &mut out);
        if !matches!(form, Form::Legacy | Form::AccessList) {
            write_uint(8, &mut out);
        }
        write_uint(21_000, &mut out);
        write_bytes(&[0x11; 20], &mut out);
        write_number(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], &mut out);
        write_bytes(data, &mut out);
        if form != Form::Legacy {
            write_list(&[], &mut out);
        }
        match form {
            Form::Blobs => {
                write_uint(9, &mut out);
                let mut hashes = Vec::new();
                write_bytes(&[1; 32], &mut hashes);
                write_list(&hashes, &mut out);
            }
            Form::Delegations => write_list(&[], &mut out),
            _ => {}
        }
        out
    }

    fn signed(form: Form, kind: &[u8], chain_id: u64, nonce: u64, data: &[u8], seed: u8) -> Vec<u8> {
        let mut items = fields(form, chain_id, nonce, data);
        let mut unsigned = items.clone();
        if form == Form::Legacy {
            write_uint(chain_id, &mut unsigned);
            unsigned.extend_from_slice(&[0x80, 0x80]);
        }
        let hash = keccak_list(kind, &[&unsigned]);
        let (signature, id) = key(seed).sign_prehash_recoverable(&hash);
        let odd = u64::from(id.is_y_odd());
        write_uint(if form == Form::Legacy { 35 + 2 * chain_id + odd } else { odd }, &mut items);
        let bytes = signature.to_bytes();
        write_number(&bytes[..32], &mut items);
        write_number(&bytes[32..], &mut items);
        let mut out = kind.to_vec();
        write_list(&items, &mut out);
        out
    }

    fn forms() -> impl Strategy<Value = (Form, &'static [u8])> {
        prop_oneof![
            Just((Form::Legacy, &[][..])),
            Just((Form::AccessList, &[1][..])),
            Just((Form::DynamicFee, &[2][..])),
            Just((Form::Blobs, &[3][..])),
            Just((Form::Delegations, &[4][..])),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_signed_is_read_back(
            (form, kind) in forms(),
            chain_id in 1..1_u64 << 40,
            nonce in any::<u64>(),
            data in proptest::collection::vec(any::<u8>(), 0..200),
            seed in 1..200_u8,
        ) {
            let bytes = signed(form, kind, chain_id, nonce, &data, seed);
            let tx = Transaction::read(&bytes).unwrap();
            let tx = tx.known().unwrap();
            prop_assert_eq!((tx.form, tx.chain_id, tx.nonce, tx.data), (form, Some(chain_id), nonce, &data[..]));
            prop_assert_eq!(tx.hash, keccak(&bytes));
            prop_assert_eq!(tx.sender().unwrap(), address_of(key(seed).verifying_key()));
            // Nothing may be missing, and nothing may follow.
            prop_assert!(Transaction::read(&bytes[..bytes.len() - 1]).is_err());
            prop_assert!(Transaction::read(&[&bytes[..], &[0]].concat()).is_err());
        }

        #[test]
        fn blobs_may_stand_beside_a_transaction(nonce in any::<u64>(), extra in 0..3_u8) {
            let bytes = signed(Form::Blobs, &[3], 1, nonce, b"x", 5);
            let mut items = bytes[1..].to_vec();
            if extra > 0 {
                write_uint(1, &mut items);
            }
            (0..3).for_each(|_| write_list(&[], &mut items));
            let mut beside = vec![3];
            write_list(&items, &mut beside);
            let (a, b) = (Transaction::read(&bytes).unwrap(), Transaction::read(&beside).unwrap());
            prop_assert_eq!(a.hash(), b.hash());
            prop_assert_eq!(a.known().unwrap().sender().unwrap(), b.known().unwrap().sender().unwrap());
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), (_, kind) in forms(), flip in any::<(prop::sample::Index, u8)>()) {
            let _ = Transaction::read(&bytes);
            if let Some(kind) = kind.first() {
                bytes.insert(0, *kind);
                let _ = Transaction::read(&bytes);
            }
            let mut near = of(EIP155);
            let at = flip.0.index(near.len());
            near[at] = flip.1;
            if let Ok(Transaction::Known(tx)) = Transaction::read(&near) {
                let _ = tx.sender();
            }
        }
    }

    #[test]
    fn what_is_no_transaction() {
        #[track_caller]
        fn check(bytes: &[u8], error: TransactionError) {
            assert_eq!(Transaction::read(bytes).map(|tx| tx.hash()), Err(error), "{bytes:02x?}");
        }
        check(&[], TransactionError::Empty);
        check(&[0x80], TransactionError::Rlp(RlpError::WrongKind));
        check(&[2, 0xc0], TransactionError::Rlp(RlpError::Short));
        check(&[0xc0], TransactionError::Rlp(RlpError::Short));
        // The unsigned form of EIP-155.
        check(
            &of("ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080"),
            TransactionError::Unsigned,
        );
        assert!(matches!(Transaction::read(&[0x7e, 1]), Ok(Transaction::Other { .. })));
    }
}
