//! The world: what happens when, and to whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Debug;

use super::{ms, only_seed, secs};
use crate::proto::Now;
use crate::rng::Rng;

/// A machine that lives in the world.
pub(crate) trait Node {
    /// What it sends. For a machine of bytes: `Vec<u8>`.
    type Frame: Clone + Debug;

    /// It begins to live.
    fn start(&mut self, now: Now) -> Vec<Step<Self::Frame>>;

    /// Something happened to it.
    fn handle(&mut self, what: What<Self::Frame>, now: Now) -> Vec<Step<Self::Frame>>;

    /// When it wants [`What::Timeout`].
    fn next_timeout(&self) -> Option<Now>;
}

/// What happens to a node.
#[derive(Clone, Debug)]
pub(crate) enum What<F> {
    /// A connection stands, with this node; `dial` is the number of its own dial that led to it.
    Up {
        conn: u64,
        with: usize,
        dial: Option<u64>,
    },
    DialFailed {
        dial: u64,
    },
    Frame {
        conn: u64,
        frame: F,
    },
    /// The connection is gone; not told to the side that closed it.
    Down {
        conn: u64,
    },
    /// Outside of connections: may be lost, doubled and overtaken.
    Datagram {
        from: usize,
        frame: F,
    },
    Timeout,
}

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) enum Step<F> {
    /// Dials are numbered by the node.
    Dial {
        dial: u64,
        to: usize,
    },
    Send {
        conn: u64,
        frame: F,
    },
    /// What was sent before still arrives.
    Close {
        conn: u64,
    },
    Datagram {
        to: usize,
        frame: F,
    },
}

/// How the network behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// One way, for each frame anew.
    pub(crate) latency: (Now, Now),
    /// Of 1,000 dials and datagrams.
    pub(crate) loss: u64,
    /// Of 1,000 dials and datagrams: arrive twice.
    pub(crate) twice: u64,
    /// When a dial without answer counts as failed.
    pub(crate) dial_timeout: Now,
    /// When each end of a connection notices that the other host, or the way there, is gone.
    pub(crate) notice: (Now, Now),
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: (ms(1), ms(40)),
            loss: 0,
            twice: 0,
            dial_timeout: secs(5),
            notice: (secs(5), secs(20)),
        }
    }
}

struct Connection {
    ends: [usize; 2],
    open: [bool; 2],
    /// The last thing that arrives at each end so far.
    last: [Now; 2],
    /// Cut: nothing sent arrives any more.
    cut: bool,
}

#[derive(Debug)]
enum Happening<F> {
    To {
        node: usize,
        what: What<F>,
    },
    /// A dial reaches its target.
    Knock {
        dial: u64,
        from: usize,
        to: usize,
        life: u64,
    },
    Wake {
        node: usize,
    },
}

struct Slot<N> {
    node: Option<N>,
    /// Counts starts: a dial of an earlier life leads nowhere.
    life: u64,
    /// The earliest wake-up in the queue.
    wake: Option<Now>,
    /// Nodes of different groups do not reach each other.
    group: u32,
}

/// Nodes, what is on its way between them, and the time.
pub(crate) struct World<N: Node> {
    pub(crate) link: Link,
    pub(crate) rng: Rng,
    now: Now,
    slots: Vec<Slot<N>>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    queue: BinaryHeap<Reverse<(Now, u64)>>,
    happenings: BTreeMap<u64, Happening<N::Frame>>,
    next_happening: u64,
    trace: bool,
}

