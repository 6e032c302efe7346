//! Ethereum's transactions, public and private: they are read or refused, and what is read of a private one is written back
//! as it was.

use weir_chain::evm::{Transaction, account_of_call};
use weir_chain::quorum::Eea;

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "evm_transaction",
    words: &[
        "\x01",
        "\x02",
        "\x03",
        "\x04",
        "\x7e",
        "restricted",
        "unrestricted",
        "[\"0x02",
        "[\"0xf8",
        "\"]",
    ],
    run,
};

fn run(input: &[u8]) -> u64 {
    let _ = account_of_call("eth_sendRawTransaction", input);
    let _ = account_of_call("eth_sendRawPrivateTransaction", input);
    let read = Transaction::read(input);
    if let Ok(Transaction::Known(tx)) = &read {
        let _ = tx.sender();
        let _ = tx.as_private().sender();
    }
    let private = Eea::read(input);
    if let Ok((eea, signature)) = &private {
        assert_eq!(eea.assemble(signature), input);
    }
    hash(format!("{:?} {private:?}", read.map(|tx| tx.hash())).as_bytes())
}
