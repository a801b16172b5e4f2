/** Allows one command at a time on a lab: two commands would make, or remove, the same links and processes. */
import { createServer } from 'node:net';
import { UsageError } from './system.ts';

/**
 * Runs a command while it holds the lock of the lab's name. The lock is an abstract socket (unix(7)). The kernel frees it when
 * the process ends, so a kill -9 leaves no lock behind.
 * @throws UsageError when another process holds it
 */
export async function withLabLock<T>(name: string, command: () => Promise<T>): Promise<T> {
  const lock = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    lock.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error);
      reject(new UsageError(`Another "up" or "down" works on the lab "${name}": wait until it has ended, then run this again.`));
    });
    lock.listen(`\0tinkernetes-lab-${name}`, resolve);
  });
  try {
    return await command();
  } finally {
    lock.close();
  }
}
