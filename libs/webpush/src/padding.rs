//! How much a message is lengthened, so that its length tells less about it (RFC 8291 section 4, RFC 8188 section 4.8).
//!
//! It counts only; the zeros are added by [`content::seal`](crate::content::seal).

/// Zeros added to a message before it is encrypted.
///
/// ```
/// use webpush::Padding;
/// assert_eq!(Padding::ToMultipleOf(128).zeros(100, 3993), 28);
/// assert_eq!(Padding::ToMultipleOf(128).zeros(3990, 3993), 3); // never beyond the limit
/// assert_eq!(Padding::None.zeros(100, 3993), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// None: the length is what it is.
    None,
    /// To the next multiple of so many bytes. 0 counts as 1.
    ToMultipleOf(usize),
    /// To so many bytes; longer messages stay as they are.
    To(usize),
}

impl Padding {
    /// How many zeros a message of `length` bytes gets where `limit` bytes are the most, zeros included.
    pub const fn zeros(self, length: usize, limit: usize) -> usize {
        let wanted = match self {
            Self::None => length,
            Self::ToMultipleOf(0) => length,
            Self::ToMultipleOf(step) => length.div_ceil(step).saturating_mul(step),
            Self::To(target) => target,
        };
        let padded = if wanted < limit { wanted } else { limit };
        padded.saturating_sub(length)
    }
}

// === impl Padding ===

impl Default for Padding {
    /// To a multiple of 128 bytes: short messages look alike, and none grows by more than 127 bytes.
    fn default() -> Self {
        Self::ToMultipleOf(128)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table() {
        for (padding, length, limit, zeros) in [
            (Padding::None, 0, 10, 0),
            (Padding::None, 20, 10, 0),
            (Padding::ToMultipleOf(0), 7, 100, 0),
            (Padding::ToMultipleOf(1), 7, 100, 0),
            (Padding::ToMultipleOf(128), 0, 3993, 0),
            (Padding::ToMultipleOf(128), 1, 3993, 127),
            (Padding::ToMultipleOf(128), 128, 3993, 0),
            (Padding::ToMultipleOf(usize::MAX), 2, 3993, 3991),
            (Padding::To(2048), 48, 3993, 2000),
            (Padding::To(2048), 2049, 3993, 0),
            (Padding::To(usize::MAX), 1, 3993, 3992),
        ] {
            assert_eq!(padding.zeros(length, limit), zeros, "{padding:?} {length}");
        }
    }

    proptest! {
        #[test]
        fn it_never_goes_beyond_the_limit(step: usize, length in 0_usize..5000, limit in 0_usize..5000) {
            for padding in [Padding::None, Padding::ToMultipleOf(step), Padding::To(step)] {
                let zeros = padding.zeros(length, limit);
                prop_assert!(zeros == 0 || length + zeros <= limit);
            }
        }
    }
}
