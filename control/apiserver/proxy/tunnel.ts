/** Two connections that have become one. */
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerLog } from '../serving/server-log.ts';

/** How long the other direction of a tunnel may take to end after the first. */
const lingerMs = 5_000;

/**
 * Joins two connections. When one is gone, what it said is flushed to the other, which gets a moment to end by itself; what that one
 * still says is read and dropped. A socket that is closed with bytes unread resets the connection, and the peer would lose the last
 * words (a WebSocket's close frame); so would it with `pipeline`, which destroys both as soon as one closes.
 */
export async function tunnel(client: Duplex, backend: Duplex, log?: ServerLog): Promise<void> {
  const gone = (from: Duplex, to: Duplex): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        to.end();
        to.unpipe(from);
        to.resume();
        resolve();
      };
      from.on('error', (error) => {
        log?.info({ err: error, side: from === client ? 'client' : 'backend' }, 'a stream broke off');
        from.destroy();
      });
      if (from.closed) return end();
      from.once('close', end);
      from.pipe(to);
    });
  const both = [gone(client, backend), gone(backend, client)];
  await Promise.race(both);
  const patience = new AbortController();
  await Promise.race([Promise.all(both), delay(lingerMs, undefined, { signal: patience.signal }).catch(() => undefined)]);
  patience.abort();
  client.destroy();
  backend.destroy();
}
