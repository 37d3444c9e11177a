//! What the tests and the fuzzing of this layer share: two keys that are always the same, and a time.

use std::sync::LazyLock;

use crate::identity::Identity;

/// 2026-01-02, 03:04:05.678, in ms since 1970.
pub(crate) const NOW: u64 = 1_767_323_045_678;

static IDENTITIES: LazyLock<[Identity; 2]> = LazyLock::new(|| {
    [
        include_bytes!("../../../tests/vectors/key-a.pem").as_slice(),
        include_bytes!("../../../tests/vectors/key-b.pem"),
    ]
    .map(|pem| Identity::from_pem(pem, None).expect("the vectors hold keys"))
});

/// The keys of `tests/vectors`. Known to everybody: for tests only.
pub(crate) fn identities() -> [&'static Identity; 2] {
    IDENTITIES.each_ref()
}
