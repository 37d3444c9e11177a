//! What files of a collection are called: paths that lead from the folder they are put into to somewhere inside it, on every system.
//!
//! A name comes from a stranger and becomes a path. So what a name may be is decided here, once, before anything is opened; who has a
//! [`Name`] can join it to a folder. It says nothing of what is in that folder already: whoever writes there follows no link, and two
//! names that differ in case or in how an accent is written may be one file there.

use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Code, Error};

/// Longest part between two `/`, in bytes: what file systems take.
pub(crate) const COMPONENT_MAX: usize = 255;
/// Longest name, in bytes. With the folder in front it stays below the 4096 that systems take.
pub(crate) const NAME_MAX: usize = 2048;
/// Most parts of a name.
pub(crate) const DEPTH_MAX: usize = 128;
/// How much of a refused name an error repeats.
const SHOWN: usize = 80;

/// A relative path: 1 to [`DEPTH_MAX`] parts of 1 to [`COMPONENT_MAX`] bytes of UTF-8 with `/` between.
///
/// Ordered part by part, so that what lies in a folder stands together, behind the folder itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name(Box<str>);

/// Why a name is not taken. The texts go behind the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("it is empty")]
    Empty,
    #[error("it has {0} bytes, at most {NAME_MAX} are allowed")]
    Long(usize),
    #[error("a part of it has {0} bytes, at most {COMPONENT_MAX} are allowed")]
    LongPart(usize),
    #[error("it lies in more than {DEPTH_MAX} folders")]
    Deep,
    #[error("it begins with / and would lead out of the folder")]
    Absolute,
    #[error("it begins with a drive's letter and would lead out of the folder")]
    Drive,
    #[error("it has .. in it and could lead out of the folder")]
    Parent,
    #[error("it has a . in it that stands for a folder itself")]
    Current,
    #[error("it has an empty part: two / in a row, or one at its end")]
    EmptyPart,
    #[error("it has a zero byte in it")]
    Nul,
    #[error("it has a \\ in it, which on other systems stands between folders")]
    Backslash,
    #[error("it has the control character {0:?} in it")]
    Control(char),
}

/// A name that is not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name {shown:?} is not taken: {flaw}")]
pub(crate) struct NameError {
    pub(crate) flaw: Flaw,
    /// Its beginning.
    shown: String,
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::new(Code::BadInput, error.to_string())
    }
}

impl Name {
    /// With `/` between its parts.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts: at least one, of which none is empty, `.` or `..`.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The path below a folder, for this system.
    pub(crate) fn to_path(&self) -> PathBuf {
        self.parts().collect()
    }

    /// Whether the other lies in a folder of this name.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other
            .0
            .strip_prefix(&*self.0)
            .is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        // As part by part, and in one pass: nothing in a name is below /, if that is taken for zero.
        let key = |byte: u8| if byte == b'/' { 0 } else { byte };
        let bytes = |name: &Self| name.0.len();
        let differ = (self.0.bytes().zip(other.0.bytes())).find(|(a, b)| a != b);
        match differ {
            Some((a, b)) => key(a).cmp(&key(b)),
            None => bytes(self).cmp(&bytes(other)),
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match flaw(text) {
            None => Ok(Self(text.into())),
            Some(flaw) => Err(NameError {
                flaw,
                shown: text.chars().take(SHOWN).collect(),
            }),
        }
    }
}

fn flaw(text: &str) -> Option<Flaw> {
    if text.is_empty() {
        return Some(Flaw::Empty);
    }
    if text.len() > NAME_MAX {
        return Some(Flaw::Long(text.len()));
    }
    for c in text.chars() {
        match c {
            '\0' => return Some(Flaw::Nul),
            '\\' => return Some(Flaw::Backslash),
            c if c.is_control() => return Some(Flaw::Control(c)),
            _ => {}
        }
    }
    if text.starts_with('/') {
        return Some(Flaw::Absolute);
    }
    if let [letter, b':', ..] = text.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return Some(Flaw::Drive);
    }
    for (number, part) in text.split('/').enumerate() {
        let flaw = match part {
            "" => Flaw::EmptyPart,
            "." => Flaw::Current,
            ".." => Flaw::Parent,
            part if part.len() > COMPONENT_MAX => Flaw::LongPart(part.len()),
            _ if number == DEPTH_MAX => Flaw::Deep,
            _ => continue,
        };
        return Some(flaw);
    }
    None
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Why two names cannot be in one folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Clash {
    #[error("the name {0:?} is there twice")]
    Twice(Name),
    #[error("{0:?} is a name of its own and the folder of {1:?}")]
    Folder(Name, Name),
}

impl From<Clash> for Error {
    fn from(clash: Clash) -> Self {
        Self::new(Code::BadInput, clash.to_string())
    }
}

