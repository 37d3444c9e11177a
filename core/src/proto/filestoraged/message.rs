//! What is said in frames: requests are read, answers written.
//!
//! A request that cannot be read is answered like any other, in its own form and with its own `mid`, as far as these can be seen.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::chunk::{Digest, bytes_of, count_of, length_of, text_of};
use super::frame::{Frame, encode};
use super::stream::MessageId;
use crate::proto::transfer::label::{Label, LabelError, TAGS_MAX};

/// Most files of one AUTHENTICATION.
pub(crate) const FILES_MAX: usize = 256;
/// Longest `mid`, `message-id` or `id`, in bytes.
const NAME_MAX: usize = 255;

const AUTHENTICATION: u8 = 1;
const RESPONSE: u8 = 2;
const TRANSFER: u8 = 3;
const LOGIN: u8 = 0;
const LOGGED_IN: u8 = 5;
const UPLOAD: u8 = 20;
const DOWNLOAD: u8 = 30;
const PUT_CHUNK: u8 = 40;
const GET_CHUNK: u8 = 41;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Login { token: String },
    Upload(Announced),
    Download(Wish),
    PutChunk(Sent),
    GetChunk { digest: Digest, n: u64 },
    Authentication { token: String, batch: Batch },
    Transfer { id: MessageId, data: Vec<u8> },
}

/// A file that is to come in chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) name: Label,
    pub(crate) tags: Vec<Label>,
}

/// Which file is looked for: all that is given has to be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) digest: Option<Digest>,
    pub(crate) name: Option<Label>,
    pub(crate) tags: Vec<Label>,
}

/// A chunk whose own digest is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Of the file.
    pub(crate) digest: Digest,
    pub(crate) n: u64,
    on: u64,
    pub(crate) data: Vec<u8>,
}

impl Sent {
    /// Whether it is a chunk of a file of this size.
    pub(crate) fn fits(&self, size: u64) -> Result<(), Refused> {
        let count = count_of(size);
        let length = length_of(size, self.n);
        let text = if self.n >= count {
            format!("there is no chunk {}: the file has {count}", self.n)
        } else if self.on != count && self.on + 1 != count {
            format!("on is {}, the last chunk is {}", self.on, count - 1)
        } else if self.data.len() as u64 != length {
            let has = self.data.len();
            format!("chunk {} has {has} bytes, it must have {length}", self.n)
        } else {
            return Ok(());
        };
        Err(Refused::Failed(text))
    }
}

/// Files that are to come one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) fid: Label,
    pub(crate) files: Vec<(Label, u64)>,
    pub(crate) tags: Vec<Label>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    LoggedIn,
    /// It may come.
    Announced(Digest),
    /// The chunk is on the disk.
    Put(Digest, u64),
    Found(About),
    Chunk {
        digest: Digest,
        n: u64,
        count: u64,
        data: Vec<u8>,
    },
    /// So much is there of each file.
    Begun(Vec<u64>),
    /// It is on the disk.
    Stored,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) name: Label,
    pub(crate) tags: Vec<Label>,
}

/// Why not: the error numbers of the program's form. The documented one has the text alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 200.
    Failed(String),
    /// 201.
    Unauthorized(String),
    /// 202: this chunk is there; the first that is not.
    ChunkThere { digest: Digest, next: u64 },
    /// 203.
    NotYours(Digest),
    /// 204: a part of the file is there; the first chunk that is not.
    PartThere { digest: Digest, next: u64 },
    /// 205.
    Unknown(Option<Digest>),
    /// 206: all of it is there.
    Whole(Digest),
    /// 207: the size, and the largest that is taken.
    TooLarge { size: u64, limit: u64 },
}

impl Refused {
    fn number(&self) -> u8 {
        match self {
            Self::Failed(_) => 200,
            Self::Unauthorized(_) => 201,
            Self::ChunkThere { .. } => 202,
            Self::NotYours(_) => 203,
            Self::PartThere { .. } => 204,
            Self::Unknown(_) => 205,
            Self::Whole(_) => 206,
            Self::TooLarge { .. } => 207,
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Failed(text) | Self::Unauthorized(text) => text.clone(),
            Self::ChunkThere { .. } => "the chunk is there already".into(),
            Self::NotYours(_) => "the file is another's".into(),
            Self::PartThere { .. } => "a part of the file is there already".into(),
            Self::Unknown(_) => "there is no such file".into(),
            Self::Whole(_) => "the file is there already".into(),
            Self::TooLarge { size, limit } => {
                format!("the file has {size} bytes, at most {limit} are taken")
            }
        }
    }

    fn fields(&self) -> Value {
        match self {
            Self::Failed(_) | Self::Unauthorized(_) => json!({}),
            Self::ChunkThere { digest, next } => {
                json!({ "filedigest": digest.to_string(), "next_chunk": next })
            }
            Self::NotYours(digest) => json!({ "filedigest": digest.to_string() }),
            Self::PartThere { digest, next } => {
                json!({ "path": path_of(digest), "next_chunk": next })
            }
            Self::Unknown(digest) => {
                let digest = digest.as_ref().map(Digest::to_string);
                json!({ "filedigest": digest.unwrap_or_default() })
            }
            Self::Whole(digest) => json!({ "path": path_of(digest) }),
            Self::TooLarge { limit, .. } => json!({ "limit": limit }),
        }
    }
}

