/**
 * The HTTP/2 session of a transport, which is made again when it has ended.
 *
 * The states of the session. A request waits for `open`:
 *
 *     idle ──request──▶ connecting ──ok──▶ open ──goaway, error, silent──▶ idle
 *                           │ failed
 *                           ▼
 *                      backingOff (until) ──request──▶ connecting
 *
 * Source: client-go `transport` (ReadIdleTimeout, PingTimeout); connect-es `http2-session-manager.ts` for the shape.
 */
import * as http2 from 'node:http2';
import { type Clock, sleep } from './clock.ts';
import { TransportError } from './transport-error.ts';

/** The options of TLS connections. */
export interface Http2Options {
  /** PEM; absent: the system's authorities. */
  ca?: string | undefined;
  /** PEM of the client's certificate and key. */
  cert?: string | undefined;
  key?: string | undefined;
  /** Replaces `cert` and `key` when they change: called for each new connection. Undefined: there is no certificate now. */
  clientCertificate?: (() => { certificate: string; key: string } | undefined) | undefined;
  /** The name to verify in the server's certificate, if it is not the one in the URL. */
  tlsServerName?: string | undefined;
  insecureSkipTlsVerify?: boolean | undefined;
  /** Interval of pings while nothing is received. Default 15 s. */
  pingIntervalMs?: number | undefined;
  /** Time for the answer to a ping; without one, the session is closed. Default 10 s. */
  pingTimeoutMs?: number | undefined;
  connectTimeoutMs?: number | undefined;
}

type SessionState =
  | { kind: 'idle' }
  | { kind: 'connecting'; session: Promise<http2.ClientHttp2Session>; isStale?: true }
  | { kind: 'open'; session: http2.ClientHttp2Session }
  | { kind: 'backingOff'; untilMs: number }
  | { kind: 'closed' };

const firstBackOffMs = 50;
const maxBackOffMs = 2000;
/** Time that requests under way have before an abandoned session is closed. */
const drainMs = 10_000;

/** Keeps one session to the server. */
export class SessionKeeper {
  #state: SessionState = { kind: 'idle' };
  #failures = 0;
  readonly #url: URL;
  readonly #options: Http2Options;
  readonly #clock: Clock;

  constructor(url: URL, options: Http2Options, clock: Clock) {
    this.#url = url;
    this.#options = options;
    this.#clock = clock;
  }

  /** An open session. Concurrent callers share one attempt to connect. @throws TransportError when the attempt fails */
  async open(signal: AbortSignal | undefined): Promise<http2.ClientHttp2Session> {
    for (;;) {
      signal?.throwIfAborted();
      const state = this.#state;
      switch (state.kind) {
        case 'open':
          // A session that has received GOAWAY finishes its streams, but accepts no new ones.
          if (!state.session.closed && !state.session.destroyed) return state.session;
          this.#state = { kind: 'idle' };
          break;
        case 'connecting':
          return await state.session;
        case 'backingOff':
          await sleep(this.#clock, Math.max(0, state.untilMs - this.#clock.monotonic()), signal);
          if (this.#state === state) this.#state = { kind: 'idle' };
          break;
        case 'idle':
          this.#state = { kind: 'connecting', session: this.#connect() };
          break;
        case 'closed':
          throw new TransportError(`${this.#url.origin}: the transport is closed`);
      }
    }
  }

  close(): void {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    if (state.kind === 'open') state.session.destroy();
    // A session that is being opened is closed as soon as it is open. Its failure is ignored.
    if (state.kind === 'connecting')
      state.session.then(
        (session) => session.destroy(),
        () => undefined,
      );
  }

  /** A session that is being opened may use the old certificate: it serves only the requests that wait for it already. */
  reconnect(): void {
    const state = this.#state;
    if (state.kind === 'connecting') this.#state = { ...state, isStale: true };
    if (state.kind !== 'open') return;
    this.#state = { kind: 'idle' };
    this.#leave(state.session);
  }

  #leave(session: http2.ClientHttp2Session): void {
    if (!session.closed) session.close();
    const cancel = this.#clock.after(drainMs, () => session.destroy());
    session.once('close', cancel);
  }

  async #connect(): Promise<http2.ClientHttp2Session> {
    try {
      const session = await connect(this.#url, this.#options, this.#clock);
      this.#failures = 0;
      const state = this.#state;
      if (state.kind === 'connecting') this.#state = state.isStale === true ? { kind: 'idle' } : { kind: 'open', session };
      // Let the waiting requests be sent first.
      if (state.kind === 'connecting' && state.isStale === true) setImmediate(() => this.#leave(session));
      session.once('close', () => {
        if (this.#state.kind === 'open' && this.#state.session === session) this.#state = { kind: 'idle' };
      });
      keepAlive(session, this.#options, this.#clock);
      return session;
    } catch (error) {
      const delayMs = Math.min(maxBackOffMs, firstBackOffMs * 2 ** Math.min(this.#failures, 10));
      this.#failures += 1;
      if (this.#state.kind !== 'closed') this.#state = { kind: 'backingOff', untilMs: this.#clock.monotonic() + delayMs };
      throw error;
    }
  }
}

function connect(url: URL, options: Http2Options, clock: Clock): Promise<http2.ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const current = options.clientCertificate?.();
    const { cert, key } = current === undefined ? options : { cert: current.certificate, key: current.key };
    const session = http2.connect(url.origin, {
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
      ...(options.insecureSkipTlsVerify === true ? { rejectUnauthorized: false } : {}),
      // A list of thousands of objects should not wait for a window update every 64 KiB.
      settings: { initialWindowSize: 1 << 20, enablePush: false },
      maxSessionMemory: 64,
    });
    const fail = (error: Error): void => {
      cancel();
      if (!session.destroyed) session.destroy();
      reject(new TransportError(`${url.origin}: ${error.message}`, { cause: error }));
    };
    const timeoutMs = options.connectTimeoutMs ?? 10_000;
    const cancel = clock.after(timeoutMs, () => fail(new Error(`no connection within ${timeoutMs / 1000} s`)));
    // This handler stays. When the session is open, each stream gets its own error event.
    session.on('error', fail);
    // A server may also close without an error, right after its greeting.
    session.once('close', () => fail(new Error('the server closed the connection')));
    session.once('connect', () => {
      cancel();
      if (session.destroyed) return;
      // One slow watcher must not use up the flow control window that all streams share.
      session.setLocalWindowSize(64 << 20);
      resolve(session);
    });
  });
}

/** Detects a dead server or network while watches are silent: sends pings, and destroys the session when one is not answered. */
function keepAlive(session: http2.ClientHttp2Session, options: Http2Options, clock: Clock): void {
  const intervalMs = options.pingIntervalMs ?? 15_000;
  const timeoutMs = options.pingTimeoutMs ?? 10_000;
  let cancel = (): void => undefined;
  const gaveUp = (): void => {
    session.destroy(new TransportError(`the server did not answer a ping within ${timeoutMs / 1000} s`));
  };
  const ping = (): void => {
    if (session.destroyed || session.closed) return;
    cancel = clock.after(timeoutMs, gaveUp);
    session.ping((error) => {
      cancel();
      if (error === null) cancel = clock.after(intervalMs, ping);
    });
  };
  cancel = clock.after(intervalMs, ping);
  session.once('close', () => cancel());
}
