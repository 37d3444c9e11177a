//! Quotas: what fits, what comes back, and that accounts are the sums of their rows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn over(owner: &str, figures: [u64; 4]) -> Result<(), QuotaError> {
    let [limit, used, reserved, wanted] = figures;
    Err(QuotaError::Bytes {
        owner: label(owner),
        limit,
        used,
        reserved,
        wanted,
    })
}

fn account(used: u64, reserved: u64, files: u64, uploads: u64) -> Account {
    Account {
        limit: None,
        used,
        reserved,
        files,
        uploads,
    }
}

#[test]
fn an_upload_is_reserved_settled_or_given_back() {
    let shelf = shelf(Some(100));
    let soon = NOW + 10;
    assert_eq!(shelf.reserves("a", "one", 60, soon, NOW), Ok(()));
    assert_eq!(
        shelf.reserves("a", "two", 41, soon, NOW),
        over("a", [100, 0, 60, 41])
    );
    assert_eq!(shelf.reserves("a", "two", 40, soon, NOW), Ok(()));
    assert_eq!(shelf.reserves("b", "one", 100, soon, NOW), Ok(()));
    assert_eq!(shelf.has("a"), account(0, 100, 0, 2));
    // Announced again after a break, with another size: in place of the first.
    assert_eq!(
        shelf.reserves("a", "one", 61, soon, NOW),
        over("a", [100, 0, 40, 61])
    );
    assert_eq!(shelf.reserves("a", "one", 50, soon, NOW), Ok(()));
    assert_eq!(shelf.has("a"), account(0, 90, 0, 2));
    assert_eq!(shelf.settles("one", new_file("a", 1, 50), NOW), Ok(()));
    assert_eq!(shelf.has("a"), account(50, 40, 1, 1));
    assert!(
        shelf.releases("a", "two") && !shelf.releases("a", "two") && !shelf.releases("a", "one")
    );
    assert_eq!(shelf.has("a"), account(50, 0, 1, 0));
    // The same file again costs nothing.
    assert_eq!(shelf.reserves("a", "one", 50, soon, NOW), Ok(()));
    assert_eq!(shelf.settles("one", new_file("a", 1, 50), NOW), Ok(()));
    assert_eq!(shelf.has("a"), account(50, 0, 1, 0));
    assert!(shelf.disowns("a", 1));
    assert_eq!(shelf.has("a"), Account::default());
    let text = over("a", [100, 0, 60, 41]).unwrap_err().to_string();
    assert_eq!(
        text,
        "the quota is reached: a has 0 bytes and 60 reserved of 100, 41 more do not fit"
    );
}

#[test]
fn what_expired_comes_back_before_anybody_is_refused() {
    let shelf = shelf(Some(100));
    for number in 0..100 {
        assert_eq!(
            shelf.reserves("a", &format!("{number}"), 1, NOW + 10, NOW),
            Ok(())
        );
    }
    assert_eq!(
        shelf.reserves("a", "more", 1, NOW + 20, NOW + 10),
        over("a", [100, 0, 100, 1])
    );
    // All of them, also when they are more than are swept at once.
    assert_eq!(shelf.reserves("a", "more", 100, NOW + 20, NOW + 11), Ok(()));
    assert_eq!(shelf.has("a"), account(0, 100, 0, 1));
    assert_eq!(shelf.expires(NOW + 20, 9), 0);
    assert_eq!(shelf.expires(NOW + 21, 9), 1);
    assert_eq!(shelf.rows(), 0);
    // Too late, and still kept if there is room.
    assert_eq!(
        shelf.settles("more", new_file("a", 1, 100), NOW + 30),
        Ok(())
    );
    assert_eq!(
        shelf.settles("other", new_file("a", 2, 1), NOW + 30),
        over("a", [100, 100, 0, 1])
    );
    assert_eq!(shelf.has("a"), account(100, 0, 1, 0));
}

#[test]
fn more_than_was_reserved_is_looked_at_again() {
    let shelf = shelf(Some(100));
    assert_eq!(shelf.reserves("a", "one", 50, NOW + 10, NOW), Ok(()));
    assert_eq!(shelf.reserves("a", "two", 20, NOW + 10, NOW), Ok(()));
    assert_eq!(
        shelf.settles("one", new_file("a", 1, 81), NOW),
        over("a", [100, 0, 20, 81])
    );
    assert_eq!(shelf.has("a"), account(0, 70, 0, 2));
    assert_eq!(shelf.settles("one", new_file("a", 1, 80), NOW), Ok(()));
    assert_eq!(shelf.has("a"), account(80, 20, 1, 1));
}