/// Whether two neighbours of names in order get along. If all neighbours do, all names do: between a folder and what lies in it only
/// more of that can stand.
pub(crate) fn clash(before: &Name, after: &Name) -> Option<Clash> {
    if before == after {
        Some(Clash::Twice(after.clone()))
    } else if before.contains(after) {
        Some(Clash::Folder(before.clone(), after.clone()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_paths_inside() {
        let deep = vec!["a"; DEPTH_MAX].join("/");
        let long = "x".repeat(COMPONENT_MAX);
        for text in [
            "a",
            "a/b.txt",
            "...",
            "a/..b",
            "ab:c",
            "12:",
            "ключ/é",
            "a b",
            " ",
            "~",
            "-rf",
            "$HOME",
            &deep,
            &long,
        ] {
            let name = name(text);
            assert_eq!((name.as_str(), name.to_string()), (text, text.to_owned()));
            assert_eq!(name.to_path(), Path::new(text));
        }
    }

    #[test]
    fn each_way_out_has_its_own_error() {
        let deep = vec!["a"; DEPTH_MAX + 1].join("/");
        let cases: [(&[u8], Flaw); 25] = [
            (b"", Flaw::Empty),
            (&[b'a'; NAME_MAX + 1], Flaw::Long(NAME_MAX + 1)),
            (
                &[b'a'; COMPONENT_MAX + 1],
                Flaw::LongPart(COMPONENT_MAX + 1),
            ),
            (deep.as_bytes(), Flaw::Deep),
            (b"/", Flaw::Absolute),
            (b"/etc/passwd", Flaw::Absolute),
            (b"//a", Flaw::Absolute),
            (b"C:", Flaw::Drive),
            (b"c:/a", Flaw::Drive),
            (b"z:a", Flaw::Drive),
            (b"..", Flaw::Parent),
            (b"../a", Flaw::Parent),
            (b"a/../b", Flaw::Parent),
            (b"a/..", Flaw::Parent),
            (b".", Flaw::Current),
            (b"./a", Flaw::Current),
            (b"a/./b", Flaw::Current),
            (b"a/", Flaw::EmptyPart),
            (b"a//b", Flaw::EmptyPart),
            (b"a\0", Flaw::Nul),
            (b"\0", Flaw::Nul),
            (b"..\\a", Flaw::Backslash),
            (b"\\\\host\\a", Flaw::Backslash),
            (b"a\n", Flaw::Control('\n')),
            (b"\x1b]0;a", Flaw::Control('\u{1b}')),
        ];
        for (bytes, flaw) in cases {
            let text = std::str::from_utf8(bytes).unwrap();
            let error = text.parse::<Name>().unwrap_err();
            assert_eq!(error.flaw, flaw, "{error}");
            assert!(error.to_string().len() < 400, "{error}");
            assert_eq!(Error::from(error).code(), Code::BadInput);
        }
    }

    #[test]
    fn a_folder_stands_before_what_lies_in_it() {
        let mut names: Vec<Name> = ["a.b", "a/b/c", "b", "a", "a-b", "a/b", "a b", "a/a", "aa"]
            .map(name)
            .into();
        names.sort();
        let order: Vec<&str> = names.iter().map(Name::as_str).collect();
        assert_eq!(
            order,
            ["a", "a/a", "a/b", "a/b/c", "a b", "a-b", "a.b", "aa", "b"]
        );
        assert_eq!(clash(&name("a"), &name("a")), Some(Clash::Twice(name("a"))));
        assert_eq!(
            clash(&name("a"), &name("a/b/c")),
            Some(Clash::Folder(name("a"), name("a/b/c")))
        );
        assert_eq!(clash(&name("a"), &name("a.b")), None);
        assert_eq!(clash(&name("a/b"), &name("a/c")), None);
    }

    fn paths() -> impl Strategy<Value = Vec<Name>> {
        let name =
            "[ab.]{1,2}(/[ab -]{1,2}){0,3}".prop_filter_map("a name", |text| text.parse().ok());
        proptest::collection::vec(name, 1..12)
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_inside(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "[./\\\\a:C]{0,12}") {
            for text in [String::from_utf8_lossy(&bytes), text.into()] {
                if let Ok(name) = text.parse::<Name>() {
                    let path = name.to_path();
                    prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                    prop_assert_eq!(path.components().count(), name.parts().count());
                    prop_assert!(Path::new("/folder").join(&path).starts_with("/folder"));
                }
            }
        }

        #[test]
        fn neighbours_tell_whether_all_names_get_along(mut names in paths()) {
            names.sort();
            let parts = |name: &Name| name.parts().map(str::to_owned).collect::<Vec<_>>();
            prop_assert!(names.windows(2).all(|pair| parts(&pair[0]) <= parts(&pair[1])));
            let neighbours = names.windows(2).any(|pair| clash(&pair[0], &pair[1]).is_some());
            let all = names.iter().enumerate().any(|(i, a)| {
                names.iter().enumerate().any(|(j, b)| i != j && (a == b || a.contains(b)))
            });
            prop_assert_eq!(neighbours, all);
        }
    }
}