fn path_of(digest: &Digest) -> String {
    format!("/files/{digest}")
}

/// Answers one request, in its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Documented {
        message_id: String,
    },
    Program {
        kind: u8,
        mid: String,
        id: Option<Value>,
    },
}

impl Reply {
    /// To who said nothing that can be answered.
    pub(crate) fn to_nothing(documented: bool) -> Self {
        if documented {
            return Self::Documented {
                message_id: String::new(),
            };
        }
        Self::Program {
            kind: LOGIN,
            mid: String::new(),
            id: None,
        }
    }

    /// The frame of the answer.
    pub(crate) fn answer(self, came: Result<Done, Refused>) -> Vec<u8> {
        match self {
            Self::Documented { message_id } => {
                let mut fields = match &came {
                    Ok(Done::Begun(files)) => {
                        let received: u64 = files.iter().sum();
                        json!({ "received": received, "files": files })
                    }
                    Ok(_) => json!({}),
                    Err(refused) => json!({ "reason": refused.reason() }),
                };
                fields["message-id"] = json!(message_id);
                fields["response"] = json!(if came.is_ok() { "Ok" } else { "Error" });
                frame(RESPONSE, &fields)
            }
            Self::Program { kind, mid, id } => {
                let (kind, mut fields) = match &came {
                    Ok(done) => (if kind == LOGIN { LOGGED_IN } else { kind }, says(done)),
                    Err(refused) => {
                        let mut fields = refused.fields();
                        fields["reason"] = json!(refused.reason());
                        (refused.number(), fields)
                    }
                };
                fields["mid"] = json!(mid);
                if let Some(id) = id {
                    fields["id"] = id;
                }
                frame(kind, &fields)
            }
        }
    }
}

fn frame(kind: u8, fields: &Value) -> Vec<u8> {
    encode(kind, fields.to_string().as_bytes())
}

fn says(done: &Done) -> Value {
    match done {
        Done::LoggedIn | Done::Begun(_) | Done::Stored => json!({}),
        Done::Announced(digest) => json!({ "path": path_of(digest) }),
        Done::Put(digest, n) => json!({ "file_digest": digest.to_string(), "n": n }),
        Done::Found(about) => json!({ "file_info": {
            "name": about.name.as_str(),
            "size": about.size,
            "nb_chunks": count_of(about.size),
            "digest": about.digest.to_string(),
            "tags": about.tags.iter().map(Label::as_str).collect::<Vec<_>>(),
        }}),
        Done::Chunk {
            digest,
            n,
            count,
            data,
        } => {
            let text = text_of(data);
            let own = Digest::of(text.as_bytes()).to_string();
            json!({
                "file_digest": digest.to_string(),
                "chunk": { "n": n, "on": count, "digest": own },
                "data": text,
            })
        }
    }
}

// Requests, as they stand in JSON.