#[test]
fn an_owner_may_have_a_limit_of_his_own() {
    let shelf = shelf(Some(100));
    shelf.limits("a", Some(10));
    assert_eq!(
        shelf.reserves("a", "one", 11, NOW + 10, NOW),
        over("a", [10, 0, 0, 11])
    );
    assert_eq!(shelf.reserves("a", "one", 10, NOW + 10, NOW), Ok(()));
    // What was promised is kept.
    shelf.limits("a", Some(5));
    assert_eq!(shelf.settles("one", new_file("a", 1, 10), NOW), Ok(()));
    assert_eq!(
        shelf.reserves("a", "two", 0, NOW + 10, NOW),
        over("a", [5, 10, 0, 0])
    );
    shelf.limits("a", None);
    assert_eq!(shelf.reserves("a", "two", 90, NOW + 10, NOW), Ok(()));
    shelf.limits("b", Some(u64::MAX));
    assert_eq!(shelf.reserves("b", "one", u64::MAX, NOW + 10, NOW), Ok(()));
    assert_eq!(
        shelf.reserves("b", "two", 1, NOW + 10, NOW),
        over("b", [u64::MAX, 0, u64::MAX, 1])
    );
}

#[test]
fn without_any_limit_sums_are_still_sums() {
    let shelf = shelf(None);
    assert_eq!(shelf.reserves("a", "one", u64::MAX, NOW + 10, NOW), Ok(()));
    assert_eq!(
        shelf.reserves("a", "two", 1, NOW + 10, NOW),
        over("a", [u64::MAX, 0, u64::MAX, 1])
    );
    assert_eq!(
        shelf.settles("one", new_file("a", 1, u64::MAX), NOW),
        Ok(())
    );
    assert_eq!(
        shelf.owns(new_file("a", 2, 1)),
        over("a", [u64::MAX, u64::MAX, 0, 1])
    );
}

#[test]
fn uploads_under_way_are_bounded() {
    let shelf = shelf(None);
    let (done, results) = sync_channel(UPLOADS_MAX as usize + 1);
    for number in 0..=UPLOADS_MAX {
        let done = done.clone();
        let said = move |result: Result<_, StoreError>| done.send(result.unwrap()).unwrap();
        shelf.reserve(
            label("a"),
            label(&format!("{number}")),
            0,
            NOW + 10,
            NOW,
            said,
        );
        // No more than may wait.
        if number % 500 == 0 {
            wait(|done| shelf.disown(label("b"), root(0), done));
        }
    }
    drop(done);
    let refused: Vec<_> = results.iter().filter_map(Result::err).collect();
    assert_eq!(refused, [QuotaError::Uploads(label("a"))]);
    assert_eq!(shelf.reserves("a", "5", 7, NOW + 10, NOW), Ok(()));
}

#[derive(Clone, Debug)]
enum Step {
    Reserve {
        owner: usize,
        upload: usize,
        bytes: u64,
        lives: u64,
    },
    Settle {
        owner: usize,
        upload: usize,
        number: u64,
        bytes: u64,
    },
    Release {
        owner: usize,
        upload: usize,
    },
    Own {
        owner: usize,
        number: u64,
        bytes: u64,
    },
    Disown {
        owner: usize,
        number: u64,
    },
    Limit {
        owner: usize,
        limit: Option<u64>,
    },
    Expire(usize),
    Later(u64),
    Reopen,
}

