/** Threads that run worlds. Each has its own host, so worlds do not influence each other. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Outcome } from './world.ts';

/** Settings of a thread. */
export interface WorkerSettings {
  /** The name of the defect that is planted. */
  defect?: string | undefined;
}
/** A world to run. `follows`: send each line of its trace. */
export interface ToWorker {
  seed: string;
  follows: boolean;
}
export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'line'; line: string }
  | { kind: 'outcome'; outcome: Outcome }
  | { kind: 'failed'; seed: string; error: string };

/** One thread. */
export class SimulationThread {
  readonly #worker: Worker;
  readonly #ready: Promise<unknown>;

  constructor(settings: WorkerSettings = {}) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      name: 'simulation',
      execArgv: ['--no-warnings'],
      // Worlds create many short-lived objects.
      resourceLimits: { maxYoungGenerationSizeMb: 96 },
    });
    this.#ready = once(this.#worker, 'message');
  }

  /** @param reader gets each line of the trace. @throws Error when the world could not be run to its end */
  async run(seed: string, reader?: (line: string) => void): Promise<Outcome> {
    await this.#ready;
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const receive = (message: FromWorker): void => {
      if (message.kind === 'line') reader?.(message.line);
      else if (message.kind === 'outcome') resolve(message.outcome);
      else if (message.kind === 'failed') reject(new Error(`seed ${message.seed}: ${message.error}`));
    };
    this.#worker.on('message', receive).once('error', reject);
    try {
      this.#worker.postMessage({ seed, follows: reader !== undefined } satisfies ToWorker);
      return await promise;
    } finally {
      this.#worker.off('message', receive).off('error', reject);
    }
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Options of {@link runSeeds}. */
export interface RunOptions extends WorkerSettings {
  /** The number of threads to start, or the caller's own threads, which the caller stops. */
  threads: number | readonly SimulationThread[];
  /** Called for each world when it ends. Return true to start no further world. */
  ended: (outcome: Outcome) => boolean | void;
}

/** Runs worlds on several threads at a time until there are no more seeds. @throws Error when one could not be run */
export async function runSeeds(seeds: Iterable<string>, { threads, ended, defect }: RunOptions): Promise<void> {
  const next = seeds[Symbol.iterator]();
  let isEnough = false;
  const work = async (thread: SimulationThread): Promise<void> => {
    while (!isEnough) {
      const { value: seed, done } = next.next();
      if (done === true) return;
      if (ended(await thread.run(seed)) === true) isEnough = true;
    }
  };
  const made = typeof threads === 'number' ? Array.from({ length: threads }, () => new SimulationThread({ defect })) : [];
  try {
    await Promise.all((typeof threads === 'number' ? made : threads).map(work));
  } finally {
    await Promise.all(made.map((thread) => thread.stop()));
  }
}

/** The seeds `from`, `from` + 1, …, `count` of them. */
export function* seedsFrom(from: number, count: number): Generator<string> {
  for (let seed = from; seed < from + count; seed++) yield String(seed);
}
