//! `psfs up`: a satellite that runs until it is told to end, prints what happens, serves `whois` and greets whom it meets.

use std::future::Future;
use std::time::Duration;

use futures::future::join4;
use psfs_core::{
    Events, PacketType, PeerEvent, PeerEvents, PeerId, Satellite, SendOptions, Signing,
};
use tokio::task::JoinSet;

use crate::api::{self, Server};
use crate::args::{ApiAddress, Up};
use crate::failure::Failure;
use crate::files::Whereabouts;
use crate::log;
use crate::once;
use crate::output::{Lines, Printer, visible};
use crate::own::{self, SHUTDOWN};
use crate::stop::Stop;

/// Lines that wait for a slow reader of stdout before events wait too.
const LINES: usize = 256;
/// Greetings and answers on the way at once; more wait their turn.
const ON_THE_WAY: usize = 256;
/// How long a greeting may take.
const GREETING: Duration = Duration::from_secs(10);

/// Runs the satellite.
pub(crate) fn run(up: Up) -> Result<(), Failure> {
    log::start(Some(if up.debug { log::DEBUG } else { log::WARNINGS }))?;
    let mut config = up.keeping.apply(own::config(&up.network)?);
    for address in &up.listen {
        config = config.listen(address);
    }
    if let Some(folder) = &up.data_dir {
        config = config.data_dir(folder);
    }
    if up.lazysec {
        config = config.signing(Signing::Lazy);
    }
    let satellite = Satellite::new(config).map_err(Failure::of)?;
    up.keeping.permit(&satellite);
    once::runtime()?.block_on(async {
        // First of all, so that a signal from here on ends the satellite in order.
        let mut stop = Stop::new()?;
        let printer = Printer::start(LINES)?;
        let ran = serve(&satellite, &up, &printer, &mut stop).await;
        let ended = tokio::select! {
            ended = satellite.shutdown(SHUTDOWN) => ended.map(|_| ()).map_err(Failure::of),
            () = stop.again() => Err(Failure::new("told to end again before everything had ended", "")),
        };
        printer.finish();
        ran.and(ended)
    })
}

/// Starts everything and lets it run until it is to stop.
async fn serve(
    satellite: &Satellite,
    up: &Up,
    printer: &Printer,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // Before the satellite starts: a port in use is told at once, and no peer sees us come and go.
    let server = match up.api {
        ApiAddress::Off => None,
        ApiAddress::At(address) => Some(Server::bind(address).await?),
    };
    let life = Life::new(satellite, printer.lines())?;
    satellite.start().await.map_err(Failure::of)?;

    let lines = printer.lines();
    lines.put(format!("peer {}", satellite.fingerprint())).await;
    for address in satellite.addresses() {
        lines.put(format!("listening {address}")).await;
    }
    let mut whereabouts = None;
    let mut tasks = JoinSet::new();
    if let Some(server) = server {
        let token = api::make_token()?;
        let at = server.address();
        if let Some(folder) = &up.data_dir {
            whereabouts = Some(Whereabouts::write(
                folder,
                &api::reachable(at).to_string(),
                &token,
            )?);
        }
        let told = whereabouts.as_ref().map_or_else(
            || token.clone(),
            |files| files.token_file().display().to_string(),
        );
        lines.put(format!("api http://{at} token {told}")).await;
        let lifetime = up.broadcastlifetime.map(Duration::from_secs);
        tasks.spawn(server.run(api::router(
            satellite.clone(),
            token,
            at.ip(),
            lifetime,
            up.data_dir.as_deref(),
        )));
    }
    drop(lines);

    tokio::select! {
        () = stop.asked() => {}
        () = printer.unread() => {}
        () = life.run() => {}
    }
    drop(whereabouts);
    Ok(())
}

/// What the satellite does by itself.
struct Life {
    satellite: Satellite,
    lines: Lines,
    peers: PeerEvents,
    greetings: Events,
    questions: Events,
    seeks: Events,
}

