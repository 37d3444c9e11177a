//! The wire of filestoraged, byte by byte and without a socket: frames, the messages of both its forms, and what is answered.
//!
//! A frame is a length (u32, big endian, which counts the byte behind it), a byte that says what it is, and JSON. One request is answered
//! before the next is heard. Two forms were written down by the same people, and share no number:
//!
//! | form | type | message |
//! |---|---|---|
//! | documented | 1 | `{message-id, token, files: [{name, size}], fid, tags}`: what is to come |
//! | | 3 | `{message-id, chunk, data}`: the next bytes of it; `data` is base64, or an array of numbers |
//! | | 2 | `{message-id, response: "Ok" or "Error", reason}`: the answer to either |
//! | the program's | 0 → 5 | `{mid, token}` → `{mid}` |
//! | | 20 | `{mid, file: {name, size, nb_chunks, digest, tags}}` → `{mid, path}` |
//! | | 30 | `{mid, filedigest, name, tags}`, any of these → `{mid, file_info}` |
//! | | 40 | `{mid, filedigest, chunk: {n, on, digest}, data}` → `{mid, file_digest, n}` |
//! | | 41 | `{mid, filedigest, n}` → `{mid, file_digest, chunk, data}` |
//! | | 200–207 | errors ([`message::Refused`]), all with `mid` and `reason` |
//!
//! An answer that is no error means that what it speaks of is on the disk.
//!
//! Where the originals are silent, or differ from each other, it is so here:
//! - An optional `id` of the program's form (a number or a short text) comes back. `mid` is the request's in errors, too, where the original puts the `id`:
//!   who tells answers apart by `mid` would wait for ever.
//! - The answer to type 1 has two keys more: `received`, the bytes that are there of all files together, from which sending goes on, and `files`, the same
//!   for each file.
//! - A `message-id` that was answered `Ok` is answered so again and its data are not stored twice, for the last [`stream::SAID_MAX`] of a `fid`, also
//!   over another connection and after a restart.
//! - `on` of a chunk is the number of the last one in PutChunk and the number of chunks in GetChunk, as the program has it; PutChunk takes both.
//! - `path` is `/files/` and the digest: where a server keeps its files is not told.
//!
//! What it is not: nothing here knows the disk or whose a file is. [`conversation`] says what is to be done, whoever does it says what came of
//! it. Everything is bounded by a frame of [`frame::FRAME_MAX`] bytes.

pub(crate) mod chunk;
pub(crate) mod conversation;
pub(crate) mod frame;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod stream;
