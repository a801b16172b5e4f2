/**
 * A thread that runs worlds, one after the other. It takes time and chance over, plants a defect where one is asked for, and only then loads
 * what is simulated.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { installHost } from './host.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './pool.ts';

// Half of a thread's start is the reading of the control plane's sources.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
if (parentPort === null) throw new Error('sim/worker.ts is the program of a worker thread: use sim/pool.ts');
const port = parentPort;
const { defect } = workerData as WorkerSettings;
if (defect !== undefined) (await import('./defects/plant.ts')).plant(defect);
const host = installHost();
const { layFoundation } = await import('./foundation.ts');
const { runWorld } = await import('./world.ts');
const from = await layFoundation(host);

port.on('message', ({ seed, follows }: ToWorker) => {
  const reader = follows ? (line: string): void => port.postMessage({ kind: 'line', line } satisfies FromWorker) : undefined;
  runWorld(host, { seed, from, reader }).then(
    (outcome) => port.postMessage({ kind: 'outcome', outcome } satisfies FromWorker),
    (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      port.postMessage({ kind: 'failed', seed, error: text } satisfies FromWorker);
    },
  );
});
port.postMessage({ kind: 'ready' } satisfies FromWorker);
