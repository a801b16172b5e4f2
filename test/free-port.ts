/** Finds free ports, for servers that must know their port before they listen. */
import { createServer } from 'node:net';

/**
 * Below the ports that Linux uses for outgoing connections and `listen(0)` (32768…60999), so that no other program gets this port
 * by chance.
 */
const [first, count] = [10_000, 22_000];
/** Processes that search at the same time begin at different ports. */
let next = process.pid * 16;

/** A port of 127.0.0.1 on which nothing listens and which this process has not returned before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + (next++ % count);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
