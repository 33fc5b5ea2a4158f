//! Copies of one key become one key: what any of them says counts, in whatever order they were read.

use super::PgpKey;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::Signature;
use pgp::types::{KeyDetails, SignedUser};

/// Adds a key to others, into its other copy if there is one.
pub(crate) fn add(keys: &mut Vec<PgpKey>, key: PgpKey) {
    let print = key.key.primary_key.fingerprint();
    let is_same = |other: &&mut PgpKey| other.key.primary_key.fingerprint() == print;
    match keys.iter_mut().find(is_same) {
        None => keys.push(key),
        Some(known) => {
            if known.file != key.file {
                known.file = format!("{}, {}", known.file, key.file);
            }
            absorb(&mut known.key, key.key);
        }
    }
}

fn absorb(known: &mut SignedPublicKey, copy: SignedPublicKey) {
    let details = copy.details;
    known
        .details
        .revocation_signatures
        .extend(details.revocation_signatures);
    known
        .details
        .direct_signatures
        .extend(details.direct_signatures);
    absorb_users(&mut known.details.users, details.users);
    absorb_subkeys(&mut known.public_subkeys, copy.public_subkeys);
}

fn absorb_users(known: &mut Vec<SignedUser>, copies: Vec<SignedUser>) {
    for copy in copies {
        match known.iter_mut().find(|user| user.id == copy.id) {
            Some(user) => absorb_signatures(&mut user.signatures, copy.signatures),
            None => known.push(copy),
        }
    }
}

fn absorb_subkeys(known: &mut Vec<SignedPublicSubKey>, copies: Vec<SignedPublicSubKey>) {
    for copy in copies {
        let print = copy.key.fingerprint();
        match known.iter_mut().find(|k| k.key.fingerprint() == print) {
            Some(subkey) => absorb_signatures(&mut subkey.signatures, copy.signatures),
            None => known.push(copy),
        }
    }
}

fn absorb_signatures(known: &mut Vec<Signature>, copies: Vec<Signature>) {
    for copy in copies {
        if !known.contains(&copy) {
            known.push(copy);
        }
    }
}
