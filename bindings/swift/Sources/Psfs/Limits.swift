/// What rarely has to be set; nil is the default of the library.
public struct Limits: Hashable, Sendable {
    /// Largest content in bytes, sent or taken. Default 16 MiB.
    public var content: Int?
    /// Bytes of messages a peer may have on the way to handlers here. Default 1 MiB.
    public var messageWindow: Int?
    /// Bytes of replies on the way to one request here. Default 1 MiB.
    public var replyWindow: Int?
    /// Requests one peer may have open here. Default 1024.
    public var openRequests: Int?
    /// Events one subscription holds before broadcasts and seeks are dropped. Default 4096.
    public var queue: Int?
    /// Bytes of contents held in all. Default 256 MiB.
    public var memory: Int?
    /// Between how many sessions the satellite keeps by itself. Default 8 to 32.
    public var peers: ClosedRange<Int>?
    /// Connections in all, with ``connectionsPerIP``. Default 256.
    public var connections: Int?
    /// And from one IP address. Default 16.
    public var connectionsPerIP: Int?
    /// Threads of the satellite's own. Default 2.
    public var workerThreads: Int?
    /// Silence after which a peer is asked for a sign of life, with ``pingTimeout``. Default 15 s.
    public var pingInterval: Duration?
    /// And how long that may take. Default 10 s.
    public var pingTimeout: Duration?
    /// Largest value in bytes that is stored, fetched or kept in the DHT. Default 5 MB.
    public var maxItemSize: Int?
    /// Bytes of values kept for the DHT in all. Default 500 MB.
    public var maxStorageSize: Int?

    public init(
        content: Int? = nil,
        messageWindow: Int? = nil,
        replyWindow: Int? = nil,
        openRequests: Int? = nil,
        queue: Int? = nil,
        memory: Int? = nil,
        peers: ClosedRange<Int>? = nil,
        connections: Int? = nil,
        connectionsPerIP: Int? = nil,
        workerThreads: Int? = nil,
        pingInterval: Duration? = nil,
        pingTimeout: Duration? = nil,
        maxItemSize: Int? = nil,
        maxStorageSize: Int? = nil
    ) {
        self.content = content
        self.messageWindow = messageWindow
        self.replyWindow = replyWindow
        self.openRequests = openRequests
        self.queue = queue
        self.memory = memory
        self.peers = peers
        self.connections = connections
        self.connectionsPerIP = connectionsPerIP
        self.workerThreads = workerThreads
        self.pingInterval = pingInterval
        self.pingTimeout = pingTimeout
        self.maxItemSize = maxItemSize
        self.maxStorageSize = maxStorageSize
    }
}
