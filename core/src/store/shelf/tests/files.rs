//! Blobs, who holds them, and how they are found.

use super::*;

#[test]
fn a_blob_is_found_by_root_and_digest() {
    let shelf = shelf(None);
    assert_eq!(shelf.adds(1, blob(5)), None);
    assert_eq!(shelf.blob(&root(1)).unwrap(), Some(blob(5)));
    assert_eq!(shelf.blob(&root(2)).unwrap(), None);
    assert_eq!(shelf.by_sha256(&[7; 32]).unwrap(), None);
    // The same bytes somewhere else, and a digest that was asked for: it stays known.
    let mut elsewhere = Blob {
        sha256: Some([7; 32]),
        outboard: None,
        ..blob(5)
    };
    elsewhere.place = Place {
        path: "/home/b".into(),
        own: false,
        ..elsewhere.place
    };
    assert_eq!(shelf.adds(1, elsewhere.clone()), Some(blob(5)));
    assert_eq!(shelf.by_sha256(&[7; 32]).unwrap(), Some(root(1)));
    assert_eq!(
        shelf.adds(
            1,
            Blob {
                sha256: None,
                ..elsewhere.clone()
            }
        ),
        Some(elsewhere.clone())
    );
    assert_eq!(shelf.blob(&root(1)).unwrap(), Some(elsewhere.clone()));
    assert_eq!(shelf.forgets(1), Forgotten::Gone(elsewhere));
    assert_eq!(shelf.by_sha256(&[7; 32]).unwrap(), None);
    assert_eq!(shelf.forgets(1), Forgotten::NotHere);
    assert_eq!(shelf.rows(), 0);
}

#[test]
fn files_are_found_by_owner_tag_and_name() {
    let shelf = shelf(None);
    let mut roots: Vec<Root> = (0..10).map(root).collect();
    for number in 0..10 {
        let tags = if number % 2 == 0 {
            &["even", "all", "all"][..]
        } else {
            &["all"]
        };
        let name = label(if number < 3 { "low" } else { "high" });
        let file = NewFile {
            name,
            tags: labels(tags),
            ..new_file("anna", number, 1)
        };
        assert_eq!(shelf.owns(file), Ok(()));
    }
    // Nobody finds what is another's, also if his name begins alike.
    for owner in ["ann", "anna b", "annab"] {
        let file = NewFile {
            tags: labels(&["all", "other"]),
            name: label("low"),
            ..new_file(owner, 3, 1)
        };
        assert_eq!(shelf.owns(file), Ok(()));
    }
    let anna = label("anna");
    let tagged =
        |tag, after: Option<&Root>, most| shelf.by_tag(&anna, &label(tag), after, most).unwrap();
    roots.sort_unstable();
    assert_eq!(tagged("all", None, 100), roots);
    assert_eq!(tagged("al", None, 100), []);
    assert_eq!(tagged("all", None, 4), roots[..4]);
    assert_eq!(tagged("all", Some(&roots[3]), 4), roots[4..8]);
    assert_eq!(tagged("all", Some(&roots[9]), 4), []);
    assert_eq!(tagged("even", None, 100).len(), 5);
    let named = |name| shelf.by_name(&anna, &label(name), None, 100).unwrap().len();
    assert_eq!((named("low"), named("high"), named("lo")), (3, 7, 0));
    assert_eq!(
        shelf.tags(&anna, None, 100).unwrap(),
        labels(&["all", "even"])
    );
    assert_eq!(shelf.tags(&anna, None, 1).unwrap(), labels(&["all"]));
    assert_eq!(
        shelf.tags(&anna, Some(&label("all")), 9).unwrap(),
        labels(&["even"])
    );
    assert_eq!(
        shelf.tags(&label("ann"), None, 9).unwrap(),
        labels(&["all", "other"])
    );
    let files = shelf.files(&anna, None, 100).unwrap();
    assert_eq!(
        files.iter().map(|(root, _)| *root).collect::<Vec<_>>(),
        roots
    );
    assert_eq!(
        shelf.files(&anna, Some(&roots[7]), 100).unwrap(),
        files[8..]
    );
    assert_eq!(
        shelf.file(&anna, &roots[0]).unwrap().as_ref(),
        Some(&files[0].1)
    );
    assert_eq!(shelf.file(&label("nobody"), &roots[0]).unwrap(), None);
    let owners = shelf.owners(None, 9).unwrap();
    let names: Vec<&str> = owners.iter().map(|(owner, _)| owner.as_str()).collect();
    assert_eq!(names, ["ann", "anna", "anna b", "annab"]);
    assert_eq!(
        owners[1].1,
        Account {
            used: 10,
            files: 10,
            ..Default::default()
        }
    );
    assert_eq!(
        shelf.owners(Some(&label("anna")), 1).unwrap()[..],
        owners[2..3]
    );

    // A new name takes the place of the old one, tags are added to.
    let file = NewFile {
        name: label("last"),
        tags: labels(&["new"]),
        ..new_file("anna", 0, 1)
    };
    assert_eq!(shelf.owns(file), Ok(()));
    assert_eq!((named("low"), named("last")), (2, 1));
    assert_eq!(
        shelf.tags_of(&anna, &root(0)).unwrap(),
        labels(&["all", "even", "new"])
    );
    let untags = |tag| wait(|done| shelf.untag(label("anna"), root(0), label(tag), done));
    assert!(untags("even") && !untags("even") && !untags("none"));
    assert_eq!(
        shelf.tags_of(&anna, &root(0)).unwrap(),
        labels(&["all", "new"])
    );
    assert_eq!(tagged("even", None, 100).len(), 4);

    for number in 0..10 {
        assert!(shelf.disowns("anna", number) && !shelf.disowns("anna", number));
    }
    for owner in ["ann", "anna b", "annab"] {
        assert!(shelf.disowns(owner, 3));
    }
    assert_eq!(shelf.rows(), 0);
}

