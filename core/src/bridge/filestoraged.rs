//! The wire of filestoraged on a unix socket: its clients keep files here and get them again.
//!
//! What is said decides [`conversation`](crate::proto::filestoraged::conversation); what comes is put on the disk piece by piece
//! (`upload`, `batch`), and becomes its owner's by the code that keeps files for everybody ([`Intake`](crate::transfer::intake::Intake)). A
//! connection has one request at a time, and one buffer of a frame. Nothing of a client is in memory but what can be read from the disk
//! again.

mod batch;
mod reading;
mod socket;
mod upload;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use self::batch::Batching;
use self::reading::Reading;
use self::socket::Socket;
use self::upload::Putting;
use self::uploads::Uploads;
use crate::error::TransferError;
use crate::net::clock;
use crate::proto::filestoraged::conversation::{Conversation, Heard, Work};
use crate::proto::filestoraged::frame::{Frame, FrameError, Frames};
use crate::proto::filestoraged::login::Secret;
use crate::proto::filestoraged::message::{Done, Refused, Reply};
use crate::transfer::Files;

/// Largest file unless something else is said, as the original has it.
const LARGEST: u64 = 10_000_000;
/// Connections at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may say nothing before somebody has logged in, and afterwards.
const LOGIN_WITHIN: Duration = Duration::from_secs(30);
const IDLE_MAX: Duration = Duration::from_secs(600);
/// How long a client may take to read an answer.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// Read at once.
const READ: usize = 16 * 1024;
/// How long nobody is let in after the system refused to.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often uploads that stand still are looked for, at least.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How clients of filestoraged are served.
#[derive(Clone)]
pub struct FilestoragedOptions {
    socket: PathBuf,
    secret: Zeroizing<Vec<u8>>,
    largest: u64,
}

/// Without the secret.
impl std::fmt::Debug for FilestoragedOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilestoragedOptions")
            .field("socket", &self.socket)
            .field("largest", &self.largest)
            .finish_non_exhaustive()
    }
}

impl FilestoragedOptions {
    /// The largest file that can be allowed, in bytes: at a thousand in each piece, and each on the disk before the next comes, more is not for this wire.
    pub const LARGEST_MAX: u64 = 1 << 30;

    /// Where the socket is, whose folder is made if there is none, and the secret by which tokens are signed (JWT, HS256, with `login` and `uid`). The login is the owner. Such tokens
    /// hold on this socket and nowhere else.
    pub fn new(socket: impl Into<PathBuf>, secret: impl AsRef<[u8]>) -> Self {
        Self {
            socket: socket.into(),
            secret: Zeroizing::new(secret.as_ref().to_vec()),
            largest: LARGEST,
        }
    }

    /// The largest file that is taken, in bytes: up to [`LARGEST_MAX`](Self::LARGEST_MAX), which is 1 GiB. Default 10,000,000. What [`KeepOptions`](crate::KeepOptions) say holds as well.
    #[must_use]
    pub fn largest(mut self, bytes: u64) -> Self {
        self.largest = bytes;
        self
    }
}

impl Files {
    /// Serves clients of filestoraged on a unix socket, in both forms of its wire, until the satellite ends: what they upload is kept as
    /// [`Files::keep`] was told, which has to be called before. An answer without an error means that what it speaks of is on the disk.
    ///
    /// The socket's file is this user's alone (mode 0600) and goes with the satellite. One that a program left behind which is gone is replaced.
    ///
    /// # Errors
    /// [`TransferError::BadInput`] if it keeps no files for others, or for an option that cannot be; [`TransferError::Path`] if the socket cannot be
    /// made, or another program serves there; [`TransferError::Store`] if it serves already; [`TransferError::Closed`].
    pub async fn serve_filestoraged(
        &self,
        options: FilestoragedOptions,
    ) -> Result<(), TransferError> {
        let refused = |text: &str| Err(TransferError::BadInput(text.to_owned()));
        if options.secret.is_empty() {
            return refused("tokens are checked with a secret: give one that is not empty");
        }
        if options.largest > FilestoragedOptions::LARGEST_MAX {
            return refused(
                "files of at most 1 GiB are taken over this wire: give a smaller limit",
            );
        }
        let intake = self.intake()?;
        let base = intake.base().clone();
        let largest = options.largest.min(intake.largest());
        let (own, path) = (intake.clone(), options.socket);
        let begin = move || {
            let uploads = Uploads::open(own, largest)?;
            Ok::<_, TransferError>((uploads, Socket::bind(&path)?))
        };
        let (uploads, socket) = intake.blocking(begin).await??;
        let server = Server {
            uploads: Arc::new(uploads),
            secret: Arc::new(Secret::new(&options.secret)),
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        base.spawn(uploads::upkeep(Arc::clone(&server.uploads), TIDY_EVERY));
        base.spawn(listen(Arc::new(server), socket));
        Ok(())
    }
}

struct Server {
    uploads: Arc<Uploads>,
    secret: Arc<Secret>,
    room: Arc<Semaphore>,
}

async fn listen(server: Arc<Server>, mut socket: Socket) {
    let intake = &server.uploads.intake;
    let listener = socket
        .take()
        .and_then(|own| UnixListener::from_std(own).ok());
    let Some(listener) = listener else {
        tracing::error!("the socket for filestoraged cannot be listened on");
        return;
    };
    // Until then files that are here are not found.
    intake.restored().await;
    tracing::info!(path = %socket.path().display(), "clients of filestoraged are served");
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a client of filestoraged was not let in");
                intake.base().sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&server.room).try_acquire_owned() else {
            let text = "many clients are served at the moment: come back later";
            let refused = Reply::to_nothing(false).answer(Err(Refused::Failed(text.into())));
            // As much of it as goes at once.
            let _told = stream.try_write(&refused);
            continue;
        };
        let server = Arc::clone(&server);
        let base = intake.base().clone();
        base.spawn(async move {
            Connection::new(server, stream).run().await;
            drop(permit);
        });
    }
}

