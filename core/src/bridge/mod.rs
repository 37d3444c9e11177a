//! The wires of programs that were there before: a file for each, off unless asked for, and never the way on which satellites talk to each
//! other. What is said on them is decided in [`crate::proto`], as all that is foreign; here are their sockets, and what is done.

mod filestoraged;

pub use filestoraged::FilestoragedOptions;
