//! Merges copies of a key: statements in any of them count, regardless of the order in which they were read.

use super::PgpKey;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::Signature;
use pgp::types::{KeyDetails, SignedUser};

/// Adds a key, or merges it into an existing copy.
pub(crate) fn add(keys: &mut Vec<PgpKey>, key: PgpKey) {
    let fingerprint = key.key.primary_key.fingerprint();
    let is_same_key = |other: &&mut PgpKey| other.key.primary_key.fingerprint() == fingerprint;
    match keys.iter_mut().find(is_same_key) {
        None => keys.push(key),
        Some(known) => {
            if known.file != key.file {
                known.file = format!("{}, {}", known.file, key.file);
            }
            merge(&mut known.key, key.key);
        }
    }
}

fn merge(known: &mut SignedPublicKey, copy: SignedPublicKey) {
    let details = copy.details;
    known
        .details
        .revocation_signatures
        .extend(details.revocation_signatures);
    known
        .details
        .direct_signatures
        .extend(details.direct_signatures);
    merge_users(&mut known.details.users, details.users);
    merge_subkeys(&mut known.public_subkeys, copy.public_subkeys);
}

fn merge_users(known: &mut Vec<SignedUser>, copies: Vec<SignedUser>) {
    for copy in copies {
        match known.iter_mut().find(|user| user.id == copy.id) {
            Some(user) => merge_signatures(&mut user.signatures, copy.signatures),
            None => known.push(copy),
        }
    }
}

fn merge_subkeys(known: &mut Vec<SignedPublicSubKey>, copies: Vec<SignedPublicSubKey>) {
    for copy in copies {
        let fingerprint = copy.key.fingerprint();
        match known
            .iter_mut()
            .find(|k| k.key.fingerprint() == fingerprint)
        {
            Some(subkey) => merge_signatures(&mut subkey.signatures, copy.signatures),
            None => known.push(copy),
        }
    }
}

fn merge_signatures(known: &mut Vec<Signature>, copies: Vec<Signature>) {
    for copy in copies {
        if !known.contains(&copy) {
            known.push(copy);
        }
    }
}