/// One client.
struct Connection {
    server: Arc<Server>,
    stream: UnixStream,
    frames: Frames,
    conversation: Conversation,
    // What it did last is done on without being looked up again.
    putting: Putting,
    batching: Batching,
    reading: Reading,
}

/// The connection is over.
struct Over;

impl Connection {
    fn new(server: Arc<Server>, stream: UnixStream) -> Self {
        Self {
            conversation: Conversation::new(Arc::clone(&server.secret)),
            server,
            stream,
            frames: Frames::default(),
            putting: Putting::default(),
            batching: Batching::default(),
            reading: Reading::default(),
        }
    }

    async fn run(mut self) {
        loop {
            let frame = match self.next().await {
                Ok(Ok(frame)) => frame,
                Ok(Err(error)) => {
                    // The last words: where the next frame begins is not known.
                    let lost = self.conversation.lost(error);
                    let _told = self.write(&lost).await;
                    return;
                }
                Err(Over) => return,
            };
            let intake = &self.server.uploads.intake;
            if intake.strikes() {
                return;
            }
            // Lost with its answer, although it is done.
            let mute = intake.strikes();
            let answer = match self.conversation.hear(&frame, clock::now_ms()) {
                Heard::Answer(answer) => answer,
                Heard::Work(work, reply) => reply.answer(self.work(work).await),
            };
            if mute || self.write(&answer).await.is_err() {
                return;
            }
        }
    }

    /// The next frame, while it may still come.
    async fn next(&mut self) -> Result<Result<Frame, FrameError>, Over> {
        let patience = if self.conversation.is_known() {
            IDLE_MAX
        } else {
            LOGIN_WITHIN
        };
        let base = self.server.uploads.intake.base().clone();
        let read = async {
            let mut buffer = [0; READ];
            loop {
                match self.frames.next() {
                    Ok(Some(frame)) => return Ok(Ok(frame)),
                    Ok(None) => {}
                    Err(error) => return Ok(Err(error)),
                }
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return Err(Over),
                    Ok(count) => self.frames.push(&buffer[..count]),
                }
            }
        };
        tokio::select! {
            read = read => read,
            () = base.sleep(patience) => Err(Over),
        }
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), Over> {
        let base = self.server.uploads.intake.base().clone();
        tokio::select! {
            written = self.stream.write_all(frame) => written.map_err(|_| Over),
            () = base.sleep(WRITE_WITHIN) => Err(Over),
        }
    }

    async fn work(&mut self, work: Work) -> Result<Done, Refused> {
        let uploads = &self.server.uploads;
        match work {
            Work::Announce(owner, announced) => {
                self.putting.announce(uploads, owner, announced).await
            }
            Work::Put(owner, sent) => self.putting.put(uploads, &owner, sent).await,
            Work::Find(owner, wish) => reading::find(uploads, &owner, wish).await,
            Work::Read { owner, digest, n } => self.reading.read(uploads, &owner, digest, n).await,
            Work::Begin(owner, batch) => self.batching.begin(uploads, owner, batch).await,
            Work::Take { id, data } => self.batching.take(uploads, id, data).await,
        }
    }
}

#[cfg(test)]
mod tests;
