//! The connection's side of [`Members`](super::Members): an inner handler while the peer is admitted, nothing otherwise.

use std::fmt;
use std::iter::Flatten;
use std::option;
use std::task::{Context, Poll, ready};

use futures::future::{Either, Pending, pending};
use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
    InboundUpgradeSend, ListenUpgradeError, OutboundUpgradeSend, ProtocolsChange,
    StreamUpgradeError, UpgradeInfoSend,
};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, Stream, SubstreamProtocol};

/// What a connection is told.
pub(crate) enum ToHandler<H: ConnectionHandler> {
    Open { opening: u64, handler: Box<H> },
    Shut,
    Inner(H::FromBehaviour),
}

impl<H: ConnectionHandler> fmt::Debug for ToHandler<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { opening, .. } => f.debug_tuple("Open").field(opening).finish(),
            Self::Shut => f.write_str("Shut"),
            Self::Inner(event) => f.debug_tuple("Inner").field(event).finish(),
        }
    }
}

/// Something with the opening it belongs to.
#[derive(Debug)]
pub(crate) struct Tagged<T> {
    pub(super) opening: u64,
    pub(super) value: T,
}

/// A substream that was asked for.
pub(crate) struct Asked<P, I> {
    /// To ask again.
    protocol: SubstreamProtocol<P, I>,
    /// How often the peer had shown by then that it is open.
    signs: u64,
}

/// The handler of one connection.
pub(crate) struct MemberHandler<H: ConnectionHandler> {
    open: Option<Open<H>>,
}

impl<H: ConnectionHandler> MemberHandler<H> {
    /// Every connection begins shut.
    pub(super) fn shut() -> Self {
        Self { open: None }
    }
}

struct Open<H: ConnectionHandler> {
    opening: u64,
    inner: Box<H>,
    /// Refused by the peer; wait for a sign. As many as the inner handler has outstanding, at most.
    refused: Vec<SubstreamProtocol<H::OutboundProtocol, H::OutboundOpenInfo>>,
    /// To be asked for again.
    again: Vec<SubstreamProtocol<H::OutboundProtocol, H::OutboundOpenInfo>>,
    /// How often the peer has shown that it is open. A sign can overtake the refusal that came before it.
    signs: u64,
}

impl<H: ConnectionHandler> Open<H> {
    fn on_sign(&mut self) {
        self.signs += 1;
        self.again.append(&mut self.refused);
    }

    fn on_dial_error(
        &mut self,
        asked: Asked<H::OutboundProtocol, H::OutboundOpenInfo>,
        error: StreamUpgradeError<<H::OutboundProtocol as OutboundUpgradeSend>::Error>,
    ) {
        match error {
            StreamUpgradeError::NegotiationFailed if asked.signs == self.signs => {
                self.refused.push(asked.protocol);
            }
            StreamUpgradeError::NegotiationFailed => self.again.push(asked.protocol),
            error => {
                let (_, info) = asked.protocol.into_upgrade();
                self.inner
                    .on_connection_event(ConnectionEvent::DialUpgradeError(DialUpgradeError {
                        info,
                        error,
                    }));
            }
        }
    }

    /// Whether the peer now speaks what we do.
    fn is_sign(&self, change: &ProtocolsChange<'_>) -> bool {
        let ProtocolsChange::Added(added) = change else {
            return false;
        };
        let listen = self.inner.listen_protocol();
        let mut ours = listen.upgrade().protocol_info();
        ours.any(|ours| added.clone().any(|theirs| theirs.as_ref() == ours.as_ref()))
    }
}