const OWNERS: [&str; 3] = ["a", "ab", "b"];
const UPLOADS: [&str; 3] = ["x", "xy", "y"];
const QUOTA: u64 = 1000;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop_oneof![0..600u64, Just(u64::MAX)];
    let pair = || (0..OWNERS.len(), 0..UPLOADS.len());
    let step = prop_oneof![
        5 => (pair(), bytes.clone(), 0..9u64).prop_map(|((owner, upload), bytes, lives)| Step::Reserve { owner, upload, bytes, lives }),
        4 => (pair(), 0..5u64, bytes.clone()).prop_map(|((owner, upload), number, bytes)| Step::Settle { owner, upload, number, bytes }),
        1 => pair().prop_map(|(owner, upload)| Step::Release { owner, upload }),
        1 => (0..3usize, 0..5u64, bytes).prop_map(|(owner, number, bytes)| Step::Own { owner, number, bytes }),
        2 => (0..3usize, 0..5u64).prop_map(|(owner, number)| Step::Disown { owner, number }),
        1 => (0..3usize, proptest::option::of(0..2000u64)).prop_map(|(owner, limit)| Step::Limit { owner, limit }),
        1 => (1..4usize).prop_map(Step::Expire),
        2 => (1..6u64).prop_map(Step::Later),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What should be there.
#[derive(Default)]
struct Model {
    limits: BTreeMap<usize, u64>,
    files: BTreeMap<(usize, u64), u64>,
    reserved: BTreeMap<(usize, usize), (u64, u64)>,
}

impl Model {
    fn account(&self, owner: usize) -> Account {
        let files: Vec<u128> = self
            .files
            .iter()
            .filter(|((its, _), _)| *its == owner)
            .map(|(_, bytes)| u128::from(*bytes))
            .collect();
        let reserved: Vec<u128> = self
            .reserved
            .iter()
            .filter(|((its, _), _)| *its == owner)
            .map(|(_, (bytes, _))| u128::from(*bytes))
            .collect();
        Account {
            limit: self.limits.get(&owner).copied(),
            used: u64::try_from(files.iter().sum::<u128>()).unwrap(),
            reserved: u64::try_from(reserved.iter().sum::<u128>()).unwrap(),
            files: files.len() as u64,
            uploads: reserved.len() as u64,
        }
    }

    fn limit(&self, owner: usize) -> u128 {
        self.limits.get(&owner).copied().unwrap_or(QUOTA).into()
    }

    /// Whether so much more is under the limit.
    fn room(&self, owner: usize, bytes: u64) -> bool {
        let account = self.account(owner);
        u128::from(account.used) + u128::from(account.reserved) + u128::from(bytes)
            <= self.limit(owner)
    }

    fn expire(&mut self, now: u64, most: usize) -> usize {
        let mut ended: Vec<_> = self
            .reserved
            .iter()
            .map(|(key, (_, until))| (*until, *key))
            .filter(|(until, _)| *until < now)
            .collect();
        ended.sort_unstable();
        ended.truncate(most);
        for (_, key) in &ended {
            self.reserved.remove(key);
        }
        ended.len()
    }

    /// What reserving, settling and owning come to, as somebody would do it on paper: take away what was, see whether the new fits.
    fn own(&mut self, owner: usize, upload: Option<usize>, number: u64, bytes: u64) -> bool {
        let reserved = upload.and_then(|upload| self.reserved.remove(&(owner, upload)));
        let before = self.files.remove(&(owner, number));
        let granted = reserved
            .map_or(0, |(bytes, _)| bytes)
            .max(before.unwrap_or(0));
        let kept = bytes <= granted || self.room(owner, bytes);
        if kept {
            self.files.insert((owner, number), bytes);
        } else {
            if let (Some(upload), Some(reserved)) = (upload, reserved) {
                self.reserved.insert((owner, upload), reserved);
            }
            if let Some(before) = before {
                self.files.insert((owner, number), before);
            }
        }
        kept
    }

    fn reserve(&mut self, owner: usize, upload: usize, bytes: u64, until: u64, now: u64) -> bool {
        self.expire(now, usize::MAX);
        let before = self.reserved.remove(&(owner, upload));
        let kept = self.room(owner, bytes);
        let new = if kept { Some((bytes, until)) } else { before };
        if let Some(new) = new {
            self.reserved.insert((owner, upload), new);
        }
        kept
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: accounts are the sums of their rows, nothing is given that is over a limit, and all of it is there after a restart.
    #[test]
    fn accounts_are_what_the_model_says(steps in steps()) {
        let disk = Sparse::default();
        let open = || Shelf::open(&on(&disk), ShelfLimits::new(Some(QUOTA))).unwrap();
        let mut shelf = open();
        let mut model = Model::default();
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Reserve { owner, upload, bytes, lives } => {
                    let said = shelf.reserves(OWNERS[owner], UPLOADS[upload], bytes, now + lives, now);
                    prop_assert_eq!(said.is_ok(), model.reserve(owner, upload, bytes, now + lives, now));
                    if said.is_ok() {
                        let account = shelf.has(OWNERS[owner]);
                        prop_assert!(u128::from(account.used) + u128::from(account.reserved) <= model.limit(owner));
                    }
                }
                Step::Settle { owner, upload, number, bytes } => {
                    let said = shelf.settles(UPLOADS[upload], new_file(OWNERS[owner], number, bytes), now);
                    prop_assert_eq!(said.is_ok(), model.own(owner, Some(upload), number, bytes));
                }
                Step::Own { owner, number, bytes } => {
                    let said = shelf.owns(new_file(OWNERS[owner], number, bytes));
                    prop_assert_eq!(said.is_ok(), model.own(owner, None, number, bytes));
                }
                Step::Release { owner, upload } => {
                    let had = model.reserved.remove(&(owner, upload)).is_some();
                    prop_assert_eq!(shelf.releases(OWNERS[owner], UPLOADS[upload]), had);
                }
                Step::Disown { owner, number } => {
                    let had = model.files.remove(&(owner, number)).is_some();
                    prop_assert_eq!(shelf.disowns(OWNERS[owner], number), had);
                }
                Step::Limit { owner, limit } => {
                    shelf.limits(OWNERS[owner], limit);
                    match limit {
                        Some(limit) => model.limits.insert(owner, limit),
                        None => model.limits.remove(&owner),
                    };
                }
                Step::Expire(most) => prop_assert_eq!(shelf.expires(now, most), model.expire(now, most)),
                Step::Later(by) => now += by,
                Step::Reopen => {
                    drop(shelf);
                    shelf = open();
                }
            }
            for (number, owner) in OWNERS.into_iter().enumerate() {
                prop_assert_eq!(shelf.has(owner), model.account(number));
                let files = shelf.files(&label(owner), None, 100).unwrap();
                let charged = files.iter().map(|(_, owned)| owned.charged).sum::<u64>();
                prop_assert_eq!(charged, model.account(number).used);
            }
        }
        drop(shelf);
        let shelf = open();
        for (number, owner) in OWNERS.into_iter().enumerate() {
            prop_assert_eq!(shelf.has(owner), model.account(number));
            shelf.limits(owner, None);
            for number in 0..5 {
                shelf.disowns(owner, number);
            }
        }
        shelf.expires(u64::MAX, 100);
        prop_assert_eq!(shelf.rows(), 0);
    }
}