impl Life {
    /// Before the satellite starts, so that no event is missed.
    fn new(satellite: &Satellite, lines: Lines) -> Result<Self, Failure> {
        Ok(Self {
            satellite: satellite.clone(),
            lines,
            peers: satellite.peer_events().map_err(Failure::of)?,
            greetings: satellite
                .subscribe(PacketType::Message, "greeting")
                .map_err(Failure::of)?,
            questions: satellite
                .subscribe(PacketType::Request, "whois")
                .map_err(Failure::of)?,
            seeks: satellite
                .subscribe(PacketType::Seek, "whois")
                .map_err(Failure::of)?,
        })
    }

    /// Ends when the satellite does. Each part has its own pace: a reader of stdout that stops does not keep `whois` from being answered.
    async fn run(self) {
        let Self {
            satellite,
            lines,
            peers,
            greetings,
            questions,
            seeks,
        } = self;
        join4(
            watch(&satellite, peers, &lines),
            hear(greetings, &lines),
            answer(&satellite, questions),
            answer(&satellite, seeks),
        )
        .await;
    }
}

/// Prints what happens with peers, and greets each that has a session.
async fn watch(satellite: &Satellite, mut peers: PeerEvents, lines: &Lines) {
    let mut greetings = Tasks::default();
    let text = format!("greetings from {}", satellite.fingerprint());
    while let Some(event) = peers.next().await {
        if let PeerEvent::Authenticated { peer } = event {
            let (satellite, text) = (satellite.clone(), text.clone());
            greetings
                .add(async move { greet(&satellite, peer, text).await })
                .await;
        }
        if let Some(line) = describe(&event) {
            lines.put(line).await;
        }
    }
}

async fn greet(satellite: &Satellite, peer: PeerId, text: String) {
    if let Err(error) = satellite
        .send(
            &peer,
            "greeting",
            text,
            SendOptions::default().timeout(GREETING),
        )
        .await
    {
        tracing::debug!(%peer, %error, "greeting not sent");
    }
}

async fn hear(mut greetings: Events, lines: &Lines) {
    while let Some(event) = greetings.next().await {
        lines
            .put(format!(
                "greeting from {}: {}",
                event.peer(),
                visible(event.content())
            ))
            .await;
    }
}

async fn answer(satellite: &Satellite, mut questions: Events) {
    let mut answers = Tasks::default();
    let card = api::card(&satellite.peer_id());
    while let Some(event) = questions.next().await {
        let card = card.clone();
        let answer = async move {
            // An asker that is gone by now needs no answer.
            if event.reply(card).await.is_ok() {
                let _ = event.end();
            }
        };
        answers.add(answer).await;
    }
}

/// What runs on its own, up to [`ON_THE_WAY`] at once. Dropping it ends them.
#[derive(Default)]
struct Tasks(JoinSet<()>);

impl Tasks {
    async fn add(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.0.try_join_next().is_some() {}
        if self.0.len() >= ON_THE_WAY {
            self.0.join_next().await;
        }
        self.0.spawn(task);
    }
}

/// A peer event as a line, where it is one people want to see: `connected` means a session, not a bare connection.
fn describe(event: &PeerEvent) -> Option<String> {
    match event {
        PeerEvent::Discovered { peer } => Some(format!("discovered {peer}")),
        PeerEvent::Authenticated { peer } => Some(format!("connected {peer}")),
        PeerEvent::Disconnected { peer, reason } => Some(format!(
            "disconnected {peer}: {}",
            visible(reason.text.as_bytes())
        )),
        PeerEvent::Unreachable { peer, reason } => Some(format!(
            "unreachable {peer}: {}",
            visible(reason.as_bytes())
        )),
        PeerEvent::Lagged {
            packet_type,
            namespace,
            dropped,
        } => Some(format!(
            "lagged {packet_type} {}: {dropped} dropped",
            visible(namespace.as_bytes())
        )),
        _ => None,
    }
}