#[test]
fn too_many_tags_are_refused_and_nothing_is_changed() {
    let shelf = shelf(None);
    let tags = |from: usize, to: usize| {
        (from..to)
            .map(|number| label(&format!("{number}")))
            .collect::<Vec<_>>()
    };
    let file = |tags| NewFile {
        tags,
        ..new_file("a", 1, 1)
    };
    assert_eq!(shelf.owns(file(tags(0, 65))), Err(QuotaError::Tags(65)));
    assert_eq!(shelf.rows(), 0);
    assert_eq!(shelf.owns(file(tags(0, 64))), Ok(()));
    assert_eq!(shelf.owns(file(tags(63, 65))), Err(QuotaError::Tags(65)));
    assert_eq!(shelf.tags_of(&label("a"), &root(1)).unwrap().len(), 64);
}

#[test]
fn what_nobody_holds_is_garbage_and_what_somebody_holds_is_not() {
    let shelf = shelf(None);
    for number in 0..3 {
        shelf.adds(number, blob(5));
    }
    let garbage = || {
        let page = shelf.garbage(None, 100).unwrap();
        assert_eq!(page.next, None);
        (0..3)
            .filter(|number| page.rows.contains(&root(*number)))
            .collect::<Vec<u64>>()
    };
    assert_eq!(garbage(), [0, 1, 2]);
    assert_eq!(shelf.owns(new_file("a", 1, 5)), Ok(()));
    let guarded = NewFile {
        guarded: true,
        ..new_file("b", 1, 5)
    };
    assert_eq!(shelf.owns(guarded), Ok(()));
    assert_eq!(garbage(), [0, 2]);
    let owners = shelf.owners_of(&root(1)).unwrap();
    let owners: Vec<(&str, bool)> = owners
        .iter()
        .map(|(owner, owned)| (owner.as_str(), owned.guarded))
        .collect();
    assert_eq!(owners, [("a", false), ("b", true)]);
    assert_eq!(shelf.owners_of(&root(0)).unwrap(), []);
    assert_eq!(shelf.forgets(1), Forgotten::Held);
    assert!(shelf.disowns("a", 1));
    assert_eq!(shelf.forgets(1), Forgotten::Held, "b still has it");
    assert!(shelf.disowns("b", 1));
    assert_eq!(garbage(), [0, 1, 2]);
    let mut roots: Vec<Root> = (0..3).map(root).collect();
    roots.sort_unstable();
    let there = |after, most| -> Vec<Root> {
        let blobs = shelf.blobs(after, most).unwrap().into_iter();
        blobs.map(|(root, _)| root).collect()
    };
    assert_eq!(there(None, 9), roots);
    assert_eq!(there(Some(roots[0]), 1), roots[1..2]);
    for number in 0..3 {
        assert_eq!(shelf.forgets(number), Forgotten::Gone(blob(5)));
    }
    assert_eq!(shelf.rows(), 0);
}

#[test]
fn a_tag_is_given_to_what_is_there() {
    let shelf = shelf(None);
    let tags =
        |number, tag: &str| wait(|done| shelf.tag(label("a"), root(number), label(tag), done));
    assert_eq!(tags(1, "x"), Ok(false));
    assert_eq!(shelf.rows(), 0);
    assert_eq!(shelf.owns(new_file("a", 1, 5)), Ok(()));
    assert_eq!((tags(1, "x"), tags(1, "x")), (Ok(true), Ok(true)));
    assert_eq!(
        shelf.by_tag(&label("a"), &label("x"), None, 9).unwrap(),
        [root(1)]
    );
    for number in 1..TAGS_MAX {
        assert_eq!(tags(1, &number.to_string()), Ok(true));
    }
    assert_eq!(tags(1, "more"), Err(QuotaError::Tags(TAGS_MAX + 1)));
    assert_eq!(tags(1, "x"), Ok(true));
}

#[test]
fn garbage_is_looked_for_page_by_page() {
    let shelf = shelf(None);
    for number in 0..10 {
        shelf.adds(number, blob(5));
        if number % 3 == 0 {
            assert_eq!(shelf.owns(new_file("a", number, 5)), Ok(()));
        }
    }
    let whole = shelf.garbage(None, 10).unwrap();
    assert_eq!((whole.rows.len(), whole.next), (6, None));
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = shelf.garbage(after, 3).unwrap();
        found.extend(page.rows);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (whole.rows, 4));
}