impl<H> ConnectionHandler for MemberHandler<H>
where
    H: ConnectionHandler,
    H::OutboundProtocol: Clone,
    H::OutboundOpenInfo: Clone,
{
    type FromBehaviour = ToHandler<H>;
    type ToBehaviour = Tagged<H::ToBehaviour>;
    type InboundProtocol = Doorway<H::InboundProtocol>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = Option<Tagged<H::InboundOpenInfo>>;
    type OutboundOpenInfo = Tagged<Asked<H::OutboundProtocol, H::OutboundOpenInfo>>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        let Some(open) = &self.open else {
            return SubstreamProtocol::new(Doorway(None), None);
        };
        let opening = open.opening;
        open.inner
            .listen_protocol()
            .map_upgrade(|upgrade| Doorway(Some(upgrade)))
            .map_info(|value| Some(Tagged { opening, value }))
    }

    fn connection_keep_alive(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.inner.connection_keep_alive())
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            ToHandler::Open { opening, handler } => {
                self.open = Some(Open {
                    opening,
                    inner: handler,
                    refused: Vec::new(),
                    again: Vec::new(),
                    signs: 0,
                });
            }
            // Drops the inner handler and with it its substreams.
            ToHandler::Shut => self.open = None,
            ToHandler::Inner(event) => {
                if let Some(open) = &mut self.open {
                    open.inner.on_behaviour_event(event);
                }
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        let Some(open) = &mut self.open else {
            return Poll::Pending;
        };
        let opening = open.opening;
        loop {
            let protocol = match open.again.pop() {
                Some(protocol) => protocol,
                None => match ready!(open.inner.poll(cx)) {
                    ConnectionHandlerEvent::OutboundSubstreamRequest { protocol } => protocol,
                    ConnectionHandlerEvent::NotifyBehaviour(value) => {
                        let event = Tagged { opening, value };
                        return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
                    }
                    ConnectionHandlerEvent::ReportRemoteProtocols(support) => {
                        let event = ConnectionHandlerEvent::ReportRemoteProtocols(support);
                        return Poll::Ready(event);
                    }
                    // libp2p keeps the right to add kinds; there is none today.
                    _ => continue,
                },
            };
            let value = Asked {
                protocol: protocol.clone(),
                signs: open.signs,
            };
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: protocol.map_info(|_| Tagged { opening, value }),
            });
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(None);
        };
        let opening = open.opening;
        let event = ready!(open.inner.poll_close(cx));
        Poll::Ready(event.map(|value| Tagged { opening, value }))
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        let Some(open) = &mut self.open else {
            return;
        };
        // A substream that was negotiated for an earlier opening is dropped, and so reset.
        let current = open.opening;
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info }) => {
                if let Some(info) = info.filter(|info| info.opening == current) {
                    let info = info.value;
                    open.on_sign();
                    open.inner
                        .on_connection_event(ConnectionEvent::FullyNegotiatedInbound(
                            FullyNegotiatedInbound { protocol, info },
                        ));
                }
            }
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error }) => {
                if let Some(info) = info.filter(|info| info.opening == current) {
                    let info = info.value;
                    open.inner
                        .on_connection_event(ConnectionEvent::ListenUpgradeError(
                            ListenUpgradeError { info, error },
                        ));
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) if info.opening == current => {
                let (_, info) = info.value.protocol.into_upgrade();
                open.inner
                    .on_connection_event(ConnectionEvent::FullyNegotiatedOutbound(
                        FullyNegotiatedOutbound { protocol, info },
                    ));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error })
                if info.opening == current =>
            {
                open.on_dial_error(info.value, error);
            }
            ConnectionEvent::RemoteProtocolsChange(change) => {
                if open.is_sign(&change) {
                    open.on_sign();
                }
                open.inner
                    .on_connection_event(ConnectionEvent::RemoteProtocolsChange(change));
            }
            ConnectionEvent::LocalProtocolsChange(change) => open
                .inner
                .on_connection_event(ConnectionEvent::LocalProtocolsChange(change)),
            ConnectionEvent::AddressChange(change) => open
                .inner
                .on_connection_event(ConnectionEvent::AddressChange(change)),
            _ => {}
        }
    }
}

/// The inner protocols on offer to the peer, or none.
pub(crate) struct Doorway<P>(Option<P>);

impl<P: InboundUpgradeSend> UpgradeInfo for Doorway<P> {
    type Info = P::Info;
    type InfoIter = Flatten<option::IntoIter<P::InfoIter>>;

    fn protocol_info(&self) -> Self::InfoIter {
        let offered = self.0.as_ref().map(UpgradeInfoSend::protocol_info);
        offered.into_iter().flatten()
    }
}

impl<P: InboundUpgradeSend> InboundUpgrade<Stream> for Doorway<P> {
    type Output = P::Output;
    type Error = P::Error;
    type Future = Either<P::Future, Pending<Result<P::Output, P::Error>>>;

    fn upgrade_inbound(self, stream: Stream, info: Self::Info) -> Self::Future {
        match self.0 {
            Some(inner) => Either::Left(inner.upgrade_inbound(stream, info)),
            // Nothing was on offer, so nothing can have been agreed on; were it so, the upgrade's time limit ends it.
            None => Either::Right(pending()),
        }
    }
}
