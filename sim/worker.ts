/**
 * A thread that runs worlds, one after the other. It first replaces time and random numbers and plants the defect, if one is requested, and
 * only then loads the simulated code.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { installHost } from './host.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './pool.ts';

// Reading the control plane's sources takes half of a thread's start, so cache the compiled code.
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
