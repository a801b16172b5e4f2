/** For servers that must be told their port before they listen. */
import { createServer } from 'node:net';

/** Below the ports that Linux gives to outgoing connections and to `listen(0)` (32768…60999): nobody gets this one by chance meanwhile. */
const [first, count] = [10_000, 22_000];
/** Processes that look for ports at the same time begin at different ones. */
let next = process.pid * 16;

/** A port of 127.0.0.1 on which nothing listens, which this process was not told before. */
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