#[derive(Deserialize)]
struct WireFile {
    name: String,
    size: u64,
    nb_chunks: u64,
    digest: String,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireUpload {
    file: WireFile,
}

#[derive(Deserialize)]
struct WireDownload {
    filedigest: Option<String>,
    name: Option<String>,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireChunk {
    n: u64,
    on: u64,
    digest: String,
}

#[derive(Deserialize)]
struct WirePut {
    filedigest: String,
    chunk: WireChunk,
    data: String,
}

#[derive(Deserialize)]
struct WireGet {
    filedigest: String,
    n: u64,
}

#[derive(Deserialize)]
struct WireLogin {
    token: String,
}

#[derive(Deserialize)]
struct WireSized {
    name: String,
    size: u64,
}

#[derive(Deserialize)]
struct WireBatch {
    token: String,
    files: Vec<WireSized>,
    fid: String,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireTransfer {
    data: WireData,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireData {
    Text(String),
    Numbers(Vec<u8>),
}

/// A request, and how it is answered.
pub(crate) fn parse(frame: &Frame) -> (Reply, Result<Asked, Refused>) {
    let json: Value = serde_json::from_slice(&frame.json).unwrap_or(Value::Null);
    let fields = json.as_object();
    let documented = matches!(frame.kind, AUTHENTICATION | RESPONSE | TRANSFER);
    let named = |key: &str| {
        let text = fields?.get(key)?.as_str()?;
        (!text.is_empty() && text.len() <= NAME_MAX).then(|| text.to_owned())
    };
    let key = if documented { "message-id" } else { "mid" };
    let name = named(key);
    let asked = match (fields, &name) {
        (None, _) => Err(malformed("it is no JSON object")),
        (_, None) => Err(malformed(format!(
            "it has no {key}, a text of 1 to {NAME_MAX} bytes"
        ))),
        (Some(_), Some(name)) => read(frame.kind, name, json.clone()),
    };
    let name = name.unwrap_or_default();
    let reply = if documented {
        Reply::Documented { message_id: name }
    } else {
        Reply::Program {
            kind: frame.kind,
            mid: name,
            id: fields.and_then(id_of),
        }
    };
    (reply, asked)
}

fn id_of(fields: &Map<String, Value>) -> Option<Value> {
    fields.get("id").cloned().filter(|id| match id {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= NAME_MAX,
        _ => false,
    })
}

fn malformed(reason: impl std::fmt::Display) -> Refused {
    Refused::Failed(format!("the message cannot be read: {reason}"))
}

fn read(kind: u8, name: &str, json: Value) -> Result<Asked, Refused> {
    Ok(match kind {
        LOGIN => {
            let WireLogin { token } = body(json)?;
            Asked::Login { token }
        }
        UPLOAD => {
            let WireUpload { file } = body(json)?;
            let count = count_of(file.size);
            if file.nb_chunks != count {
                let (size, given) = (file.size, file.nb_chunks);
                let text = format!("nb_chunks is {given}, a file of {size} bytes has {count}");
                return Err(Refused::Failed(text));
            }
            Asked::Upload(Announced {
                digest: digest(&file.digest)?,
                size: file.size,
                name: label("name", &file.name)?,
                tags: tags(file.tags)?,
            })
        }
        DOWNLOAD => {
            let wire: WireDownload = body(json)?;
            // The original's language writes what is not given as an empty text, or as null.
            let given = |text: Option<String>| text.filter(|text| !text.is_empty());
            let wish = Wish {
                digest: given(wire.filedigest)
                    .map(|text| digest(&text))
                    .transpose()?,
                name: given(wire.name)
                    .map(|text| label("name", &text))
                    .transpose()?,
                tags: tags(wire.tags)?,
            };
            if wish.digest.is_none() && wish.name.is_none() && wish.tags.is_empty() {
                let text = "give a filedigest, a name or tags of the file";
                return Err(Refused::Failed(text.into()));
            }
            Asked::Download(wish)
        }
        PUT_CHUNK => {
            let WirePut {
                filedigest,
                chunk,
                data,
            } = body(json)?;
            // Of the text as it came, its lines' ends with it.
            if Digest::of(data.as_bytes()) != digest(&chunk.digest)? {
                let text = format!(
                    "the digest of chunk {} does not hold: send it again",
                    chunk.n
                );
                return Err(Refused::Failed(text));
            }
            Asked::PutChunk(Sent {
                digest: digest(&filedigest)?,
                n: chunk.n,
                on: chunk.on,
                data: bytes_of(&data).map_err(Refused::Failed)?,
            })
        }
        GET_CHUNK => {
            let WireGet { filedigest, n } = body(json)?;
            Asked::GetChunk {
                digest: digest(&filedigest)?,
                n,
            }
        }
        AUTHENTICATION => {
            let wire: WireBatch = body(json)?;
            if wire.files.is_empty() || wire.files.len() > FILES_MAX {
                let given = wire.files.len();
                let text = format!("{given} files are announced, it must be 1 to {FILES_MAX}");
                return Err(Refused::Failed(text));
            }
            let file = |file: WireSized| Ok((label("name", &file.name)?, file.size));
            Asked::Authentication {
                token: wire.token,
                batch: Batch {
                    fid: label("fid", &wire.fid)?,
                    files: wire.files.into_iter().map(file).collect::<Result<_, _>>()?,
                    tags: tags(wire.tags)?,
                },
            }
        }
        TRANSFER => {
            let WireTransfer { data } = body(json)?;
            let data = match data {
                WireData::Text(text) => bytes_of(&text).map_err(Refused::Failed)?,
                WireData::Numbers(bytes) => bytes,
            };
            let id = MessageId::of(name);
            Asked::Transfer { id, data }
        }
        other => {
            let text = format!("messages of type {other} are not asked here");
            return Err(Refused::Failed(text));
        }
    })
}

fn body<T: for<'de> Deserialize<'de>>(json: Value) -> Result<T, Refused> {
    serde_json::from_value(json).map_err(|error| {
        // It may repeat a foreign text.
        let text: String = error.to_string().chars().take(NAME_MAX).collect();
        malformed(text)
    })
}

fn digest(text: &str) -> Result<Digest, Refused> {
    text.parse().map_err(Refused::Failed)
}

fn label(what: &str, text: &str) -> Result<Label, Refused> {
    text.parse().map_err(|error: LabelError| {
        Refused::Failed(format!("the {what} {text:.80?} is not taken: {error}"))
    })
}

fn tags(texts: Option<Vec<String>>) -> Result<Vec<Label>, Refused> {
    let texts = texts.unwrap_or_default();
    if texts.len() > TAGS_MAX {
        let given = texts.len();
        let text = format!("a file has at most {TAGS_MAX} tags, these are {given}");
        return Err(Refused::Failed(text));
    }
    texts.iter().map(|text| label("tag", text)).collect()
}