impl<N: Node> World<N> {
    pub(crate) fn new(size: usize, link: Link, seed: u64) -> Self {
        let slot = |_| Slot {
            node: None,
            life: 0,
            wake: None,
            group: 0,
        };
        Self {
            link,
            rng: Rng::new(seed),
            now: Now::ZERO,
            slots: (0..size).map(slot).collect(),
            connections: BTreeMap::new(),
            next_connection: 1,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next_happening: 0,
            trace: only_seed().is_some(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    /// The nodes alive, with their places.
    pub(crate) fn alive(&self) -> impl Iterator<Item = (usize, &N)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| Some((at, slot.node.as_ref()?)))
    }

    pub(crate) fn node(&self, at: usize) -> &N {
        self.slots[at].node.as_ref().expect("this node is alive")
    }

    /// Connections that both ends have open and that are not cut.
    pub(crate) fn whole_connections(&self) -> Vec<u64> {
        let whole = |c: &Connection| c.open == [true; 2] && !c.cut;
        self.connections
            .iter()
            .filter(|(_, c)| whole(c))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Who dialled a connection.
    pub(crate) fn dialer(&self, id: u64) -> Option<usize> {
        self.connections.get(&id).map(|c| c.ends[0])
    }

    /// A node begins to live at a free place.
    pub(crate) fn start(&mut self, at: usize, mut node: N) {
        assert!(self.slots[at].node.is_none(), "node {at} is alive");
        let steps = node.start(self.now);
        self.slots[at].life += 1;
        self.slots[at].node = Some(node);
        self.apply(at, steps);
    }

    /// Lets a node do something, as if its application had asked.
    pub(crate) fn poke(
        &mut self,
        at: usize,
        poke: impl FnOnce(&mut N, Now) -> Vec<Step<N::Frame>>,
    ) {
        let node = self.slots[at].node.as_mut().expect("this node is alive");
        let steps = poke(node, self.now);
        self.apply(at, steps);
    }

    /// A node dies. Its host tells the other ends, unless the host is gone too.
    pub(crate) fn crash(&mut self, at: usize, host_too: bool) {
        self.slots[at].node = None;
        self.slots[at].wake = None;
        let mine = |c: &Connection| c.ends.contains(&at);
        let ids: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, c)| mine(c))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if host_too {
                self.cut(id, self.link.notice);
            }
            self.close(id, at);
        }
    }

    /// Cuts a connection: both ends notice by themselves, some time within the span; what is on its way is lost.
    pub(crate) fn cut(&mut self, id: u64, notice: (Now, Now)) {
        let Some(connection) = self.connections.get_mut(&id).filter(|c| !c.cut) else {
            return;
        };
        connection.cut = true;
        for end in 0..2 {
            let at = self.now + self.rng.between(notice.0, notice.1);
            self.tell_down(id, end, at);
        }
    }

    /// Cuts a connection so that only one end notices, at once; the other does not before [`Link::notice`].
    pub(crate) fn cut_seen_by(&mut self, id: u64, at: usize) {
        self.cut(id, self.link.notice);
        if let Some((connection, end)) = self.end(id, at) {
            connection.last[end] = Now::ZERO;
            self.tell_down(id, end, self.now);
        }
    }

    /// Puts nodes in groups that do not reach each other. All in one group: healed.
    pub(crate) fn partition(&mut self, group: impl Fn(usize) -> u32) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            slot.group = group(at);
        }
        let across = |c: &Connection| self.slots[c.ends[0]].group != self.slots[c.ends[1]].group;
        let ids: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, c)| across(c))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.cut(id, self.link.notice);
        }
    }

    /// Lets everything happen up to this time.
    pub(crate) fn run_until(&mut self, end: Now) {
        while let Some(Reverse((at, _))) = self.queue.peek().copied()
            && at <= end
        {
            self.step();
        }
        self.now = end;
    }

    /// Runs until a condition holds, tested every `every`; the time it took, or nothing if it does not hold by `end`.
    pub(crate) fn run_while(
        &mut self,
        every: Now,
        end: Now,
        not_yet: impl Fn(&Self) -> bool,
    ) -> Option<Now> {
        let begin = self.now;
        while not_yet(self) {
            if self.now >= end {
                return None;
            }
            self.run_until(self.now + every);
        }
        Some(self.now - begin)
    }

    fn step(&mut self) {
        let Some(Reverse((at, number))) = self.queue.pop() else {
            return;
        };
        let Some(happening) = self.happenings.remove(&number) else {
            return;
        };
        self.now = at;
        match happening {
            Happening::To { node, what } => self.deliver(node, what),
            Happening::Knock {
                dial,
                from,
                to,
                life,
            } => self.knock(dial, from, to, life),
            Happening::Wake { node } => {
                let slot = &mut self.slots[node];
                if slot.wake == Some(at) {
                    slot.wake = None;
                }
                let due = slot
                    .node
                    .as_ref()
                    .and_then(Node::next_timeout)
                    .is_some_and(|due| due <= at);
                if due {
                    self.deliver(node, What::Timeout);
                } else {
                    self.plan_wake(node);
                }
            }
        }
    }

    fn deliver(&mut self, at: usize, what: What<N::Frame>) {
        let conn = match &what {
            What::Frame { conn, .. } | What::Down { conn } | What::Up { conn, .. } => Some(*conn),
            _ => None,
        };
        if let Some(id) = conn {
            // An end that closed, or was told, hears nothing more of it.
            let Some((connection, end)) = self.end(id, at) else {
                return;
            };
            if !connection.open[end] || (connection.cut && matches!(what, What::Frame { .. })) {
                return;
            }
            if matches!(what, What::Down { .. }) {
                connection.open[end] = false;
                self.sweep(id);
            }
        }
        let now = self.now;
        let Some(node) = self.slots[at].node.as_mut() else {
            return;
        };
        if self.trace {
            println!("{now:>12?} node {at}: {what:?}");
        }
        let steps = node.handle(what, now);
        self.apply(at, steps);
    }

    fn apply(&mut self, at: usize, steps: Vec<Step<N::Frame>>) {
        for step in steps {
            if self.trace {
                println!("{:>12?} node {at}   {step:?}", self.now);
            }
            match step {
                Step::Dial { dial, to } => self.dial(dial, at, to),
                Step::Send { conn, frame } => {
                    let arrives = self.now + self.latency();
                    let Some((connection, end)) = self.end(conn, at) else {
                        continue;
                    };
                    if connection.cut || !connection.open[end] {
                        continue;
                    }
                    let to = connection.ends[1 - end];
                    let last = &mut connection.last[1 - end];
                    *last = arrives.max(*last);
                    let arrives = *last;
                    self.plan(
                        arrives,
                        Happening::To {
                            node: to,
                            what: What::Frame { conn, frame },
                        },
                    );
                }
                Step::Close { conn } => self.close(conn, at),
                Step::Datagram { to, frame } => {
                    if self.slots[at].group == self.slots[to].group
                        && !self.rng.chance(self.link.loss)
                    {
                        for _ in 0..=u64::from(self.rng.chance(self.link.twice)) {
                            let arrives = self.now + self.latency();
                            let what = What::Datagram {
                                from: at,
                                frame: frame.clone(),
                            };
                            self.plan(arrives, Happening::To { node: to, what });
                        }
                    }
                }
            }
        }
        self.plan_wake(at);
    }

    fn dial(&mut self, dial: u64, from: usize, to: usize) {
        let life = self.slots[from].life;
        if self.slots[from].group != self.slots[to].group || self.rng.chance(self.link.loss) {
            let failed = Happening::To {
                node: from,
                what: What::DialFailed { dial },
            };
            self.plan(self.now + self.link.dial_timeout, failed);
            return;
        }
        for _ in 0..=u64::from(self.rng.chance(self.link.twice)) {
            let at = self.now + self.latency();
            self.plan(
                at,
                Happening::Knock {
                    dial,
                    from,
                    to,
                    life,
                },
            );
        }
    }

    fn knock(&mut self, dial: u64, from: usize, to: usize, life: u64) {
        if self.slots[from].life != life || self.slots[from].node.is_none() {
            return;
        }
        let back = self.now + self.latency();
        if self.slots[to].node.is_none() || self.slots[from].group != self.slots[to].group {
            self.plan(
                back,
                Happening::To {
                    node: from,
                    what: What::DialFailed { dial },
                },
            );
            return;
        }
        let conn = self.next_connection;
        self.next_connection += 1;
        let connection = Connection {
            ends: [from, to],
            open: [true; 2],
            last: [back, self.now],
            cut: false,
        };
        self.connections.insert(conn, connection);
        let what = What::Up {
            conn,
            with: to,
            dial: Some(dial),
        };
        self.plan(back, Happening::To { node: from, what });
        self.deliver(
            to,
            What::Up {
                conn,
                with: from,
                dial: None,
            },
        );
    }

    /// One end closes: the other is told, after all that was sent.
    fn close(&mut self, id: u64, at: usize) {
        let latency = self.latency();
        let now = self.now;
        let Some((connection, end)) = self.end(id, at) else {
            return;
        };
        if !std::mem::replace(&mut connection.open[end], false) {
            return;
        }
        let told = connection.last[1 - end].max(now + latency);
        if !connection.cut {
            self.tell_down(id, 1 - end, told);
        }
        self.sweep(id);
    }

    fn tell_down(&mut self, id: u64, end: usize, at: Now) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        // Never before the end knows of it.
        let (node, at) = (connection.ends[end], at.max(connection.last[end]));
        if connection.open[end] {
            self.plan(
                at,
                Happening::To {
                    node,
                    what: What::Down { conn: id },
                },
            );
        }
    }

    fn sweep(&mut self, id: u64) {
        if self
            .connections
            .get(&id)
            .is_some_and(|c| c.open == [false; 2])
        {
            self.connections.remove(&id);
        }
    }

    fn end(&mut self, id: u64, at: usize) -> Option<(&mut Connection, usize)> {
        let connection = self.connections.get_mut(&id)?;
        let end = connection.ends.iter().position(|end| *end == at)?;
        Some((connection, end))
    }

    fn latency(&mut self) -> Now {
        self.rng.between(self.link.latency.0, self.link.latency.1)
    }

    fn plan(&mut self, at: Now, happening: Happening<N::Frame>) {
        self.queue.push(Reverse((at, self.next_happening)));
        self.happenings.insert(self.next_happening, happening);
        self.next_happening += 1;
    }

    fn plan_wake(&mut self, node: usize) {
        let slot = &mut self.slots[node];
        let Some(due) = slot.node.as_ref().and_then(Node::next_timeout) else {
            return;
        };
        let due = due.max(self.now);
        if slot.wake.is_none_or(|wake| due < wake) {
            slot.wake = Some(due);
            self.plan(due, Happening::Wake { node });
        }
    }
}
