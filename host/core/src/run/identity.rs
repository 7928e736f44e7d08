//! Values that must look random and yet come out the same when records are applied again.

/// Mixes `value` into `seed` (the finaliser of splitmix64, Steele et al., OOPSLA 2014).
pub(crate) const fn mix(seed: u64, value: u64) -> u64 {
    let mut z = (seed ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The `nth` UUID (version 8, RFC 9562) of an evaluation with this seed.
pub(crate) fn uuid(seed: u64, nth: u32) -> [u8; 16] {
    let high = mix(seed, u64::from(nth) << 1);
    let low = mix(mix(seed, 0x6a09_e667_f3bc_c908), u64::from(nth) << 1 | 1);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

/// A share between 0 and 1 that depends on `seed` only.
pub(crate) fn share(seed: u64) -> f64 {
    (mix(seed, 0x5bf0_3635) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_of_one_seed_differ_and_repeat() {
        let seen: std::collections::HashSet<_> = (0..1000).map(|nth| uuid(7, nth)).collect();
        assert_eq!(seen.len(), 1000);
        assert_eq!(uuid(7, 3), uuid(7, 3));
        assert_ne!(uuid(8, 3), uuid(7, 3));
    }
}
